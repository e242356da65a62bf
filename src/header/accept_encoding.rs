//! `Accept-Encoding`, RFC 9110 section 12.5.3, reduced to the codings that the edge knows.

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::list;

/// The codings that a client takes, of those that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Brotli.
    pub br: bool,
    /// Gzip (or its old name, x-gzip).
    pub gzip: bool,
    /// Zstandard.
    pub zstd: bool,
}

impl Accepted {
    /// Reads the field; `None` when there is none.
    pub fn parse(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(ACCEPT_ENCODING).iter().peekable();
        lines.peek()?;
        let (mut named, mut star) = ([None; 3], false);
        for member in lines.flat_map(|line| list::members(line.as_bytes())) {
            let (coding, quality) = list::quality(member);
            let wanted = quality > 0;
            let slot = match coding {
                c if c.eq_ignore_ascii_case(b"br") => 0,
                c if c.eq_ignore_ascii_case(b"gzip") || c.eq_ignore_ascii_case(b"x-gzip") => 1,
                c if c.eq_ignore_ascii_case(b"zstd") => 2,
                b"*" => {
                    star = wanted;
                    continue;
                }
                _ => continue,
            };
            if let Some(slot) = named.get_mut(slot) {
                *slot = Some(wanted);
            }
        }
        let [br, gzip, zstd] = named.map(|wanted| wanted.unwrap_or(star));
        Some(Accepted { br, gzip, zstd })
    }

    /// The sorted list, `br,gzip,zstd` at most; empty when only the plain form will do.
    pub fn as_str(self) -> &'static str {
        match (self.br, self.gzip, self.zstd) {
            (false, false, false) => "",
            (false, false, true) => "zstd",
            (false, true, false) => "gzip",
            (false, true, true) => "gzip,zstd",
            (true, false, false) => "br",
            (true, false, true) => "br,zstd",
            (true, true, false) => "br,gzip",
            (true, true, true) => "br,gzip,zstd",
        }
    }
}

/// Replaces the field by its reduced form, so that the origin sees no more of it than the key holds;
/// where nothing is left it says `identity`.
pub fn reduce(headers: &mut HeaderMap) {
    if let Some(accepted) = Accepted::parse(headers) {
        let text = match accepted.as_str() {
            "" => "identity",
            text => text,
        };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_case_and_other_codings_do_not_matter() {
        for (text, expected) in [
            ("gzip, deflate, br", "br,gzip"),
            ("BR;q=0.1,GZIP", "br,gzip"),
            ("zstd;q=0, *", "br,gzip"),
            ("*;q=0, zstd", "zstd"),
            ("deflate", ""),
            ("identity", ""),
            ("", ""),
            ("x-gzip", "gzip"),
        ] {
            let mut headers =
                HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(text))]);
            assert_eq!(Accepted::parse(&headers).unwrap().as_str(), expected, "{text}");
            reduce(&mut headers);
            assert_eq!(Accepted::parse(&headers).unwrap().as_str(), expected, "{text}");
        }
        assert_eq!(Accepted::parse(&HeaderMap::new()), None);
    }
}
