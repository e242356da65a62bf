//! From a file's bytes to pixels: one file per library.
//!
//! Every decoder answers a whole picture or an error: what ends too early or is damaged is never half
//! a picture. Sizes were checked by [`Header::read`] before anything here allocates.

mod gif;
mod jpeg;
mod other;
mod png;
mod shrink;
pub(super) mod svg;
mod webp;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::Error;
use super::header::{Header, Kind};
use super::limits::Limits;
use super::raster::Raster;

/// A decoded picture.
#[derive(Debug)]
pub struct Decoded {
    /// The pixels, in the colours of `icc` or else in sRGB.
    pub raster: Raster,
    /// How large it is beside what the header says: less than 1 if fewer pixels were enough.
    pub factor: f64,
    /// The colour profile that still has to be applied or handed on.
    pub icc: Option<Vec<u8>>,
}

/// One frame of what moves, as large as the canvas.
pub struct Frame<'a> {
    /// What is to be seen.
    pub raster: &'a Raster,
    /// For how long, in milliseconds.
    pub delay: u32,
}

/// Whether to go on with the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Next,
    /// Enough.
    Stop,
}

/// Decodes one picture, the first frame of what moves. `needed` is the factor by which the result may
/// be smaller than the header says (or, for an SVG, should be larger): decoders that can save work do.
pub fn still(
    bytes: &[u8],
    header: &Header,
    needed: f64,
    limits: &Limits,
) -> Result<Decoded, Error> {
    let whole = |(raster, icc)| Decoded { raster, factor: 1.0, icc };
    if !matches!(header.kind, Kind::Jpeg | Kind::Png | Kind::Svg) {
        limits.check_held(header.size())?;
    }
    guarded(header.kind, || match header.kind {
        Kind::Jpeg => jpeg::decode(bytes, header, needed, limits),
        Kind::Png => png::decode(bytes, header, needed, limits),
        Kind::Gif => first(|each| gif::decode(bytes, header, each).map(drop)).map(whole),
        Kind::WebP if header.frames > 1 => {
            first(|each| webp::animation(bytes, header, each).map(drop)).map(whole)
        }
        Kind::WebP => webp::decode(bytes, header).map(whole),
        Kind::Svg => svg::decode(bytes, needed, limits),
        Kind::Bmp | Kind::Tiff | Kind::Ico | Kind::Pnm => other::decode(bytes, header, needed),
    })
}

/// Decodes all frames of a GIF or WebP in turn. Returns how often the animation plays; 0 is for ever.
pub fn frames(
    bytes: &[u8],
    header: &Header,
    limits: &Limits,
    each: &mut dyn FnMut(Frame<'_>) -> Result<Flow, Error>,
) -> Result<u16, Error> {
    limits.check_held(header.size())?;
    guarded(header.kind, || match header.kind {
        Kind::Gif => gif::decode(bytes, header, each),
        Kind::WebP if header.frames > 1 => webp::animation(bytes, header, each),
        _ => Err(Error::not_an_image("the image does not move")),
    })
}

type First = (Raster, Option<Vec<u8>>);
type Each<'a> = &'a mut dyn FnMut(Frame<'_>) -> Result<Flow, Error>;

/// The first frame.
fn first(decode: impl FnOnce(Each<'_>) -> Result<(), Error>) -> Result<First, Error> {
    let mut found = None;
    decode(&mut |frame| {
        found = Some(frame.raster.clone());
        Ok(Flow::Stop)
    })?;
    let raster = found.ok_or_else(|| Error::not_an_image("the image has no frames"))?;
    Ok((raster.without_needless_alpha(), None))
}

/// Runs a decoder. Libraries may panic on what they do not foresee; that costs the one picture.
pub(super) fn guarded<T>(
    kind: Kind,
    decode: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(damaged(kind, "it is damaged")))
}

/// The error for a file that a decoder gives up on.
fn damaged(kind: Kind, why: impl std::fmt::Display) -> Error {
    Error::not_an_image(format!("this {} image cannot be read: {why}", kind.name()))
}

/// Greys as colours, in room that is taken once: a large picture has little to spare.
fn grey(pixels: &[u8]) -> Vec<u8> {
    let mut colours = vec![0; pixels.len() * 3];
    let each = colours.as_chunks_mut().0.iter_mut().zip(pixels);
    each.for_each(|(colour, &grey)| *colour = [grey; 3]);
    colours
}

/// Greys with alpha as colours with alpha, likewise.
fn grey_with_alpha(pixels: &[u8]) -> Vec<u8> {
    let mut colours = vec![0; pixels.len() * 2];
    let each = colours.as_chunks_mut().0.iter_mut().zip(pixels.as_chunks().0);
    each.for_each(|(colour, &[grey, alpha])| *colour = [grey, grey, grey, alpha]);
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_become_colours() {
        assert_eq!(grey(&[1, 9]), [1, 1, 1, 9, 9, 9]);
        assert_eq!(grey_with_alpha(&[1, 9, 7, 255]), [1, 1, 1, 9, 7, 7, 7, 255]);
        let all = |it: Vec<u8>| it.capacity() == it.len();
        assert!(all(grey(&[3; 1000])) && all(grey_with_alpha(&[3; 1000])));
    }
}
