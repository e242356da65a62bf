//! Values as URLs spell them: numbers, sizes, offsets, colours, places, base64. Strict: no signs, no
//! spaces, no second spelling of a number, for every spelling would be one more cached variant.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::image::spec::{
    AREA_MOST, BLUR_RADIUS_MOST, BLUR_SIGMA_MOST, Blur, Colour, Direction, FOCUS_WHOLE, Flip,
    Format, Gravity, PERCENT_MOST, Position, SIDE_MOST,
};

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not what the key allows; the key's own words say what is.
    Value,
    /// Something else, as a clause.
    Because(String),
}

type Result<T> = std::result::Result<T, Wrong>;

/// Standard base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A whole number from `least` to `most`; leading zeros do not count.
pub fn number(text: &str, least: u32, most: u32) -> Result<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Wrong::Value);
    }
    let number: u32 = text.parse().map_err(|_| Wrong::Value)?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(Wrong::Value) }
}

/// As [`number`], for small ones.
pub fn small(text: &str, least: u16, most: u16) -> Result<u16> {
    let number = number(text, least.into(), most.into())?;
    u16::try_from(number).map_err(|_| Wrong::Value)
}

/// As [`number`], for percentages and the like.
pub fn tiny(text: &str, least: u8, most: u8) -> Result<u8> {
    let number = number(text, least.into(), most.into())?;
    u8::try_from(number).map_err(|_| Wrong::Value)
}

/// A side of a picture.
pub fn side(text: &str) -> Result<u32> {
    number(text, 1, SIDE_MOST)
}

/// A percentage of a scaling key.
pub fn percent(text: &str) -> Result<u16> {
    small(text, 1, PERCENT_MOST)
}

/// A number of pixels of a scaling key.
pub fn area(text: &str) -> Result<u32> {
    number(text, 1, AREA_MOST)
}

/// `300x200`, each from `least` up to [`SIDE_MOST`].
pub fn pair(text: &str, least: u32) -> Result<(u32, u32)> {
    let (left, right) = text.split_once('x').ok_or(Wrong::Value)?;
    Ok((number(left, least, SIDE_MOST)?, number(right, least, SIDE_MOST)?))
}

/// `true` or `false`.
pub fn boolean(text: &str) -> Result<bool> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::Value),
    }
}

/// A size and how far it is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub width: u32,
    pub height: u32,
    /// East and south are positive.
    pub offset: Option<(i32, i32)>,
}

/// `300x200` or `300x200a10s20`: `a` moves east or south, `s` west or north.
pub fn placed(text: &str, least: u32) -> Result<Placed> {
    let Some(at) = text.find(['a', 's']) else {
        let (width, height) = pair(text, least)?;
        return Ok(Placed { width, height, offset: None });
    };
    let (size, offset) = text.split_at(at);
    let (width, height) = pair(size, least)?;
    let second = offset.rfind(['a', 's']).filter(|at| *at > 0).ok_or(Wrong::Value)?;
    let (x, y) = offset.split_at(second);
    Ok(Placed { width, height, offset: Some((shift(x)?, shift(y)?)) })
}

/// `a10` or `s10`.
fn shift(text: &str) -> Result<i32> {
    let (sign, digits) = text.split_at_checked(1).ok_or(Wrong::Value)?;
    let distance = number(digits, 0, SIDE_MOST)?.cast_signed();
    match sign {
        "a" => Ok(distance),
        "s" => Ok(-distance),
        _ => Err(Wrong::Value),
    }
}

/// `RRGGBB`, or `RRGGBBAA` where `AA` is the transparency.
pub fn colour(text: &str) -> Result<Colour> {
    if !matches!(text.len(), 6 | 8) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Wrong::Value);
    }
    let digits = u32::from_str_radix(text, 16).map_err(|_| Wrong::Value)?;
    let [red, green, blue, transparency] =
        if text.len() == 6 { digits << 8 } else { digits }.to_be_bytes();
    Ok(Colour { red, green, blue, alpha: 255 - transparency })
}

/// The nine places by name.
pub const POSITIONS: [(&str, Position); 9] = [
    ("northwest", Position::NorthWest),
    ("north", Position::North),
    ("northeast", Position::NorthEast),
    ("west", Position::West),
    ("center", Position::Center),
    ("east", Position::East),
    ("southwest", Position::SouthWest),
    ("south", Position::South),
    ("southeast", Position::SouthEast),
];

