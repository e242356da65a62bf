//! PNG: quick where a client waits, small where none does or where one pass more is asked for.

use std::borrow::Cow;

use png::{BitDepth, ColorType, Compression, Encoder, Info};

use super::super::error::Error;
use super::super::metadata::Metadata;
use super::super::raster::{Channels, Raster};
use super::{Effort, How, Target, failed};

pub(super) fn encode(raster: &Raster, how: &How, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let broken = |why: png::EncodingError| failed(Target::Png, why);
    let mut info = Info::with_size(raster.width(), raster.height());
    info.bit_depth = BitDepth::Eight;
    info.color_type = match raster.channels() {
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::with_info(&mut bytes, info).map_err(broken)?;
    encoder.set_compression(match (how.effort, how.compress) {
        (Effort::Fast, false) => Compression::Fast,
        (Effort::Thorough, false) => Compression::Balanced,
        (_, true) => Compression::High,
    });
    if let Some(xmp) = metadata.xmp.as_deref().and_then(|it| std::str::from_utf8(it).ok()) {
        encoder.add_itxt_chunk("XML:com.adobe.xmp".into(), xmp.into()).map_err(broken)?;
    }
    let mut writer = encoder.write_header().map_err(broken)?;
    writer.write_image_data(raster.pixels()).map_err(broken)?;
    writer.finish().map_err(broken)?;
    Ok(bytes)
}
