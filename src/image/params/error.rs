//! What is wrong with a request for an image, in words that its author understands.

use std::fmt;

use crate::image::geometry::{PIXELS_MOST, TooLarge};
use crate::image::spec::SIDE_MOST;

/// A refusal. The body that a client sees, `{"code":…,"msg":…,"id":…}`, is made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The HTTP status: 400; 403 for a missing or wrong signature; 404 for a version that does not
    /// exist; 405 or 409 for a picture above the limits.
    pub status: u16,
    /// Eight digits, see [`code`].
    pub code: u32,
    /// Which key, which value, what is allowed. Printable, at most a few hundred bytes.
    pub message: String,
}

/// The eight-digit codes. Keys that have none of their own share that of their nearest kin.
#[expect(missing_docs, reason = "the names say it; the page for customers lists them")]
pub mod code {
    pub const TYPE: u32 = 40_011_001;
    pub const VALUE: u32 = 40_011_002;
    pub const UNSHARP: u32 = 40_011_003;
    pub const QUALITY: u32 = 40_011_004;
    pub const EXIF_SWITCH: u32 = 40_011_005;
    pub const GIFTO: u32 = 40_011_006;
    pub const WEBP: u32 = 40_011_007;
    pub const FORMAT: u32 = 40_011_008;
    pub const CROP: u32 = 40_011_009;
    pub const ROTATE: u32 = 40_011_010;
    pub const BLUR: u32 = 40_011_011;
    pub const COMPRESS: u32 = 40_011_012;
    pub const PROGRESSIVE: u32 = 40_011_013;
    pub const NO_ICC: u32 = 40_011_014;
    pub const MARK: u32 = 40_011_015;
    pub const MARK_ALIGN: u32 = 40_011_016;
    pub const MARK_MARGIN: u32 = 40_011_017;
    pub const MARK_OPACITY: u32 = 40_011_018;
    pub const MARK_ANIMATE: u32 = 40_011_019;
    pub const MARK_FONT: u32 = 40_011_020;
    pub const MARK_TEXT: u32 = 40_011_021;
    pub const MARK_COLOUR: u32 = 40_011_022;
    pub const BORDER: u32 = 40_011_023;
    pub const MARK_SIZE: u32 = 40_011_024;
    pub const GRADIENT_DIRECTION: u32 = 40_011_025;
    pub const GRADIENT_SPAN: u32 = 40_011_026;
    pub const GRADIENT_FROM: u32 = 40_011_027;
    pub const GRADIENT_TO: u32 = 40_011_028;
    pub const QUESTION: u32 = 40_011_029;
    pub const COLOUR_COUNT: u32 = 40_011_030;
    pub const COLOUR_FORMAT: u32 = 40_011_032;
    pub const CANVAS: u32 = 40_011_033;
    pub const CANVAS_COLOUR: u32 = 40_011_034;
    /// An unknown key, or text that is no list of keys and values.
    pub const INVALID: u32 = 40_011_035;
    /// No such version; status 404.
    pub const NO_VERSION: u32 = 40_300_017;
    /// Not an image; status 405, or 406 where information was asked for.
    pub const NOT_AN_IMAGE: u32 = 40_300_018;
    /// The width is out of range; status 405.
    pub const WIDTH: u32 = 40_300_019;
    /// The height is out of range; status 405.
    pub const HEIGHT: u32 = 40_300_020;
    /// Too many pixels; status 409.
    pub const PIXELS: u32 = 40_300_021;
}

impl Error {
    /// Status 400.
    pub(super) fn bad(code: u32, message: impl Into<String>) -> Self {
        Error { status: 400, code, message: message.into() }
    }

    /// Status 404: no such version.
    pub(super) fn no_version(message: impl Into<String>) -> Self {
        Error { status: 404, code: code::NO_VERSION, message: message.into() }
    }
}

impl From<TooLarge> for Error {
    /// Status 405 for a side, 409 for the pixels.
    fn from(wrong: TooLarge) -> Self {
        let (status, code, message) = match wrong {
            TooLarge::Width(width) => (
                405,
                code::WIDTH,
                format!(
                    "the picture would be {width} pixels wide; at most {SIDE_MOST} are allowed"
                ),
            ),
            TooLarge::Height(height) => (
                405,
                code::HEIGHT,
                format!(
                    "the picture would be {height} pixels high; at most {SIDE_MOST} are allowed"
                ),
            ),
            TooLarge::Pixels(pixels) => (
                409,
                code::PIXELS,
                format!(
                    "the picture has {pixels} pixels with all its frames; at most {PIXELS_MOST} are allowed"
                ),
            ),
        };
        Error { status, code, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Error {}

/// The most characters of a customer's text that a message repeats.
const QUOTED_MOST: usize = 60;

/// `text` in backticks, cut where it is long, with nothing unprintable in it.
pub fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED_MOST).is_some() {
        shown.push('…');
    }
    format!("`{}`", shown.replace("\\'", "'").replace("\\\"", "\""))
}

/// `; did you mean …?` if one of `names` is close to what was written, else nothing.
pub fn did_you_mean<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> String {
    let written: String = written.chars().take(QUOTED_MOST).flat_map(char::to_lowercase).collect();
    names
        .map(|name| (strsim::damerau_levenshtein(&written, name), name))
        .filter(|(edits, name)| *edits <= 1.max(name.len() / 3) && *edits < name.len())
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_printable() {
        assert_eq!(quoted("a'b\"c"), "`a'b\"c`");
        assert_eq!(quoted("a\r\n\u{202e}"), "`a\\r\\n\\u{202e}`");
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }

    #[test]
    fn a_picture_above_the_limits_has_its_status() {
        for (wrong, status, code) in [
            (TooLarge::Width(20_001), 405, code::WIDTH),
            (TooLarge::Height(20_001), 405, code::HEIGHT),
            (TooLarge::Pixels(200_000_001), 409, code::PIXELS),
        ] {
            let error = Error::from(wrong);
            assert_eq!((error.status, error.code), (status, code));
            assert!(error.message.contains("at most 20000"), "{error}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_understood() {
        let keys = ["fw", "fh", "format", "quality", "watermark"];
        let mean = |text| did_you_mean(text, keys.into_iter());
        assert_eq!(mean("qualty"), "; did you mean `quality`?");
        assert_eq!(mean("Formt"), "; did you mean `format`?");
        assert_eq!(mean("wf"), "; did you mean `fw`?");
        assert_eq!(mean("brightness"), "");
        assert_eq!(mean(&"q".repeat(5000)), "");
    }
}
