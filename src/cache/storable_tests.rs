//! Tests of `storable`: what may be kept and in what form.

use super::*;
use crate::cache::settings::{CustomRule, NoCacheRule, Settings};
use crate::cache::test_support::{NOW, fields};
use crate::header::present::Present;
use crate::quantity::Span;

fn try_store(
    settings: &Settings,
    method: &Method,
    request: &str,
    status: u16,
    response: &str,
) -> Result<Storing, Reason> {
    let headers = fields(request);
    let request = Request {
        method,
        scheme: "http",
        host: "h",
        path: "/a.css",
        query: Some("v=1"),
        headers: &headers,
        present: Present::of(&headers),
    };
    let status = StatusCode::from_u16(status).unwrap();
    storable(&Policy::new(settings), &request, status, &fields(response), NOW, NOW)
}

fn verdict(request: &str, status: u16, response: &str) -> Option<Reason> {
    try_store(&Settings::default(), &Method::GET, request, status, response).err()
}

#[test]
fn what_rfc_9111_lets_a_shared_cache_store() {
    use Reason::*;
    let fresh = "Cache-Control: max-age=60";
    for (request, status, response, expected) in [
        ("", 200, fresh, None),
        ("", 200, "ETag: \"a\"", None),
        ("", 200, "Last-Modified: @-999", None),
        ("", 200, "", Some(NoFreshness)),
        ("", 200, "Cache-Control: max-age=0", Some(NoFreshness)),
        ("", 200, "Cache-Control: max-age=0\nETag: \"a\"", None),
        ("", 200, "Cache-Control: max-age=0, stale-if-error=60", None),
        ("", 200, "Cache-Control: no-cache", Some(NoFreshness)),
        ("", 200, "Cache-Control: no-cache\nETag: \"a\"", None),
        ("", 200, "Cache-Control: private, max-age=60", Some(Private)),
        ("", 200, "Cache-Control: private=\"x\", max-age=60", None),
        ("", 200, "Cache-Control: max-age=60, No-StOrE", Some(NoStore)),
        ("", 200, "Set-Cookie: a=b\nCache-Control: max-age=60", Some(SetCookie)),
        ("", 200, "Set-Cookie: a=b\nCache-Control: max-age=60, no-cache=\"set-cookie\"", None),
        ("", 200, "Vary: *\nCache-Control: max-age=60", Some(VaryAny)),
        ("", 200, "Pragma: no-cache\nCache-Control: max-age=60", None),
        ("Cookie: a=b", 200, fresh, None),
        ("Cache-Control: no-store", 200, fresh, Some(ClientNoStore)),
        ("Content-Length: 3", 200, fresh, Some(RequestBody)),
        ("Authorization: x", 200, "Expires: @60", Some(Authorization)),
        ("Authorization: x", 200, fresh, Some(Authorization)),
        ("Authorization: x", 200, "Cache-Control: max-age=60, public", None),
        ("Authorization: x", 200, "Cache-Control: max-age=60, must-revalidate", None),
        ("Authorization: x", 200, "Cache-Control: s-maxage=60", None),
        (
            "Authorization: x",
            200,
            "Cache-Control: public\nCDN-Cache-Control: max-age=60",
            Some(Authorization),
        ),
        ("", 302, fresh, None),
        ("", 302, "Last-Modified: @-999", Some(NoFreshness)),
        ("", 599, fresh, None),
        ("", 599, "Cache-Control: max-age=60, must-understand", Some(NotUnderstood)),
        ("", 200, "Cache-Control: max-age=60, must-understand, no-store", None),
        ("", 503, fresh, None),
        ("", 503, "Last-Modified: @-999", Some(NoFreshness)),
        ("", 304, fresh, Some(Status)),
        ("", 401, fresh, Some(Status)),
        ("", 429, fresh, Some(Status)),
        ("X-HTTP-Method-Override: PUT", 404, fresh, Some(OddRequest)),
        ("X-HTTP-Method-Override: PUT", 200, fresh, None),
        ("Range: bytes=0-1", 404, fresh, Some(OddRequest)),
    ] {
        assert_eq!(verdict(request, status, response), expected, "{request} | {status} {response}");
    }
}

#[test]
fn targeted_fields_rule_alone() {
    use Reason::*;
    for (response, expected) in [
        ("CDN-Cache-Control: max-age=60\nCache-Control: no-store", None),
        ("CDN-Cache-Control: max-age=60\nCache-Control: private", None),
        ("CDN-Cache-Control: private\nCache-Control: max-age=60\nExpires: @60", Some(Private)),
        ("CDN-Cache-Control: no-store\nCache-Control: max-age=60", Some(NoStore)),
        ("CDN-Cache-Control: max-age=9, &&&&&\nCache-Control: no-store", Some(NoStore)),
        ("CDN-Cache-Control: max-age=\"9\"\nCache-Control: no-store", Some(NoStore)),
        ("Surrogate-Control: max-age=60;brink\nCache-Control: no-store", None),
        ("Surrogate-Control: max-age=60;other\nCache-Control: no-store", Some(NoStore)),
        ("Surrogate-Control: no-store\nCache-Control: max-age=60", Some(NoStore)),
        ("Brink-Cache-Control: no-store\nCDN-Cache-Control: max-age=60", Some(NoStore)),
    ] {
        assert_eq!(verdict("", 200, response), expected, "{response}");
    }
}

