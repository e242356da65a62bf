//! HTTP dates, RFC 9110 section 5.6.7: the preferred form and the two obsolete ones, all read strictly.

use std::fmt::Write;

use http::header::{DATE, EXPIRES, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::list;
use crate::clock::Timestamp;

/// The last second of the year 9999: nothing later can be written as an HTTP date.
const LAST: u64 = 253_402_300_799;

/// A date field, as a cache must treat it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Date {
    /// There is no such field.
    #[default]
    Absent,
    /// A moment, to the second.
    At(Timestamp),
    /// There is a field, but it is no date; `Expires: 0` is the usual one.
    Invalid,
}

impl Date {
    /// The moment, if there is one.
    pub fn moment(self) -> Option<Timestamp> {
        match self {
            Date::At(moment) => Some(moment),
            Date::Absent | Date::Invalid => None,
        }
    }
}

/// Reads a date; `None` when the text is none.
pub fn parse(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(list::trim(text)).ok()?;
    let moment = httpdate::parse_http_date(text).ok()?;
    let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(since.as_secs()))
}

/// Reads the date field `name`; of several lines the first counts (RFC 9111 section 4.2.1).
pub fn field(headers: &HeaderMap, name: HeaderName) -> Date {
    match headers.get(name) {
        None => Date::Absent,
        Some(value) => parse(value.as_bytes()).map_or(Date::Invalid, Date::At),
    }
}

/// `Date`.
pub fn date(headers: &HeaderMap) -> Date {
    field(headers, DATE)
}

/// `Expires`.
pub fn expires(headers: &HeaderMap) -> Date {
    field(headers, EXPIRES)
}

/// `Last-Modified`.
pub fn last_modified(headers: &HeaderMap) -> Date {
    field(headers, LAST_MODIFIED)
}

/// Writes a date in the preferred form, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn format(moment: Timestamp) -> HeaderValue {
    let moment = Timestamp::from_seconds(moment.seconds().min(LAST));
    let mut text = String::with_capacity(29);
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", httpdate::HttpDate::from(moment.system_time()));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_forms_are_read_and_nothing_else() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Some(Timestamp::from_seconds(784_111_777)),
                "{text}"
            );
        }
        for text in
            ["0", "", "Thu 18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 AEST", "\u{e9}"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0u64..=LAST) {
            let moment = Timestamp::from_seconds(seconds);
            prop_assert_eq!(parse(format(moment).as_bytes()), Some(moment));
        }

        #[test]
        fn no_bytes_upset_the_parser(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            parse(&text);
        }
    }

    #[test]
    fn a_date_past_the_year_9999_is_held_back() {
        assert_eq!(format(Timestamp(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
