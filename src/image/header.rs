//! What a file says of itself in its first bytes: type, size and frames, read without decoding.
//!
//! The content decides what a file is, never its name or its `Content-Type`. The walk over the parts of
//! a file also finds out whether it ends too early.

use std::io::Cursor;

use image::{ImageFormat, ImageReader};

use super::decode::{self, svg};
use super::error::Error;
use super::geometry::Size;
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
            [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n' | b'#', ..] => Some(Kind::Pnm),
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
        let header = decode::guarded(kind, || {
            Ok(match kind {
                Kind::Jpeg => jpeg(bytes),
                Kind::Png => png(bytes),
                Kind::Gif => gif(bytes),
                Kind::WebP => webp(bytes),
                Kind::Svg => svg::size(bytes, limits)?.map(|size| still(kind, size)),
                Kind::Bmp => dimensions(bytes, kind, ImageFormat::Bmp),
                Kind::Tiff => dimensions(bytes, kind, ImageFormat::Tiff),
                Kind::Ico => dimensions(bytes, kind, ImageFormat::Ico),
                Kind::Pnm => dimensions(bytes, kind, ImageFormat::Pnm),
            })
        })?;
        let header = header.ok_or_else(|| {
            let name = kind.name();
            Error::not_an_image(format!("this {name} image is damaged or ends too early"))
        })?;
        limits.check_source(&header)?;
        Ok(header)
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        Size { width: self.width, height: self.height }
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

#[cfg(test)]
mod tests {
    use super::super::encode::Target;
    use super::super::error::ErrorKind;
    use super::super::samples;
    use super::*;

    fn read(bytes: &[u8]) -> Result<Header, Error> {
        Header::read(bytes, &Limits::default())
    }

    #[test]
    fn every_kind_says_what_it_is() {
        let picture = samples::gradient(30, 20);
        let files = [
            (samples::file(&picture, Target::Jpeg), Kind::Jpeg),
            (samples::file(&picture, Target::Png), Kind::Png),
            (samples::file(&picture, Target::Gif), Kind::Gif),
            (samples::file(&picture, Target::WebP), Kind::WebP),
            (samples::file(&samples::translucent(30, 20), Target::WebP), Kind::WebP),
            (samples::other(&picture, ImageFormat::Bmp), Kind::Bmp),
            (samples::other(&picture, ImageFormat::Tiff), Kind::Tiff),
            (samples::other(&picture.clone().into_rgba(), ImageFormat::Ico), Kind::Ico),
            (samples::other(&picture, ImageFormat::Pnm), Kind::Pnm),
            (br#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>"#.to_vec(), Kind::Svg),
        ];
        for (file, kind) in files {
            let expected = Header { kind, width: 30, height: 20, frames: 1, scans: 1 };
            assert_eq!(read(&file), Ok(expected), "{}", kind.name());
        }
    }

    #[test]
    fn frames_and_scans_are_counted() {
        for target in [Target::Gif, Target::WebP] {
            let header = read(&samples::moving(target, 80, 20, 5)).unwrap();
            assert_eq!((header.frames, header.width), (5, 80));
        }
        let picture = samples::gradient(64, 64);
        let how = super::super::encode::How { progressive: true, ..samples::how(Target::Jpeg) };
        let file = super::super::encode::still(picture, &how, &Default::default()).unwrap();
        assert!(read(&file).unwrap().scans > 5);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let files: [&[u8]; 8] = [
            b"",
            b"<!DOCTYPE html><html><svg width='1' height='1'/></html>",
            b"<html><body><svg xmlns='http://www.w3.org/2000/svg'/></body></html>",
            b"%PDF-1.7",
            b"\xff\xd8\xff",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
            b"<svg",
        ];
        for file in files {
            let error = read(file).unwrap_err();
            assert_eq!((error.status(), error.code()), (405, 40_300_018), "{file:?}");
        }
    }

    #[test]
    fn floods_are_refused_from_the_header() {
        // 65535 by 65535 pixels, each in a few bytes.
        let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        bmp.extend([0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 24, 0]);
        bmp.resize(58, 0);
        let mut tiff = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, value) in [
            (256, 65_535),
            (257, 65_535),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (277, 1),
            (278, 65_535),
            (279, 1),
        ] {
            tiff.extend([(tag & 255) as u8, (tag >> 8) as u8, 4, 0, 1, 0, 0, 0]);
            tiff.extend(u32::to_le_bytes(value));
        }
        tiff.resize(tiff.len() + 8, 0);
        let gif = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;";
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0....";
        let webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\xff\0\xff\xff\0";
        let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xff\xff\xff\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0?\0\xff\xd9";
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='65535' height='65535'/>";
        let pnm = b"P6 65535 65535 255\n";
        let files: [(&str, &[u8]); 8] = [
            ("bmp", &bmp),
            ("tiff", &tiff),
            ("gif", gif),
            ("png", png),
            ("webp", webp),
            ("jpeg", jpeg),
            ("svg", svg),
            ("pnm", pnm),
        ];
        for (name, file) in files {
            let error = read(file).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Width, "{name}: {error}");
            assert_eq!((error.status(), error.code()), (405, 40_300_019));
        }
    }

    #[test]
    fn bombs_of_frames_are_refused_from_the_header() {
        let mut gif = b"GIF89a\x00\x10\x00\x10\0\0\0".to_vec();
        for _ in 0..10_000 {
            gif.extend(b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0");
        }
        gif.push(b';');
        assert_eq!(read(&gif).unwrap_err().kind, ErrorKind::TooLarge);
        // The same with one pixel is many frames and few pixels.
        gif.get_mut(6..10).unwrap().copy_from_slice(&[1, 0, 1, 0]);
        assert_eq!(read(&gif).unwrap().frames, 10_000);
    }

    #[test]
    fn endless_scans_are_refused_from_the_header() {
        let mut jpeg = b"\xff\xd8\xff\xc2\0\x0b\x08\x10\0\x10\0\x01\x01\x11\0".to_vec();
        for _ in 0..5000 {
            jpeg.extend(b"\xff\xda\0\x08\x01\x01\0\0\0\0\x12");
        }
        jpeg.extend(b"\xff\xd9");
        assert_eq!(read(&jpeg).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn no_prefix_of_a_file_makes_it_panic() {
        let picture = samples::gradient(16, 16);
        for target in [Target::Jpeg, Target::Png, Target::Gif, Target::WebP] {
            let file = samples::file(&picture, target);
            for length in 0..file.len() {
                // Some parts are whole enough to be read; the decoders refuse those.
                let found = read(file.get(..length).unwrap());
                assert!(
                    found.is_err() || target == Target::Png || target == Target::Gif,
                    "{target:?} {length}"
                );
            }
        }
    }
}
