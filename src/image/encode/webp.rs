//! WebP by libwebp: its method 2 where a client waits, which takes half the time of its default 4 for
//! 2 % more bytes at the same looks.

use webp::{Encoder, PixelLayout, WebPConfig};

use super::super::error::Error;
use super::super::metadata::Metadata;
use super::super::raster::{Channels, Raster};
use super::{Effort, How, Target, failed, riff};

pub(super) fn encode(raster: &Raster, how: &How, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let file = picture(raster, how)?;
    Ok(riff::with_metadata(file, (raster.width(), raster.height()), metadata))
}

/// A file that holds nothing but the picture.
pub(super) fn picture(raster: &Raster, how: &How) -> Result<Vec<u8>, Error> {
    let layout = match raster.channels() {
        Channels::Rgb => PixelLayout::Rgb,
        Channels::Rgba => PixelLayout::Rgba,
    };
    let mut config =
        WebPConfig::new().map_err(|()| failed(Target::WebP, "libwebp has another version"))?;
    config.quality = f32::from(how.quality);
    config.method = match how.effort {
        Effort::Fast => 2,
        Effort::Thorough => 4,
    };
    if how.lossless {
        config.lossless = 1;
        // How hard it tries, here.
        config.quality = 75.0;
        config.method = if how.effort == Effort::Fast { 0 } else { 4 };
    }
    let encoder = Encoder::new(raster.pixels(), layout, raster.width(), raster.height());
    let memory =
        encoder.encode_advanced(&config).map_err(|why| failed(Target::WebP, format!("{why:?}")))?;
    Ok(memory.to_vec())
}
