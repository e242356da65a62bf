//! The container of WebP: chunks, the extended header, frames.

use super::super::metadata::Metadata;

const HAS_ICC: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;
const HAS_FRAMES: u8 = 0x02;

/// A file of these chunks.
pub(super) fn file(chunks: &[u8]) -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((chunks.len() as u32 + 4).to_le_bytes());
    bytes.extend(b"WEBP");
    bytes.extend(chunks);
    bytes
}

/// Adds one chunk.
pub(super) fn chunk(bytes: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    bytes.extend(name);
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len() + (data.len() & 1), 0);
}

/// The chunks of a still picture's file that hold the picture itself, and whether it has alpha.
pub(super) fn picture(file: &[u8]) -> (Vec<u8>, bool) {
    let mut chunks = Vec::new();
    let mut alpha = false;
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (name, size) = head.split_at(4);
        let size = size.try_into().map(u32::from_le_bytes).unwrap_or_default() as usize;
        let padded = size + (size & 1);
        let data = after.get(..padded.min(after.len())).unwrap_or_default();
        if matches!(name, b"VP8 " | b"VP8L" | b"ALPH") {
            chunks.extend_from_slice(head);
            chunks.extend_from_slice(data);
            // Of a lossless picture one bit says whether its alpha is used.
            alpha |=
                name == b"ALPH" || name == b"VP8L" && data.get(4).is_some_and(|it| it & 0x10 != 0);
        }
        rest = after.get(padded..).unwrap_or_default();
    }
    (chunks, alpha)
}

/// A still picture's file with metadata; as it is where there are none.
pub(super) fn with_metadata(file: Vec<u8>, size: (u32, u32), metadata: &Metadata) -> Vec<u8> {
    if metadata.icc.is_none() && metadata.exif.is_none() && metadata.xmp.is_none() {
        return file;
    }
    let (picture, alpha) = picture(&file);
    extended(size, alpha, false, metadata, &picture)
}

/// An extended file around chunks that hold a picture or frames.
pub(super) fn extended(
    (width, height): (u32, u32),
    alpha: bool,
    frames: bool,
    metadata: &Metadata,
    content: &[u8],
) -> Vec<u8> {
    let flag = |is: bool, bit: u8| if is { bit } else { 0 };
    let flags = flag(metadata.icc.is_some(), HAS_ICC)
        | flag(alpha, HAS_ALPHA)
        | flag(metadata.exif.is_some(), HAS_EXIF)
        | flag(metadata.xmp.is_some(), HAS_XMP)
        | flag(frames, HAS_FRAMES);
    let mut header = vec![flags, 0, 0, 0];
    header.extend(three(width.saturating_sub(1)));
    header.extend(three(height.saturating_sub(1)));
    let mut chunks = Vec::with_capacity(content.len() + 64);
    chunk(&mut chunks, b"VP8X", &header);
    if let Some(icc) = &metadata.icc {
        chunk(&mut chunks, b"ICCP", icc);
    }
    chunks.extend(content);
    for (name, data) in [(b"EXIF", &metadata.exif), (b"XMP ", &metadata.xmp)] {
        if let Some(data) = data {
            chunk(&mut chunks, name, data);
        }
    }
    self::file(&chunks)
}

/// The lower three bytes, the lowest first.
pub(super) fn three(number: u32) -> [u8; 3] {
    let [low, middle, high, _] = number.to_le_bytes();
    [low, middle, high]
}
