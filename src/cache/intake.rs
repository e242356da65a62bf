//! May the cache be asked about this request at all?

use http::header::{
    CONTENT_LENGTH, EXPECT, HOST, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method};

use super::Request;
use super::policy::Policy;
use super::verdict::Reason;
use crate::header::present::Present;

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Look into the cache. With `only_if_cached` a miss is answered with 504 (RFC 9111 section
    /// 5.2.1.7), without asking the origin.
    Lookup {
        /// The client's `only-if-cached`.
        only_if_cached: bool,
    },
    /// Go to the origin, for this reason.
    Pass(Reason),
}

/// Judges a request before anything is looked up.
pub fn intake(policy: &Policy, request: &Request<'_>) -> Intake {
    if !policy.enabled {
        Intake::Pass(Reason::CacheOff)
    } else if *request.method != Method::GET && *request.method != Method::HEAD {
        Intake::Pass(Reason::Method)
    } else if request.present.has(Present::BODY) && has_body(request.headers) {
        Intake::Pass(Reason::RequestBody)
    } else if request.present.has(Present::UPGRADE) {
        Intake::Pass(Reason::Upgrade)
    } else if policy.no_cache_matches(request, None) {
        Intake::Pass(Reason::NoCacheRule)
    } else {
        Intake::Lookup { only_if_cached: policy.wishes(request).only_if_cached }
    }
}

/// Whether the request announces a body. A key does not hold bodies, so an answer to a GET with one
/// ("fat GET") is never shared.
pub fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(CONTENT_LENGTH).iter().any(|value| value.as_bytes() != b"0")
}

/// The most bytes of request fields that no origin minds.
const PLAIN_BYTES: usize = 4096;

/// Fields with which a request can ask an origin for something else than its method and path say, or
/// provoke an error that another request would not get.
const ODD: [&str; 9] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-path",
    "x-original-method",
    "content-encoding",
    "x-middleware-subrequest",
];

/// Whether an error in answer to this request is about the URL and not about the request: no large
/// fields, no odd bytes, no method override, no range, no condition ("cache-poisoned denial of service").
pub fn is_plain(request: &Request<'_>) -> bool {
    let headers = request.headers;
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let single = headers.get_all(HOST).iter().count() <= 1;
    // Tabs and bytes beyond ASCII are allowed in values, and some origins mind them all the same.
    let printable = |byte: &u8| (b' '..=b'~').contains(byte);
    bytes <= PLAIN_BYTES
        && headers.values().all(|value| value.as_bytes().iter().all(printable))
        && single
        && !headers.contains_key(RANGE)
        && !headers.contains_key(EXPECT)
        && !headers.contains_key(IF_MATCH)
        && !headers.contains_key(IF_UNMODIFIED_SINCE)
        && !ODD.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::super::settings::{NoCacheRule, Settings};
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn ask<'a>(method: &'a Method, path: &'a str, headers: &'a HeaderMap) -> Request<'a> {
        Request {
            method,
            scheme: "http",
            host: "h",
            path,
            query: None,
            headers,
            present: Present::of(headers),
        }
    }

    fn fields(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn only_plain_questions_reach_the_cache() {
        let settings = Settings {
            no_cache: vec![
                NoCacheRule { path: "/*.php".into(), status: vec![] },
                NoCacheRule { path: "/some".into(), status: vec!["404".parse().unwrap()] },
            ],
            ..Settings::default()
        };
        let policy = Policy::new(&settings);
        let none = HeaderMap::new();
        let lookup = Intake::Lookup { only_if_cached: false };
        for (method, path, headers, expected) in [
            (Method::GET, "/", &none, lookup),
            (Method::HEAD, "/some", &none, lookup),
            (Method::GET, "/", &fields("content-length", "0"), lookup),
            (Method::POST, "/", &none, Intake::Pass(Reason::Method)),
            (Method::GET, "/a.php", &none, Intake::Pass(Reason::NoCacheRule)),
            (Method::GET, "/", &fields("content-length", "5"), Intake::Pass(Reason::RequestBody)),
            (
                Method::GET,
                "/",
                &fields("transfer-encoding", "x"),
                Intake::Pass(Reason::RequestBody),
            ),
            (Method::GET, "/", &fields("upgrade", "websocket"), Intake::Pass(Reason::Upgrade)),
            (
                Method::GET,
                "/",
                &fields("cache-control", "only-if-cached"),
                Intake::Lookup { only_if_cached: true },
            ),
        ] {
            assert_eq!(intake(&policy, &ask(&method, path, headers)), expected, "{path}");
        }
        let off = Policy::new(&Settings { enabled: false, ..Settings::default() });
        assert_eq!(intake(&off, &ask(&Method::GET, "/", &none)), Intake::Pass(Reason::CacheOff));
    }

    #[test]
    fn oddities_are_seen() {
        let plain = |headers: &HeaderMap| is_plain(&ask(&Method::GET, "/", headers));
        assert!(plain(&HeaderMap::new()) && plain(&fields("accept", "*/*")));
        assert!(!plain(&fields("x-http-method-override", "DELETE")));
        assert!(!plain(&fields("range", "bytes=0-1")));
        assert!(!plain(&fields("x-meta", "a\tb")));
        let mut large = HeaderMap::new();
        large.insert("x-big", HeaderValue::from_str(&"a".repeat(5000)).unwrap());
        assert!(!plain(&large));
    }
}
