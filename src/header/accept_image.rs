//! `Accept`, RFC 9110 section 12.5.1, reduced to the image formats that not every client shows.

use http::HeaderMap;
use http::header::ACCEPT;

use super::list;

/// The formats that a client names. A star does not count: clients that send it and no name show
/// neither.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// `image/webp`
    pub webp: bool,
    /// `image/avif`
    pub avif: bool,
}

impl Accepted {
    /// Reads the field.
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut accepted = Accepted::default();
        let lines = headers.get_all(ACCEPT).iter();
        for member in lines.flat_map(|line| list::members(line.as_bytes())) {
            let (kind, quality) = list::quality(member);
            if kind.eq_ignore_ascii_case(b"image/webp") {
                accepted.webp = quality > 0;
            } else if kind.eq_ignore_ascii_case(b"image/avif") {
                accepted.avif = quality > 0;
            }
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_count_where_they_are_named() {
        for (field, webp, avif) in [
            ("text/html,image/avif,image/webp,*/*;q=0.8", true, true),
            ("image/webp", true, false),
            ("IMAGE/WEBP;q=0.1, image/avif;q=0", true, false),
            ("image/*, */*", false, false),
            ("", false, false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, field.parse().unwrap())]);
            assert_eq!(Accepted::parse(&headers), Accepted { webp, avif }, "{field}");
        }
    }
}
