//! Questions about images.

use serde_json::{Value, json};

use crate::image::encode::Target;
use crate::image::metadata::{self, Metadata};
use crate::image::raster::Raster;
use crate::image::samples::{file, gradient, made, moving, with_metadata};

fn asked(source: &[u8], question: &str) -> Value {
    let made = made(source, question).unwrap();
    assert_eq!(made.media_type, "application/json");
    serde_json::from_slice(&made.bytes).unwrap()
}

#[test]
fn info_says_what_it_is() {
    let png = file(&gradient(30, 20), Target::Png);
    assert_eq!(
        asked(&png, "/info"),
        json!({"width": 30, "height": 20, "type": "PNG", "frames": 1})
    );
    let gif = moving(Target::Gif, 80, 20, 4);
    assert_eq!(
        asked(&gif, "/info"),
        json!({"width": 80, "height": 20, "type": "GIF", "frames": 4})
    );
}

#[test]
fn meta_says_what_is_in_it() {
    let metadata = Metadata {
        exif: Some(metadata::tests::sample(6)),
        iptc: Some(b"\x1c\x02\x69\0\x02Hi".to_vec()),
        ..Metadata::default()
    };
    let source = with_metadata(&gradient(30, 20), Target::Jpeg, &metadata);
    let basic = json!({"width": 30, "height": 20, "type": "JPEG", "frames": 1});
    assert_eq!(asked(&source, "/info"), basic);
    let meta = asked(&source, "/meta");
    assert_eq!((&meta["EXIF"]["Model"], meta.get("IPTC")), (&json!("X100"), None));
    let iptc = asked(&source, "/meta/iptc");
    assert_eq!((iptc.get("EXIF"), &iptc["IPTC"]), (None, &json!({"Headline": "Hi"})));
    let all = asked(&source, "/meta/all");
    assert!(all["EXIF"].is_object() && all["IPTC"].is_object());
    assert_eq!(asked(&file(&gradient(30, 20), Target::Jpeg), "/meta"), basic);
}

#[test]
fn theme_colours_come_by_weight() {
    let mut raster = Raster::filled(100, 100, [0, 0, 200, 255]);
    for row in raster.rows_mut().take(30) {
        row.copy_from_slice(&[200, 100, 0].repeat(100));
    }
    let source = file(&raster, Target::Png);
    assert_eq!(asked(&source, "/excolor/2/exformat/hex"), json!(["0x0000C8", "0xC86400"]));
    assert_eq!(asked(&source, "/excolor/2"), json!([200, 13_132_800]));
    assert_eq!(asked(&source, "/excolor/1").as_array().unwrap().len(), 1);
    let large = file(&gradient(1000, 700), Target::Jpeg);
    assert_eq!(asked(&large, "/excolor/256").as_array().unwrap().len(), 256);
}

#[test]
fn what_is_no_image_cannot_be_asked_about() {
    for question in ["/info", "/meta", "/meta/all", "/excolor/3"] {
        let error = made(b"plain text", question).unwrap_err();
        assert_eq!((error.status(), error.code()), (406, 40_300_018), "{question}");
    }
}
