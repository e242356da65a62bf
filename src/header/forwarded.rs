//! `Forwarded`, RFC 7239, and the `X-Forwarded-*` and client-address fields that came before it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

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

/// The fields in which the edge tells origins who the client is. They differ for each client and are
/// not in what it sent, so that no two clients could share a response that varies by one.
pub const CLIENT: [HeaderName; 4] = [
    HeaderName::from_static("client-ip"),
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Removes every claim.
pub fn strip(headers: &mut HeaderMap) {
    let claims: SmallVec<[HeaderName; 8]> =
        headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// CGI and its heirs do not tell `X_Forwarded_Host` from `X-Forwarded-Host`, so neither do we. Nobody
/// honest spells with underscores what frames a request or overrides its method.
fn is_claim(name: &str) -> bool {
    if !name.contains('_') {
        return claims(name);
    }
    let plain = name.replace('_', "-");
    let disguised = plain.ends_with("http-method") || plain.ends_with("method-override");
    claims(&plain) || disguised || matches!(&*plain, "content-length" | "transfer-encoding")
}

fn claims(name: &str) -> bool {
    name.starts_with("x-forwarded") || CLAIMS.binary_search(&name).is_ok()
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
    fn claims_go_in_any_spelling() {
        assert!(CLAIMS.is_sorted());
        let kept = ["accept", "content-length", "x-forward", "x_custom"];
        let gone = ["forwarded", "x-forwarded-path", "x_forwarded_host", "content_length", "proxy"];
        let mut headers = HeaderMap::new();
        for name in kept.iter().chain(&gone) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        strip(&mut headers);
        assert!(kept.iter().all(|name| headers.contains_key(*name)) && headers.len() == kept.len());
    }
}
