//! PNG: palettes, greys and 16 bits become 8-bit colours; of an animated PNG the picture that readers
//! show which know nothing of animation.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, Limits, Transformations};

use super::super::error::Error;
use super::super::header::{Header, Kind};
use super::super::raster::{Channels, Raster};
use super::{damaged, grey, grey_with_alpha};

/// Bytes that everything but the pixels may take: profiles and rows in work.
const AUXILIARY: usize = 16 << 20;

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let broken = |why: png::DecodingError| damaged(Kind::Png, why);
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: AUXILIARY });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(broken)?;
    let icc = reader.info().icc_profile.as_ref().map(|it| it.to_vec());
    let (colours, _) = reader.output_color_type();
    let length =
        reader.output_buffer_size().ok_or_else(|| damaged(Kind::Png, "it is too large"))?;
    let mut pixels = vec![0; length];
    reader.next_frame(&mut pixels).map_err(broken)?;
    reader.finish().map_err(broken)?;
    let (channels, pixels) = coloured(colours, pixels);
    let raster = Raster::new(header.width, header.height, channels, pixels)
        .ok_or_else(|| damaged(Kind::Png, "its header contradicts itself"))?;
    Ok((raster, icc))
}

fn coloured(colours: ColorType, pixels: Vec<u8>) -> (Channels, Vec<u8>) {
    match colours {
        ColorType::Rgba => (Channels::Rgba, pixels),
        ColorType::Grayscale => (Channels::Rgb, grey(&pixels)),
        ColorType::GrayscaleAlpha => (Channels::Rgba, grey_with_alpha(&pixels)),
        ColorType::Rgb | ColorType::Indexed => (Channels::Rgb, pixels),
    }
}
