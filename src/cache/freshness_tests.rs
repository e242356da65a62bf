//! Tests of `freshness`: which field decides, and the arithmetic of age.

use super::*;
use crate::cache::Policy;
use crate::cache::settings::{CustomRule, DefaultTtl, Settings};
use crate::cache::test_support::{NOW, ask, fields};
use crate::quantity::Span;

/// The lifetimes of a response that came `delay` milliseconds after it was asked for.
fn reckon(policy: &Policy, status: u16, response: &str, path: &str, delay: u64) -> Lifetimes {
    let headers = fields(response);
    let none = HeaderMap::new();
    Received {
        policy,
        request: &Request { path, ..ask(&none) },
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        control: &Control::of(&headers),
        estimate: true,
        request_time: Timestamp(NOW.0 - delay),
        response_time: NOW,
    }
    .lifetimes(false)
}

fn left(policy: &Policy, status: u16, response: &str, path: &str) -> (u64, Source) {
    let found = reckon(policy, status, response, path, 0);
    (found.fresh.saturating_sub(found.corrected_initial_age).as_secs(), found.source)
}

#[test]
fn the_origin_decides() {
    use ControlField::{CacheControl, Cdn};
    let policy = Policy::default();
    for (response, seconds, source) in [
        ("Cache-Control: max-age=60", 60, Source::MaxAge(CacheControl)),
        ("Cache-Control: max-age=1, s-maxage=60", 60, Source::SharedMaxAge(CacheControl)),
        (
            "Cache-Control: max-age=60, s-maxage=0\nExpires: @99",
            0,
            Source::SharedMaxAge(CacheControl),
        ),
        ("Cache-Control: max-age=60\nExpires: @-9\nDate: @0", 60, Source::MaxAge(CacheControl)),
        ("Cache-Control: max-age=0\nExpires: @99", 0, Source::MaxAge(CacheControl)),
        ("Cache-Control: max-age=-1\nExpires: @99", 0, Source::MaxAge(CacheControl)),
        ("Expires: @60\nDate: @0", 60, Source::Expires),
        ("Expires: @60", 60, Source::Expires),
        ("Expires: @60\nDate: foo", 60, Source::Expires),
        ("Expires: @0\nDate: @0", 0, Source::Expires),
        ("Expires: @300\nDate: @400", 0, Source::Expires),
        ("Expires: 0\nDate: @0\nLast-Modified: @-9999", 0, Source::Expires),
        ("Expires: @10\nDate: @-10\nAge: 25", 0, Source::Expires),
        ("Expires: @20\nDate: @10\nAge: 15", 0, Source::Expires),
        ("Cache-Control: max-age=60\nDate: @-20", 40, Source::MaxAge(CacheControl)),
        ("Cache-Control: max-age=60\nDate: @-20\nAge: 30", 30, Source::MaxAge(CacheControl)),
        ("Cache-Control: max-age=60\nAge: abc", 0, Source::InvalidAge),
        (
            "CDN-Cache-Control: max-age=60\nCache-Control: no-store\nExpires: 0",
            60,
            Source::MaxAge(Cdn),
        ),
        ("CDN-Cache-Control: max-age=0\nExpires: @99", 0, Source::MaxAge(Cdn)),
        ("", 0, Source::Nothing),
    ] {
        assert_eq!(left(&policy, 200, response, "/"), (seconds, source), "{response}");
    }
}

#[test]
fn a_tenth_of_the_time_since_the_last_change() {
    let policy = Policy::default();
    for (status, response, seconds) in [
        (200, "Date: @0\nLast-Modified: @-1000", 100),
        (404, "Date: @0\nLast-Modified: @-1000", 100),
        (200, "Date: @0\nLast-Modified: @-99999999", 86_400),
        (200, "Date: @0\nLast-Modified: @5", 0),
        (201, "Date: @0\nLast-Modified: @-1000", 0),
        (503, "Date: @0\nLast-Modified: @-1000", 0),
        (599, "Date: @0\nLast-Modified: @-1000", 0),
        (599, "Date: @0\nLast-Modified: @-1000\nCache-Control: public", 100),
    ] {
        assert_eq!(left(&policy, status, response, "/").0, seconds, "{status} {response}");
    }
    let off = Policy::new(&Settings { heuristic_percent: 0, ..Settings::default() });
    assert_eq!(left(&off, 200, "Last-Modified: @-1000", "/"), (0, Source::Nothing));
    let headers = fields("Last-Modified: @-1000");
    let cookie = fields("Cookie: a=1");
    let received = Received {
        policy: &policy,
        request: &ask(&cookie),
        status: StatusCode::OK,
        headers: &headers,
        control: &Control::of(&headers),
        estimate: may_estimate(&ask(&cookie)),
        request_time: NOW,
        response_time: NOW,
    };
    assert_eq!(received.lifetimes(false).source, Source::Nothing);
}

