//! The table of all keys: name, error code, what is allowed in words, and what the key does to a draft.

use super::draft::Draft;
use super::error::code;
use super::value::{self, Wrong};
use crate::image::spec::{COLOURS_MOST, FONT_SIZE_MOST, Quality, Question, Rotate, Scale};

/// A key of the URL language.
pub struct Key {
    /// As URLs spell it; `watermark/…` and `meta/…` take a slash with them.
    pub name: &'static str,
    /// The code of what is wrong with its value.
    pub code: u32,
    /// What is allowed, in words; empty where the key takes no value.
    pub allowed: &'static str,
    /// Whether its value is a size, which a site may keep to a list.
    pub sized: bool,
    /// What it does.
    pub set: fn(&mut Draft, &str) -> Result<(), Wrong>,
}

impl Key {
    /// Whether a value follows.
    pub fn takes_value(&self) -> bool {
        !self.allowed.is_empty()
    }
}

type Set = fn(&mut Draft, &str) -> Result<(), Wrong>;

const fn key(name: &'static str, code: u32, allowed: &'static str, set: Set) -> Key {
    Key { name, code, allowed, sized: false, set }
}

const fn sized(name: &'static str, code: u32, allowed: &'static str, set: Set) -> Key {
    Key { name, code, allowed, sized: true, set }
}

/// The radius of the corners where none is given.
const ROUND: u32 = 10;

const SIDE: &str = "a length in pixels, 1 to 20000";
const PAIR: &str = "a size such as `300x200`, each side 1 to 20000 pixels";
const PERCENT: &str = "a percentage, 1 to 1000";
const BOOLEAN: &str = "`true` or `false`";
const BOX: &str = "a size, and how far it is moved: `300x200` or `300x200a10s20` (`a` moves east or \
                   south, `s` west or north; 0 as a side means what is left)";
const COLOUR: &str =
    "a colour `RRGGBB` or `RRGGBBAA`, where `AA` is the transparency (`00` is opaque)";
const POSITION: &str = "`northwest`, `north`, `northeast`, `west`, `center`, `east`, `southwest`, \
                        `south` or `southeast`";
const BORDER: &str = "the width of a frame such as `3x2`, or in a text watermark the colour of an \
                      outline, `RRGGBBAA`";
const CANVAS: &str = "a size and where the picture lies on it: `300x200` (in the middle) or \
                      `300x200a10a20`";
const GRAVITY: &str = "`northwest`, `north`, `northeast`, `west`, `center`, `east`, `southwest`, \
                       `south`, `southeast`, `auto`, or a focal point such as `fp:0.4x0.25`";

/// Finds a key by its whole name.
pub fn find(name: &str) -> Option<&'static Key> {
    GROUPS.iter().flat_map(|group| group.iter()).find(|key| key.name == name)
}

/// All names.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|group| group.iter()).map(|key| key.name)
}

/// Words of everyday life and of other services, and the keys that they stand for.
const WORDS: [(&str, &str); 16] = [
    ("w", "fw"),
    ("width", "fw"),
    ("resize", "fw"),
    ("h", "fh"),
    ("height", "fh"),
    ("square", "sq"),
    ("blur", "gaussblur"),
    ("sharpen", "unsharp"),
    ("sharp", "unsharp"),
    ("q", "quality"),
    ("fm", "format"),
    ("webp", "format"),
    ("radius", "roundrect"),
    ("text", "watermark/text"),
    ("url", "watermark/url"),
    ("exif", "meta"),
];

/// The key that one of these words stands for.
pub fn meant(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, key)| *key)
}

/// Every key, group by group.
pub const GROUPS: [&[Key]; 6] = [SCALING, CROPPING, MARKS, EFFECTS, OUTPUT, QUESTIONS];

