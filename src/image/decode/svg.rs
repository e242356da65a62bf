//! SVG by resvg: drawn at the size that is needed, with nothing that reaches outside the file.
//!
//! Scripts, `foreignObject` and animation are not known to the renderer. Images, be they embedded or
//! linked, are left out: no file is read, nothing is fetched, no second decoder is fed. The renderer
//! itself bounds entities, elements and nesting; how much it has to write is bounded here.

use std::collections::HashMap;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};
use resvg::usvg::{self, ImageHrefResolver, Options, Tree};

use super::super::error::{Error, ErrorKind};
use super::super::fonts;
use super::super::geometry::Size;
use super::super::header::Kind;
use super::super::limits::Limits;
use super::super::raster::{Channels, Raster};
use super::{Decoded, damaged};

/// How far into a file its root element is looked for.
const PREAMBLE: usize = 4096;
/// What a text costs beside its characters, in characters.
const TEXT: u64 = 5;
/// How deep `use` within what is used is followed.
const USES: u32 = 16;

/// Whether text looks like an SVG: markup whose beginning names the element.
pub(in super::super) fn looks_like(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let start = bytes.get(..PREAMBLE).unwrap_or(bytes);
    let html = |it: &[u8]| start.get(..it.len()).is_some_and(|s| s.eq_ignore_ascii_case(it));
    start.first() == Some(&b'<')
        && memchr::memmem::find(start, b"<svg").is_some()
        && !html(b"<!doctype html")
        && !html(b"<html")
}

/// The size in pixels, rounded up.
pub(in super::super) fn size(bytes: &[u8], limits: &Limits) -> Result<Option<(u32, u32)>, Error> {
    if bytes.len() as u64 > limits.svg_bytes {
        let message = format!("the SVG has {} bytes, more than {}", bytes.len(), limits.svg_bytes);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    match parse(bytes, limits) {
        Ok(tree) => {
            let size = tree.size();
            Ok(Some((size.width().ceil() as u32, size.height().ceil() as u32)))
        }
        Err(error) if error.kind == ErrorKind::NotAnImage => Ok(None),
        Err(error) => Err(error),
    }
}

/// Draws the picture `needed` times as large as it says, as far as the limits allow.
pub(super) fn decode(bytes: &[u8], needed: f64, limits: &Limits) -> Result<Decoded, Error> {
    let tree = parse(bytes, limits)?;
    let (full_width, full_height) = (tree.size().width().ceil(), tree.size().height().ceil());
    let factor = bounded(needed, f64::from(full_width), f64::from(full_height), limits);
    let scaled = |side: f32| (f64::from(side) * factor).ceil().max(1.0) as u32;
    let (width, height) = (scaled(full_width), scaled(full_height));
    limits.check_result(Size { width, height }, 1)?;
    let mut pixmap =
        Pixmap::new(width, height).ok_or_else(|| damaged(Kind::Svg, "it is too large"))?;
    resvg::render(&tree, Transform::from_scale(factor as f32, factor as f32), &mut pixmap.as_mut());
    let mut pixels = pixmap.take();
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let [red, green, blue, alpha] = *pixel;
        let straight = |it: u8| match alpha {
            0 => 0,
            _ => ((u32::from(it) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8,
        };
        *pixel = [straight(red), straight(green), straight(blue), alpha];
    }
    let raster = Raster::new(width, height, Channels::Rgba, pixels)
        .ok_or_else(|| damaged(Kind::Svg, "it is empty"))?;
    Ok(Decoded { raster: raster.without_needless_alpha(), factor, icc: None })
}

/// The factor, but no larger than the limits and no smaller than one pixel.
fn bounded(needed: f64, width: f64, height: f64, limits: &Limits) -> f64 {
    let side = f64::from(limits.side) / width.max(height).max(1.0);
    let area = (limits.pixels as f64 / (width * height).max(1.0)).sqrt();
    let most = side.min(area) * 0.999;
    needed.max(1.0 / width.max(height).max(1.0)).min(most)
}

fn parse(bytes: &[u8], limits: &Limits) -> Result<Tree, Error> {
    let damaged = |why| damaged(Kind::Svg, why);
    let text = std::str::from_utf8(bytes).map_err(|_| damaged(usvg::Error::NotAnUtf8Str))?;
    let reading = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, reading)
        .map_err(|why| damaged(usvg::Error::ParsingFailed(why)))?;
    check_letters(&document, limits)?;
    let options = Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        fontdb: fonts::ours(),
        font_resolver: fonts::resolver(),
        ..Options::default()
    };
    Tree::from_xmltree(&document, &options).map_err(damaged)
}

