//! Tests of `cache_control`: what directives are read from which text.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn response(lines: &[&'static str]) -> Directives {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
    }
    Directives::parse(&headers)
}

fn request(line: &'static str) -> Wishes {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(line));
    Wishes::parse(&headers)
}

#[test]
fn lifetimes_are_read_with_care() {
    use Delta::{Invalid, Seconds};
    for (line, max_age) in [
        ("max-age=3600", Some(Seconds(3600))),
        ("MaX-aGe=3600", Some(Seconds(3600))),
        ("max-age=003600", Some(Seconds(3600))),
        ("max-age=\"3600\"", Some(Seconds(3600))),
        ("max-age=99999999999", Some(Seconds(MAX_SECONDS))),
        ("max-age=99999999999999999999999999", Some(Seconds(MAX_SECONDS))),
        ("foobar, max-age=1, a=b", Some(Seconds(1))),
        ("extension=\"max-age=3600\", max-age=1", Some(Seconds(1))),
        ("max-age=1, extension=\"max-age=3600\"", Some(Seconds(1))),
        ("max-age=1800, max-age=1", Some(Seconds(1800))),
        ("max-age='3600'", Some(Invalid)),
        ("max-age=-3600", Some(Invalid)),
        ("max-age=3600.0", Some(Invalid)),
        ("max-age=3600a", Some(Invalid)),
        ("max-age =3600", Some(Invalid)),
        ("max-age= 3600", Some(Invalid)),
        ("max-age=", Some(Invalid)),
        ("max-age", Some(Invalid)),
        ("xmax-age=1", None),
    ] {
        assert_eq!(response(&[line]).max_age, max_age, "{line}");
    }
    let lines = response(&["max-age=60", "s-maxage=1"]);
    assert_eq!((lines.max_age, lines.s_maxage), (Some(Seconds(60)), Some(Seconds(1))));
}

#[test]
fn a_prohibition_with_an_odd_argument_still_prohibits() {
    assert!(response(&["No-StOrE"]).no_store && response(&["no-store=1"]).no_store);
    let one = Reach::Fields(vec![HeaderName::from_static("a")]);
    for (line, reach) in [
        ("private", Reach::Whole),
        ("private=\"a\"", one.clone()),
        ("private=a", Reach::Whole),
        ("private=\"\"", Reach::Whole),
        ("private=\"a, @\"", Reach::Whole),
        ("private=\"a\", private", Reach::Whole),
        ("private, private=\"a\"", Reach::Whole),
        ("public", Reach::Nothing),
    ] {
        assert_eq!(response(&[line]).private, reach, "{line}");
    }
    assert_eq!(response(&["no-cache=\"a, b\"", "max-age=1"]).no_cache.fields().len(), 2);
    assert!(!response(&["public=1, immutable=x"]).public);
}

#[test]
fn wishes_of_a_client() {
    assert!(request("no-cache").no_cache && request("No-Store").no_store);
    assert_eq!(request("max-stale").max_stale, Some(MAX_SECONDS));
    assert_eq!(request("max-stale=x").max_stale, None);
    assert_eq!(request("max-age=x").max_age, Some(0));
    assert_eq!(request("min-fresh=5, max-age=7").min_fresh, Some(5));
    assert!(request("only-if-cached").only_if_cached);

    let mut headers = HeaderMap::new();
    headers.insert(PRAGMA, HeaderValue::from_static("foo, No-Cache"));
    assert!(Wishes::parse(&headers).no_cache);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("anything"));
    assert!(!Wishes::parse(&headers).no_cache, "Cache-Control silences Pragma");
}

proptest! {
    #[test]
    fn no_value_upsets_the_parser(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value);
            Directives::parse(&headers);
            Wishes::parse(&headers);
        }
    }

    #[test]
    fn no_store_is_seen_among_anything_unquoted(junk in "[a-z=, ]{0,20}") {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_str(&format!("{junk}, no-store")).unwrap());
        prop_assert!(Directives::parse(&headers).no_store);
    }
}
