//! BMP, TIFF, ICO and PNM.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::super::error::Error;
use super::super::header::{Header, Kind};
use super::super::raster::{Channels, Raster, bytes as size_in_bytes};
use super::{damaged, grey, grey_with_alpha};

/// Bytes that a decoder may allocate for a pixel: 16 bits of four channels twice.
const BYTES_PER_PIXEL: u64 = 16;

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let broken = |why: image::ImageError| damaged(header.kind, why);
    let format = match header.kind {
        Kind::Bmp => ImageFormat::Bmp,
        Kind::Tiff => ImageFormat::Tiff,
        Kind::Ico => ImageFormat::Ico,
        _ => ImageFormat::Pnm,
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits(header));
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let icc = decoder.icc_profile().ok().flatten();
    let picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let (width, height) = (picture.width(), picture.height());
    let (channels, pixels) = match picture {
        DynamicImage::ImageLuma8(it) => (Channels::Rgb, grey(&it)),
        DynamicImage::ImageLumaA8(it) => (Channels::Rgba, grey_with_alpha(&it)),
        it if it.color().has_alpha() => (Channels::Rgba, it.into_rgba8().into_raw()),
        it => (Channels::Rgb, it.into_rgb8().into_raw()),
    };
    let fits = (width, height) == (header.width, header.height)
        && size_in_bytes(width, height, channels) == Some(pixels.len());
    Raster::new(width, height, channels, pixels)
        .filter(|_| fits)
        .map(|it| (it, icc))
        .ok_or_else(|| damaged(header.kind, "its header contradicts itself"))
}

fn limits(header: &Header) -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(header.width);
    limits.max_image_height = Some(header.height);
    let pixels = u64::from(header.width) * u64::from(header.height);
    limits.max_alloc = Some(pixels * BYTES_PER_PIXEL + (1 << 20));
    limits
}
