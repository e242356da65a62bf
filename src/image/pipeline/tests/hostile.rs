//! Files that mean harm, or are only broken: refused quickly, never half a picture.

use std::time::Duration;

use image::ImageFormat;

use crate::image::encode::{How, Target};
use crate::image::header::Kind;
use crate::image::limits::Limits;
use crate::image::metadata::Metadata;
use crate::image::pipeline::Accept;
use crate::image::raster::Raster;
use crate::image::samples::{
    decoded, file, gradient, how, made, made_with, moving, other, photograph, translucent,
};
use crate::image::{Error, ErrorKind, encode};

/// Every sort of file.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let picture = gradient(64, 48);
    let progressive = How { progressive: true, ..how(Target::Jpeg) };
    let lossless = How { lossless: true, ..how(Target::WebP) };
    let nothing = Metadata::default();
    vec![
        ("jpeg", file(&picture, Target::Jpeg)),
        ("progressive", encode::still(picture.clone(), &progressive, &nothing).unwrap()),
        ("png", file(&picture, Target::Png)),
        ("gif", file(&picture, Target::Gif)),
        ("moving gif", moving(Target::Gif, 64, 48, 3)),
        ("webp", file(&picture, Target::WebP)),
        ("webp with alpha", file(&translucent(64, 48), Target::WebP)),
        ("lossless webp", encode::still(picture.clone(), &lossless, &nothing).unwrap()),
        ("moving webp", moving(Target::WebP, 64, 48, 3)),
        ("bmp", other(&picture, ImageFormat::Bmp)),
        ("tiff", other(&picture, ImageFormat::Tiff)),
        ("ico", other(&picture.clone().into_rgba(), ImageFormat::Ico)),
        ("pnm", other(&picture, ImageFormat::Pnm)),
    ]
}

#[test]
fn what_ends_too_early_is_never_half_a_picture() {
    for (name, bytes) in files() {
        let whole = made(&bytes, "/format/png").unwrap();
        for length in (0..bytes.len()).step_by(bytes.len().div_ceil(150)) {
            match made(&bytes[..length], "/format/png") {
                Err(error) => assert_eq!(error.status(), 405, "{name} {length}: {error}"),
                // What is cut off was no part of the picture.
                Ok(part) => {
                    assert_eq!(decoded(&part.bytes), decoded(&whole.bytes), "{name} {length}")
                }
            }
        }
    }
}

#[test]
fn a_photograph_cut_anywhere_is_refused() {
    let bytes = made(&photograph("kodim19.png"), "/format/jpg").unwrap().bytes;
    for share in [10, 50, 90, 99] {
        let mut part = bytes[..bytes.len() * share / 100].to_vec();
        assert_eq!(made(&part, "/fw/100").unwrap_err().kind, ErrorKind::NotAnImage, "{share} %");
        // An end put behind does not make it whole.
        part.extend([0xff, 0xd9]);
        assert_eq!(made(&part, "/fw/100").unwrap_err().kind, ErrorKind::NotAnImage, "{share} %");
    }
}

#[test]
fn damage_costs_the_picture_and_nothing_else() {
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let limits = Limits { pixels: 1_000_000, ..Limits::default() };
    for (name, bytes) in files() {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..=random() % 4 {
                let at = random() % damaged.len();
                damaged[at] = random() as u8;
            }
            let made = made_with(
                &damaged,
                "/fw/20/format/webp",
                |_| None,
                limits,
                how(Target::WebP).effort,
                Accept::default(),
            );
            if let Err(Error { kind, message }) = made {
                let known = matches!(
                    kind,
                    ErrorKind::NotAnImage
                        | ErrorKind::TooLarge
                        | ErrorKind::Width
                        | ErrorKind::Height
                );
                assert!(known, "{name}: {kind:?} {message}");
            }
        }
    }
}

#[test]
fn a_png_with_a_wrong_checksum_is_refused() {
    let mut bytes = file(&gradient(64, 48), Target::Png);
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    assert_eq!(made(&bytes, "/fw/10").unwrap_err().kind, ErrorKind::NotAnImage);
}

#[test]
fn a_frame_may_not_be_larger_than_its_canvas_without_bound() {
    let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    gif.extend(b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x4c\x01\0;");
    let error = made(&gif, "/format/png").unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotAnImage, "{error}");
}

#[test]
fn results_are_counted_with_all_their_frames() {
    let source = moving(Target::Gif, 100, 100, 50);
    let limits = Limits { pixels: 600_000, ..Limits::default() };
    let scaled = |parameters: &str| {
        made_with(&source, parameters, |_| None, limits, how(Target::Gif).effort, Accept::default())
    };
    assert!(scaled("/fw/100").is_ok());
    assert_eq!(scaled("/fw/200/force/true").unwrap_err().kind, ErrorKind::TooLarge);
    assert!(scaled("/fw/200/force/true/gifto/true").is_ok());
}

