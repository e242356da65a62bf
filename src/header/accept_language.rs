//! `Accept-Language`, RFC 9110 section 12.5.4, in a form in which equal wishes are equal texts.

use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE};

use super::list;

/// The wishes: lower-case tags with their qualities in thousandths, best first, then by name. The
/// order in which a client lists tags of equal quality "cannot be relied upon" (RFC 9110), so it is
/// not kept; what the client refuses (`q=0`) is left out unless nothing else is there.
pub fn wishes(headers: &HeaderMap) -> Vec<(String, u16)> {
    let mut wishes: Vec<_> = headers
        .get_all(ACCEPT_LANGUAGE)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
        .map(list::quality)
        .map(|(tag, quality)| (String::from_utf8_lossy(tag).to_ascii_lowercase(), quality))
        .collect();
    wishes.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    wishes.dedup();
    wishes
}

/// The one language that the client likes better than every other, lower-case; `None` when two are
/// liked equally, or the best is `*`.
pub fn favourite(headers: &HeaderMap) -> Option<String> {
    let mut wishes = wishes(headers).into_iter();
    let (tag, quality) = wishes.next()?;
    let alone = wishes.next().is_none_or(|(_, second)| second < quality);
    (alone && quality > 0 && tag != "*").then_some(tag)
}

/// The language of a response that is in one language only, lower-case.
pub fn content_language(headers: &HeaderMap) -> Option<String> {
    let mut tags =
        headers.get_all(CONTENT_LANGUAGE).iter().flat_map(|line| list::members(line.as_bytes()));
    let tag = tags.next()?;
    match tags.next() {
        None if list::is_token(tag) => Some(String::from_utf8_lossy(tag).to_ascii_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static(text))])
    }

    #[test]
    fn equal_wishes_are_equal() {
        let same = wishes(&headers("en, de"));
        for text in ["de, en", "eN, De", " en ,   de", "en;q=1.0,de;q=1"] {
            assert_eq!(wishes(&headers(text)), same, "{text}");
        }
        for text in ["en", "en;q=0.9, de", "en, de, fr"] {
            assert_ne!(wishes(&headers(text)), same, "{text}");
        }
    }

    #[test]
    fn a_favourite_stands_alone() {
        for (text, expected) in [
            ("fr;q=0.5, de;q=1.0", Some("de")),
            ("DE-at", Some("de-at")),
            ("en, de", None),
            ("*", None),
            ("en;q=0", None),
            ("", None),
        ] {
            assert_eq!(favourite(&headers(text)).as_deref(), expected, "{text}");
        }
    }
}
