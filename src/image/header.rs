//! What a file says of itself in its first bytes: type, size and frames, read without decoding.
//!
//! The content decides what a file is, never its name or its `Content-Type`. The walk over the parts of
//! a file also finds out whether it ends too early.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};

use super::decode::svg;
use super::error::Error;
use super::limits::Limits;

/// Types of image that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Jpeg,
    Png,
    Gif,
    WebP,
    Bmp,
    Tiff,
    Ico,
    Pnm,
    Svg,
}

impl Kind {
    /// The type's name as clients read it in `info`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Jpeg => "JPEG",
            Kind::Png => "PNG",
            Kind::Gif => "GIF",
            Kind::WebP => "WEBP",
            Kind::Bmp => "BMP",
            Kind::Tiff => "TIFF",
            Kind::Ico => "ICO",
            Kind::Pnm => "PNM",
            Kind::Svg => "SVG",
        }
    }

    /// What the first bytes say.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Kind::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::WebP),
            [b'B', b'M', ..] => Some(Kind::Bmp),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Kind::Tiff),
            [0, 0, 1, 0, ..] => Some(Kind::Ico),
            [b'P', b'1'..=b'6', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Some(Kind::Pnm),
            _ => svg::looks_like(bytes).then_some(Kind::Svg),
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type.
    pub kind: Kind,
    /// Pixels from left to right, before any straightening.
    pub width: u32,
    /// Pixels from top to bottom, before any straightening.
    pub height: u32,
    /// Frames; 1 for what does not move.
    pub frames: u32,
    /// How many passes over the picture a JPEG makes; 1 for all others.
    pub scans: u32,
}

impl Header {
    /// Reads the header and refuses what is no image, ends too early or is beyond the limits.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.check_bytes(bytes.len())?;
        let kind = Kind::of(bytes).ok_or_else(|| Error::not_an_image("this is not an image"))?;
        let header = match kind {
            Kind::Jpeg => jpeg(bytes),
            Kind::Png => png(bytes),
            Kind::Gif => gif(bytes),
            Kind::WebP => webp(bytes),
            Kind::Svg => svg::size(bytes, limits)?.map(|size| still(kind, size)),
            Kind::Bmp => dimensions(bytes, kind, ImageFormat::Bmp),
            Kind::Tiff => dimensions(bytes, kind, ImageFormat::Tiff),
            Kind::Ico => dimensions(bytes, kind, ImageFormat::Ico),
            Kind::Pnm => dimensions(bytes, kind, ImageFormat::Pnm),
        };
        let header = header.ok_or_else(|| {
            let name = kind.name();
            Error::not_an_image(format!("this {name} image is damaged or ends too early"))
        })?;
        limits.check_source(&header)?;
        Ok(header)
    }
}

fn still(kind: Kind, (width, height): (u32, u32)) -> Header {
    Header { kind, width, height, frames: 1, scans: 1 }
}

/// Walks over all segments and the data between them, up to the end marker.
fn jpeg(bytes: &[u8]) -> Option<Header> {
    let mut at = 2;
    let mut size = None;
    let mut scans = 0;
    loop {
        at += memchr::memchr(0xff, bytes.get(at..)?)? + 1;
        let marker = *bytes.get(at)?;
        match marker {
            // A stuffed byte, a restart, or a filler before the marker itself.
            0 | 0x01 | 0xd0..=0xd8 => at += 1,
            0xff => {}
            0xd9 => break,
            _ => {
                let length = pair(bytes, at + 1)?;
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                    size.get_or_insert((pair(bytes, at + 6)?, pair(bytes, at + 4)?));
                }
                scans += u32::from(marker == 0xda);
                at += 1 + length as usize;
            }
        }
    }
    let (width, height) = size.filter(|_| scans > 0)?;
    Some(Header { scans, ..still(Kind::Jpeg, (width, height)) })
}

fn png(bytes: &[u8]) -> Option<Header> {
    let header = bytes.get(12..24).filter(|it| it.starts_with(b"IHDR"))?;
    let (width, height) = header.get(4..)?.split_at_checked(4)?;
    let number = |it: &[u8]| it.try_into().ok().map(u32::from_be_bytes);
    Some(still(Kind::Png, (number(width)?, number(height)?)))
}

/// Walks over all blocks and counts the frames.
fn gif(bytes: &[u8]) -> Option<Header> {
    let little = |at: usize| {
        let pair = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(u32::from(u16::from_le_bytes(pair)))
    };
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let size = (little(6)?, little(8)?);
    let mut at = 13 + table(*bytes.get(10)?);
    let mut frames = 0;
    while let Some(&block) = bytes.get(at) {
        at += match block {
            0x3b => break,
            0x21 => 2,
            0x2c => {
                frames += 1;
                11 + table(*bytes.get(at + 9)?)
            }
            // Fillers between blocks, which some writers leave.
            0 => {
                at += 1;
                continue;
            }
            _ => return None,
        };
        loop {
            let length = usize::from(*bytes.get(at)?);
            at += 1 + length;
            if length == 0 {
                break;
            }
        }
    }
    (frames > 0).then_some(Header { frames, ..still(Kind::Gif, size) })
}

/// Walks over all chunks and counts the frames.
fn webp(bytes: &[u8]) -> Option<Header> {
    let little = |at: usize, count: usize| {
        let number = bytes.get(at..at + count)?.iter().rev();
        Some(number.fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    };
    let end = little(4, 4)? as usize + 8;
    if end > bytes.len() {
        return None;
    }
    let mut size = None;
    let (mut at, mut frames) = (12, 0);
    while at + 8 <= end {
        let (name, length) = (bytes.get(at..at + 4)?, little(at + 4, 4)? as usize);
        let data = at + 8;
        match name {
            b"VP8X" => size = Some((little(data + 4, 3)? + 1, little(data + 7, 3)? + 1)),
            b"VP8 " if size.is_none() => {
                size = Some((little(data + 6, 2)? & 0x3fff, little(data + 8, 2)? & 0x3fff));
            }
            b"VP8L" if size.is_none() => {
                let sides = little(data + 1, 4)?;
                size = Some(((sides & 0x3fff) + 1, (sides >> 14 & 0x3fff) + 1));
            }
            b"ANMF" => frames += 1,
            _ => {}
        }
        at = data.checked_add(length)?.checked_add(length & 1)?;
    }
    Some(Header { frames: frames.max(1), ..still(Kind::WebP, size?) })
}

fn dimensions(bytes: &[u8], kind: Kind, format: ImageFormat) -> Option<Header> {
    let reader = ImageReader::with_format(Cursor::new(bytes), format);
    Some(still(kind, reader.into_dimensions().ok()?))
}

/// A big-endian number of two bytes.
fn pair(bytes: &[u8], at: usize) -> Option<u32> {
    let pair = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u32::from(u16::from_be_bytes(pair)))
}
