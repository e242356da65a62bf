//! Where the pieces lie: JPEG segments, PNG and WebP chunks, the directory of a TIFF structure.

use super::Metadata;

/// The segments before the picture of a JPEG: marker and data.
pub(super) fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        while let [0xff, 0xff, ..] = rest {
            rest = rest.get(1..)?;
        }
        let [0xff, marker, high, low, ..] = *rest else { return None };
        if marker == 0xda {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        let data = rest.get(4..2 + length)?;
        rest = rest.get(2 + length..)?;
        Some((marker, data))
    })
}

pub(super) fn jpeg(bytes: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    let mut profile: Vec<(u8, &[u8])> = Vec::new();
    for (marker, data) in segments(bytes) {
        match marker {
            0xe1 => {
                if let Some(exif) = data.strip_prefix(b"Exif\0\0") {
                    found.exif.get_or_insert_with(|| exif.to_vec());
                } else if let Some(xmp) = data.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    found.xmp.get_or_insert_with(|| xmp.to_vec());
                }
            }
            0xe2 => {
                if let Some([number, _, part @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    profile.push((*number, part));
                }
            }
            0xed => {
                if let Some(resources) = data.strip_prefix(b"Photoshop 3.0\0") {
                    found.iptc = found.iptc.or_else(|| iptc(resources));
                }
            }
            _ => {}
        }
    }
    profile.sort_by_key(|&(number, _)| number);
    let profile: Vec<u8> = profile.into_iter().flat_map(|(_, part)| part).copied().collect();
    found.icc = (!profile.is_empty()).then_some(profile);
    found
}

/// The data sets among Photoshop's resources.
fn iptc(mut rest: &[u8]) -> Option<Vec<u8>> {
    loop {
        let after = rest.strip_prefix(b"8BIM")?;
        let (id, after) = after.split_at_checked(2)?;
        // A name with its length before it, filled up to an even number of bytes.
        let name = (usize::from(*after.first()?) + 2) & !1;
        let (size, data) = after.get(name..)?.split_at_checked(4)?;
        let size = u32::from_be_bytes(size.try_into().ok()?) as usize;
        if id == [0x04, 0x04] {
            return data.get(..size).map(<[u8]>::to_vec);
        }
        rest = data.get((size + 1) & !1..)?;
    }
}

pub(super) fn png(bytes: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (size, name) = head.split_at(4);
        let size = size.try_into().map(u32::from_be_bytes).unwrap_or_default() as usize;
        let Some(data) = after.get(..size) else { break };
        match name {
            b"eXIf" => found.exif = Some(data.to_vec()),
            b"iTXt" => {
                // Neither compressed nor in any language.
                if let Some(xmp) = data.strip_prefix(b"XML:com.adobe.xmp\0\0\0\0\0") {
                    found.xmp = Some(xmp.to_vec());
                }
            }
            _ => {}
        }
        rest = after.get(size + 4..).unwrap_or_default();
    }
    found
}

pub(super) fn webp(bytes: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let (name, size) = head.split_at(4);
        let size = size.try_into().map(u32::from_le_bytes).unwrap_or_default() as usize;
        let Some(data) = after.get(..size) else { break };
        match name {
            b"EXIF" => {
                found.exif = Some(data.strip_prefix(b"Exif\0\0").unwrap_or(data).to_vec());
            }
            b"XMP " => found.xmp = Some(data.to_vec()),
            _ => {}
        }
        rest = after.get(size + (size & 1)..).unwrap_or_default();
    }
    found
}

/// Where a TIFF structure says how its picture stands.
pub(super) struct Place {
    /// The first of two bytes.
    pub at: usize,
    /// The lower byte comes first.
    pub little: bool,
}

pub(super) fn orientation_place(exif: &[u8]) -> Option<Place> {
    let little = exif.starts_with(b"II");
    let short = |at: usize| {
        let pair = exif.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let word = exif.get(4..8)?.try_into().ok()?;
    let directory =
        if little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) } as usize;
    let entries = usize::from(short(directory)?);
    let entry =
        (0..entries).map(|it| directory + 2 + it * 12).find(|&at| short(at) == Some(0x112))?;
    (short(entry + 2) == Some(3)).then_some(Place { at: entry + 8, little })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_jpeg_are_found() {
        let mut file = vec![0xff, 0xd8];
        let mut segment = |marker: u8, parts: &[&[u8]]| {
            let data = parts.concat();
            file.extend([0xff, marker]);
            file.extend((data.len() as u16 + 2).to_be_bytes());
            file.extend(data);
        };
        segment(0xe1, &[b"Exif\0\0", b"MM.."]);
        segment(0xe2, &[b"ICC_PROFILE\0\x02\x02", b"file"]);
        segment(0xe2, &[b"ICC_PROFILE\0\x01\x02", b"pro"]);
        let name = b"8BIM\x04\x04\0\0\0\0\0\x05";
        segment(0xed, &[b"Photoshop 3.0\0", b"8BIM\x04\x0c\x03abc\0\0\0\x01x\0", name, b"12345\0"]);
        segment(0xda, &[b"x"]);
        segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", b"late"]);
        let expected = Metadata {
            exif: Some(b"MM..".to_vec()),
            icc: Some(b"profile".to_vec()),
            iptc: Some(b"12345".to_vec()),
            xmp: None,
        };
        assert_eq!(jpeg(&file), expected);
        for length in 0..file.len() {
            jpeg(file.get(..length).unwrap());
        }
    }

    #[test]
    fn pieces_of_png_and_webp_are_found() {
        let png_file = b"\x89PNG\r\n\x1a\n\0\0\0\x04eXIfII*\0....\0\0\0\xffIEND";
        assert_eq!(png(png_file).exif.as_deref(), Some(&b"II*\0"[..]));
        let webp_file = b"RIFF\0\0\0\0WEBPEXIF\x07\0\0\0Exif\0\0M\0XMP \x01\0\0\0x";
        let found = webp(webp_file);
        assert_eq!(found.exif.as_deref(), Some(&b"M"[..]));
        assert_eq!(found.xmp.as_deref(), Some(&b"x"[..]));
    }
}