const SCALING: &[Key] = &[
    sized("fw", code::VALUE, SIDE, |it, text| it.scale(Scale::Width(value::side(text)?))),
    sized("fh", code::VALUE, SIDE, |it, text| it.scale(Scale::Height(value::side(text)?))),
    sized("max", code::VALUE, SIDE, |it, text| it.scale(Scale::Longest(value::side(text)?))),
    sized("min", code::VALUE, SIDE, |it, text| it.scale(Scale::Shortest(value::side(text)?))),
    sized("fwfh", code::VALUE, PAIR, |it, text| {
        let (width, height) = value::pair(text, 1)?;
        it.scale(Scale::Fit { width, height })
    }),
    sized("fwfh2", code::VALUE, PAIR, |it, text| {
        let (width, height) = value::pair(text, 1)?;
        it.scale(Scale::Cover { width, height })
    }),
    sized("both", code::VALUE, PAIR, |it, text| it.exact(value::pair(text, 1)?)),
    sized("sq", code::VALUE, SIDE, |it, text| {
        let side = value::side(text)?;
        it.exact((side, side))
    }),
    sized("stretch", code::VALUE, PAIR, |it, text| {
        let (width, height) = value::pair(text, 1)?;
        it.scale(Scale::Stretch { width, height })
    }),
    sized("scale", code::VALUE, PERCENT, |it, text| {
        it.scale(Scale::Percent(value::percent(text)?))
    }),
    sized("wscale", code::VALUE, PERCENT, |it, text| {
        it.scale(Scale::WidthPercent(value::percent(text)?))
    }),
    sized("hscale", code::VALUE, PERCENT, |it, text| {
        it.scale(Scale::HeightPercent(value::percent(text)?))
    }),
    sized("fxfn", code::VALUE, PAIR, |it, text| {
        let (one, other) = value::pair(text, 1)?;
        it.scale(Scale::FitSides { long: one.max(other), short: one.min(other) })
    }),
    sized("fxfn2", code::VALUE, PAIR, |it, text| {
        let (one, other) = value::pair(text, 1)?;
        it.scale(Scale::CoverSides { long: one.max(other), short: one.min(other) })
    }),
    sized("fp", code::VALUE, "a number of pixels, 1 to 25000000", |it, text| {
        it.scale(Scale::Area(value::area(text)?))
    }),
    key("force", code::TYPE, BOOLEAN, |it, text| {
        it.spec.force = value::boolean(text)?;
        Ok(())
    }),
    key("dpr", code::VALUE, "a pixel density, 0.5 to 5 in steps of 0.25", |it, text| {
        it.quarters = value::density(text)?;
        Ok(())
    }),
];

const CROPPING: &[Key] = &[
    sized("crop", code::CROP, BOX, |it, text| it.crop(value::placed(text, 0)?)),
    sized("clip", code::CROP, BOX, |it, text| it.clip(value::placed(text, 0)?)),
    key("gravity", code::CROP, GRAVITY, |it, text| it.gravity(value::gravity(text)?)),
    key("roundrect", code::CROP, "a radius in pixels, 1 to 20000", |it, text| {
        it.spec.round = Some(if text.is_empty() { ROUND } else { value::side(text)? });
        Ok(())
    }),
];

