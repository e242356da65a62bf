//! `Forwarded`, RFC 7239, and the `X-Forwarded-*` and client-address fields that came before it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list;

/// Every field in which a request can claim where it comes from. What an untrusted client wrote
/// there is removed before ours is written: an origin that believes them would otherwise let one
/// client write into what others get from the cache.
pub const CLAIMS: [HeaderName; 17] = [
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-real-ip"),
];

/// The scheme that the client spoke.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields in which the edge tells origins who the client is. They differ for each client and are
/// not in what it sent, so that no two clients could share a response that varies by one.
pub const CLIENT: [HeaderName; 4] = [
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Removes every claim of [`CLAIMS`].
pub fn strip(headers: &mut HeaderMap) {
    for name in CLAIMS {
        headers.remove(name);
    }
}

/// One element of the field: `for=192.0.2.1;host=example.com;proto=https`.
pub fn element(client: IpAddr, host: &str, scheme: &str) -> Option<HeaderValue> {
    let client = match client {
        IpAddr::V4(address) => format!("for={address}"),
        // An IPv6 address has colons and so needs quotes (section 6).
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    };
    let host = if list::is_token(host.as_bytes()) {
        format!(";host={host}")
    } else if host.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'"' && b != b'\\') {
        format!(";host=\"{host}\"")
    } else {
        String::new()
    };
    HeaderValue::from_str(&format!("{client}{host};proto={scheme}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_where_they_must_be() {
        for (client, host, expected) in [
            ("192.0.2.1", "example.com", "for=192.0.2.1;host=example.com;proto=https"),
            ("2001:db8::1", "a:8443", "for=\"[2001:db8::1]\";host=\"a:8443\";proto=https"),
            ("192.0.2.1", "a\"b", "for=192.0.2.1;proto=https"),
        ] {
            assert_eq!(element(client.parse().unwrap(), host, "https").unwrap(), expected);
        }
    }

    #[test]
    fn claims_go() {
        let mut headers =
            HeaderMap::from_iter([(CLAIMS[1].clone(), HeaderValue::from_static("for=x"))]);
        strip(&mut headers);
        assert!(headers.is_empty());
    }
}
