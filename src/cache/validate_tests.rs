//! Tests of `validate`: the question to the origin and what its answer changes.

use super::*;
use crate::cache::test_support::{NOW, ask, fields, stored, stored_by};
use std::time::Duration;

fn later() -> Timestamp {
    NOW.plus(Duration::from_secs(10))
}

fn confirm(response: &str, news: &str) -> Updated {
    let policy = Policy::default();
    let (object, _) = stored(response);
    let none = fields("");
    updated(&policy, &ask(&none), &object, &fields(news), later(), later())
}

#[test]
fn the_question_carries_the_stored_validators_alone() {
    for (response, expected) in [
        ("ETag: \"a\"", "If-None-Match: \"a\""),
        ("ETag: W/\"a\"", "If-None-Match: W/\"a\""),
        ("ETag: a", "If-None-Match: a"),
        ("Last-Modified: @-100", "If-Modified-Since: @-100"),
        ("ETag: \"a\"\nLast-Modified: @-100", "If-None-Match: \"a\"\nIf-Modified-Since: @-100"),
        ("Last-Modified: soon", ""),
        ("", ""),
    ] {
        let (object, _) = stored(&format!("Cache-Control: max-age=1\n{response}"));
        let mut headers =
            fields("If-None-Match: \"c\"\nIf-Match: *\nRange: bytes=1-\nIf-Range: \"c\"\nA: 1");
        assert_eq!(conditional_headers(&object, &mut headers), !expected.is_empty(), "{response}");
        assert_eq!(headers, fields(&format!("A: 1\n{expected}")), "{response}");
    }
}

#[test]
fn a_304_replaces_what_it_has_but_not_what_describes_the_bytes() {
    let old = "Cache-Control: max-age=2\nETag: \"a\"\nA: 1\nB: 1\nContent-Length: 5\nContent-Type: x/y\n\
        Content-Encoding: gzip\nContent-Range: junk\nContent-MD5: old\nDate: @0\nAge: 1";
    let news = "Cache-Control: max-age=60\nETag: \"b\"\nB: 2\nB: 3\nContent-Length: 0\nContent-Type: x/z\n\
        Content-Encoding: br\nContent-Range: more\nContent-MD5: new\nDate: @9\nConnection: x\nX: 1\n\
        Set-Cookie: s=1";
    let found = confirm(old, news);
    let expected = "Cache-Control: max-age=60\nETag: \"a\"\nA: 1\nB: 2\nB: 3\nContent-Length: 5\n\
        Content-Type: x/z\nContent-Encoding: gzip\nContent-Range: junk\nContent-MD5: old\nDate: @9";
    assert_eq!(found.stored.headers, fields(expected));
    assert_eq!(found.once, fields("Set-Cookie: s=1"));
    assert_eq!(found.drop, None);
    let lifetimes = found.stored.lifetimes;
    assert_eq!((lifetimes.fresh.as_secs(), lifetimes.age_value.as_secs()), (60, 0));
    assert_eq!(found.stored.response_time, later());
    assert_eq!(found.stored.object_id, 1);
}

#[test]
fn a_304_that_says_little_still_renews() {
    let found =
        confirm("Brink-Cache-Control: max-age=7\nCache-Control: max-age=2\nETag: \"a\"", "");
    assert_eq!(found.stored.lifetimes.fresh.as_secs(), 7, "the hidden field still counts");
    assert_eq!(found.stored.lifetimes.corrected_initial_age, Duration::ZERO);
    assert!(!found.stored.headers.contains_key("brink-cache-control"));
    assert_eq!(found.stored.headers.get("date"), Some(&date::format(later())));
}

#[test]
fn a_304_may_end_the_life_of_what_it_confirms() {
    let old = "Cache-Control: max-age=2\nETag: \"a\"\nVary: A";
    for (news, expected) in [
        ("Vary: A", None),
        ("Vary: a", None),
        ("Vary: A, B", Some(Reason::VaryChanged)),
        ("Vary: *", Some(Reason::VaryChanged)),
        ("Cache-Control: no-store", Some(Reason::NoStore)),
        ("Cache-Control: private", Some(Reason::Private)),
        ("Cache-Control: no-cache", None),
    ] {
        assert_eq!(confirm(old, news).drop, expected, "{news}");
    }
}

#[test]
fn heads_refresh_or_outdate() {
    let policy = Policy::default();
    let none = fields("");
    let (object, _) =
        stored_by(&policy, "Cache-Control: max-age=2\nETag: \"a\"\nLast-Modified: @-9\nT: 1");
    let object = Stored { total: Some(5), ..object };
    for (status, news, expected) in [
        (200, "Cache-Control: max-age=60\nT: 2", "update"),
        (200, "ETag: \"a\"\nContent-Length: 5\nLast-Modified: @-9", "update"),
        (200, "ETag: \"b\"", "outdated"),
        (200, "Last-Modified: @-8", "outdated"),
        (200, "Content-Length: 6", "outdated"),
        (410, "T: 2", "outdated"),
        (503, "", "nothing"),
        (304, "", "nothing"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let times = (later(), later());
        let found = match head_effect(&policy, &ask(&none), &object, status, &fields(news), times) {
            HeadEffect::Update(update) => {
                assert_eq!(update.stored.total, Some(5));
                "update"
            }
            HeadEffect::Outdated => "outdated",
            HeadEffect::Nothing => "nothing",
        };
        assert_eq!(found, expected, "{status} {news}");
    }
    let judged = crate::cache::judge(&policy, &ask(&none), &object.outdated(), NOW);
    assert_eq!(judged.reuse, crate::cache::Reuse::Revalidate);
}

#[test]
fn the_same_bytes_need_strong_proof() {
    for (one, two, expected) in [
        ("ETag: \"a\"", "ETag: \"a\"", true),
        ("ETag: \"a\"", "ETag: \"b\"", false),
        ("ETag: W/\"a\"", "ETag: W/\"a\"", false),
        ("ETag: \"a\"", "", false),
        ("Date: @0\nLast-Modified: @-100", "Date: @5\nLast-Modified: @-100", true),
        ("Date: @0\nLast-Modified: @-100", "Date: @5\nLast-Modified: @-99", false),
        ("Date: @0\nLast-Modified: @-1", "Date: @99\nLast-Modified: @-1", false),
        ("ETag: W/\"a\"\nDate: @0\nLast-Modified: @-100", "Date: @0\nLast-Modified: @-100", false),
        ("", "", false),
    ] {
        assert_eq!(same_bytes(&fields(one), &fields(two)), expected, "{one} | {two}");
        assert_eq!(same_bytes(&fields(two), &fields(one)), expected, "{two} | {one}");
    }
}

#[test]
fn an_estimate_outlives_a_confirmation_asked_for_with_cookies() {
    let policy = Policy::default();
    let (object, _) = stored("Date: @0\nLast-Modified: @-1000");
    let cookie = fields("Cookie: a=1");
    let found = updated(&policy, &ask(&cookie), &object, &fields(""), later(), later());
    assert_eq!(found.stored.lifetimes.fresh.as_secs(), 101);
}
