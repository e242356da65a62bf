//! PNG: palettes, greys and 16 bits become 8-bit colours; of an animated PNG the picture that readers
//! show which know nothing of animation.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, DecodingError, Reader, Transformations};

use super::super::error::Error;
use super::super::header::{Header, Kind};
use super::super::limits::Limits;
use super::super::raster::{Channels, Raster};
use super::shrink::{self, Shrink};
use super::{Decoded, damaged, grey, grey_with_alpha};

/// Bytes that everything but the pixels may take: profiles and rows in work.
const AUXILIARY: usize = 16 << 20;

pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    needed: f64,
    limits: &Limits,
) -> Result<Decoded, Error> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(png::Limits { bytes: AUXILIARY });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(broken)?;
    let icc = reader.info().icc_profile.as_ref().map(|it| it.to_vec());
    // What is interlaced has its rows in another order.
    let side = if reader.info().interlaced { 1 } else { shrink::side(needed) };
    if side == 1 {
        limits.check_held(header.size())?;
    }
    let raster = match side {
        1 => all(&mut reader, header),
        _ => shrunk(&mut reader, header, side),
    }?;
    reader.finish().map_err(broken)?;
    let raster = raster.ok_or_else(|| damaged(Kind::Png, "its header contradicts itself"))?;
    Ok(Decoded { raster, factor: 1.0 / f64::from(side), icc })
}

fn broken(why: DecodingError) -> Error {
    damaged(Kind::Png, why)
}

type Rows<'a> = Reader<Cursor<&'a [u8]>>;

fn all(reader: &mut Rows<'_>, header: &Header) -> Result<Option<Raster>, Error> {
    let (colours, _) = reader.output_color_type();
    let length =
        reader.output_buffer_size().ok_or_else(|| damaged(Kind::Png, "it is too large"))?;
    let mut pixels = vec![0; length];
    reader.next_frame(&mut pixels).map_err(broken)?;
    let (channels, pixels) = coloured(colours, pixels);
    Ok(Raster::new(header.width, header.height, channels, pixels))
}

fn shrunk(reader: &mut Rows<'_>, header: &Header, side: u32) -> Result<Option<Raster>, Error> {
    let (colours, _) = reader.output_color_type();
    let samples = match colours {
        ColorType::Indexed => ColorType::Rgb.samples(),
        _ => colours.samples(),
    };
    let mut shrink = Shrink::new(header.size(), samples, side);
    while let Some(row) = reader.next_row().map_err(broken)? {
        shrink.row(row.data());
    }
    Ok(shrink.finish(header.width))
}

fn coloured(colours: ColorType, pixels: Vec<u8>) -> (Channels, Vec<u8>) {
    match colours {
        ColorType::Rgba => (Channels::Rgba, pixels),
        ColorType::Grayscale => (Channels::Rgb, grey(&pixels)),
        ColorType::GrayscaleAlpha => (Channels::Rgba, grey_with_alpha(&pixels)),
        ColorType::Rgb | ColorType::Indexed => (Channels::Rgb, pixels),
    }
}
