//! `X-Request-Id`: the name of one request in every log that saw it.

use http::{HeaderName, HeaderValue};

/// The field, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id taken over from a peer, in bytes.
const LONGEST: usize = 200;

/// A new id: 128 random bits as 32 hexadecimal digits. It names, it does not protect.
pub fn fresh() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Whether an id from a peer may be kept: short, and of characters that no log format minds.
pub fn acceptable(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= LONGEST
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:;+/=".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_bad_ones_are_refused() {
        let (one, two) = (fresh(), fresh());
        assert!(one != two && one.len() == 32);
        assert!(acceptable(&HeaderValue::from_str(&one).unwrap()));
        for text in ["", "a b", "\"x\"", "{}"] {
            assert!(!acceptable(&HeaderValue::from_static(text)), "{text}");
        }
    }
}
