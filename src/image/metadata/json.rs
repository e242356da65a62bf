//! The answers to questions about an image: `info`, `meta`, `meta/iptc`, `meta/all`.

use exif::{In, Tag, Value};
use serde_json::{Map, Value as Json, json};

use super::super::header::Header;
use super::{Metadata, fields};

/// The longest text of one field; longer ones are data and no text.
const TEXT_MOST: usize = 2000;

/// What an image is, and of EXIF and IPTC what there is and was asked for.
pub fn about(header: &Header, metadata: &Metadata, exif: bool, iptc: bool) -> Json {
    let mut answer = json!({
        "width": header.width,
        "height": header.height,
        "type": header.kind.name(),
        "frames": header.frames,
    });
    let found = [
        ("EXIF", metadata.exif.as_deref().filter(|_| exif).map(exif_fields)),
        ("IPTC", metadata.iptc.as_deref().filter(|_| iptc).map(iptc_fields)),
    ];
    for (name, part) in found {
        if let (Some(part), Some(answer)) =
            (part.filter(|it| !it.is_empty()), answer.as_object_mut())
        {
            answer.insert(name.into(), Json::Object(part));
        }
    }
    answer
}

/// Texts under EXIF tag names, of the picture itself and not of its thumbnail.
fn exif_fields(exif: &[u8]) -> Map<String, Json> {
    let mut texts = Map::new();
    let fields = fields(exif);
    for field in fields.iter().flat_map(exif::Exif::fields) {
        let known = field.tag.description().is_some();
        if field.ifd_num != In::PRIMARY || !known || field.tag == Tag::MakerNote {
            continue;
        }
        let text = match &field.value {
            Value::Ascii(texts) => {
                let texts: Vec<_> = texts.iter().map(|it| String::from_utf8_lossy(it)).collect();
                texts.join(", ").trim_end_matches(['\0', ' ']).to_owned()
            }
            _ => field.display_value().to_string(),
        };
        if text.len() <= TEXT_MOST {
            texts.insert(field.tag.to_string(), Json::String(text));
        }
    }
    texts
}

/// Texts under the names of the data sets; a list where one is repeated.
pub fn iptc_fields(mut rest: &[u8]) -> Map<String, Json> {
    let mut texts = Map::new();
    while let [0x1c, record, number, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((data, after)) = after.split_at_checked(length) else { break };
        rest = after;
        // Record 1 is the envelope.
        if *record < 2 || *number == 0 || length > TEXT_MOST {
            continue;
        }
        let text = Json::String(String::from_utf8_lossy(data).into_owned());
        match texts.entry(iptc_name(*record, *number)) {
            serde_json::map::Entry::Vacant(entry) => drop(entry.insert(text)),
            serde_json::map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Json::Array(list) => list.push(text),
                single => {
                    let first = single.take();
                    *single = Json::Array(vec![first, text]);
                }
            },
        }
    }
    texts
}

fn iptc_name(record: u8, number: u8) -> String {
    let name = match (record, number) {
        (2, 5) => "ObjectName",
        (2, 7) => "EditStatus",
        (2, 10) => "Urgency",
        (2, 15) => "Category",
        (2, 20) => "SupplementalCategories",
        (2, 25) => "Keywords",
        (2, 40) => "SpecialInstructions",
        (2, 55) => "DateCreated",
        (2, 60) => "TimeCreated",
        (2, 62) => "DigitalCreationDate",
        (2, 63) => "DigitalCreationTime",
        (2, 65) => "OriginatingProgram",
        (2, 70) => "ProgramVersion",
        (2, 80) => "By-line",
        (2, 85) => "By-lineTitle",
        (2, 90) => "City",
        (2, 92) => "Sub-location",
        (2, 95) => "Province-State",
        (2, 100) => "Country-PrimaryLocationCode",
        (2, 101) => "Country-PrimaryLocationName",
        (2, 103) => "OriginalTransmissionReference",
        (2, 105) => "Headline",
        (2, 110) => "Credit",
        (2, 115) => "Source",
        (2, 116) => "CopyrightNotice",
        (2, 118) => "Contact",
        (2, 120) => "Caption-Abstract",
        (2, 122) => "Writer-Editor",
        _ => return format!("{record}:{number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::header::Kind;
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn iptc_names_and_lists() {
        let data = b"\x1c\x01\x5a\0\x03\x1b%G\x1c\x02\x19\0\x01a\x1c\x02\x19\0\x01b\x1c\x02\x69\0\x02Hi\x1c\x02\xfa\0\x01z\x1c\x02\x05\0\x09cut";
        let expected = json!({"Keywords": ["a", "b"], "Headline": "Hi", "2:250": "z"});
        assert_eq!(Json::Object(iptc_fields(data)), expected);
    }

    #[test]
    fn answers_hold_what_was_asked_for_and_is_there() {
        let header = Header { kind: Kind::Jpeg, width: 4, height: 3, frames: 1, scans: 1 };
        let metadata = Metadata {
            exif: Some(sample(6)),
            iptc: Some(b"\x1c\x02\x05\0\x01t".to_vec()),
            ..Metadata::default()
        };
        let basic = json!({"width": 4, "height": 3, "type": "JPEG", "frames": 1});
        assert_eq!(about(&header, &metadata, false, false), basic);
        assert_eq!(about(&header, &Metadata::default(), true, true), basic);
        let all = about(&header, &metadata, true, true);
        assert_eq!(all["EXIF"]["Model"], "X100");
        assert_eq!(all["IPTC"], json!({"ObjectName": "t"}));
        assert_eq!(about(&header, &metadata, false, true).get("EXIF"), None);
    }
}
