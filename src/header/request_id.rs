//! `X-Request-Id`: the name of one request in every log that saw it.

use bytes::BufMut;
use http::{HeaderName, HeaderValue};

use super::compose;

/// The field, in requests and responses.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A new id: 128 random bits as 32 hexadecimal digits. It names, it does not protect.
pub fn fresh() -> HeaderValue {
    let mut digits = [[0; 8]; 4];
    digits.fill_with(|| hexadecimal(fastrand::u32(..)));
    compose::value(|text| text.put_slice(digits.as_flattened()))
}

/// The eight digits of a number, all at once: each request needs four times eight.
fn hexadecimal(bits: u32) -> [u8; 8] {
    let mut digits = u64::from(bits);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // A byte each now; those above nine are letters.
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (digits + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        for bits in [0, 1, 9, 0xabcd_ef01, u32::MAX] {
            assert_eq!(hexadecimal(bits), format!("{bits:08x}").as_bytes());
        }
        assert!(one.len() == 32 && one.as_bytes().iter().all(u8::is_ascii_hexdigit));
    }
}