const MARKS: &[Key] = &[
    key(
        "watermark/url",
        code::MARK,
        "the base64 of a path of this site such as `/logo.png`, with `|` in place of each `/`",
        |it, text| it.image_mark(&value::base64(text)?),
    ),
    key(
        "watermark/text",
        code::MARK_TEXT,
        "the base64 of a text of 1 to 1000 characters, with `|` in place of each `/`",
        |it, text| it.text_mark(value::base64(text)?),
    ),
    key("align", code::MARK_ALIGN, POSITION, |it, text| {
        it.mark()?.align = value::named(&value::POSITIONS, text)?;
        Ok(())
    }),
    key("margin", code::MARK_MARGIN, "two distances in pixels such as `20x20`", |it, text| {
        let mark = it.mark()?;
        (mark.margin_x, mark.margin_y) = value::pair(text, 0)?;
        Ok(())
    }),
    key("opacity", code::MARK_OPACITY, "0 (invisible) to 100 (opaque)", |it, text| {
        it.mark()?.opacity = value::tiny(text, 0, 100)?;
        Ok(())
    }),
    key("animate", code::MARK_ANIMATE, BOOLEAN, |it, text| {
        it.mark()?.animate = value::boolean(text)?;
        Ok(())
    }),
    key("percent", code::INVALID, "0 (off) to 100", |it, text| {
        let percent = value::tiny(text, 0, 100)?;
        *it.picture()?.percent = (percent > 0).then_some(percent);
        Ok(())
    }),
    key("repeat", code::INVALID, BOOLEAN, |it, text| {
        *it.picture()?.repeat = value::boolean(text)?;
        Ok(())
    }),
    key("size", code::MARK_SIZE, "a font size in pixels, 1 to 2000", |it, text| {
        *it.letters()?.size = value::number(text, 1, FONT_SIZE_MOST)?;
        Ok(())
    }),
    key("font", code::MARK_FONT, "a font's name such as `simhei` or `arial`", |it, text| {
        *it.letters()?.font = value::font(text)?;
        Ok(())
    }),
    key("color", code::MARK_COLOUR, COLOUR, |it, text| {
        *it.letters()?.colour = value::colour(text)?;
        Ok(())
    }),
];

const EFFECTS: &[Key] = &[
    key("rotate", code::ROTATE, "`auto` or an angle in degrees, 1 to 360", |it, text| {
        it.spec.rotate = match text {
            "auto" => Some(Rotate::Auto),
            _ => Some(value::small(text, 1, 360)?).filter(|it| *it < 360).map(Rotate::Degrees),
        };
        Ok(())
    }),
    key("flip", code::INVALID, "`left,right`, `top,down` or `both`", |it, text| {
        it.spec.flip = Some(value::named(&value::FLIPS, text)?);
        Ok(())
    }),
    key("unsharp", code::UNSHARP, BOOLEAN, |it, text| {
        it.spec.unsharp = value::boolean(text)?;
        Ok(())
    }),
    key(
        "gaussblur",
        code::BLUR,
        "a radius of 0 to 50 and a sigma of 1 to 1000 such as `5x2`",
        |it, text| {
            it.spec.blur = Some(value::blur(text)?);
            Ok(())
        },
    ),
    key("border", code::BORDER, BORDER, |it, text| match value::pair(text, 0) {
        Ok(frame) => {
            it.frame = frame;
            Ok(())
        }
        Err(_) => {
            let colour = value::colour(text)?;
            *it.letters()?.outline = Some(colour).filter(|it| it.alpha > 0);
            Ok(())
        }
    }),
    key("brdcolor", code::BORDER, COLOUR, |it, text| {
        it.frame_colour = value::colour(text)?;
        Ok(())
    }),
    sized("canvas", code::CANVAS, CANVAS, |it, text| {
        it.canvas = Some(value::placed(text, 1)?);
        Ok(())
    }),
    key("cvscolor", code::CANVAS_COLOUR, COLOUR, |it, text| {
        it.canvas_colour = value::colour(text)?;
        Ok(())
    }),
    key(
        "gdori",
        code::GRADIENT_DIRECTION,
        "`top,down`, `bottom,up`, `left,right` or `right,left`",
        |it, text| {
            it.direction = Some(value::named(&value::DIRECTIONS, text)?);
            Ok(())
        },
    ),
    key(
        "gdpos",
        code::GRADIENT_SPAN,
        "start and end in pixels such as `0,200`, the start not after the end",
        |it, text| {
            it.gradient_span = Some(value::span(text)?);
            Ok(())
        },
    ),
    key("gdstartcolor", code::GRADIENT_FROM, COLOUR, |it, text| {
        it.gradient_from = value::colour(text)?;
        Ok(())
    }),
    key("gdstopcolor", code::GRADIENT_TO, COLOUR, |it, text| {
        it.gradient_to = value::colour(text)?;
        Ok(())
    }),
];

