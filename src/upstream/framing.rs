//! Where a response ends, as its head says: hyper reads the body by it, the client will be told it,
//! and both must mean the same (RFC 9112 section 6.3).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, StatusCode};

/// Makes the framing fields of a head say plainly what hyper made of them. Tells whether the
/// connection can be trusted with another request; an error says why nothing can be trusted.
///
/// - A registered coding other than `chunked`, or anything like it, is refused: we never asked for
///   one, and would pass on coded bytes without the field that says so. A word that names no coding
///   codes nothing: the body runs to the close of the connection (RFC 9112 section 6.3, rule 4).
/// - A `Content-Length` beside a `Transfer-Encoding` counts for nothing, and smells of smuggling.
/// - One that is repeated, or no number (hyper does not look at it where there can be no body), is
///   mended or removed.
pub(crate) fn settle(head: &mut Parts) -> Result<bool, &'static str> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let more = codings.next().is_some();
        if !more && names_no_coding(coding.as_bytes()) {
            head.headers.remove(TRANSFER_ENCODING);
            head.headers.remove(CONTENT_LENGTH);
            return Ok(false);
        }
        if more || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err("a transfer coding that we did not ask for");
        }
        let alone = head.headers.remove(CONTENT_LENGTH).is_none();
        return Ok(alone && !is_without_body(head.status));
    }
    let mut fields = head.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = fields.next() else { return Ok(true) };
    if fields.next().is_none()
        && let Some(length) = first.to_str().ok().and_then(number)
    {
        // A 304 may well say how long the body would be; a 204 has none (RFC 9110 section 8.6).
        return Ok(head.status != StatusCode::NO_CONTENT || length == 0);
    }
    match agreed_length(head) {
        Some(length) => head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => head.headers.remove(CONTENT_LENGTH),
    };
    Ok(false)
}

/// Whether a `Transfer-Encoding` is one word that stands for nothing: neither one of the registered
/// codings, nor a list, nor an attempt at `chunked` that another parser might take for it.
fn names_no_coding(value: &[u8]) -> bool {
    const REGISTERED: [&str; 9] = [
        "br",
        "compress",
        "deflate",
        "gzip",
        "identity",
        "trailers",
        "x-compress",
        "x-gzip",
        "zstd",
    ];
    let word = value.to_ascii_lowercase();
    !word.is_empty()
        && word.iter().all(u8::is_ascii_alphanumeric)
        && !word.windows(5).any(|part| part == b"chunk")
        && !REGISTERED.iter().any(|known| known.as_bytes() == word)
}

/// The number that all repetitions of `Content-Length` agree on.
fn agreed_length(head: &Parts) -> Option<u64> {
    let mut agreed = None;
    for field in head.headers.get_all(CONTENT_LENGTH) {
        for text in field.to_str().ok()?.split(',') {
            let length = number(text.trim())?;
            if *agreed.get_or_insert(length) != length {
                return None;
            }
        }
    }
    agreed
}

fn is_without_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Digits and nothing else: `+5` is a number to some parsers only.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;

    /// What becomes of the fields, and whether the connection is trusted.
    fn settled(
        status: u16,
        fields: &[(&str, &str)],
    ) -> Result<(bool, Option<String>), &'static str> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let (mut head, ()) = response.body(()).unwrap().into_parts();
        let trusted = settle(&mut head)?;
        assert!(head.headers.get_all(CONTENT_LENGTH).iter().count() < 2);
        let length = head.headers.get(CONTENT_LENGTH).map(|value| value.to_str().unwrap().into());
        Ok((trusted, length))
    }

    #[test]
    fn one_plain_length_or_chunks_are_trusted() {
        let length = |text: &str| Some(text.to_owned());
        assert_eq!(settled(200, &[]), Ok((true, None)));
        assert_eq!(settled(200, &[("content-length", "5")]), Ok((true, length("5"))));
        assert_eq!(settled(304, &[("content-length", "5")]), Ok((true, length("5"))));
        assert_eq!(settled(204, &[("content-length", "0")]), Ok((true, length("0"))));
        assert_eq!(settled(200, &[("transfer-encoding", "Chunked")]), Ok((true, None)));
    }

    #[test]
    fn doubtful_lengths_are_mended_but_not_trusted() {
        let length = |text: &str| Some(text.to_owned());
        let (name, coding) = ("content-length", ("transfer-encoding", "chunked"));
        assert_eq!(settled(200, &[(name, "5"), (name, "5")]), Ok((false, length("5"))));
        assert_eq!(settled(200, &[(name, "5, 5")]), Ok((false, length("5"))));
        for odd in ["x", "+5", "5, 6", "", "5,"] {
            assert_eq!(settled(304, &[(name, odd)]), Ok((false, None)), "{odd}");
        }
        assert_eq!(settled(204, &[(name, "5")]), Ok((false, length("5"))));
        assert_eq!(settled(200, &[(name, "5"), coding]), Ok((false, None)));
        assert_eq!(settled(204, &[coding]), Ok((false, None)));
    }

    #[test]
    fn other_codings_are_refused() {
        for coding in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "xchunked", ""] {
            assert!(settled(200, &[("transfer-encoding", coding)]).is_err(), "{coding}");
        }
        assert_eq!(settled(200, &[("transfer-encoding", "NONSENSE")]), Ok((false, None)));
        let twice = [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")];
        assert!(settled(200, &twice).is_err());
    }
}
