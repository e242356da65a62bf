//! Tests of `reuse`: what may be served and why.

use super::*;
use crate::cache::settings::{ClientDirectives, Settings};
use crate::cache::test_support::{ask, fields, stored_by};
use crate::quantity::Span;

/// Judges what came with `response` after `seconds`, for a request with these fields.
fn at(settings: &Settings, response: &str, request: &str, seconds: u64) -> (Reuse, Reason) {
    let policy = Policy::new(settings);
    let (stored, start) = stored_by(&policy, response);
    let headers = fields(request);
    let now = start.plus(Duration::from_secs(seconds));
    let found = judge(&policy, &ask(&headers), &stored, now);
    (found.reuse, found.reason)
}

#[test]
fn freshness_decides_and_prohibitions_are_named() {
    use Reuse::{Fresh, Revalidate, StaleWhileRevalidate};
    let settings = Settings::default();
    for (control, seconds, expected) in [
        ("max-age=10", 9, (Fresh, Reason::Fresh)),
        ("max-age=10", 10, (Revalidate, Reason::Expired)),
        (
            "max-age=10, stale-while-revalidate=5",
            14,
            (StaleWhileRevalidate, Reason::StaleWhileRevalidate),
        ),
        ("max-age=10, stale-while-revalidate=5", 15, (Revalidate, Reason::Expired)),
        ("s-maxage=10, stale-while-revalidate=5", 12, (Revalidate, Reason::SharedMaxAge)),
        (
            "max-age=10, must-revalidate, stale-while-revalidate=5",
            12,
            (Revalidate, Reason::MustRevalidate),
        ),
        (
            "max-age=10, proxy-revalidate, stale-while-revalidate=5",
            12,
            (Revalidate, Reason::ProxyRevalidate),
        ),
        ("s-maxage=10", 12, (Revalidate, Reason::Expired)),
        ("max-age=10, no-cache", 1, (Revalidate, Reason::NoCache)),
        ("max-age=10, no-cache, stale-while-revalidate=5", 12, (Revalidate, Reason::NoCache)),
    ] {
        let response = format!("Cache-Control: {control}\nETag: \"a\"");
        assert_eq!(at(&settings, &response, "", seconds), expected, "{control} after {seconds}");
    }
    let targeted =
        "CDN-Cache-Control: max-age=10, stale-while-revalidate=5\nCache-Control: s-maxage=1";
    assert_eq!(at(&settings, targeted, "", 12).0, StaleWhileRevalidate);
}

#[test]
fn the_site_may_allow_what_s_maxage_implies_but_not_what_must_revalidate_says() {
    let settings =
        Settings { stale_while_revalidate: Some(Span::seconds(5)), ..Settings::default() };
    let judge = |control: &str| at(&settings, &format!("Cache-Control: {control}"), "", 12).1;
    assert_eq!(judge("max-age=10"), Reason::StaleWhileRevalidate);
    assert_eq!(judge("s-maxage=10"), Reason::StaleWhileRevalidate);
    assert_eq!(judge("max-age=10, must-revalidate"), Reason::MustRevalidate);
    assert_eq!(judge("max-age=10, proxy-revalidate"), Reason::ProxyRevalidate);
}

#[test]
fn clients_are_heard_as_far_as_the_site_says() {
    use Reason::*;
    let with = |client_directives| Settings { client_directives, ..Settings::default() };
    let (all, cheap) = (with(ClientDirectives::All), with(ClientDirectives::Cheap));
    let none = with(ClientDirectives::None);
    for (settings, control, request, seconds, expected) in [
        (&all, "max-age=10", "Cache-Control: no-cache", 1, ClientNoCache),
        (&all, "max-age=10", "Pragma: no-cache", 1, ClientNoCache),
        (&all, "max-age=10, immutable", "Cache-Control: no-cache", 1, ClientNoCache),
        (&all, "max-age=10", "Cache-Control: max-age=0", 1, ClientMaxAge),
        (&all, "max-age=10", "Cache-Control: max-age=1", 1, Fresh),
        (&all, "max-age=10, immutable", "Cache-Control: max-age=0", 1, Fresh),
        (&all, "max-age=10, immutable", "Cache-Control: max-age=0", 11, ClientMaxAge),
        (&all, "max-age=10", "Cache-Control: min-fresh=5", 4, Fresh),
        (&all, "max-age=10", "Cache-Control: min-fresh=7", 4, ClientMinFresh),
        (&all, "max-age=10", "Cache-Control: max-stale=5", 15, ClientMaxStale),
        (&all, "max-age=10", "Cache-Control: max-stale=5", 16, Expired),
        (&all, "max-age=10", "Cache-Control: max-stale", 999, ClientMaxStale),
        (&all, "max-age=10, must-revalidate", "Cache-Control: max-stale", 12, MustRevalidate),
        (&all, "s-maxage=10", "Cache-Control: max-stale", 12, SharedMaxAge),
        (&all, "max-age=10, proxy-revalidate", "Cache-Control: max-stale", 12, ProxyRevalidate),
        (&cheap, "max-age=10", "Cache-Control: no-cache", 1, Fresh),
        (&cheap, "max-age=10", "Cache-Control: max-age=0", 1, Fresh),
        (&cheap, "max-age=10", "Cache-Control: max-stale", 12, ClientMaxStale),
        (&none, "max-age=10", "Cache-Control: max-stale", 12, Expired),
    ] {
        let response = format!("Cache-Control: {control}");
        assert_eq!(at(settings, &response, request, seconds).1, expected, "{control} | {request}");
    }
}

