//! Base64, URL escapes and MD5.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::trace::Reason;

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// To base64 with padding.
pub(crate) fn encode_base64(text: &[u8]) -> Vec<u8> {
    STANDARD.encode(text).into_bytes()
}

/// From base64 with padding.
pub(crate) fn decode_base64(text: &[u8]) -> Result<Vec<u8>, Reason> {
    STANDARD.decode(text).map_err(|_| Reason::BadBase64)
}

/// As `encodeURIComponent`.
pub(crate) fn escape(text: &[u8]) -> Vec<u8> {
    Cow::from(percent_encode(text, COMPONENT)).into_owned().into_bytes()
}

/// As `decodeURIComponent`, which refuses a lone `%` and what is not UTF-8.
pub(crate) fn unescape(text: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, Reason> {
    if !text.contains(&b'%') {
        return Ok(text);
    }
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = text.get(at + 1..at + 3).ok_or(Reason::BadEscape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(Reason::BadEscape);
        }
    }
    let decoded: Vec<u8> = percent_decode(&text).collect();
    if std::str::from_utf8(&decoded).is_err() {
        return Err(Reason::BadEscape);
    }
    Ok(Cow::Owned(decoded))
}

/// MD5 in 16 bytes.
pub(crate) fn md5(text: &[u8]) -> [u8; 16] {
    Md5::digest(text).into()
}

/// Bytes in lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_both_ways_and_is_strict() {
        assert_eq!(encode_base64(b"\xff\0a"), b"/wBh");
        assert_eq!(decode_base64(b"YQ=="), Ok(b"a".to_vec()));
        for text in ["YQ", "Y!==", "YQ==\n"] {
            assert_eq!(decode_base64(text.as_bytes()), Err(Reason::BadBase64), "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_javascript() {
        assert_eq!(escape("a b/é-_.!~*'()&".as_bytes()), b"a%20b%2F%C3%A9-_.!~*'()%26");
        assert_eq!(unescape(b"a%20b+c".as_slice().into()).as_deref(), Ok(b"a b+c".as_slice()));
        for text in ["%", "%2", "%zz", "%FF", "a%C3"] {
            assert_eq!(unescape(text.as_bytes().into()), Err(Reason::BadEscape), "{text}");
        }
    }

    #[test]
    fn md5_is_known() {
        assert_eq!(hex(&md5(b"abc1481106349/test.ts")), b"77ab1110615bd218b70bc84b0e22c604");
    }
}
