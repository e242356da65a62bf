//! Signed requests: where a site wants it, only who knows its key can ask for new pictures.
//!
//! The signature is HMAC-SHA256 (RFC 2104) over what the request line has as path and, if anything
//! else stands there, `?` and the query without the signature, byte for byte; of it the first 16
//! bytes in lower-case hexadecimal digits.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::params::{Error, code};
use super::settings::Signed;

/// How many bytes of the digest a signature has.
const KEPT: usize = 16;

impl Signed {
    /// The signature of `path` with `query`, which must not hold one yet.
    pub fn sign(&self, path: &str, query: &str) -> String {
        let joint = if query.is_empty() { "" } else { "?" };
        let digest = hmac(self.key.as_bytes(), &[path, joint, query]);
        digest.iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks the signature in `query` and gives the query without it.
    ///
    /// # Errors
    /// 403 where it is missing or wrong.
    pub fn check(&self, path: &str, query: &str) -> Result<String, Error> {
        let name = |pair: &&str| pair.split('=').next() == Some(self.parameter.as_str());
        let (signatures, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(name);
        let rest = rest.join("&");
        let given = match signatures.as_slice() {
            [pair] => pair.split_once('=').map(|(_, value)| value),
            _ => None,
        };
        let right = self.sign(path, &rest);
        let is_same = |one: &str, other: &str| {
            verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
        };
        let problem = match given {
            Some(given) if is_same(given, &right) => return Ok(rest),
            Some(_) => "is wrong",
            None => "must stand in the query once",
        };
        let message = format!("parameters must be signed here: `{}` {problem}", self.parameter);
        Err(Error { status: 403, code: code::INVALID, message })
    }
}

fn hmac(key: &[u8], message: &[&str]) -> [u8; 32] {
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    message.iter().for_each(|part| signing.update(part.as_bytes()));
    signing.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: [u8; 32]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_examples_of_rfc_4231() {
        assert_eq!(
            hex(hmac(&[0x0b; 20], &["Hi ", "There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(hmac(&[0xaa; 131], &["Test Using Larger Than Block-Size Key - Hash Key First"])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_signature_covers_path_and_query() {
        let signed = Signed { key: "0123456789abcdef".into(), parameter: "sign".into() };
        let good = signed.sign("/a.jpg!/fw/300", "v=1");
        assert_eq!(good.len(), 32);
        let check = |path, query: &str| signed.check(path, query);
        assert_eq!(check("/a.jpg!/fw/300", &format!("v=1&sign={good}")), Ok("v=1".into()));
        assert_eq!(check("/a.jpg!/fw/300", &format!("sign={good}&v=1")), Ok("v=1".into()));
        for (path, query) in [
            ("/a.jpg!/fw/301", format!("v=1&sign={good}")),
            ("/a.jpg!/fw/300", format!("v=2&sign={good}")),
            ("/a.jpg!/fw/300", format!("sign={good}")),
            ("/a.jpg!/fw/300", format!("v=1&sign={}", &good[..31])),
            ("/a.jpg!/fw/300", format!("v=1&sign={good}&sign={good}")),
            ("/a.jpg!/fw/300", "v=1&sign".into()),
            ("/a.jpg!/fw/300", String::new()),
        ] {
            assert_eq!(check(path, &query).unwrap_err().status, 403, "{path}?{query}");
        }
        let other = Signed { key: "another key of 20 b.".into(), ..signed.clone() };
        assert_ne!(other.sign("/a.jpg!/fw/300", "v=1"), good);
        let bare = signed.sign("/a.jpg!/fw/300", "");
        assert_eq!(check("/a.jpg!/fw/300", &format!("sign={bare}")), Ok(String::new()));
    }
}
