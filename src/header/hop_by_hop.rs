//! Fields that belong to one connection and go no further: RFC 9110 section 7.6.1, RFC 9111 section 3.1.

use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, DATE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName};

use super::list;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// Fields that a `Connection` line cannot take away: without them the message would mean something
/// else, and a client could make the edge ask for another thing than its key says.
const KEPT: [HeaderName; 4] = [CACHE_CONTROL, CONTENT_LENGTH, DATE, HOST];

/// Removes the fields of one connection from a message that is about to be forwarded: those that
/// `Connection` names and the known ones.
pub fn strip(headers: &mut HeaderMap) {
    // Most messages have none, and a look at each name is cheaper than a search for each field.
    if !headers.keys().any(is_known) {
        return;
    }
    strip_named(headers, &[]);
    for name in [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

/// Whether a field of this name belongs to one connection whatever `Connection` says. `Trailer` does
/// not: it describes what follows the body.
pub fn is_known(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade"
    )
}

/// Removes what the `Connection` of a request names, but the fields that are there to be named. To be
/// done before anybody decides by the request: a field that chose the key or the variant, and that
/// the origin then never saw, would store one client's answer for those who really sent it.
pub fn strip_from_request(headers: &mut HeaderMap) {
    strip_named(headers, &[TE, UPGRADE]);
}

/// Whether `Connection` names `option`.
pub fn names(headers: &HeaderMap, option: &HeaderName) -> bool {
    named(headers).any(|name| name == *option)
}

fn strip_named(headers: &mut HeaderMap, but: &[HeaderName]) {
    // What most clients say there names no field that they send.
    let plain = [&b"keep-alive"[..], b"close"];
    let is_plain = |line: &[u8]| plain.iter().any(|option| line.eq_ignore_ascii_case(option));
    let mut lines = headers.get_all(CONNECTION).iter();
    if lines.all(|line| is_plain(line.as_bytes())) && !headers.contains_key(KEEP_ALIVE) {
        return;
    }
    let gone: Vec<HeaderName> =
        named(headers).filter(|name| !KEPT.contains(name) && !but.contains(name)).collect();
    for name in gone {
        headers.remove(name);
    }
}

fn named(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .flat_map(|line| list::members(line.as_bytes()))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
}

/// Removes what a cache must not store: as [`strip`], and what an origin's proxy said to us alone
/// (RFC 9111 section 3.1), and `Trailer`, because trailers are not kept.
pub fn strip_for_storing(headers: &mut HeaderMap) {
    strip(headers);
    for name in [PROXY_AUTHENTICATE, PROXY_AUTHENTICATION_INFO, PROXY_AUTHORIZATION, TRAILER] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn named_and_known_fields_go() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "a, B, host"),
            ("connection", "x"),
            ("a", "1"),
            ("b", "2"),
            ("x", "2"),
            ("c", "3"),
            ("host", "example.com"),
            ("te", "trailers"),
            ("trailer", "grpc-status"),
            ("keep-alive", "5"),
            ("proxy-authenticate", "basic"),
        ] {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        strip_for_storing(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["c", "host"]);
    }

    #[test]
    fn requests_lose_what_they_name_and_keep_their_options() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "Upgrade, accept-language"),
            ("upgrade", "x"),
            ("accept-language", "de"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert!(names(&headers, &UPGRADE) && !names(&headers, &TE));
        strip_from_request(&mut headers);
        assert!(headers.contains_key(UPGRADE) && headers.len() == 2);
    }
}