#[test]
fn the_site_may_say_more() {
    let fresh = "Cache-Control: max-age=60";
    let rule = |force| {
        let path = "/*.css".to_owned();
        vec![CustomRule { path, ttl: Span::seconds(9), status: vec![], force }]
    };
    let base = Settings::default;
    let off = |path: &str, status: &str| {
        let status = Vec::from_iter((!status.is_empty()).then(|| status.parse().unwrap()));
        Settings { no_cache: vec![NoCacheRule { path: path.into(), status }], ..base() }
    };
    for (settings, request, response, expected) in [
        (Settings { enabled: false, ..base() }, "", fresh, Some(Reason::CacheOff)),
        (off("/*.css", ""), "", fresh, Some(Reason::NoCacheRule)),
        (off("/*.css", "200"), "", fresh, Some(Reason::NoCacheRule)),
        (off("/*.css", "404"), "", fresh, None),
        (Settings { rules: rule(false), ..base() }, "", "", None),
        (
            Settings { rules: rule(false), ..base() },
            "",
            "Cache-Control: no-store",
            Some(Reason::NoStore),
        ),
        (Settings { rules: rule(true), ..base() }, "", "Cache-Control: no-store", None),
        (Settings { rules: rule(true), ..base() }, "", "Cache-Control: private, no-cache", None),
        (Settings { rules: rule(true), ..base() }, "", "Set-Cookie: a=b", Some(Reason::SetCookie)),
        (
            Settings { rules: rule(true), ..base() },
            "Authorization: x",
            "",
            Some(Reason::Authorization),
        ),
        (
            Settings { rules: rule(true), ..base() },
            "",
            "Content-Type: text/html",
            Some(Reason::NoFreshness),
        ),
        (Settings { store_set_cookie: true, ..base() }, "", "Set-Cookie: a=b\nExpires: @60", None),
        (Settings { store_authorized: true, ..base() }, "Authorization: x", fresh, None),
        (Settings { offline: true, ..base() }, "", "Cache-Control: max-age=0", None),
    ] {
        let found = try_store(&settings, &Method::GET, request, 200, response).err();
        assert_eq!(found, expected, "{request} | {response}");
    }
    let forced = Settings { rules: rule(true), ..base() };
    let kept = try_store(&forced, &Method::GET, "", 200, "Cache-Control: no-cache").unwrap();
    assert!(kept.lifetimes.is_shareable());
}

#[test]
fn what_is_kept_and_what_is_shown() {
    let response = "Connection: x\nX: 1\nKeep-Alive: 5\nAge: 3\nProxy-Authenticate: y\nA: 1\nB: 2\n\
        Cache-Control: max-age=60, no-cache=\"a, set-cookie\"\nSet-Cookie: s=1\nSet-Cookie: t=2\n\
        Brink-Cache-Control: max-age=9\nSurrogate-Control: max-age=8\nCDN-Cache-Control: max-age=7";
    let settings = Settings::default();
    let kept = try_store(&settings, &Method::GET, "", 200, response);
    // The own field counts, so the no-cache list in Cache-Control does not.
    assert_eq!(kept.err(), Some(Reason::SetCookie));

    let response = response.replace(
        "Brink-Cache-Control: max-age=9",
        "Brink-Cache-Control: max-age=9, no-cache=\"a, set-cookie\"",
    );
    let kept = try_store(&settings, &Method::GET, "", 200, &response).unwrap();
    let mut names: Vec<_> = kept.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["b", "cache-control", "cdn-cache-control", "date"]);
    assert_eq!(kept.hidden.len(), 2);
    assert_eq!((kept.once.len(), kept.once.keys_len()), (3, 2));
    assert_eq!(kept.headers.get(DATE), Some(&date::format(NOW)));
    let stored = kept.into_stored(7);
    assert_eq!((stored.object_id, stored.total, stored.reach), (7, None, None));
}

#[test]
fn pieces_are_stored_where_they_can_be_placed() {
    let fresh = "Cache-Control: max-age=60";
    for (request, response, expected) in [
        ("Range: bytes=0-4", "Content-Range: bytes 0-4/10", None),
        ("", "Content-Range: bytes 0-4/10", Some(Reason::PartialUnplaced)),
        ("Range: bytes=0-4", "", Some(Reason::PartialUnplaced)),
        ("Range: bytes=0-4", "Content-Range: bytes 0-4/*", Some(Reason::PartialUnplaced)),
        (
            "Range: bytes=0-1,4-5",
            "Content-Type: Multipart/Byteranges; boundary=x",
            Some(Reason::PartialMultiple),
        ),
    ] {
        let response = format!("{fresh}\n{response}");
        let found = try_store(&Settings::default(), &Method::GET, request, 206, &response);
        assert_eq!(found.err(), expected, "{response}");
    }
    let response = format!("{fresh}\nContent-Range: bytes 0-4/10\nContent-Length: 5");
    let found =
        try_store(&Settings::default(), &Method::GET, "Range: bytes=0-4", 206, &response).unwrap();
    assert!(!found.headers.contains_key(CONTENT_RANGE));
    let stored = found.into_stored(1);
    assert_eq!((stored.status, stored.total), (StatusCode::OK, Some(10)));
}

#[test]
fn a_post_may_speak_for_get() {
    let store = |response: &str| {
        try_store(&Settings::default(), &Method::POST, "Content-Length: 3", 200, response).err()
    };
    assert_eq!(store("Content-Location: /a.css?v=1\nExpires: @60"), None);
    assert_eq!(store("Content-Location: http://H:80/a.css?v=1\nExpires: @60"), None);
    for response in [
        "Content-Location: /a.css\nExpires: @60",
        "Content-Location: http://other/a.css?v=1\nExpires: @60",
        "Expires: @60",
        "Content-Location: /a.css?v=1\nLast-Modified: @-999",
    ] {
        assert_eq!(store(response), Some(Reason::Method), "{response}");
    }
    let head = try_store(&Settings::default(), &Method::HEAD, "", 200, "Expires: @60");
    assert_eq!(head.err(), Some(Reason::Method));
}
