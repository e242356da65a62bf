//! SVG by resvg: drawn at the size that is needed, with nothing that reaches outside the file.
//!
//! Scripts, `foreignObject` and animation are not known to the renderer. Images, be they embedded or
//! linked, are left out: no file is read, nothing is fetched, no second decoder is fed. The renderer
//! itself bounds entities, elements and nesting.

use resvg::tiny_skia::{Pixmap, Transform};
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
    Ok(parse(bytes).ok().map(|tree| {
        let size = tree.size();
        (size.width().ceil() as u32, size.height().ceil() as u32)
    }))
}

/// Draws the picture `needed` times as large as it says, as far as the limits allow.
pub(super) fn decode(bytes: &[u8], needed: f64, limits: &Limits) -> Result<Decoded, Error> {
    let tree = parse(bytes).map_err(|why| damaged(Kind::Svg, why))?;
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

fn parse(bytes: &[u8]) -> Result<Tree, usvg::Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| usvg::Error::NotAnUtf8Str)?;
    let options = Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        fontdb: fonts::ours(),
        font_resolver: fonts::resolver(),
        ..Options::default()
    };
    Tree::from_str(text, &options)
}
