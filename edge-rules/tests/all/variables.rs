//! Every variable: with its value, and where it is missing.

use edge_rules::Sample;

use crate::kit::{NOW, effects, holds, worth};

fn full() -> Sample {
    let mut request = Sample::get("http://foo.bar.baz.com/a/b.html?x=1&_upt=%20&flag&empty=")
        .with_header("User-Agent", "Firefox")
        .with_header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
        .with_header("Cookie", "a=1; b=2")
        .with_header("Cookie", "c=3");
    request.client = "2001:db8::7".parse().unwrap();
    request.country = Some("HK".into());
    request.method = "POST".into();
    request.body = Some(b"p=1&q=%2F".to_vec());
    request
}

#[test]
fn each_has_its_value() {
    for (variable, value) in [
        ("$_IP", "2001:db8::7"),
        ("$_HOST", "foo.bar.baz.com"),
        ("$_HOST_1", "foo"),
        ("$_HOST_2", "bar"),
        ("$_HOST_4", "com"),
        ("$_GET_x", "1"),
        ("$_GET__upt", "%20"),
        ("$_GET_flag", ""),
        ("$_GET_empty", ""),
        ("$_POST_p", "1"),
        ("$_POST_q", "%2F"),
        ("$_HEADER_user_agent", "Firefox"),
        ("$_HEADER_User_Agent", "Firefox"),
        ("$_COOKIE_b", "2"),
        ("$_COOKIE_c", "3"),
        ("$_URI", "/a/b.html"),
        ("$_QUERY", "x=1&_upt=%20&flag&empty="),
        ("$_METHOD", "POST"),
        ("$_SCHEME", "http"),
        ("$_BODY", "p=1&q=%2F"),
        ("$_GEOIP_COUNTRY_CODE", "HK"),
    ] {
        assert_eq!(worth(variable, &full()), value, "{variable}");
    }
    assert_eq!(worth("$_TIME", &full()), NOW.to_string());
}

#[test]
fn each_may_be_missing() {
    let bare = Sample::get("localhost/");
    for variable in [
        "$_HOST_2",
        "$_GET_x",
        "$_POST_p",
        "$_HEADER_user_agent",
        "$_COOKIE_a",
        "$_QUERY",
        "$_BODY",
        "$_GEOIP_COUNTRY_CODE",
    ] {
        assert!(holds(&format!("$NOT({variable})"), &bare), "{variable}");
    }
    let mut no_form = full();
    no_form.headers.retain(|(name, _)| name != "content-type");
    assert!(holds("$NOT($_POST_p)", &no_form));
}

#[test]
fn random_text_is_as_long_as_asked_and_new_each_time() {
    let random = worth("$_RANDOM", &full());
    assert_eq!(random.len(), 8);
    assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(worth("$_RANDOM_32", &full()).len(), 32);
    let two = worth("$_RANDOM_16'-'$_RANDOM_16", &full());
    let (first, second) = two.split_once('-').unwrap();
    assert_ne!(first, second);
}

#[test]
fn groups_of_a_pattern_that_does_not_match_are_missing() {
    let rules = [("^/(a)/(z)?", "$ADD_REQ_HEADER(A,$1)$ADD_REQ_HEADER(B,$2)")];
    assert_eq!(effects(&rules, &full()), ["ask + a: a"]);
    assert_eq!(effects(&rules, &Sample::get("a.example/")), [""; 0]);
}
