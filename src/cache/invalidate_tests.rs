//! Tests of `invalidate`: which URLs an unsafe method makes old.

use super::*;
use crate::cache::test_support::fields;
use crate::header::present::Present;
use proptest::prelude::*;

fn ask<'a>(method: &'a Method, headers: &'a HeaderMap) -> Request<'a> {
    Request {
        method,
        scheme: "https",
        host: "Example.com",
        path: "/a/b",
        query: Some("q=1"),
        headers,
        present: Present::of(headers),
    }
}

#[test]
fn references_are_resolved_on_the_same_origin_only() {
    let none = HeaderMap::new();
    let request = ask(&Method::POST, &none);
    for (reference, expected) in [
        ("", Some("/a/b?q=1")),
        ("/x", Some("/x")),
        ("x", Some("/a/x")),
        ("../x/./y?z#f", Some("/x/y?z")),
        ("../../../x", Some("/x")),
        ("..", Some("/")),
        (".", Some("/a/")),
        ("?r=2", Some("/a/b?r=2")),
        ("https://example.com/x", Some("/x")),
        ("https://EXAMPLE.com:443/x", Some("/x")),
        ("https://example.com", Some("/")),
        ("https://example.com?x", Some("/?x")),
        ("//example.com/x", Some("/x")),
        ("http://example.com/x", None),
        ("https://example.com:8443/x", None),
        ("https://example.org/x", None),
        ("//example.org/x", None),
        ("https:x", None),
        ("mailto:x@y", None),
    ] {
        assert_eq!(same_origin(&request, reference).as_deref(), expected, "{reference}");
    }
}

#[test]
fn unsafe_methods_that_succeed_outdate_their_targets() {
    let none = HeaderMap::new();
    let response = fields("Location: /l\nContent-Location: /c\nLocation: https://elsewhere/");
    let search = Method::from_bytes(b"M-SEARCH").unwrap();
    let query = Method::from_bytes(b"QUERY").unwrap();
    for (method, status, count) in [
        (&Method::POST, 200, 3),
        (&Method::PUT, 201, 3),
        (&Method::DELETE, 204, 3),
        (&Method::PATCH, 303, 3),
        (&search, 200, 3),
        (&Method::POST, 500, 0),
        (&Method::POST, 404, 0),
        (&Method::GET, 200, 0),
        (&Method::OPTIONS, 200, 0),
        (&query, 200, 0),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let found = invalidates(&ask(method, &none), status, &response);
        assert_eq!(found.len(), count, "{method} {status}");
        assert!(found.is_empty() || found == ["/a/b?q=1", "/l", "/c"]);
    }
}

proptest! {
    #[test]
    fn no_reference_upsets_the_resolver(reference in "\\PC{0,30}") {
        let none = HeaderMap::new();
        if let Some(target) = same_origin(&ask(&Method::POST, &none), &reference) {
            prop_assert!(target.starts_with('/'));
        }
    }

    #[test]
    fn dots_never_survive(path in "(/(\\.|\\.\\.|a|)){0,6}") {
        let plain = without_dots(&path);
        prop_assert!(plain.split('/').all(|segment| segment != "." && segment != ".."), "{}", plain);
    }
}
