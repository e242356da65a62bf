//! `Forwarded`, RFC 7239, and the `X-Forwarded-*` and client-address fields that came before it.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::list;

/// Fields in which a request can claim where it comes from or what it asks for, in lower case, and
/// next to every field that begins with `x-forwarded`. What an untrusted client wrote there is removed
/// before ours is written: an origin that believes them would otherwise let one client write into
/// what others get from the cache.
const CLAIMS: [&str; 22] = [
    "client-ip",
    "forwarded",
    "forwarded-for",
    "front-end-https",
    // CGI makes HTTP_PROXY of it, where programs look for their own proxy (CVE-2016-5386).
    "proxy",
    "true-client-ip",
    "x-backend-host",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-original-forwarded-for",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-proxy-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// The scheme that the client spoke.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The host that the client asked for.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The fields in which the client's address stands alone, one for each habit of origins.
pub const ADDRESS: [HeaderName; 3] = [
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// The fields in which the edge tells origins who the client is. They differ for each client and are
/// not in what it sent, so that no two clients could share a response that varies by one.
pub const CLIENT: [HeaderName; 4] = [
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Whether a field of this name, in lower case, makes such a claim.
///
/// CGI and its heirs do not tell `X_Forwarded_Host` from `X-Forwarded-Host`, so neither do we. Nobody
/// honest spells with underscores what frames a request or overrides its method.
pub fn is_claim(name: &str) -> bool {
    if !name.contains('_') {
        return claims(name);
    }
    let plain = name.replace('_', "-");
    let disguised = plain.ends_with("http-method") || plain.ends_with("method-override");
    claims(&plain) || disguised || matches!(&*plain, "content-length" | "transfer-encoding")
}

fn claims(name: &str) -> bool {
    // Most fields of most requests begin otherwise.
    matches!(name.as_bytes(), [b'c' | b'f' | b'p' | b't' | b'x', ..])
        && (name.starts_with("x-forwarded") || CLAIMS.binary_search(&name).is_ok())
}

/// What an origin is told of a client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address alone.
    pub address: HeaderValue,
    /// The host that it asked for.
    pub host: Option<HeaderValue>,
    /// Both in one element of `Forwarded`: `for=192.0.2.1;host=example.com;proto=https`.
    pub element: HeaderValue,
}

impl Client {
    /// A client at `address` that asked for `host` over `scheme`.
    pub fn new(address: IpAddr, host: &str, scheme: &str) -> Option<Self> {
        // The address and the host are cut out of the element: one text for all three.
        let mut text = String::with_capacity(80 + host.len());
        // An IPv6 address has colons and so needs quotes (section 6).
        let (before, after) = if address.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
        text.push_str(before);
        write_address(&mut text, address);
        let address = before.len()..text.len();
        text.push_str(after);
        let quote = if list::is_token(host.as_bytes()) { "" } else { "\"" };
        let named =
            host.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'"' && b != b'\\').then(|| {
                text.push_str(";host=");
                text.push_str(quote);
                let start = text.len();
                text.push_str(host);
                let end = text.len();
                text.push_str(quote);
                start..end
            });
        text.push_str(";proto=");
        text.push_str(scheme);
        let text = Bytes::from(text);
        let part = |range| HeaderValue::from_maybe_shared(text.slice(range)).ok();
        Some(Client {
            address: part(address)?,
            host: named.map_or_else(|| HeaderValue::from_str(host).ok(), part),
            element: part(0..text.len())?,
        })
    }
}

/// IPv4 without the formatting machinery, which costs as much as all the rest.
fn write_address(text: &mut String, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // Writing into memory cannot fail.
        let _ = write!(text, "{address}");
        return;
    };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_quoted_where_they_must_be() {
        for (address, host, expected) in [
            ("192.0.2.1", "example.com", "for=192.0.2.1;host=example.com;proto=https"),
            ("2001:db8::1", "a:8443", "for=\"[2001:db8::1]\";host=\"a:8443\";proto=https"),
            ("10.200.0.99", "a\"b", "for=10.200.0.99;proto=https"),
        ] {
            let client = Client::new(address.parse().unwrap(), host, "https").unwrap();
            assert_eq!(client.element, expected);
            assert_eq!(client.address, address);
            assert_eq!(client.host.unwrap(), host);
        }
    }

    #[test]
    fn claims_are_known_in_any_spelling() {
        assert!(CLAIMS.is_sorted());
        assert!(CLAIMS.iter().all(|name| is_claim(name)));
        for name in ["accept", "content-length", "x-forward", "x_custom", "host"] {
            assert!(!is_claim(name), "{name}");
        }
        for name in ["x-forwarded-path", "x_forwarded_host", "content_length", "http_proxy_"] {
            assert_eq!(is_claim(name), name != "http_proxy_", "{name}");
        }
    }
}
