//! GIF: frames are parts of a canvas; what each leaves behind is done here as browsers do it.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, DisposalMethod, MemoryLimit, Repeat};

use super::super::error::Error;
use super::super::geometry::{Area, Size};
use super::super::header::{Header, Kind};
use super::super::raster::{Channels, Raster};
use super::{Flow, Frame, damaged};

/// Hands out each frame as the whole canvas. Returns how often the animation plays; 0 is for ever.
pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    each: &mut dyn FnMut(Frame<'_>) -> Result<Flow, Error>,
) -> Result<u16, Error> {
    let broken = |why: gif::DecodingError| damaged(Kind::Gif, why);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    // A frame may be larger than the canvas, but not without bound.
    let room = u64::from(header.width) * u64::from(header.height) * 8 + (1 << 20);
    options.set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(room).unwrap_or(NonZeroU64::MIN)));
    let mut decoder = options.read_info(bytes).map_err(broken)?;
    let mut canvas = Raster::filled(header.width, header.height, [0; 4]);
    let mut seen = 0;
    while let Some(part) = decoder.read_next_frame().map_err(broken)? {
        let area = Area {
            x: u32::from(part.left),
            y: u32::from(part.top),
            size: Size { width: u32::from(part.width), height: u32::from(part.height) },
        };
        let before = (part.dispose == DisposalMethod::Previous).then(|| canvas.clone());
        draw(&mut canvas, area, &part.buffer);
        seen += 1;
        let delay = u32::from(part.delay) * 10;
        if each(Frame { raster: &canvas, delay })? == Flow::Stop {
            return Ok(0);
        }
        match (part.dispose, before) {
            (DisposalMethod::Background, _) => clear(&mut canvas, area),
            (DisposalMethod::Previous, Some(before)) => canvas = before,
            _ => {}
        }
    }
    if seen != header.frames {
        return Err(damaged(Kind::Gif, "it ends too early"));
    }
    Ok(match decoder.repeat() {
        Repeat::Infinite => 0,
        // What says nothing plays once; what says n plays once and n times more.
        Repeat::Finite(times) => times.saturating_add(1),
    })
}

/// Draws the pixels that are not transparent; what lies outside the canvas is left out.
fn draw(canvas: &mut Raster, area: Area, pixels: &[u8]) {
    let stride = area.size.width as usize * Channels::Rgba.bytes();
    if stride == 0 {
        return;
    }
    let rows = canvas.rows_mut().skip(area.y as usize);
    for (row, part) in rows.zip(pixels.chunks_exact(stride)) {
        let places = row.as_chunks_mut::<4>().0.iter_mut().skip(area.x as usize);
        for (place, pixel) in places.zip(part.as_chunks::<4>().0) {
            if pixel[3] != 0 {
                *place = *pixel;
            }
        }
    }
}

fn clear(canvas: &mut Raster, area: Area) {
    for row in canvas.rows_mut().skip(area.y as usize).take(area.size.height as usize) {
        let places = row.as_chunks_mut::<4>().0.iter_mut();
        for place in places.skip(area.x as usize).take(area.size.width as usize) {
            *place = [0; 4];
        }
    }
}
