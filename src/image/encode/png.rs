//! PNG: quick where a client waits, as small as it gets where none does or where that is asked for.

use std::borrow::Cow;

use oxipng::{Options, RawImage};
use png::{BitDepth, ColorType, Compression, Encoder, Info};

use super::super::error::Error;
use super::super::metadata::Metadata;
use super::super::raster::{Channels, Raster};
use super::{Effort, How, Target, failed};

/// What begins the chunk of text that is XMP: its name, then neither compression nor language.
const XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";

pub(super) fn encode(raster: Raster, how: &How, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    if how.effort == Effort::Thorough || how.compress {
        small(raster, metadata).map_err(|why| failed(Target::Png, why))
    } else {
        quick(&raster, metadata).map_err(|why| failed(Target::Png, why))
    }
}

fn quick(raster: &Raster, metadata: &Metadata) -> Result<Vec<u8>, png::EncodingError> {
    let mut info = Info::with_size(raster.width(), raster.height());
    info.bit_depth = BitDepth::Eight;
    info.color_type = match raster.channels() {
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info)?;
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    if let Some(xmp) = &metadata.xmp {
        writer.write_chunk(png::chunk::iTXt, &[XMP, xmp].concat())?;
    }
    writer.write_image_data(raster.pixels())?;
    writer.finish()?;
    Ok(bytes)
}

/// Tries several filters, and palettes and greys where they lose nothing.
fn small(raster: Raster, metadata: &Metadata) -> Result<Vec<u8>, oxipng::PngError> {
    let colours = match raster.channels() {
        Channels::Rgb => oxipng::ColorType::RGB { transparent_color: None },
        Channels::Rgba => oxipng::ColorType::RGBA,
    };
    let (width, height) = (raster.width(), raster.height());
    let depth = oxipng::BitDepth::Eight;
    let mut picture = RawImage::new(width, height, colours, depth, raster.into_pixels())?;
    if let Some(icc) = &metadata.icc {
        picture.add_icc_profile(icc);
    }
    if let Some(exif) = &metadata.exif {
        picture.add_png_chunk(*b"eXIf", exif.clone());
    }
    if let Some(xmp) = &metadata.xmp {
        picture.add_png_chunk(*b"iTXt", [XMP, xmp].concat());
    }
    picture.create_optimized_png(&Options::from_preset(1))
}
