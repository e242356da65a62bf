//! `Age`, RFC 9111 section 5.1: how many seconds a response had lived before it came to us.

use http::HeaderMap;
use http::header::AGE;

use super::list;

/// What an `Age` field says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    /// There is no such field.
    #[default]
    Absent,
    /// This many seconds, at most 2^31.
    Seconds(u64),
    /// There is one, but it cannot be trusted.
    Invalid,
}

/// Reads `Age`.
///
/// RFC 9111 section 5.1 makes the first member of a list count. But a list that came about by
/// joining field lines (several lines, or the comma and space that RFC 9110 section 5.3 joins them
/// with) means that two caches disagree or repeat each other; like anything that is no number, it
/// is [`Age::Invalid`], and section 4.2.1 then encourages to take the response as stale.
pub fn parse(headers: &HeaderMap) -> Age {
    let mut lines = headers.get_all(AGE).iter();
    let Some(line) = lines.next() else { return Age::Absent };
    let text = line.as_bytes();
    let joined = text.windows(2).any(|pair| pair[0] == b',' && list::blank(pair[1]));
    if lines.next().is_some() || joined {
        return Age::Invalid;
    }
    let first = text.split(|b| *b == b',').next().unwrap_or_default();
    list::number(list::trim(first)).map_or(Age::Invalid, |seconds| {
        Age::Seconds(seconds.min(super::cache_control::MAX_SECONDS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_a_plain_number_is_believed() {
        for (lines, age) in [
            (&[][..], Age::Absent),
            (&["30"], Age::Seconds(30)),
            (&["007"], Age::Seconds(7)),
            (&["99999999999999999999999"], Age::Seconds(1 << 31)),
            (&["0,7200"], Age::Seconds(0)),
            (&["7200,0"], Age::Seconds(7200)),
            (&["0, 0"], Age::Invalid),
            (&["3600, 3600"], Age::Invalid),
            (&["0", "7200"], Age::Invalid),
            (&["0", "0"], Age::Invalid),
            (&["abc"], Age::Invalid),
            (&["-7200"], Age::Invalid),
            (&["7200.0"], Age::Invalid),
            (&["7200;foo=111"], Age::Invalid),
            (&[""], Age::Invalid),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AGE, HeaderValue::from_static(line));
            }
            assert_eq!(parse(&headers), age, "{lines:?}");
        }
    }
}
