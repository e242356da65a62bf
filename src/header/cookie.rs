//! `Cookie`, RFC 6265 section 4.2: read one value out of it.

use http::HeaderMap;
use http::header::COOKIE;

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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn one_of_many() {
        let headers =
            HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("a=1; bb=2;b=3; b=4; c"))]);
        assert_eq!(value(&headers, "b"), Some(&b"3"[..]));
        assert_eq!(value(&headers, "bb"), Some(&b"2"[..]));
        assert_eq!(value(&headers, "c"), None);
        assert_eq!(value(&HeaderMap::new(), "b"), None);
    }
}
