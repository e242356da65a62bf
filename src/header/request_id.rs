//! `X-Request-Id`: the name of one request in every log that saw it.

use http::{HeaderName, HeaderValue};

/// The field, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A new id: 128 random bits as 32 hexadecimal digits. It names, it does not protect.
pub fn fresh() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = fastrand::u128(..);
    let digits: [u8; 32] = std::array::from_fn(|at| {
        DIGITS.get((bits >> (4 * at)) as usize & 15).copied().unwrap_or(b'0')
    });
    HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.as_bytes().iter().all(u8::is_ascii_hexdigit));
    }
}
