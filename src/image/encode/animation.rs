//! Moving pictures, frame by frame: of each only what changed is stored, and no more than two frames
//! are held at a time.

use gif::DisposalMethod;

use super::super::error::Error;
use super::super::geometry::{Area, Size};
use super::super::metadata::Metadata;
use super::super::raster::{Channels, Raster};
use super::{How, Target, failed, gif as gif_file, riff, webp};

/// The longest that a WebP frame can be shown, in milliseconds.
const DELAY_MOST: u32 = (1 << 24) - 1;

/// A file that grows frame by frame. All frames have the same size.
pub struct Animation {
    how: How,
    /// GIF frames whole, and not only what changed.
    coalesce: bool,
    /// The frame that is not yet written, and for how long it is seen.
    pending: Option<(Raster, u32)>,
    /// What is to be seen before the pending frame.
    shown: Option<Raster>,
    writer: Option<Writer>,
    alpha: bool,
    frames: u32,
}

enum Writer {
    Gif(gif_file::Writer),
    WebP(Vec<u8>),
}

impl Animation {
    /// A GIF or a WebP. `coalesce`: GIF frames whole.
    pub fn new(how: How, coalesce: bool) -> Self {
        Animation {
            how,
            coalesce,
            pending: None,
            shown: None,
            writer: None,
            alpha: false,
            frames: 0,
        }
    }

    /// Frames so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// Adds a frame that is seen for `delay` milliseconds. One that looks like the last prolongs it.
    pub fn add(&mut self, raster: Raster, delay: u32) -> Result<(), Error> {
        let raster = raster.into_rgba();
        if let Some((before, time)) = &mut self.pending
            && *before == raster
            && u64::from(*time) + u64::from(delay) <= u64::from(DELAY_MOST)
        {
            *time += delay;
            return Ok(());
        }
        if self.writer.is_none() {
            self.writer = Some(match self.how.target {
                // How often it plays is known at the end, and stands at the beginning.
                Target::Gif => {
                    Writer::Gif(gif_file::Writer::new(raster.width(), raster.height(), Some(0))?)
                }
                Target::WebP => Writer::WebP(Vec::new()),
                other => return Err(failed(other, "it cannot move")),
            });
        }
        self.frames += 1;
        let before = self.pending.replace((raster, delay));
        self.write(before)
    }

    /// The file; it plays so often, 0 for ever.
    pub fn finish(mut self, plays: u16, metadata: &Metadata) -> Result<Vec<u8>, Error> {
        let last = self.pending.take();
        let size = last.as_ref().map(|(raster, _)| (raster.width(), raster.height()));
        self.write(last)?;
        let (Some(writer), Some(size)) = (self.writer, size) else {
            return Err(failed(self.how.target, "it has no frames"));
        };
        match writer {
            Writer::Gif(file) => Ok(replayed(file.finish()?, plays)),
            Writer::WebP(frames) => {
                let mut chunks = Vec::with_capacity(frames.len() + 14);
                // No ground of its own.
                let mut header = vec![0; 4];
                header.extend(plays.to_le_bytes());
                riff::chunk(&mut chunks, b"ANIM", &header);
                chunks.extend(frames);
                Ok(riff::extended(size, self.alpha, true, metadata, &chunks))
            }
        }
    }

    fn write(&mut self, frame: Option<(Raster, u32)>) -> Result<(), Error> {
        let Some((raster, delay)) = frame else { return Ok(()) };
        match &mut self.writer {
            Some(Writer::Gif(file)) => {
                let next = self.pending.as_ref().map(|(raster, _)| raster);
                // What the next frame has clear must be gone before it.
                let vanishes = next.is_some_and(|it| vanishes(&raster, it));
                let dispose =
                    if vanishes { DisposalMethod::Background } else { DisposalMethod::Keep };
                let whole = Area { x: 0, y: 0, size: raster.size() };
                let area = match &self.shown {
                    Some(shown) if !self.coalesce && !vanishes => changed(shown, &raster),
                    _ => whole,
                };
                file.write(raster.cut(area), area, delay, dispose)?;
                self.shown = (!vanishes).then_some(raster);
            }
            Some(Writer::WebP(frames)) => {
                let area = match &self.shown {
                    Some(shown) => even(changed(shown, &raster)),
                    None => Area { x: 0, y: 0, size: raster.size() },
                };
                let part = raster.cut(area).without_needless_alpha();
                self.alpha |= part.channels() == Channels::Rgba;
                let file = webp::picture(&part, &self.how)?;
                riff::chunk(frames, b"ANMF", &webp_frame(area, delay, &file));
                self.shown = Some(raster);
            }
            None => {}
        }
        Ok(())
    }
}

/// A frame's head and picture: it replaces what lies below it and stays.
fn webp_frame(area: Area, delay: u32, file: &[u8]) -> Vec<u8> {
    let (picture, _) = riff::picture(file);
    let Size { width, height } = area.size;
    let mut data = Vec::with_capacity(picture.len() + 16);
    for number in [area.x / 2, area.y / 2, width - 1, height - 1, delay.min(DELAY_MOST)] {
        data.extend(riff::three(number));
    }
    data.push(0b10);
    data.extend(picture);
    data
}

/// The smallest rectangle that holds all differences; one pixel where there are none.
fn changed(before: &Raster, after: &Raster) -> Area {
    let bytes = after.channels().bytes();
    let (mut left, mut right) = (usize::MAX, 0);
    let (mut top, mut bottom) = (usize::MAX, 0);
    for (y, (old, new)) in before.rows().zip(after.rows()).enumerate() {
        if old == new {
            continue;
        }
        let differs = |at: &usize| {
            let part = at * bytes..(at + 1) * bytes;
            old.get(part.clone()) != new.get(part)
        };
        let width = new.len() / bytes;
        let first = (0..width).find(differs).unwrap_or_default();
        let last = (0..width).rev().find(differs).unwrap_or_default();
        (left, right) = (left.min(first), right.max(last));
        (top, bottom) = (top.min(y), bottom.max(y));
    }
    if top == usize::MAX {
        return Area { x: 0, y: 0, size: Size::new(1, 1) };
    }
    let size = Size::new((right - left + 1) as u32, (bottom - top + 1) as u32);
    Area { x: left as u32, y: top as u32, size }
}

/// The same rectangle or one pixel more, so that it begins where WebP can say it does.
fn even(area: Area) -> Area {
    let (more_x, more_y) = (area.x & 1, area.y & 1);
    let size = Size::new(area.size.width + more_x, area.size.height + more_y);
    Area { x: area.x - more_x, y: area.y - more_y, size }
}

/// Whether something is seen that will be clear in the next frame.
fn vanishes(before: &Raster, after: &Raster) -> bool {
    let alpha = |pixel: &[u8]| pixel.get(3).copied().unwrap_or(255);
    before
        .each()
        .zip(after.each())
        .any(|(old, new)| gif_file::is_clear(alpha(new)) && !gif_file::is_clear(alpha(old)))
}

/// A GIF that plays so often: its extension for that says "for ever" so far.
fn replayed(mut file: Vec<u8>, plays: u16) -> Vec<u8> {
    let name = b"\x21\xff\x0bNETSCAPE2.0\x03\x01";
    let Some(at) = memchr::memmem::find(&file, name) else { return file };
    match plays {
        0 => {}
        1 => drop(file.drain(at..at + name.len() + 3)),
        more => {
            let count = at + name.len()..at + name.len() + 2;
            if let Some(place) = file.get_mut(count) {
                place.copy_from_slice(&(more - 1).to_le_bytes());
            }
        }
    }
    file
}
