//! `Via`, RFC 9110 section 7.6.3: the proxies that a message came through.

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};

use super::list;

/// Adds `pseudonym` as the one who received this message over `version`. A pseudonym that is no
/// token is not written.
pub fn append(headers: &mut HeaderMap, version: Version, pseudonym: &str) {
    if let Some(value) = value(version, pseudonym) {
        headers.append(VIA, value);
    }
}

/// The member that [`append`] adds.
pub fn value(version: Version, pseudonym: &str) -> Option<HeaderValue> {
    let received = match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    };
    let token = list::is_token(pseudonym.as_bytes());
    token.then(|| HeaderValue::from_str(&format!("{received} {pseudonym}")).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proxy_adds_a_member() {
        let mut headers = HeaderMap::new();
        append(&mut headers, Version::HTTP_11, "brink");
        append(&mut headers, Version::HTTP_2, "edge1");
        append(&mut headers, Version::HTTP_2, "no token");
        let lines: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!(lines, ["1.1 brink", "2 edge1"]);
    }
}
