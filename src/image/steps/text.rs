//! Text as a picture: shaped and laid out by the SVG renderer, right-to-left scripts included.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use super::super::error::{Error, ErrorKind};
use super::super::fonts::{self, Fonts};
use super::super::geometry::Size;
use super::super::raster::{Channels, Raster};
use super::super::spec::Colour;
use super::blend;

/// A text to draw.
pub struct Text<'a> {
    /// What it says; a line feed begins a new line.
    pub text: &'a str,
    /// Font size in pixels.
    pub size: u32,
    /// The font's name.
    pub font: &'a str,
    /// The letters' colour.
    pub colour: Colour,
    /// The outline's colour.
    pub outline: Option<Colour>,
}

/// Draws the text tightly; nothing if it has no ink or is wider or higher than `most`.
pub fn draw(text: &Text<'_>, fonts: &Fonts, most: Size) -> Result<Option<Raster>, Error> {
    let no_font = |what: String| Error::new(ErrorKind::Font, what);
    let family = fonts
        .family(text.font)
        .ok_or_else(|| no_font(format!("there is no font for `{}`", text.font)))?;
    if let Some(character) = fonts.missing(text.text) {
        return Err(no_font(format!("no font has the character U+{:04X}", u32::from(character))));
    }
    let options = Options {
        fontdb: fonts.database(),
        font_resolver: fonts::resolver(),
        ..Options::default()
    };
    let tree = Tree::from_str(&document(text, &family), &options)
        .map_err(|why| Error::new(ErrorKind::Fault, format!("the text cannot be drawn: {why}")))?;
    let ink = tree.root().abs_stroke_bounding_box();
    let (left, top) = (ink.left().floor(), ink.top().floor());
    let (width, height) = (ink.right().ceil() - left, ink.bottom().ceil() - top);
    // Not a number, too, is nothing to draw.
    let fits =
        width >= 1.0 && height >= 1.0 && width <= most.width as f32 && height <= most.height as f32;
    if !fits {
        return Ok(None);
    }
    let (width, height) = (width as u32, height as u32);
    let Some(mut pixmap) = Pixmap::new(width, height) else { return Ok(None) };
    resvg::render(&tree, Transform::from_translate(-left, -top), &mut pixmap.as_mut());
    Ok(Raster::new(width, height, Channels::Rgba, pixmap.take()).map(blend::divided))
}

