//! `Cookie`, RFC 6265 section 4.2: read one value out of it, and make one line of its crumbs.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::list;

/// The value of the first cookie called `name`; names are case-sensitive.
pub fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b';'))
        .map(list::trim)
        .find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// Joins what HTTP/2 may split for better compression: outside of it there is one line or none, and
/// origins read the first alone or refuse the second (RFC 9113 section 8.2.3).
pub fn join(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(line) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many() {
        let headers =
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("a=1; bb=2;b=3; b=4; c"))]);
        assert_eq!(value(&headers, "b"), Some(&b"3"[..]));
        assert_eq!(value(&headers, "bb"), Some(&b"2"[..]));
        assert_eq!(value(&headers, "c"), None);
        assert_eq!(value(&HeaderMap::new(), "b"), None);
    }
    #[test]
    fn crumbs_become_one_line() {
        let mut headers = HeaderMap::new();
        join(&mut headers);
        assert!(headers.is_empty());
        for crumb in ["a=1", "b=2; c=3", "d=4"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join(&mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[COOKIE], "a=1; b=2; c=3; d=4");
    }
}