/// The directions of a gradient by name.
pub const DIRECTIONS: [(&str, Direction); 4] = [
    ("top,down", Direction::Down),
    ("bottom,up", Direction::Up),
    ("left,right", Direction::Right),
    ("right,left", Direction::Left),
];

/// The ways of mirroring by name.
pub const FLIPS: [(&str, Flip); 3] =
    [("left,right", Flip::Horizontal), ("top,down", Flip::Vertical), ("both", Flip::Both)];

/// The formats by name.
pub const FORMATS: [(&str, Format); 6] = [
    ("jpg", Format::Jpeg),
    ("jpeg", Format::Jpeg),
    ("png", Format::Png),
    ("webp", Format::WebP),
    ("avif", Format::Avif),
    ("auto", Format::Auto),
];

/// The most bytes of a font's name.
const FONT_MOST: usize = 64;

/// The well-formed name of a font, in lower case.
pub fn font(text: &str) -> Result<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || text.len() > FONT_MOST || !text.bytes().all(fits) {
        return Err(Wrong::Value);
    }
    Ok(text.to_ascii_lowercase())
}

/// The value that `table` has for `text`.
pub fn named<T: Copy>(table: &[(&str, T)], text: &str) -> Result<T> {
    table.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or(Wrong::Value)
}

/// A place by name, `auto`, or a focal point such as `fp:0.4x0.25`.
pub fn gravity(text: &str) -> Result<Gravity> {
    if text == "auto" {
        return Ok(Gravity::Auto);
    }
    let Some(point) = text.strip_prefix("fp:") else {
        return named(&POSITIONS, text).map(Gravity::At);
    };
    let (x, y) = point.split_once('x').ok_or(Wrong::Value)?;
    Ok(Gravity::Focus { x: share(x)?, y: share(y)? })
}

/// A number from 0 to 1 with up to three decimals, in thousandths.
fn share(text: &str) -> Result<u16> {
    let thousandths = decimal(text, 3)?;
    u16::try_from(thousandths).ok().filter(|it| *it <= FOCUS_WHOLE).ok_or(Wrong::Value)
}

/// A density in quarters: `1.5` is 6, from 0.5 to 5.
pub fn density(text: &str) -> Result<u32> {
    let hundredths = decimal(text, 2)?;
    match hundredths {
        50..=500 if hundredths % 25 == 0 => Ok(hundredths / 25),
        _ => Err(Wrong::Value),
    }
}

/// A number below a thousand with up to `places` decimals, counted in the last of these places.
fn decimal(text: &str, places: usize) -> Result<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.is_empty() || part.len() > places {
        return Err(Wrong::Value);
    }
    let whole = number(whole, 0, 999)?;
    number(&format!("{whole}{part:0<places$}"), 0, u32::MAX)
}

/// `<radius>x<sigma>`.
pub fn blur(text: &str) -> Result<Blur> {
    let (radius, sigma) = text.split_once('x').ok_or(Wrong::Value)?;
    Ok(Blur {
        radius: tiny(radius, 0, BLUR_RADIUS_MOST)?,
        sigma: small(sigma, 1, BLUR_SIGMA_MOST)?,
    })
}

/// `<start>,<end>` with the start not after the end.
pub fn span(text: &str) -> Result<(u32, u32)> {
    let (start, stop) = text.split_once(',').ok_or(Wrong::Value)?;
    let (start, stop) = (number(start, 0, SIDE_MOST)?, number(stop, 0, SIDE_MOST)?);
    if start <= stop { Ok((start, stop)) } else { Err(Wrong::Value) }
}

/// The text behind base64 in which `|` stands for `/`. Padding may be missing, and the letters of
/// the URL-safe alphabet are understood.
pub fn base64(text: &str) -> Result<String> {
    let standard: String = text
        .chars()
        .map(|letter| match letter {
            '|' | '_' => '/',
            '-' => '+',
            other => other,
        })
        .collect();
    let bytes = BASE64.decode(standard).map_err(|_| Wrong::Value)?;
    String::from_utf8(bytes).map_err(|_| Wrong::Value)
}