/// Refuses what has too much to write.
fn check_letters(document: &Document<'_>, limits: &Limits) -> Result<(), Error> {
    let [most_of_one, most_of_all] = limits.svg_letters;
    let [longest, all] = letters(document, most_of_all);
    let message = if longest > most_of_one {
        format!("a text of the SVG has {longest} characters, more than {most_of_one}")
    } else if all > most_of_all {
        format!(
            "the texts of the SVG have {all} characters or more, and {most_of_all} are the most"
        )
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::TooLarge, message))
}

/// Characters of the longest text, and of all texts, each of which counts as [`TEXT`] more and what `use`
/// repeats each time, until there are more than `enough`.
fn letters(document: &Document<'_>, enough: u64) -> [u64; 2] {
    let nodes: Vec<Node<'_, '_>> = document.root().descendants().collect();
    let ends = ends(&nodes);
    let end = |number: usize| ends.get(number).copied().unwrap_or_default();
    let (mut own, mut text, mut length, mut longest) = (Vec::new(), 0, 0, 0);
    for (number, node) in nodes.iter().enumerate() {
        let begins = number >= text && node.tag_name().name() == "text";
        if begins {
            (text, length) = (end(number), 0);
        }
        let written = node.text().filter(|_| node.is_text() && number < text);
        let count = written.map_or(0, |written| written.chars().count() as u64);
        length += count;
        longest = length.max(longest);
        own.push(if begins { TEXT } else { count });
    }
    let used = used(&nodes);
    let mut sums = sums(own.iter().copied());
    for _ in 0..USES {
        let total = sums.last().copied().unwrap_or_default();
        if total > enough {
            break;
        }
        let before = |number: usize| sums.get(number).copied().unwrap_or_default();
        let again = |used: &Option<usize>| used.map_or(0, |it| before(end(it)) - before(it));
        sums = self::sums(own.iter().zip(&used).map(|(own, used)| own + again(used)));
        if sums.last() == Some(&total) {
            break;
        }
    }
    [longest, sums.last().copied().unwrap_or_default()]
}

/// For each node the number behind the last one that lies in it.
fn ends(nodes: &[Node<'_, '_>]) -> Vec<usize> {
    let mut ends: Vec<usize> = (1..=nodes.len()).collect();
    for (number, node) in nodes.iter().enumerate().rev() {
        let end = ends.get(number).copied().unwrap_or_default();
        let parent = node.parent().and_then(|parent| ends.get_mut(parent.id().get_usize()));
        if let Some(parent) = parent {
            *parent = end.max(*parent);
        }
    }
    ends
}

/// For each node the number of the one that it uses.
fn used(nodes: &[Node<'_, '_>]) -> Vec<Option<usize>> {
    let named = nodes.iter().enumerate();
    let named = named.filter_map(|(number, node)| Some((node.attribute("id")?, number)));
    let named: HashMap<&str, usize> = named.collect();
    let target = |node: &Node<'_, '_>| {
        let mut links = node.attributes().filter(|it| it.name() == "href");
        let link = links.next().filter(|_| node.tag_name().name() == "use")?.value();
        named.get(link.trim().strip_prefix('#')?).copied()
    };
    nodes.iter().map(target).collect()
}

/// The sum of those before each number, and of all.
fn sums(counts: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sum = 0;
    let after = counts.map(|count| {
        sum += count;
        sum
    });
    std::iter::once(0).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_as_often_as_they_are_written() {
        for (inside, expected) in [
            ("<rect/>not written", [0, 0]),
            ("<text>ab<tspan>c\u{4e2d}</tspan></text><text>e</text>", [4, 5 + 2 * TEXT]),
            ("<title>long</title><g><text>a<title>bc</title></text></g>", [3, 3 + TEXT]),
            ("<text id='t'>abc</text><use href='#t'/><use xlink:href=' #t'/>", [3, 3 * (3 + TEXT)]),
            (
                "<g id='g'><text id='t'>ab</text><use href='#t'/></g><use href='#g'/>",
                [2, 4 * (2 + TEXT)],
            ),
            (
                "<g id='g'><text>ab</text><use href='#none'/></g><use href='a.svg#g'/>",
                [2, 2 + TEXT],
            ),
        ] {
            let text = format!("<svg xmlns='a' xmlns:xlink='b'>{inside}</svg>");
            assert_eq!(letters(&Document::parse(&text).unwrap(), 50_000), expected, "{inside}");
        }
        // What repeats itself has no end, and is found to be too much.
        let text = "<svg><g id='g'><text>a</text><use href='#g'/><use href='#g'/></g></svg>";
        assert!(letters(&Document::parse(text).unwrap(), 50_000)[1] > 50_000);
    }
}
