//! What a file carries beside its pixels: EXIF, IPTC, XMP and a colour profile; read here, never trusted.

mod container;
mod json;

pub use json::{about, iptc_fields};

use exif::{In, Tag};

use super::header::Kind;

/// The most bytes of one piece that are looked at.
const PIECE_MOST: usize = 1 << 20;

/// What was found, as raw bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// EXIF: a TIFF structure without the marker before it.
    pub exif: Option<Vec<u8>>,
    /// IPTC: a row of data sets.
    pub iptc: Option<Vec<u8>>,
    /// XMP: XML.
    pub xmp: Option<Vec<u8>>,
    /// The ICC colour profile (of JPEG; other decoders hand theirs out themselves).
    pub icc: Option<Vec<u8>>,
}

/// Collects what the file carries; damaged pieces are left out.
pub fn read(bytes: &[u8], kind: Kind) -> Metadata {
    let mut found = match kind {
        Kind::Jpeg => container::jpeg(bytes),
        Kind::Png => container::png(bytes),
        Kind::WebP => container::webp(bytes),
        Kind::Tiff => Metadata { exif: Some(bytes.to_vec()), ..Metadata::default() },
        _ => Metadata::default(),
    };
    for piece in [&mut found.exif, &mut found.iptc, &mut found.xmp] {
        // Of a TIFF file, the picture and its metadata are one structure.
        if kind != Kind::Tiff && piece.as_ref().is_some_and(|it| it.len() > PIECE_MOST) {
            *piece = None;
        }
    }
    found
}

/// Whether a JPEG says that Adobe's software wrote it: its inks are then stored inverted.
pub fn is_adobe_jpeg(bytes: &[u8]) -> bool {
    container::segments(bytes).any(|(marker, data)| marker == 0xee && data.starts_with(b"Adobe"))
}

/// How a picture must be turned to stand upright: 1 to 8, and 1 where nothing or nonsense is said.
pub fn orientation(exif: &[u8]) -> u8 {
    let fields = fields(exif);
    let field = fields.as_ref().and_then(|it| it.get_field(Tag::Orientation, In::PRIMARY));
    match field.and_then(|it| it.value.get_uint(0)) {
        Some(turn @ 1..=8) => turn as u8,
        _ => 1,
    }
}

/// EXIF that says of a picture that it stands upright, for what was straightened.
pub fn straightened(mut exif: Vec<u8>) -> Vec<u8> {
    if let Some(place) = container::orientation_place(&exif)
        && let Some(bytes) = exif.get_mut(place.at..place.at + 2)
    {
        bytes.copy_from_slice(&if place.little { [1, 0] } else { [0, 1] });
    }
    exif
}

/// All fields that can be read.
fn fields(exif: &[u8]) -> Option<exif::Exif> {
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    match reader.read_raw(exif.to_vec()) {
        Ok(fields) => Some(fields),
        Err(exif::Error::PartialResult(partial)) => Some(partial.into_inner().0),
        Err(_) => None,
    }
}

#[cfg(test)]
pub(in crate::image) mod tests {
    use super::*;

    /// A TIFF structure with an orientation and a camera's name.
    pub(in crate::image) fn sample(orientation: u16) -> Vec<u8> {
        let mut exif = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
        // Model, ASCII, 5 bytes at 38; orientation, one short in place.
        exif.extend(b"\x01\x10\0\x02\0\0\0\x05\0\0\0\x26\x01\x12\0\x03\0\0\0\x01");
        exif.extend(orientation.to_be_bytes());
        exif.extend(b"\0\0\0\0\0\0X100\0");
        exif
    }

    #[test]
    fn orientation_is_read_and_straightened() {
        for turn in 1..=8 {
            assert_eq!(orientation(&sample(turn)), turn as u8);
            assert_eq!(orientation(&straightened(sample(turn))), 1);
        }
        assert_eq!(orientation(&sample(9)), 1);
        assert_eq!(orientation(b"nonsense"), 1);
        assert_eq!(straightened(b"nonsense".to_vec()), b"nonsense");
    }
}
