//! Where in a path the original ends and the request begins.
//!
//! The separator must not stand in the names of files and directories; where it does, the left-most
//! place that makes sense counts:
//! - a segment that ends with the separator, before a known key: `/a.jpg!/fw/300`;
//! - a segment with a name behind its last separator, at the end of the path or before a known key:
//!   `/a.jpg!small`, `/a.jpg!small/fw/500`. A name has no dot, so `/a_b.jpg` is a plain file;
//! - failing these, a segment that ends with the separator before what could be a key, and behind `!`
//!   a version before what could be one: the customer is told what is wrong with it.

use super::keys;
use crate::image::settings::Separator;

/// The most bytes of a version's name or of a secret.
pub const NAME_MOST: usize = 64;

/// A path that asks for an image, as it stands in the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The original's path.
    pub original: &'a str,
    /// What follows the separator, for [`super::parse`].
    pub suffix: &'a str,
}

impl<'a> Asked<'a> {
    /// The name that stands alone behind the separator: an original's secret, else a version.
    pub fn name(&self) -> Option<&'a str> {
        Some(self.suffix).filter(|it| !it.contains('/'))
    }
}

/// Splits a path (without the query) that asks for an image; `None` for any other path. A
/// percent-encoded separator counts as one.
pub fn split(path: &str, separator: Separator) -> Option<Asked<'_>> {
    let sign = separator.byte();
    if !path.bytes().any(|byte| byte == sign || byte == b'%') {
        return None;
    }
    let mut second_best = None;
    let mut start = 0;
    for segment in path.split('/') {
        let end = start + segment.len();
        if let Some(found) = last_separator(segment, separator) {
            let tail_at = start + found.end;
            let asked =
                Asked { original: path.get(..start + found.start)?, suffix: path.get(tail_at..)? };
            let tail = path.get(tail_at..end)?;
            let next = path.get(end + 1..).map(|rest| rest.split('/').next().unwrap_or(rest));
            match judge(tail, next, separator) {
                Likeness::Sure => return Some(asked),
                Likeness::Maybe => second_best = second_best.or(Some(asked)),
                Likeness::No => {}
            }
        }
        start = end + 1;
    }
    second_best
}

enum Likeness {
    Sure,
    Maybe,
    No,
}

fn judge(tail: &str, next: Option<&str>, separator: Separator) -> Likeness {
    let known = next.is_some_and(|word| keys::find(word).is_some() || word == "watermark");
    let could_be = next.is_some_and(|word| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    match (tail.is_empty(), next) {
        (true, _) if known => Likeness::Sure,
        (true, _) if could_be => Likeness::Maybe,
        (false, None) if is_name(tail) => Likeness::Sure,
        (false, Some(_)) if known && is_name(tail) => Likeness::Sure,
        (false, Some(_)) if could_be && is_name(tail) && separator == Separator::Bang => {
            Likeness::Maybe
        }
        _ => Likeness::No,
    }
}

/// Whether `text` can name a version or be a secret.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.len() <= NAME_MOST && text.bytes().all(fits)
}

/// Where the last separator of a segment lies, if something stands before it.
fn last_separator(segment: &str, separator: Separator) -> Option<std::ops::Range<usize>> {
    let spellings = match separator {
        Separator::Bang => ["!", "%21", "%21"],
        Separator::Hyphen => ["-", "%2D", "%2d"],
        Separator::Underscore => ["_", "%5F", "%5f"],
    };
    spellings
        .into_iter()
        .filter_map(|spelling| segment.rfind(spelling).map(|at| at..at + spelling.len()))
        .max_by_key(|range| range.start)
        .filter(|range| range.start > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, separator: Separator) -> Option<(&str, &str)> {
        split(path, separator).map(|it| (it.original, it.suffix))
    }

    #[test]
    fn the_examples_of_the_language() {
        let bang = |path| at(path, Separator::Bang);
        assert_eq!(bang("/a.jpg!/fw/300/format/webp"), Some(("/a.jpg", "/fw/300/format/webp")));
        assert_eq!(bang("/a.jpg!small"), Some(("/a.jpg", "small")));
        assert_eq!(bang("/d/a.jpg!small/fw/500"), Some(("/d/a.jpg", "small/fw/500")));
        assert_eq!(bang("/a.jpg!/meta/iptc"), Some(("/a.jpg", "/meta/iptc")));
        assert_eq!(bang("/a.jpg!/watermark/text/YQ"), Some(("/a.jpg", "/watermark/text/YQ")));
        assert_eq!(at("/a.jpg_/fw/200", Separator::Underscore), Some(("/a.jpg", "/fw/200")));
        assert_eq!(at("/a.jpg-small", Separator::Hyphen), Some(("/a.jpg", "small")));
    }

    #[test]
    fn other_paths_are_let_alone() {
        for path in ["/", "", "/a.jpg", "/a.jpg!", "/a.jpg!/", "/!/fw/300", "/!small", "/a!b/c.jpg"]
        {
            assert_eq!(at(path, Separator::Bang), None, "{path}");
        }
        for path in ["/my_photo.jpg", "/my_dir/photo.jpg", "/a_b/c/d.html", "/a.jpg!small"] {
            assert_eq!(at(path, Separator::Underscore), None, "{path}");
        }
        assert_eq!(at("/photos-/a.jpg", Separator::Hyphen), None);
        assert_eq!(at(&format!("/a!{}", "x".repeat(65)), Separator::Bang), None);
    }

    #[test]
    fn a_mistake_is_still_a_request() {
        let bang = |path| at(path, Separator::Bang);
        assert_eq!(bang("/a.jpg!/small"), Some(("/a.jpg", "/small")));
        assert_eq!(bang("/a.jpg!/wf/300"), Some(("/a.jpg", "/wf/300")));
        assert_eq!(bang("/a.jpg!small/wf/300"), Some(("/a.jpg", "small/wf/300")));
    }

    #[test]
    fn the_left_most_place_that_makes_sense_counts() {
        let hyphen = |path| at(path, Separator::Hyphen);
        assert_eq!(
            hyphen("/a.jpg-/fw/300/ignore-error/true"),
            Some(("/a.jpg", "/fw/300/ignore-error/true"))
        );
        assert_eq!(hyphen("/a-b.jpg-/fw/300"), Some(("/a-b.jpg", "/fw/300")));
        assert_eq!(hyphen("/x-y/b-c-small"), Some(("/x-y/b-c", "small")));
        assert_eq!(hyphen("/x-/a.jpg-/fw/3"), Some(("/x-/a.jpg", "/fw/3")));
        assert_eq!(hyphen("/x-/y-/fw/3"), Some(("/x-/y", "/fw/3")));
    }

    #[test]
    fn an_encoded_separator_is_one() {
        assert_eq!(at("/a.jpg%21/fw/3", Separator::Bang), Some(("/a.jpg", "/fw/3")));
        assert_eq!(at("/a.jpg%2dsmall", Separator::Hyphen), Some(("/a.jpg", "small")));
        assert_eq!(at("/a.jpg%5Fsmall", Separator::Underscore), Some(("/a.jpg", "small")));
    }

    #[test]
    fn a_name_stands_alone() {
        let name = |path| split(path, Separator::Bang).and_then(|it| it.name());
        assert_eq!(name("/a.jpg!secret1"), Some("secret1"));
        assert_eq!(name("/a.jpg!small/fw/3"), None);
        assert_eq!(name("/a.jpg!/fw/3"), None);
    }
}