/// The reverse of [`base64`].
pub fn to_base64(text: &str) -> String {
    BASE64.encode(text).replace('/', "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_in_bounds() {
        assert_eq!(number("1", 1, 9), Ok(1));
        assert_eq!(number("007", 1, 9), Ok(7));
        for text in ["", "0", "10", "+5", "-5", " 5", "5.0", "٥", "99999999999999999999"] {
            assert_eq!(number(text, 1, 9), Err(Wrong::Value), "{text}");
        }
        assert_eq!(pair("300x200", 1), Ok((300, 200)));
        for text in ["300", "300X200", "x", "300x", "x200", "1x2x3", "0x5", "20001x1"] {
            assert_eq!(pair(text, 1), Err(Wrong::Value), "{text}");
        }
    }

    #[test]
    fn offsets_have_a_sign_each() {
        let offset = |text| placed(text, 0).map(|it| it.offset);
        assert_eq!(offset("3x2"), Ok(None));
        assert_eq!(offset("3x2a1a4"), Ok(Some((1, 4))));
        assert_eq!(offset("3x2s1a4"), Ok(Some((-1, 4))));
        assert_eq!(offset("0x0a0s4"), Ok(Some((0, -4))));
        for text in ["3x2a1", "3x2aa", "3x2a1a", "3x2a1a2a3", "a1a2", "3x2a-1a1", "3x2a1 a1"] {
            assert_eq!(offset(text), Err(Wrong::Value), "{text}");
        }
    }

    #[test]
    fn the_last_byte_of_a_colour_is_transparency() {
        let alpha = |text| colour(text).map(|it| it.alpha);
        assert_eq!(colour("FF8000"), Ok(Colour { red: 255, green: 128, blue: 0, alpha: 255 }));
        assert_eq!(colour("ffffff00"), Ok(Colour::WHITE));
        assert_eq!(alpha("000000FF"), Ok(0));
        assert_eq!(alpha("00000040"), Ok(0xBF));
        for text in ["", "FFF", "FFFFFFF", "GGGGGG", "+FFFFF", "ééé", "FFFFFFFFF"] {
            assert_eq!(colour(text), Err(Wrong::Value), "{text}");
        }
    }

    #[test]
    fn focal_points_and_densities_are_decimals() {
        assert_eq!(gravity("fp:0.4x0.25"), Ok(Gravity::Focus { x: 400, y: 250 }));
        assert_eq!(gravity("fp:1x0"), Ok(Gravity::Focus { x: 1000, y: 0 }));
        assert_eq!(gravity("southeast"), Ok(Gravity::At(Position::SouthEast)));
        assert_eq!(gravity("auto"), Ok(Gravity::Auto));
        for text in ["fp:1.001x0", "fp:.5x0", "fp:0.x0", "fp:0.1234x0", "fp:0", "up", "centre", ""]
        {
            assert_eq!(gravity(text), Err(Wrong::Value), "{text}");
        }
        assert_eq!(density("2"), Ok(8));
        assert_eq!(density("1.5"), Ok(6));
        assert_eq!(density("0.75"), Ok(3));
        for text in ["0.25", "1.1", "5.25", "", "1.", "x", "99999"] {
            assert_eq!(density(text), Err(Wrong::Value), "{text}");
        }
    }

    #[test]
    fn base64_is_read_in_every_spelling() {
        assert_eq!(base64("5L2g5aW977yB").as_deref(), Ok("你好！"));
        assert_eq!(
            base64("L3BhdGgvdG8vd2F0ZXJtYXJrLnBuZw==").as_deref(),
            Ok("/path/to/watermark.png")
        );
        assert_eq!(base64("L3BhdGgvdG8vd2F0ZXJtYXJrLnBuZw").unwrap(), "/path/to/watermark.png");
        // "a?>?~" needs both letters that differ: YT8+P34=, and `/` for "???".
        assert_eq!(base64("Pz8|").as_deref(), Ok("???"));
        assert_eq!(base64("Pz8_").as_deref(), Ok("???"));
        assert_eq!(base64("Pz8-"), base64("Pz8+"));
        assert_eq!(to_base64("???"), "Pz8|");
        for text in ["!", "a", "5L2", "//79"] {
            assert_eq!(base64(text), Err(Wrong::Value), "{text}");
        }
    }

    #[test]
    fn spans_and_blurs_are_bounded() {
        assert_eq!(span("0,200"), Ok((0, 200)));
        assert_eq!(span("7,7"), Ok((7, 7)));
        assert_eq!(span("8,7"), Err(Wrong::Value));
        assert_eq!(span("8"), Err(Wrong::Value));
        assert_eq!(blur("0x5"), Ok(Blur { radius: 0, sigma: 5 }));
        for text in ["51x1", "5x0", "5", "5x1001", "x"] {
            assert_eq!(blur(text), Err(Wrong::Value), "{text}");
        }
    }
}
