//! GIF: 256 colours a frame, of which one is clear.

use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::super::error::Error;
use super::super::geometry::Area;
use super::super::raster::Raster;
use super::{Target, failed};

/// How coarsely colours are sampled: 1 is best, 30 fastest.
const SPEED: i32 = 10;
/// Pixels below this opacity are clear, all others opaque.
const CLEAR: u8 = 128;

/// One picture that does not move.
pub(super) fn encode(raster: Raster) -> Result<Vec<u8>, Error> {
    let size = raster.size();
    let area = Area { x: 0, y: 0, size };
    let mut writer = Writer::new(raster.width(), raster.height(), None)?;
    writer.write(raster, area, 0, DisposalMethod::Any)?;
    writer.finish()
}

/// A file that grows frame by frame.
pub(super) struct Writer {
    encoder: Encoder<Vec<u8>>,
}

impl Writer {
    /// A file that plays so often, 0 for ever; one that does not move has no such number.
    pub fn new(width: u32, height: u32, plays: Option<u16>) -> Result<Self, Error> {
        let side = |it| u16::try_from(it).map_err(|_| failed(Target::Gif, "a side is too long"));
        let mut encoder = Encoder::new(Vec::new(), side(width)?, side(height)?, &[])
            .map_err(|why| failed(Target::Gif, why))?;
        let repeat = match plays {
            Some(0) => Some(Repeat::Infinite),
            // What says nothing plays once.
            None | Some(1) => None,
            Some(more) => Some(Repeat::Finite(more - 1)),
        };
        if let Some(repeat) = repeat {
            encoder.set_repeat(repeat).map_err(|why| failed(Target::Gif, why))?;
        }
        Ok(Writer { encoder })
    }

    /// Adds a frame that fills `area`, to be seen for `delay` milliseconds.
    pub fn write(
        &mut self,
        raster: Raster,
        area: Area,
        delay: u32,
        dispose: DisposalMethod,
    ) -> Result<(), Error> {
        let mut raster = raster.into_rgba();
        clear_or_opaque(&mut raster);
        let (width, height) = (raster.width() as u16, raster.height() as u16);
        let mut frame = Frame::from_rgba_speed(width, height, raster.pixels_mut(), SPEED);
        frame.left = area.x as u16;
        frame.top = area.y as u16;
        frame.delay = delay.div_ceil(10).min(u32::from(u16::MAX)) as u16;
        frame.dispose = dispose;
        self.encoder.write_frame(&frame).map_err(|why| failed(Target::Gif, why))
    }

    /// The file.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        self.encoder.into_inner().map_err(|why| failed(Target::Gif, why))
    }
}

/// Whether a pixel with this opacity is clear in a GIF.
pub(super) fn is_clear(alpha: u8) -> bool {
    alpha < CLEAR
}

fn clear_or_opaque(raster: &mut Raster) {
    for [red, green, blue, alpha] in raster.pixels_mut().as_chunks_mut::<4>().0 {
        if is_clear(*alpha) {
            (*red, *green, *blue, *alpha) = (0, 0, 0, 0);
        } else {
            *alpha = 255;
        }
    }
}
