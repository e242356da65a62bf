//! Real photographs: what comes out looks like what went in.

use crate::image::encode::Target;
use crate::image::geometry::Size;
use crate::image::samples::{decoded, difference, file, made, photograph};

const NAMES: [&str; 5] =
    ["kodim05.png", "kodim08.png", "kodim13.png", "kodim19.png", "kodim23.png"];

#[test]
fn formats_look_like_the_source_and_are_smaller() {
    for name in NAMES {
        let source = photograph(name);
        let original = decoded(&source);
        for (format, most) in [("webp", 6.0), ("jpg", 6.0)] {
            let made = made(&source, &format!("/format/{format}")).unwrap();
            assert_eq!(made.size, original.size());
            let off = difference(&decoded(&made.bytes), &original);
            assert!(off < most, "{name} {format}: {off}");
            assert!(made.bytes.len() * 3 < source.len(), "{name} {format}: {}", made.bytes.len());
        }
    }
}

#[test]
fn a_jpeg_scaled_while_decoding_looks_like_one_scaled_after() {
    for name in ["kodim08.png", "kodim23.png"] {
        let source = photograph(name);
        let jpeg = file(&decoded(&source), Target::Jpeg);
        for parameters in ["/max/192", "/both/100x100"] {
            let png = |source: &[u8]| {
                decoded(&made(source, &format!("{parameters}/format/png")).unwrap().bytes)
            };
            let off = difference(&png(&jpeg), &png(&source));
            assert!(off < 6.0, "{name} {parameters}: {off}");
        }
    }
}

#[test]
fn a_chain_of_all_steps_keeps_the_order() {
    let source = photograph("kodim23.png");
    let parameters = "/crop/700x500a20a6/fw/350/clip/300x200a10a10/roundrect/20/rotate/90\
        /flip/left,right/unsharp/true/gaussblur/1x1\
        /gdori/top,down/gdpos/0,100/gdstartcolor/00000080/gdstopcolor/000000FF\
        /watermark/text/YnJpbms=/font/arial/size/20/border/4x4/canvas/400x400/format/png";
    let made = made(&source, parameters).unwrap();
    assert_eq!(made.size, Size::new(400, 400));
    let names: Vec<&str> = made.steps.iter().map(|it| it.name).collect();
    let expected = [
        "header",
        "decode",
        "scale",
        "clip",
        "corners",
        "rotate",
        "flip",
        "sharpen",
        "blur",
        "gradient",
        "prepare marks",
        "marks",
        "frame",
        "canvas",
        "encode",
    ];
    assert_eq!(names, expected);
    let sizes: Vec<Size> = made.steps.iter().map(|it| it.size).collect();
    assert_eq!(
        (sizes[1], sizes[2], sizes[3]),
        (Size::new(768, 512), Size::new(350, 250), Size::new(300, 200))
    );
    assert_eq!((sizes[5], sizes[12]), (Size::new(200, 300), Size::new(208, 308)));
}
