//! What may leave a rule: judged at load where the text is constant, and again when it runs.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header};

use crate::functions::Side;
use crate::trace::Reason;

type Judged<T> = Result<T, Reason>;

/// Framing and loop protection: what the edge alone may say. Changing them would let a rule smuggle
/// a request, split a response or loop.
const OWN: &[&str] = &[
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "cdn-loop",
];

/// Response headers that tell who answered and how; they may be set, but not taken away.
const PROTECTED: &[&str] =
    &["via", "age", "server", "x-cache", "x-source", "x-request-id", "content-range"];

/// A header name that a rule may set, or take away if `removes`.
pub(crate) fn header_name(name: &[u8], side: Side, removes: bool) -> Judged<HeaderName> {
    let name = HeaderName::from_bytes(name).map_err(|_| Reason::HeaderName)?;
    let protected = match side {
        Side::Request => name == header::HOST,
        Side::Response if removes => PROTECTED.contains(&name.as_str()),
        Side::Response => name == header::CONTENT_RANGE,
    };
    let is_own = protected || OWN.contains(&name.as_str());
    if is_own { Err(Reason::ProtectedHeader) } else { Ok(name) }
}

/// A header value: no control character but the tab.
pub(crate) fn header_value(value: &[u8]) -> Judged<HeaderValue> {
    HeaderValue::from_bytes(value).map_err(|_| Reason::HeaderValue)
}

fn has_controls(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
}

/// A `Location`: not empty; bytes that no URL may hold are escaped, control characters refused.
pub(crate) fn location(text: &[u8]) -> Judged<Box<str>> {
    if text.is_empty() || has_controls(text) {
        return Err(Reason::Location);
    }
    Ok(escaped(text, b"").into())
}

/// A path with query to ask for: begins with `/`; bytes that no URL may hold are escaped, and so is
/// `#`, which would begin a fragment.
pub(crate) fn target(text: &[u8]) -> Judged<Cow<'_, str>> {
    if text.first() != Some(&b'/') {
        return Err(Reason::Target);
    }
    Ok(escaped(text, b"#"))
}

fn escaped<'a>(text: &'a [u8], also: &[u8]) -> Cow<'a, str> {
    let stays = |byte: u8| byte.is_ascii_graphic() && !also.contains(&byte);
    match std::str::from_utf8(text) {
        Ok(text) if text.bytes().all(stays) => Cow::Borrowed(text),
        _ => {
            let mut made = String::with_capacity(text.len() + 16);
            for byte in text {
                if stays(*byte) {
                    made.push(char::from(*byte));
                } else {
                    made.push_str(percent_encoding::percent_encode_byte(*byte));
                }
            }
            Cow::Owned(made)
        }
    }
}

/// The name of a tag or an origin: visible ASCII without spaces.
pub(crate) fn tag(text: &[u8]) -> Judged<&str> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(text)
        }
        _ => Err(Reason::Name),
    }
}

/// A status that redirects.
pub(crate) fn redirect_status(number: f64) -> Judged<u16> {
    let known = [301u16, 302, 303, 307, 308];
    known.into_iter().find(|status| f64::from(*status) == number).ok_or(Reason::Status)
}

/// A status that a rule may answer with: 200 to 599.
pub(crate) fn exit_status(number: f64) -> Judged<u16> {
    let whole = number.fract() == 0.0 && (200.0..600.0).contains(&number);
    if whole { Ok(number as u16) } else { Err(Reason::Status) }
}

/// A method that a rule may set.
pub(crate) fn method(text: &[u8]) -> Judged<&'static str> {
    let known = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"];
    known.into_iter().find(|method| method.as_bytes() == text).ok_or(Reason::Method)
}

/// How many bytes `k` or `m` is.
pub(crate) fn unit(text: &[u8]) -> Judged<u64> {
    match text {
        b"k" | b"K" => Ok(1 << 10),
        b"m" | b"M" => Ok(1 << 20),
        _ => Err(Reason::Rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_split_smuggle_or_hide_are_refused() {
        for (name, side, removes, reason) in [
            ("", Side::Request, false, Reason::HeaderName),
            ("X\"Y", Side::Request, false, Reason::HeaderName),
            ("X Y", Side::Request, false, Reason::HeaderName),
            ("X\r\nY", Side::Response, false, Reason::HeaderName),
            ("X\0", Side::Response, true, Reason::HeaderName),
            ("é", Side::Response, false, Reason::HeaderName),
            ("Host", Side::Request, false, Reason::ProtectedHeader),
            ("CDN-Loop", Side::Request, true, Reason::ProtectedHeader),
            ("Content-Length", Side::Response, false, Reason::ProtectedHeader),
            ("via", Side::Response, true, Reason::ProtectedHeader),
        ] {
            assert_eq!(header_name(name.as_bytes(), side, removes), Err(reason), "{name:?}");
        }
        assert_eq!(header_name(b"Server", Side::Response, false), Ok(header::SERVER));
        assert_eq!(
            header_name(b"X-Foo", Side::Response, true),
            Ok(HeaderName::from_static("x-foo"))
        );
    }

    #[test]
    fn values_and_locations_hold_no_controls() {
        for value in [b"a\r".as_slice(), b"a\nb", b"\0", b"\x7f"] {
            assert_eq!(header_value(value), Err(Reason::HeaderValue));
            assert_eq!(location(value), Err(Reason::Location));
        }
        assert_eq!(
            header_value(b"\xff\t "),
            HeaderValue::from_bytes(b"\xff\t ").map_err(|_| Reason::HeaderValue)
        );
        assert_eq!(location(b"http://a/ b").as_deref(), Ok("http://a/%20b"));
    }

    #[test]
    fn targets_begin_with_a_slash_and_are_escaped() {
        assert_eq!(target(b"foo"), Err(Reason::Target));
        assert_eq!(target(b"/a'\\$,b").as_deref(), Ok("/a'\\$,b"));
        assert_eq!(target(b"/\r\n#\xff").as_deref(), Ok("/%0D%0A%23%FF"));
    }

    #[test]
    fn statuses_methods_and_units_are_the_listed_ones() {
        assert_eq!(redirect_status(301.0), Ok(301));
        assert_eq!(redirect_status(304.0), Err(Reason::Status));
        assert_eq!(exit_status(403.0), Ok(403));
        for number in [101.0, 600.0, 403.5, f64::NAN] {
            assert_eq!(exit_status(number), Err(Reason::Status));
        }
        assert_eq!(method(b"PATCH"), Ok("PATCH"));
        assert_eq!(method(b"get"), Err(Reason::Method));
        assert_eq!(
            (unit(b"k"), unit(b"M"), unit(b"g")),
            (Ok(1024), Ok(1048576), Err(Reason::Rate))
        );
    }
}