/// The text as an SVG whose letters begin far enough from the edges to be wholly inside.
fn document(text: &Text<'_>, family: &str) -> String {
    let lines: Vec<&str> = text.text.split('\n').collect();
    let size = text.size;
    let paint = |name: &str, colour: Colour| {
        let Colour { red, green, blue, alpha } = colour;
        let opacity = f64::from(alpha) / 255.0;
        format!(r##" {name}="#{red:02x}{green:02x}{blue:02x}" {name}-opacity="{opacity:.4}""##)
    };
    let mut paints = paint("fill", text.colour);
    if let Some(outline) = text.outline {
        paints += &paint("stroke", outline);
        // Half of it lies below the letters.
        let width = f64::from(size) / 12.0;
        paints +=
            &format!(r#" stroke-width="{width:.2}" stroke-linejoin="round" paint-order="stroke""#);
    }
    let spans: String = lines
        .iter()
        .enumerate()
        .map(|(line, text)| {
            let y = f64::from(size) * (1.0 + 1.2 * line as f64);
            format!(r#"<tspan x="0" y="{y:.2}">{}</tspan>"#, escaped(text))
        })
        .collect();
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="1000000" height="1000000"><text xml:space="preserve" font-family="'{}'" font-size="{size}"{paints}>{spans}</text></svg>"#,
        escaped(&family.replace('\'', "")),
    )
}

fn escaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => result.push_str("&amp;"),
            '<' => result.push_str("&lt;"),
            '>' => result.push_str("&gt;"),
            '"' => result.push_str("&quot;"),
            '\'' => result.push_str("&apos;"),
            // XML allows no others.
            it if it.is_control() => result.push(' '),
            it => result.push(it),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Size = Size { width: 5000, height: 5000 };

    fn text(text: &str) -> Text<'_> {
        Text { text, size: 32, font: "arial", colour: Colour::BLACK, outline: None }
    }

    fn drawn(it: &Text<'_>) -> Raster {
        draw(it, &Fonts::default(), MOST).unwrap().unwrap()
    }

    fn ink(raster: &Raster) -> u64 {
        raster.each().map(|it| u64::from(it[3])).sum()
    }

    #[test]
    fn letters_have_size_and_colour() {
        let green = Colour { red: 0, green: 200, blue: 0, alpha: 255 };
        let raster = drawn(&Text { colour: green, ..text("HHHH") });
        assert!((20..=28).contains(&raster.height()), "{:?}", raster.size());
        let solid = raster.each().filter(|it| it == &[0, 200, 0, 255]).count();
        assert!(solid > 200, "{solid}");
        let twice = drawn(&Text { size: 64, ..text("HHHH") });
        assert!(twice.height().abs_diff(raster.height() * 2) <= 2);
        let half = drawn(&Text { colour: Colour { alpha: 128, ..green }, ..text("HHHH") });
        assert!(half.each().all(|it| it[3] <= 128));
    }

    #[test]
    fn lines_lie_below_each_other() {
        let (one, two) = (drawn(&text("HH")), drawn(&text("HH\nHH")));
        assert_eq!(one.width(), two.width());
        assert!(two.height().abs_diff(one.height() + 38) <= 1, "{:?}", two.size());
        assert!(ink(&two).abs_diff(ink(&one) * 2) < ink(&one) / 50);
    }

    #[test]
    fn an_outline_lies_around_the_letters() {
        let outline = Some(Colour { red: 255, green: 0, blue: 0, alpha: 255 });
        let (plain, outlined) = (drawn(&text("I")), drawn(&Text { outline, ..text("I") }));
        assert!(outlined.width() > plain.width() && outlined.height() > plain.height());
        let red = outlined.each().filter(|it| it == &[255, 0, 0, 255]).count();
        let black = outlined.each().filter(|it| it == &[0, 0, 0, 255]).count();
        assert!(red > 20 && black > 20, "{red} {black}");
    }

    #[test]
    fn arabic_is_joined() {
        // Two letters side by side take less room than the sum of both alone, and other shapes.
        let (joined, single) = (drawn(&text("\u{628}\u{628}")), drawn(&text("\u{628}")));
        assert!(joined.width() < single.width() * 2, "{:?} {:?}", joined.size(), single.size());
        let cut = drawn(&text("\u{628}\u{200c}\u{628}"));
        assert!(cut.width() > joined.width(), "{:?} {:?}", cut.size(), joined.size());
    }

    #[test]
    fn right_to_left_is_laid_out_from_the_right() {
        // A wide letter and then a narrow one: the narrow one stands left.
        let raster = drawn(&text("\u{5e9}\u{5d5}"));
        let columns: Vec<u64> = (0..raster.width())
            .map(|x| (0..raster.height()).map(|y| u64::from(raster.pixel(x, y).unwrap()[3])).sum())
            .collect();
        let gap = columns.iter().position(|&it| it == 0).unwrap();
        assert!(gap < columns.len() / 2, "{gap} of {}", columns.len());
    }

    #[test]
    fn chinese_is_written_or_has_no_font() {
        let chinese = Text { font: "simsun", ..text("\u{4f60}\u{597d}") };
        match Fonts::default().missing(chinese.text) {
            // Two characters, each as wide as the font is high.
            None => assert!(drawn(&chinese).width().abs_diff(64) <= 6),
            Some(_) => {
                let error = draw(&chinese, &Fonts::default(), MOST).unwrap_err();
                assert_eq!(error.message, "no font has the character U+4F60");
            }
        }
    }

    #[test]
    fn markup_is_text() {
        let raster = drawn(&text("<b>&'\"</b>"));
        assert!(raster.width() > 100, "{:?}", raster.size());
    }

    #[test]
    fn too_large_or_empty_is_nothing() {
        let fonts = Fonts::default();
        assert_eq!(draw(&text("wide"), &fonts, Size::new(20, 100)).unwrap(), None);
        assert_eq!(draw(&text(" "), &fonts, MOST).unwrap(), None);
        let huge = Text { size: 2000, ..text("many many letters") };
        assert_eq!(draw(&huge, &fonts, MOST).unwrap(), None);
    }

    #[test]
    fn without_a_font_there_is_an_error() {
        let error = draw(&text("a"), &Fonts::none(), MOST).unwrap_err();
        assert_eq!((error.kind, error.code()), (ErrorKind::Font, 40_011_020));
        let error = draw(&text("\u{10fffd}"), &Fonts::default(), MOST).unwrap_err();
        assert_eq!(error.message, "no font has the character U+10FFFD");
    }
}
