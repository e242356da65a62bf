//! Status codes: sets of them in settings, and what RFC 9110 and 9111 say of single ones.

use std::fmt;

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One status or a run of them: `404`, `"200-299"`, `"5xx"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    /// The first status.
    pub first: u16,
    /// The last one, included.
    pub last: u16,
}

impl StatusRange {
    /// A single status.
    pub const fn one(status: u16) -> Self {
        StatusRange { first: status, last: status }
    }

    /// A run of statuses, both ends included.
    pub const fn run(first: u16, last: u16) -> Self {
        StatusRange { first, last }
    }

    /// Whether `status` is in it.
    pub fn contains(&self, status: StatusCode) -> bool {
        (self.first..=self.last).contains(&status.as_u16())
    }
}

impl std::str::FromStr for StatusRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no status; write 404, \"200-299\" or \"5xx\" (100 to 599)");
        let number = |part: &str| {
            let valid = part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
            let number: Option<u16> = if valid { part.parse().ok() } else { None };
            number.filter(|n| (100..600).contains(n))
        };
        let range = if let Some(class) = text.strip_suffix("xx") {
            let class: u16 = class.parse().map_err(|_| wrong())?;
            (1..=5).contains(&class).then_some(StatusRange::run(class * 100, class * 100 + 99))
        } else if let Some((first, last)) = text.split_once('-') {
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => Some(StatusRange::run(first, last)),
                _ => None,
            }
        } else {
            number(text).map(StatusRange::one)
        };
        range.ok_or_else(wrong)
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(self)
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = StatusRange;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 404, \"200-299\" or \"5xx\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusRange, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<StatusRange, E> {
                number.to_string().parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StatusRange, E> {
                number.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Whether `ranges` allow `status`; an empty list allows every one.
pub fn allows(ranges: &[StatusRange], status: StatusCode) -> bool {
    ranges.is_empty() || ranges.iter().any(|range| range.contains(status))
}

/// Whether an answer with this status must never serve another request: interim ones, 304, and those
/// that speak of the credentials, the conditions, the range, the size or the pace of one request
/// rather than of the URL. For 428, 429, 431 and 511 RFC 6585 forbids storing outright.
pub fn never_stored(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        100..200
            | 304
            | 401
            | 407
            | 408
            | 412
            | 413
            | 416
            | 417
            | 421
            | 425
            | 426
            | 428
            | 429
            | 431
            | 511
    )
}

/// Whether a lifetime may be estimated (RFC 9110 section 15.1: heuristically cacheable).
pub fn heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether this cache understands the status, as `must-understand` demands (RFC 9111 section
/// 5.2.2.3): those that RFC 9110 defines.
pub fn understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505
    )
}

/// Whether the origin failed in the sense of RFC 5861 section 4: 500, 502, 503 or 504.
pub fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        for (text, first, last) in [("404", 404, 404), ("200-399", 200, 399), ("5xx", 500, 599)] {
            assert_eq!(text.parse(), Ok(StatusRange { first, last }), "{text}");
        }
        for text in ["", "99", "600", "1000", "300-200", "6xx", "xx", "2x", "+200", "200-"] {
            assert!(text.parse::<StatusRange>().is_err(), "{text}");
        }
        let list: Vec<StatusRange> = serde_json::from_str("[404, \"5xx\"]").unwrap();
        assert_eq!(serde_json::to_string(&list).unwrap(), "[404,\"500-599\"]");
        assert!(allows(&list, StatusCode::BAD_GATEWAY) && !allows(&list, StatusCode::OK));
        assert!(allows(&[], StatusCode::OK));
    }
}
