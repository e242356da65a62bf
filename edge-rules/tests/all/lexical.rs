//! How the text of a rule is read.

use edge_rules::Sample;

use crate::kit::{effect, effects, worth};

#[test]
fn the_documented_checks_hold() {
    for (rule, path) in [
        ("/foo/'$_HOST'", "/foo/$_HOST"),
        ("/foo/bar\\,", "/foo/bar,"),
        ("/foo/'$\\\\,\\''", "/foo/$\\,'"),
    ] {
        assert_eq!(effect(rule, "a.example/"), [format!("rewrite {path}")]);
    }
}

#[test]
fn white_space_falls_away_but_in_quotes() {
    let request = Sample::get("a.example/x");
    assert_eq!(worth(" a b\n\tc ", &request), "abc");
    assert_eq!(worth("' a b '", &request), " a b ");
    assert_eq!(worth("$LOWER ( A\n, ignored )", &request), "a");
}

#[test]
fn things_side_by_side_are_one_text() {
    let request = Sample::get("a.example/x?t=1");
    assert_eq!(worth("'abc'$_GET_t$_URI", &request), "abc1/x");
    assert_eq!(worth("https://$_HOST$_URI", &request), "https://a.example/x");
    assert_eq!(worth("?$_QUERY", &request), "?t=1");
    assert_eq!(worth("'a''b'c\\$\\(\\)\\'\\\\", &request), "abc$()'\\");
}

#[test]
fn a_name_ends_where_no_letter_of_names_follows() {
    let request = Sample::get("a.example/x?_upt=9");
    assert_eq!(worth("$_URI!nrimg", &request), "/x!nrimg");
    assert_eq!(worth("$_URI.html", &request), "/x.html");
    assert_eq!(worth("$_GET__upt", &request), "9");
}

#[test]
fn a_dot_behind_a_group_is_one_unless_a_digit_follows() {
    let request = Sample::get("a.example/x/y");
    assert_eq!(effects(&[("/(\\w)/", "/$1.html")], &request), ["rewrite /x.html"]);
    assert_eq!(effects(&[("/(\\w)/", "/$1'.2'")], &request), ["rewrite /x.2"]);
    assert_eq!(effects(&[("", "$CAPTURE($_URI, '/(y)')/$1.1")], &request), ["rewrite /y"]);
}

#[test]
fn the_end_of_a_rule_may_be_a_break() {
    let rules = [("", "/a $$"), ("", "/b")];
    assert_eq!(effects(&rules, &Sample::get("a.example/")), ["rewrite /a"]);
}

#[test]
fn other_letters_are_text() {
    assert_eq!(worth("你好", &Sample::get("a.example")), "你好");
    assert_eq!(effect("/é", "a.example"), ["rewrite /%C3%A9"]);
}