#[test]
fn the_site_decides_before_and_after_the_origin() {
    let rule = |path: &str, seconds, status: &[&str]| CustomRule {
        path: path.into(),
        ttl: Span::seconds(seconds),
        status: status.iter().map(|text| text.parse().unwrap()).collect(),
        force: false,
    };
    let default = |status: &str, seconds| DefaultTtl {
        status: vec![status.parse().unwrap()],
        ttl: Span::seconds(seconds),
    };
    let policy = Policy::new(&Settings {
        rules: vec![
            rule("/*.(jpg,css)", 100, &[]),
            rule("/api/*?v", 200, &["404"]),
            rule("/api/*", 300, &[]),
        ],
        default_ttl: vec![default("301", 20), default("200-399", 80)],
        max_negative: Some(Span::seconds(10)),
        ..Settings::default()
    });
    let public = "Cache-Control: max-age=7";
    for (status, response, path, seconds) in [
        (200, public, "/a.jpg", 100),
        (200, "Cache-Control: max-age=7\nAge: 50\nDate: @-50", "/a.jpg", 100),
        (200, "Age: abc", "/a.jpg", 100),
        (404, public, "/a.jpg", 7),
        (200, public, "/b", 7),
        (200, public, "/api/x", 300),
        (200, "Content-Type: image/png", "/b", 80),
        (301, "Content-Type: image/png", "/b", 20),
        (200, "Content-Type: application/json", "/b", 0),
        (200, "Content-Type: text/html", "/b.js", 0),
        (404, "Content-Type: image/png", "/b", 0),
        (404, "Cache-Control: max-age=99", "/b", 10),
        // A page dressed up as a file is no file.
        (200, "Content-Type: text/html\nCache-Control: max-age=7", "/me/x.css", 7),
        (200, public, "/me;x.css", 7),
        (200, public, "/me%2Fx.css", 7),
    ] {
        assert_eq!(left(&policy, status, response, path).0, seconds, "{status} {response} {path}");
    }
}

#[test]
fn the_figures_can_be_shown() {
    let policy = Policy::default();
    let text =
        "Cache-Control: max-age=60, s-maxage=90, stale-while-revalidate=5\nAge: 4\nDate: @-9";
    let found = reckon(&policy, 200, text, "/", 1500);
    assert_eq!(found.corrected_initial_age, Duration::from_secs(9));
    assert_eq!(
        found.to_string(),
        "lifetime 90s by Cache-Control s-maxage; age on arrival 9s = max(apparent age 9s, \
         Age 4s + delay 1.5s); stale-while-revalidate 5s (refused: s-maxage)"
    );
    let slow = reckon(&policy, 200, "Cache-Control: max-age=60\nAge: 4\nDate: @0", "/", 1500);
    assert_eq!(slow.corrected_initial_age, Duration::from_millis(5500));
    assert_eq!(slow.age(NOW, NOW.plus(Duration::from_secs(10))), Duration::from_millis(15_500));
}

#[test]
fn an_answer_that_is_stale_on_arrival_is_not_shared() {
    let policy = Policy::default();
    for (response, shared) in [
        ("Cache-Control: max-age=60", true),
        ("Cache-Control: max-age=0", false),
        ("Cache-Control: max-age=60, no-cache", false),
        ("Cache-Control: max-age=60, no-cache=\"a\"", true),
        ("Cache-Control: max-age=60\nAge: 60", false),
        ("ETag: \"a\"", false),
    ] {
        assert_eq!(reckon(&policy, 200, response, "/", 0).is_shareable(), shared, "{response}");
    }
}
