//! Tests of `partial`: where a 206 belongs and what may be joined.

use super::*;
use crate::cache::test_support::{fields, stored};

#[test]
fn pieces_are_placed_by_what_came() {
    for (text, expected, reach) in [
        ("Content-Range: bytes 0-4/10\nContent-Length: 5", Some((0..5, 10)), None),
        ("Content-Range: bytes 0-4/10", Some((0..5, 10)), None),
        ("Content-Range: bytes 5-9/10\nContent-Length: 5", Some((5..10, 10)), None),
        // To the end, it says, but one byte short of it.
        ("Content-Range: bytes 4-9/10\nContent-Length: 5", Some((4..9, 10)), Some(9)),
        ("Content-Range: bytes 2-7/10\nContent-Length: 5", Some((2..7, 10)), None),
        ("Content-Range: bytes 0-4/10\nContent-Length: 6", None, None),
        ("Content-Range: bytes 0-4/10\nContent-Length: 0", None, None),
        ("Content-Range: bytes 0-4/10\nContent-Length: x", None, None),
        ("Content-Range: bytes 0-4/*", None, None),
        ("Content-Range: bytes 0-4/3", None, None),
        ("", None, None),
    ] {
        let piece = place(&fields(text));
        assert_eq!(piece.as_ref().map(|p| (p.bytes.clone(), p.total)), expected, "{text}");
        assert_eq!(piece.and_then(|p| p.reach()), reach, "{text}");
    }
}

#[test]
fn only_what_can_be_joined_is_asked_for() {
    let make = |text: &str| {
        let (object, _) = stored(&format!("Cache-Control: max-age=60\n{text}"));
        Stored { total: Some(10), ..object }
    };
    let strong = make("ETag: \"a\"");
    let asked = completion(&strong, &(5..10)).unwrap();
    assert_eq!(
        (&asked.range, &asked.if_range),
        (&"bytes=5-".parse().unwrap(), &"\"a\"".parse().unwrap())
    );
    assert_eq!(completion(&strong, &(2..5)).unwrap().range, "bytes=2-4");
    let mut headers = fields("If-None-Match: \"x\"\nRange: bytes=0-\nAccept: a");
    asked.apply(&mut headers);
    assert_eq!(headers, fields("Accept: a\nRange: bytes=5-\nIf-Range: \"a\""));

    assert!(completion(&make("Date: @0\nLast-Modified: @-100"), &(5..10)).is_some());
    for weak in ["", "ETag: W/\"a\"", "ETag: a", "Date: @0\nLast-Modified: @-10"] {
        assert_eq!(completion(&make(weak), &(5..10)), None, "{weak}");
    }
    assert_eq!(completion(&make("ETag: W/\"a\"\nDate: @0\nLast-Modified: @-100"), &(5..10)), None);
}

#[test]
fn pieces_of_another_version_do_not_join() {
    let (object, _) = stored("Cache-Control: max-age=60\nETag: \"a\"");
    let object = Stored { total: Some(10), ..object };
    let ok = StatusCode::PARTIAL_CONTENT;
    let piece =
        |tag: &str, range: &str| fields(&format!("ETag: {tag}\nContent-Range: bytes {range}"));
    assert_eq!(joins(&object, ok, &piece("\"a\"", "5-9/10")).unwrap().bytes, 5..10);
    assert_eq!(joins(&object, ok, &piece("\"b\"", "5-9/10")), None);
    assert_eq!(joins(&object, ok, &piece("W/\"a\"", "5-9/10")), None);
    assert_eq!(joins(&object, ok, &piece("\"a\"", "5-9/11")), None);
    assert_eq!(joins(&object, StatusCode::OK, &piece("\"a\"", "5-9/10")), None);
    let short = Stored { reach: Some(9), ..object };
    assert_eq!(joins(&short, ok, &piece("\"a\"", "5-9/10")), None);
}