#[test]
fn time_is_bounded() {
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    for source in [file(&gradient(64, 48), Target::Png), moving(Target::Gif, 64, 48, 3)] {
        let made = made_with(
            &source,
            "/fw/10",
            |_| None,
            limits,
            how(Target::Png).effort,
            Accept::default(),
        );
        let error = made.unwrap_err();
        assert_eq!(
            (error.kind, error.status(), error.code()),
            (ErrorKind::TooSlow, 413, 41_300_001)
        );
    }
}

#[test]
fn drawings_reach_nothing_and_run_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.png");
    std::fs::write(&secret, file(&Raster::filled(40, 40, [255, 0, 0, 255]), Target::Png)).unwrap();
    let svg = |body: &str| {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="40">{body}</svg>"#
        )
    };
    let path = secret.display();
    let embedded = "data:image/png;base64,iVBORw0KGgo=";
    let bodies = [
        format!(r#"<image width="40" height="40" href="file://{path}"/>"#),
        format!(r#"<image width="40" height="40" xlink:href="{path}"/>"#),
        format!(r#"<image width="40" height="40" href="{embedded}"/>"#),
        format!(r#"<use href="{path}#x"/>"#),
        "<script>document.documentElement.innerHTML = '<rect/>'</script>".into(),
        r#"<foreignObject width="40" height="40"><body xmlns="http://www.w3.org/1999/xhtml">x</body></foreignObject>"#.into(),
        format!(r#"<style>@import url("file://{path}"); rect {{ fill: url("{path}") }}</style>"#),
    ];
    for body in bodies {
        let raster = decoded(&made(svg(&body).as_bytes(), "/format/png").unwrap().bytes);
        assert!(raster.each().all(|it| it[3] == 0), "{body}");
    }
}

#[test]
fn drawings_that_grow_without_end_are_refused() {
    let laughs: String = (1..12)
        .map(|it| format!(r#"<!ENTITY l{it} "{}">"#, format!("&l{};", it - 1).repeat(12)))
        .collect();
    let entities = format!(
        r#"<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "lol">{laughs}]><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&l11;</text></svg>"#
    );
    assert_eq!(made(entities.as_bytes(), "/info").unwrap_err().status(), 406);
    let uses: String = (1..12)
        .map(|it| {
            format!(
                r##"<g id="g{it}">{}</g>"##,
                format!(r##"<use href="#g{}"/>"##, it - 1).repeat(10)
            )
        })
        .collect();
    let growth = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><defs><g id="g0"><rect width="1" height="1"/></g>{uses}</defs><use href="#g11"/></svg>"##
    );
    assert!(made(growth.as_bytes(), "/format/png").is_err());
    let large = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{}</svg>",
        " ".repeat(2 << 20)
    );
    assert_eq!(made(large.as_bytes(), "/fw/9").unwrap_err().kind, ErrorKind::TooLarge);
    let cycle = br##"<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><g id="a"><use href="#a"/></g></svg>"##;
    assert!(made(cycle, "/format/png").is_ok());
}

#[test]
fn content_decides_and_not_a_name() {
    let html = b"<!DOCTYPE html><title>a.png</title><script>1</script>";
    assert_eq!(made(html, "/fw/10").unwrap_err().status(), 405);
    // A picture with a web page behind its end is a picture, and the page is gone.
    let mut both = file(&gradient(20, 20), Target::Jpeg);
    both.extend(html);
    let made = made(&both, "/fw/10").unwrap();
    assert_eq!(Kind::of(&made.bytes), Some(Kind::Jpeg));
    assert!(!made.bytes.windows(6).any(|it| it == b"script"));
}

#[test]
fn tiny_tiles_and_huge_blurs_are_done_all_the_same() {
    let source = file(&Raster::filled(1500, 1000, [0, 0, 200, 255]), Target::Png);
    let mark = |_: &str| Some(file(&Raster::filled(1, 1, [255, 0, 0, 255]), Target::Png));
    let parameters = "/watermark/url/L20ucG5n/repeat/true/margin/0x0/gaussblur/0x1000";
    let made = made_with(
        &source,
        parameters,
        mark,
        Limits::default(),
        how(Target::Png).effort,
        Accept::default(),
    );
    let raster = decoded(&made.unwrap().bytes);
    assert!(raster.each().all(|it| it[..3] == [255, 0, 0]));
}
