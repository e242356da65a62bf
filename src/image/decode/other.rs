//! BMP, TIFF, ICO and PNM.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::super::error::Error;
use super::super::geometry::Size;
use super::super::header::{Header, Kind};
use super::super::raster::{Channels, Raster};
use super::shrink::{self, Shrink};
use super::{Decoded, damaged, grey, grey_with_alpha};

/// Bytes that a decoder may allocate for a pixel: 16 bits of four channels twice.
const BYTES_PER_PIXEL: u64 = 16;

pub(super) fn decode(bytes: &[u8], header: &Header, needed: f64) -> Result<Decoded, Error> {
    let broken = |why: ImageError| damaged(header.kind, why);
    let contradicts = || damaged(header.kind, "its header contradicts itself");
    let format = match header.kind {
        Kind::Bmp => ImageFormat::Bmp,
        Kind::Tiff => ImageFormat::Tiff,
        Kind::Ico => ImageFormat::Ico,
        _ => ImageFormat::Pnm,
    };
    // Room for the pixels would be made before any is read.
    if header.kind == Kind::Pnm && !holds(bytes, header) {
        return Err(damaged(header.kind, "it ends too early"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(header));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(contradicts());
    }
    let icc = decoder.icc_profile().ok().flatten();
    let side = shrink::side(needed);
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    if let Some(raster) = (side > 1).then(|| shrunk(&picture, side)).flatten() {
        return Ok(Decoded { raster, factor: 1.0 / f64::from(side), icc });
    }
    let raster = whole(picture).ok_or_else(contradicts)?;
    Ok(Decoded { raster, factor: 1.0, icc })
}

/// Whether a PNM can have as many samples as it says: each takes a byte, in bitmaps of bits one bit.
fn holds(bytes: &[u8], header: &Header) -> bool {
    let row = match bytes.get(1) {
        Some(b'4') => header.width.div_ceil(8),
        _ => header.width,
    };
    u64::from(row) * u64::from(header.height) <= bytes.len() as u64
}

/// A picture of 8-bit samples with one pixel for each box.
fn shrunk(picture: &DynamicImage, side: u32) -> Option<Raster> {
    let samples = match picture.color() {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => {
            usize::from(picture.color().channel_count())
        }
        _ => return None,
    };
    let mut shrink = Shrink::new(Size::new(picture.width(), picture.height()), samples, side);
    let stride = picture.width() as usize * samples;
    picture.as_bytes().chunks_exact(stride).for_each(|row| shrink.row(row));
    shrink.finish(picture.width())
}

fn whole(picture: DynamicImage) -> Option<Raster> {
    let (width, height) = (picture.width(), picture.height());
    let (channels, pixels) = match picture {
        DynamicImage::ImageLuma8(it) => (Channels::Rgb, grey(&it)),
        DynamicImage::ImageLumaA8(it) => (Channels::Rgba, grey_with_alpha(&it)),
        it if it.color().has_alpha() => (Channels::Rgba, it.into_rgba8().into_raw()),
        it => (Channels::Rgb, it.into_rgb8().into_raw()),
    };
    Raster::new(width, height, channels, pixels)
}

fn limits(header: &Header) -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    let pixels = u64::from(header.width) * u64::from(header.height);
    limits.max_alloc = Some(pixels * BYTES_PER_PIXEL + (1 << 20));
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pnm_that_ends_too_early_is_known_by_its_length() {
        let header = Header { kind: Kind::Pnm, width: 17, height: 4, frames: 1, scans: 1 };
        let file = |kind: &[u8], length: usize| [kind, &vec![0; length - 2]].concat();
        for (kind, least) in [(b"P4", 12), (b"P5", 68), (b"P6", 68), (b"P1", 68)] {
            assert!(holds(&file(kind, least), &header));
            assert!(!holds(&file(kind, least - 1), &header));
        }
    }
}