#[test]
fn errors_allow_stale_answers_only_with_leave() {
    let plain = Settings::default();
    let site = Settings { stale_if_error: Some(Span::seconds(60)), ..Settings::default() };
    let offline = Settings { offline: true, ..Settings::default() };
    let status = |code: u16| Failure::Status(StatusCode::from_u16(code).unwrap());
    let leave = Some(Reason::StaleIfError);
    for (settings, control, request, failure, expected) in [
        (&plain, "max-age=2", "", Failure::Unreachable, None),
        (&plain, "max-age=2, stale-if-error=60", "", Failure::Unreachable, leave),
        (&plain, "max-age=2, stale-if-error=60", "", status(503), leave),
        (&plain, "max-age=2, stale-if-error=60", "", status(404), None),
        (&plain, "max-age=2, stale-if-error=60", "", status(501), None),
        (&plain, "max-age=2, stale-if-error=1", "", status(503), None),
        (&plain, "max-age=2, stale-if-error=60, must-revalidate", "", status(503), None),
        (&plain, "s-maxage=2, stale-if-error=60", "", status(503), None),
        (&plain, "max-age=2", "Cache-Control: stale-if-error=60", status(503), leave),
        (&plain, "s-maxage=2", "Cache-Control: stale-if-error=60", status(503), None),
        (&plain, "max-age=99", "", status(503), leave),
        (&site, "max-age=2", "", status(500), leave),
        (&site, "s-maxage=2", "", status(500), leave),
        (&site, "max-age=2, proxy-revalidate", "", status(500), None),
        (&site, "max-age=2, no-cache", "", status(500), None),
        (&offline, "max-age=2", "", status(502), Some(Reason::Offline)),
        (&offline, "max-age=2", "", Failure::Unreachable, Some(Reason::Offline)),
        (&offline, "max-age=2", "", status(500), None),
        (&offline, "max-age=2, must-revalidate", "", status(502), None),
    ] {
        let policy = Policy::new(settings);
        let (stored, start) = stored_by(&policy, &format!("Cache-Control: {control}\nETag: \"a\""));
        let headers = fields(request);
        let now = start.plus(Duration::from_secs(5));
        let found = usable_on_error(&policy, &ask(&headers), &stored, failure, now);
        assert_eq!(found, expected, "{control} | {request} | {failure:?}");
    }
}

#[test]
fn after_an_error_the_origin_rests() {
    for (settings, control, request, seconds, expected) in [
        (Settings::default(), "max-age=2, stale-if-error=60", "", 4, Reason::ErrorBackOff),
        (Settings::default(), "max-age=2, stale-while-revalidate=60", "", 4, Reason::ErrorBackOff),
        (Settings::default(), "max-age=2, stale-if-error=60", "", 8, Reason::Expired),
        // One client's patience is not another's.
        (Settings::default(), "max-age=2", "", 4, Reason::Expired),
        (
            Settings::default(),
            "max-age=2",
            "Cache-Control: stale-if-error=9",
            4,
            Reason::ErrorBackOff,
        ),
        (
            Settings { offline: true, ..Settings::default() },
            "max-age=2",
            "",
            4,
            Reason::ErrorBackOff,
        ),
        (
            Settings { offline: true, ..Settings::default() },
            "max-age=100",
            "",
            200,
            Reason::ErrorBackOff,
        ),
        (
            Settings { offline: true, ..Settings::default() },
            "max-age=100",
            "",
            201,
            Reason::Expired,
        ),
    ] {
        let policy = Policy::new(&settings);
        let (stored, start) = stored_by(&policy, &format!("Cache-Control: {control}"));
        let failed = start.plus(stored.lifetimes.fresh + Duration::from_secs(1));
        let stored = stored.after_failure(&policy, failed);
        let headers = fields(request);
        let now = start.plus(Duration::from_secs(seconds));
        let found = judge(&policy, &ask(&headers), &stored, now);
        assert_eq!(found.reason, expected, "{control} after {seconds}");
    }
}

#[test]
fn figures_for_age_and_ttl() {
    let policy = Policy::default();
    let (stored, start) = stored_by(&policy, "Cache-Control: max-age=600\nAge: 30");
    let none = fields("");
    let look = |millis: u64| {
        let found = judge(&policy, &ask(&none), &stored, start.plus(Duration::from_millis(millis)));
        (found.age.as_secs(), found.ttl)
    };
    assert_eq!(look(0), (30, 570));
    assert_eq!(look(3100), (33, 566));
    assert_eq!(look(570_000), (600, 0));
    assert_eq!(look(570_500), (600, -1));
    // A clock that was set back does not make anything younger than it came.
    assert_eq!(judge(&policy, &ask(&none), &stored, Timestamp(0)).age.as_secs(), 30);
}
