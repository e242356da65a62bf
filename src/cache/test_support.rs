//! Shorthand for the tests of this folder.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Policy, Request, Stored, storable};
use crate::clock::Timestamp;
use crate::header::present::Present;

/// When the tests take place: a whole second, so that dates need no rounding.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Fields, one `Name: value` per line. `@-5` as a value is the HTTP date 5 seconds before [`NOW`].
pub fn fields(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').expect(line);
        let name = HeaderName::from_bytes(name.as_bytes()).expect(line);
        let value = value.trim();
        let value = match value.strip_prefix('@') {
            Some(seconds) => {
                let offset: i64 = seconds.parse().expect(line);
                crate::header::date::format(Timestamp::from_seconds(
                    NOW.seconds().checked_add_signed(offset).expect(line),
                ))
            }
            None => HeaderValue::from_str(value).expect(line),
        };
        headers.append(name, value);
    }
    headers
}

/// A GET of `http://h/` with these fields.
pub fn ask(headers: &HeaderMap) -> Request<'_> {
    Request {
        method: &Method::GET,
        scheme: "http",
        host: "h",
        path: "/",
        query: None,
        headers,
        present: Present::of(headers),
    }
}

/// A 200 with these fields that came at the returned time, stored under the default policy.
pub fn stored(response: &str) -> (Stored, Timestamp) {
    stored_by(&Policy::default(), response)
}

/// As [`stored`], under another policy.
pub fn stored_by(policy: &Policy, response: &str) -> (Stored, Timestamp) {
    let none = HeaderMap::new();
    let headers = fields(response);
    let storing = storable(policy, &ask(&none), StatusCode::OK, &headers, NOW, NOW)
        .unwrap_or_else(|reason| panic!("{response}: {reason}"));
    (storing.into_stored(1), NOW)
}
