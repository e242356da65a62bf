//! Watermarks on whole jobs.

use crate::image::encode::{Effort, Target};
use crate::image::limits::Limits;
use crate::image::pipeline::{Accept, Made};
use crate::image::raster::Raster;
use crate::image::samples::{decoded, decoded_frames, file, made, made_with, moving};
use crate::image::{Error, ErrorKind};

const RED: [u8; 4] = [255, 0, 0, 255];
/// `/m.png`
const PATH: &str = "L20ucG5n";

fn ground(width: u32, height: u32) -> Vec<u8> {
    file(&Raster::filled(width, height, [0, 0, 200, 255]), Target::Png)
}

fn marked(source: &[u8], parameters: &str) -> Result<Made, Error> {
    let mark =
        |path: &str| (path == "/m.png").then(|| file(&Raster::filled(20, 10, RED), Target::Png));
    made_with(source, parameters, mark, Limits::default(), Effort::Fast, Accept::default())
}

fn red(raster: &Raster) -> usize {
    raster.each().filter(|it| it[0] > 200 && it[2] < 50).count()
}

#[test]
fn a_picture_is_put_where_it_belongs() {
    let at = |parameters: &str| {
        let made =
            marked(&ground(200, 100), &format!("/watermark/url/{PATH}{parameters}")).unwrap();
        let raster = decoded(&made.bytes);
        let place = (0..100).flat_map(|y| (0..200).map(move |x| (x, y)));
        let first = place.clone().find(|&(x, y)| raster.pixel(x, y).unwrap()[0] > 100);
        (first, raster.each().filter(|it| it[0] > 100).count())
    };
    assert_eq!(at(""), (Some((20, 20)), 200));
    assert_eq!(at("/align/southeast/margin/3x4"), (Some((177, 86)), 200));
    assert_eq!(at("/align/center/margin/0x0"), (Some((90, 45)), 200));
    assert_eq!(at("/percent/40"), (Some((20, 20)), 800));
    let large = Raster::filled(300, 100, RED);
    let mark = |_: &str| Some(file(&large, Target::Png));
    let parameters = format!("/watermark/url/{PATH}");
    let limits = Limits::default();
    let made =
        made_with(&ground(200, 100), &parameters, mark, limits, Effort::Fast, Accept::default());
    assert_eq!(red(&decoded(&made.unwrap().bytes)), 0, "more than half of the picture");
    assert_eq!(at("/repeat/true/margin/0x0"), (Some((0, 0)), 20_000));
}

#[test]
fn opacity_mixes_and_order_decides() {
    let pixel = |parameters: &str| {
        decoded(&marked(&ground(100, 100), parameters).unwrap().bytes).pixel(25, 25).unwrap()
    };
    let half = format!("/watermark/url/{PATH}/opacity/50");
    assert_eq!(pixel(&half), [128, 0, 100, 255]);
    assert_eq!(pixel(&format!("{half}{half}")), [192, 0, 50, 255]);
}

#[test]
fn what_moves_is_marked_only_when_asked_for() {
    let source = moving(Target::WebP, 100, 60, 3);
    let parameters = format!("/watermark/url/{PATH}/align/southeast");
    let frames = |parameters: &str| {
        let (frames, _) = decoded_frames(&marked(&source, parameters).unwrap().bytes);
        frames.iter().filter(|(raster, _)| raster.pixel(70, 35).unwrap()[0] > 150).count()
    };
    assert_eq!(frames(&parameters), 0);
    assert_eq!(frames(&format!("{parameters}/animate/true")), 3);
}

#[test]
fn a_missing_or_broken_mark_is_an_error() {
    let parameters = format!("/watermark/url/{PATH}");
    let source = ground(100, 100);
    let error = made(&source, &parameters).unwrap_err();
    assert_eq!((error.kind, error.status(), error.code()), (ErrorKind::Mark, 400, 40_011_015));
    assert!(error.message.contains("/m.png"), "{error}");
    let broken = |_: &str| Some(b"no image".to_vec());
    let error =
        made_with(&source, &parameters, broken, Limits::default(), Effort::Fast, Accept::default());
    assert_eq!(error.unwrap_err().kind, ErrorKind::Mark);
}

#[test]
fn text_is_written() {
    // "brink", and two Chinese characters.
    let written = |parameters: &str| made(&ground(400, 200), parameters);
    let raster = decoded(
        &written("/watermark/text/YnJpbms=/font/arial/color/FF0000/align/southeast").unwrap().bytes,
    );
    assert!(red(&raster) > 100);
    let right = raster.cut(crate::image::geometry::Area {
        x: 250,
        y: 100,
        size: crate::image::geometry::Size::new(130, 80),
    });
    assert_eq!(red(&right), red(&raster), "all of it in its corner, with the margin");
    let size = |px: u32| {
        let parameters = format!("/watermark/text/YnJpbms=/font/arial/color/FF0000/size/{px}");
        red(&decoded(&written(&parameters).unwrap().bytes))
    };
    assert!(size(48) > size(24) * 3, "{} {}", size(48), size(24));
    assert_eq!(size(400), 0, "more than half of the picture");
    let outlined = "/watermark/text/YnJpbms=/font/arial/color/00C800/border/FF000000/size/40";
    assert!(red(&decoded(&written(outlined).unwrap().bytes)) > 200);
}

#[test]
fn text_without_a_font_is_an_error() {
    // U+10FFFD, which no font has.
    let error = made(&ground(400, 200), "/watermark/text/9I+|vQ==").unwrap_err();
    assert_eq!((error.kind, error.status(), error.code()), (ErrorKind::Font, 400, 40_011_020));
}
