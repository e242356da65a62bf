//! WebP by a decoder in Rust: no C reads foreign WebP here.

use std::io::Cursor;

use image_webp::{DecodingError, LoopCount, WebPDecoder};

use super::super::error::Error;
use super::super::header::{Header, Kind};
use super::super::raster::{Channels, Raster};
use super::{Flow, Frame, damaged};

/// Bytes that everything but the pixels may take.
const AUXILIARY: usize = 16 << 20;

pub(super) fn decode(bytes: &[u8], header: &Header) -> Result<(Raster, Option<Vec<u8>>), Error> {
    let broken = |why: DecodingError| damaged(Kind::WebP, why);
    let mut decoder = open(bytes, header)?;
    let mut pixels = buffer(&decoder)?;
    decoder.read_image(&mut pixels).map_err(broken)?;
    let icc = decoder.icc_profile().map_err(broken)?;
    Ok((raster(&decoder, pixels)?, icc))
}

/// Hands out each frame as the whole canvas. Returns how often the animation plays; 0 is for ever.
pub(super) fn animation(
    bytes: &[u8],
    header: &Header,
    each: &mut dyn FnMut(Frame<'_>) -> Result<Flow, Error>,
) -> Result<u16, Error> {
    let mut decoder = open(bytes, header)?;
    if !decoder.is_animated() || decoder.num_frames() != header.frames {
        return Err(damaged(Kind::WebP, "its header contradicts itself"));
    }
    let mut pixels = buffer(&decoder)?;
    for _ in 0..header.frames {
        let delay = decoder.read_frame(&mut pixels).map_err(|why| damaged(Kind::WebP, why))?;
        let canvas = raster(&decoder, pixels)?;
        if each(Frame { raster: &canvas, delay })? == Flow::Stop {
            return Ok(0);
        }
        pixels = canvas.into_pixels();
    }
    Ok(match decoder.loop_count() {
        LoopCount::Forever => 0,
        LoopCount::Times(times) => times.get(),
    })
}

fn open<'a>(bytes: &'a [u8], header: &Header) -> Result<WebPDecoder<Cursor<&'a [u8]>>, Error> {
    let mut decoder =
        WebPDecoder::new(Cursor::new(bytes)).map_err(|why| damaged(Kind::WebP, why))?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(damaged(Kind::WebP, "its header contradicts itself"));
    }
    decoder.set_memory_limit(AUXILIARY);
    Ok(decoder)
}

fn buffer(decoder: &WebPDecoder<Cursor<&[u8]>>) -> Result<Vec<u8>, Error> {
    let length = decoder.output_buffer_size();
    length.map(|it| vec![0; it]).ok_or_else(|| damaged(Kind::WebP, "it is too large"))
}

fn raster(decoder: &WebPDecoder<Cursor<&[u8]>>, pixels: Vec<u8>) -> Result<Raster, Error> {
    let (width, height) = decoder.dimensions();
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    Raster::new(width, height, channels, pixels)
        .ok_or_else(|| damaged(Kind::WebP, "its header contradicts itself"))
}
