//! Which of the fields that decide something a request has.
//!
//! Most requests have none of them. One pass over the names that are there costs less than asking a
//! map for each of twenty names that are not.

use http::HeaderMap;

/// A set of request fields, or of groups of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present(u16);

impl Present {
    /// `Cache-Control` and `Pragma`.
    pub const DIRECTIVES: Present = Present(1);
    /// `If-Match`, `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`.
    pub const CONDITIONS: Present = Present(1 << 1);
    /// `Range`.
    pub const RANGE: Present = Present(1 << 2);
    /// `Content-Length` and `Transfer-Encoding`.
    pub const BODY: Present = Present(1 << 3);
    /// `Connection`.
    pub const CONNECTION: Present = Present(1 << 4);
    /// `Upgrade`.
    pub const UPGRADE: Present = Present(1 << 5);
    /// `Cookie`.
    pub const COOKIE: Present = Present(1 << 6);
    /// `CDN-Loop`.
    pub const CDN_LOOP: Present = Present(1 << 7);
    /// `X-Forwarded-Proto`.
    pub const FORWARDED_PROTO: Present = Present(1 << 8);

    /// The set of those in `headers`.
    pub fn of(headers: &HeaderMap) -> Self {
        Present(headers.keys().fold(0, |found, name| found | Present::named(name.as_str()).0))
    }

    /// Whether any of `fields` is there.
    pub fn has(self, fields: Present) -> bool {
        self.0 & fields.0 != 0
    }

    fn named(name: &str) -> Present {
        match name {
            "cache-control" | "pragma" => Present::DIRECTIVES,
            "if-match" | "if-none-match" | "if-modified-since" | "if-unmodified-since" => {
                Present::CONDITIONS
            }
            "range" => Present::RANGE,
            "content-length" | "transfer-encoding" => Present::BODY,
            "connection" => Present::CONNECTION,
            "upgrade" => Present::UPGRADE,
            "cookie" => Present::COOKIE,
            "cdn-loop" => Present::CDN_LOOP,
            "x-forwarded-proto" => Present::FORWARDED_PROTO,
            _ => Present::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_there_is_known() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        assert_eq!(Present::of(&headers), Present::default());
        headers.insert("if-none-match", HeaderValue::from_static("*"));
        headers.insert("pragma", HeaderValue::from_static("no-cache"));
        let present = Present::of(&headers);
        assert!(present.has(Present::CONDITIONS) && present.has(Present::DIRECTIVES));
        assert!(!present.has(Present::RANGE));
    }
}
