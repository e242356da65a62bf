//! `Vary`, RFC 9110 section 12.5.5: which request fields chose this response.

use http::header::VARY;
use http::{HeaderMap, HeaderName};

use super::list;

/// What `Vary` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Absent or empty: one response for every request.
    Nothing,
    /// These request fields, each once, sorted by name.
    Names(Vec<HeaderName>),
    /// `*`, alone or among names, or something that is no field name: no request ever matches.
    Anything,
}

/// Reads every `Vary` line of a response.
pub fn parse(headers: &HeaderMap) -> Vary {
    let mut names = Vec::new();
    for line in headers.get_all(VARY) {
        for member in list::members(line.as_bytes()) {
            match HeaderName::from_bytes(member) {
                Ok(name) if name != "*" => names.push(name),
                _ => return Vary::Anything,
            }
        }
    }
    if names.is_empty() {
        return Vary::Nothing;
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Vary::Names(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_star_anywhere_is_a_star() {
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(VARY, HeaderValue::from_static(line));
            }
            parse(&headers)
        };
        for lines in [
            &["*"][..],
            &["*, *"],
            &["*", "*"],
            &[", *"],
            &["", "*"],
            &["*, Foo"],
            &["Foo, *"],
            &["a b"],
        ] {
            assert_eq!(read(lines), Vary::Anything, "{lines:?}");
        }
        assert_eq!(read(&["", " , "]), Vary::Nothing);
        let names = vec![HeaderName::from_static("bar"), HeaderName::from_static("foo")];
        assert_eq!(read(&["Foo, Bar", "fOO"]), Vary::Names(names));
    }
}
