//! Where a redirect leads, and whether we go there for the client (F16).

use http::header::LOCATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};

use super::target::{Host, Scheme, ServerUrl};

/// Where a redirect leads.
#[derive(Debug, PartialEq)]
pub(crate) struct Destination {
    /// `None` if it stays where it is.
    pub elsewhere: Option<(Scheme, Host, u16)>,
    pub path: PathAndQuery,
}

/// Whether a status is a redirect to another URL of the same content.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Reads `Location` (RFC 9110 section 10.2.2) of a response to `path`. `None` if it is missing,
/// several, or nothing that we would follow; then the client gets the redirect.
pub(crate) fn destination(
    headers: &HeaderMap,
    scheme: Scheme,
    path: &PathAndQuery,
) -> Option<Destination> {
    let mut all = headers.get_all(LOCATION).iter();
    let (Some(location), None) = (all.next(), all.next()) else { return None };
    let location = location.to_str().ok()?.trim();
    let location = location.split('#').next().unwrap_or_default();
    if location.is_empty() || location.contains('\\') {
        return None;
    }
    let (scheme, rest) = match location.split_once("://") {
        Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
        Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
        _ => match location.strip_prefix("//") {
            Some(rest) => (scheme, rest),
            None => return relative(location, path),
        },
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end)?;
    let url: ServerUrl = authority.parse().ok()?;
    let port = url.port.unwrap_or(scheme.port());
    Some(Destination { elsewhere: Some((scheme, url.host, port)), path: absolute_path(tail)? })
}

/// A reference without an authority: RFC 3986 section 5.2.2.
fn relative(location: &str, base: &PathAndQuery) -> Option<Destination> {
    let stem = location.split(['/', '?']).next().unwrap_or_default();
    if stem.contains(':') {
        // Another scheme: `mailto:`, `file:`, `gopher:` …
        return None;
    }
    let merged = match location.as_bytes().first()? {
        b'/' => location.to_owned(),
        b'?' => format!("{}{location}", base.path()),
        _ => {
            let folder = base.path().rfind('/').map_or("/", |slash| &base.path()[..=slash]);
            format!("{folder}{location}")
        }
    };
    Some(Destination { elsewhere: None, path: absolute_path(&merged)? })
}

/// A path without dot segments, and the query.
fn absolute_path(text: &str) -> Option<PathAndQuery> {
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    let mut whole = without_dots(path);
    if let Some(query) = query {
        whole.push('?');
        whole.push_str(query);
    }
    PathAndQuery::try_from(whole).ok()
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn follow(location: &str) -> Option<Destination> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(location.as_bytes()).ok()?);
        destination(&headers, Scheme::Https, &PathAndQuery::from_static("/a/b/c?d"))
    }

    #[test]
    fn references_resolve_against_what_was_asked() {
        for (location, path) in [
            ("/x", "/x"),
            ("/x?y#z", "/x?y"),
            ("x", "/a/b/x"),
            ("?y", "/a/b/c?y"),
            ("../x", "/a/x"),
            ("./", "/a/b/"),
            ("../../../../x", "/x"),
            ("/a/./b/../../etc", "/etc"),
            ("..", "/a/"),
        ] {
            let found = follow(location).unwrap();
            assert_eq!((found.elsewhere, found.path.as_str()), (None, path), "{location}");
        }
    }

    #[test]
    fn other_places_are_named_whole() {
        for (location, scheme, host, port, path) in [
            ("http://o.test", Scheme::Http, "o.test", 80, "/"),
            ("HTTPS://O.test:444?q", Scheme::Https, "o.test", 444, "/?q"),
            ("//o.test/x/../y", Scheme::Https, "o.test", 443, "/y"),
        ] {
            let found = follow(location).unwrap();
            let (to, on, at) = found.elsewhere.unwrap();
            assert_eq!((to, on.to_string().as_str(), at), (scheme, host, port));
            assert_eq!(found.path.as_str(), path);
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_left_to_the_client() {
        for location in [
            "",
            "#x",
            "file:///etc/passwd",
            "gopher://o.test/",
            "ftp://o.test/",
            "mailto:a@b",
            "http://",
            "http://user@o.test/",
            "http://o.test:0/",
            "http://o.test:99999/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http:\\\\o.test",
            "javascript:alert(1)",
            "http://o.test/a b",
            "http://[::1/",
            "http:///x",
        ] {
            assert_eq!(follow(location), None, "{location}");
        }
    }

    proptest! {
        #[test]
        fn paths_always_begin_with_a_slash_and_hold_no_dots(location in "[a-z/.?:]{0,20}") {
            if let Some(found) = follow(&location) {
                prop_assert!(found.path.as_str().starts_with('/'));
                let dots = found.path.path().split('/').any(|part| part == "." || part == "..");
                prop_assert!(!dots);
            }
        }
    }
}