const OUTPUT: &[Key] = &[
    key("format", code::FORMAT, "`jpg`, `png`, `webp`, `avif` or `auto`", |it, text| {
        it.spec.output.format = value::named(&value::FORMATS, text)?;
        Ok(())
    }),
    key("lossless", code::WEBP, BOOLEAN, |it, text| {
        it.spec.output.lossless = value::boolean(text)?;
        Ok(())
    }),
    key("quality", code::QUALITY, "1 to 99 or `auto`", |it, text| {
        it.spec.output.quality = Some(match text {
            "auto" => Quality::Auto,
            _ => Quality::Fixed(value::tiny(text, 1, 99)?),
        });
        Ok(())
    }),
    key("compress", code::COMPRESS, BOOLEAN, |it, text| {
        it.spec.output.compress = value::boolean(text)?;
        Ok(())
    }),
    key("progressive", code::PROGRESSIVE, BOOLEAN, |it, text| {
        it.spec.output.progressive = value::boolean(text)?;
        Ok(())
    }),
    key("coalesce", code::INVALID, BOOLEAN, |it, text| {
        it.spec.output.coalesce = value::boolean(text)?;
        Ok(())
    }),
    key("gifto", code::GIFTO, BOOLEAN, |it, text| {
        it.spec.output.first_frame_only = value::boolean(text)?;
        Ok(())
    }),
    key("noicc", code::NO_ICC, BOOLEAN, |it, text| {
        it.spec.output.keep_icc = !value::boolean(text)?;
        Ok(())
    }),
    key("strip", code::NO_ICC, BOOLEAN, |it, text| {
        it.strip = value::boolean(text)?;
        Ok(())
    }),
    key("exifswitch", code::EXIF_SWITCH, BOOLEAN, |it, text| {
        it.spec.output.keep_exif = value::boolean(text)?;
        Ok(())
    }),
    key("ignore-error", code::INVALID, BOOLEAN, |it, text| {
        it.spec.ignore_error = value::boolean(text)?;
        Ok(())
    }),
];

const QUESTIONS: &[Key] = &[
    key("info", code::QUESTION, "", |it, _| it.ask(Question::Info)),
    key("meta", code::QUESTION, "", |it, _| it.ask(Question::Meta)),
    key("meta/iptc", code::QUESTION, "", |it, _| it.ask(Question::MetaIptc)),
    key("meta/all", code::QUESTION, "", |it, _| it.ask(Question::MetaAll)),
    key("excolor", code::COLOUR_COUNT, "a number of colours, 1 to 4096", |it, text| {
        it.ask(Question::Colours { count: value::small(text, 1, COLOURS_MOST)?, hex: false })
    }),
    key("exformat", code::COLOUR_FORMAT, "`dec` or `hex`", |it, text| {
        it.hex = value::named(&[("dec", false), ("hex", true)], text)?;
        Ok(())
    }),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_stands_once_and_says_what_is_allowed() {
        let mut all: Vec<&str> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for name in &all {
            let key = find(name).unwrap();
            assert!((40_011_001..=40_011_035).contains(&key.code), "{name}");
            assert_eq!(key.takes_value(), !name.starts_with("meta") && *name != "info", "{name}");
        }
        assert!(find("fww").is_none());
        for (word, key) in WORDS {
            assert!(find(word).is_none() && find(key).is_some(), "{word}");
        }
    }

    #[test]
    fn the_page_for_customers_has_every_key_and_its_code() {
        let page = include_str!("../README.md");
        let (tables, codes) = page.split_once("`40011` and:").unwrap();
        let codes = codes.replace('\n', " ");
        for key in GROUPS.iter().flat_map(|group| group.iter()) {
            let written = format!("`{}`", key.name);
            assert!(tables.contains(&written), "{written} is not explained");
            if key.code == code::INVALID {
                assert!(!codes.contains(&written), "{written} has no code of its own");
                continue;
            }
            let digits = format!("{:03}", key.code % 1000);
            let listed = codes
                .split(" · ")
                .map(str::trim)
                .any(|it| it.starts_with(&digits) && it.contains(&written));
            let kin = key.code == code::VALUE || key.name.starts_with("meta/");
            assert!(listed || kin, "{written} is not beside {digits}");
        }
    }
}
