//! `Content-Range`, RFC 9110 section 14.4: which bytes a 206 holds, or how long a thing is in a 416.

use std::ops::Range;

use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue};

use super::list;

/// A byte range of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes, end excluded, never empty.
    pub bytes: Range<u64>,
    /// The complete length; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads the field of a 206; `None` when it is absent, repeated, malformed, not in bytes, or
    /// contradicts itself. A recipient must not combine such a response (section 14.4).
    pub fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(CONTENT_RANGE).iter();
        let value = lines.next()?.as_bytes();
        if lines.next().is_some() {
            return None;
        }
        let space = value.iter().position(|b| *b == b' ')?;
        if !value.get(..space)?.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let rest = list::trim(value.get(space + 1..)?);
        let slash = rest.iter().position(|b| *b == b'/')?;
        let (range, total) = (rest.get(..slash)?, rest.get(slash + 1..)?);
        let dash = range.iter().position(|b| *b == b'-')?;
        let first = list::number(range.get(..dash)?)?;
        let last = list::number(range.get(dash + 1..)?)?;
        let total = if total == b"*" { None } else { Some(list::number(total)?) };
        // A last position of u64::MAX has no end that could be written down.
        let end = last.checked_add(1)?;
        (first <= last && total.is_none_or(|total| end <= total))
            .then_some(ContentRange { bytes: first..end, total })
    }

    /// The field value, `bytes 0-4/10`.
    pub fn format(&self) -> HeaderValue {
        let last = self.bytes.end.saturating_sub(1);
        let text = match self.total {
            Some(total) => format!("bytes {}-{last}/{total}", self.bytes.start),
            None => format!("bytes {}-{last}/*", self.bytes.start),
        };
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// The field value of a 416, `bytes */10`.
pub fn unsatisfied(total: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("bytes */{total}"))
        .unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<ContentRange> {
        let value = HeaderValue::from_str(text).ok()?;
        ContentRange::parse(&HeaderMap::from_iter([(CONTENT_RANGE, value)]))
    }

    #[test]
    fn only_what_is_consistent_is_read() {
        assert_eq!(read("bytes 0-4/10"), Some(ContentRange { bytes: 0..5, total: Some(10) }));
        assert_eq!(read("bytes 4-9/*"), Some(ContentRange { bytes: 4..10, total: None }));
        for text in [
            "bytes 4-10/10",
            "bytes 5-4/10",
            "bytes */10",
            "lines 0-4/10",
            "bytes=0-4/10",
            "bytes 0-4",
            "bytes 0-18446744073709551615/*",
            "ANANANANAN",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(unsatisfied(10), "bytes */10");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(start in 0u64..1 << 50, length in 1u64..1 << 50, rest in proptest::option::of(0u64..99)) {
            let bytes = start..start + length;
            let range = ContentRange { total: rest.map(|rest| bytes.end + rest), bytes };
            prop_assert_eq!(read(range.format().to_str().unwrap()), Some(range));
        }

        #[test]
        fn no_text_upsets_the_parser(text in "\\PC{0,40}") {
            read(&text);
        }
    }
}
