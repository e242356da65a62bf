//! What comes out as what.

use image::ImageFormat;

use crate::image::encode::{Effort, Target};
use crate::image::header::{Header, Kind};
use crate::image::limits::Limits;
use crate::image::metadata::{self, Metadata};
use crate::image::pipeline::Accept;
use crate::image::raster::{Channels, Raster};
use crate::image::samples::{
    decoded, decoded_frames, difference, file, gradient, made, made_with, moving, other,
    photograph, translucent, with_metadata,
};

fn header(bytes: &[u8]) -> Header {
    Header::read(bytes, &Limits::default()).unwrap()
}

#[test]
fn every_source_becomes_every_result() {
    let picture = gradient(48, 32);
    let sources = [
        file(&picture, Target::Jpeg),
        file(&picture, Target::Png),
        file(&picture, Target::WebP),
        other(&picture, ImageFormat::Bmp),
        other(&picture, ImageFormat::Tiff),
        other(&picture, ImageFormat::Pnm),
        other(&picture.clone().into_rgba(), ImageFormat::Ico),
    ];
    let results = [("jpg", Kind::Jpeg), ("png", Kind::Png), ("webp", Kind::WebP)];
    for source in &sources {
        for (name, kind) in results {
            let made = made(source, &format!("/quality/95/format/{name}")).unwrap();
            assert_eq!(Kind::of(&made.bytes), Some(kind));
            let off = difference(&decoded(&made.bytes), &picture);
            assert!(off < 3.0, "{} to {name}: {off}", header(source).kind.name());
        }
    }
}

#[test]
fn a_format_stays_unless_another_is_asked_for() {
    let picture = gradient(20, 10);
    let clear = translucent(20, 10);
    let cases = [
        (file(&picture, Target::Jpeg), "image/jpeg"),
        (file(&picture, Target::Png), "image/png"),
        (file(&picture, Target::Gif), "image/gif"),
        (file(&picture, Target::WebP), "image/webp"),
        (other(&picture, ImageFormat::Bmp), "image/jpeg"),
        (other(&picture, ImageFormat::Tiff), "image/jpeg"),
        (other(&clear, ImageFormat::Tiff), "image/png"),
        (other(&clear, ImageFormat::Ico), "image/png"),
        (moving(Target::Gif, 40, 20, 3), "image/gif"),
        (moving(Target::WebP, 40, 20, 3), "image/webp"),
    ];
    for (source, media_type) in cases {
        assert_eq!(made(&source, "/fw/10").unwrap().media_type, media_type);
    }
}

#[test]
fn the_client_decides_where_it_is_asked() {
    let auto = |source: &[u8], accept, effort| {
        made_with(source, "/format/auto", |_| None, Limits::default(), effort, accept)
            .unwrap()
            .media_type
    };
    let jpeg = file(&gradient(20, 10), Target::Jpeg);
    let webp = Accept { webp: true, avif: true };
    assert_eq!(auto(&jpeg, Accept::default(), Effort::Fast), "image/jpeg");
    assert_eq!(auto(&jpeg, webp, Effort::Fast), "image/webp");
    let old = file(&translucent(20, 10), Target::WebP);
    assert_eq!(auto(&old, Accept::default(), Effort::Fast), "image/png");
    let gif = moving(Target::Gif, 40, 20, 3);
    assert_eq!(auto(&gif, Accept::default(), Effort::Fast), "image/gif");
    assert_eq!(auto(&gif, webp, Effort::Fast), "image/webp");
}

#[test]
fn alpha_is_kept_where_it_can_be_and_white_where_not() {
    let source = file(&translucent(40, 20), Target::Png);
    for format in ["png", "webp"] {
        let raster = decoded(&made(&source, &format!("/format/{format}/fw/20")).unwrap().bytes);
        assert_eq!(raster.pixel(2, 5).unwrap()[3], 255, "{format}");
        assert!(raster.pixel(15, 5).unwrap()[3].abs_diff(128) <= 2, "{format}");
    }
    let jpeg = decoded(&made(&source, "/format/jpg/quality/95").unwrap().bytes);
    let (whole, mixed) = (jpeg.pixel(5, 10).unwrap(), jpeg.pixel(30, 10).unwrap());
    assert!(whole[2].abs_diff(64) < 12, "{whole:?}");
    assert!(mixed[2].abs_diff(159) < 12, "{mixed:?}");
}

#[test]
fn quality_progressive_compress_and_lossless_do_what_they_say() {
    let source = photograph("kodim23.png");
    let bytes = |parameters: &str| made(&source, parameters).unwrap().bytes;
    let (low, high) =
        (bytes("/fw/300/format/jpg/quality/30"), bytes("/fw/300/format/jpg/quality/90"));
    assert!(low.len() * 2 < high.len());
    let progressive = bytes("/fw/300/format/jpg/progressive/true");
    assert!(header(&progressive).scans > 1);
    assert_eq!(header(&low).scans, 1);
    assert!(bytes("/fw/300/compress/true").len() < bytes("/fw/300").len());
    let compressed = bytes("/fw/300/format/jpg/compress/true");
    assert!(compressed.len() < bytes("/fw/300/format/jpg").len());
    let (exact, lossless) = (bytes("/fw/200"), bytes("/fw/200/format/webp/lossless/true"));
    assert_eq!(decoded(&exact), decoded(&lossless));
    let lossy = bytes("/fw/200/format/webp");
    assert!(lossy.len() * 2 < lossless.len());
}

#[test]
fn thorough_work_is_smaller_at_the_same_looks() {
    let source = photograph("kodim08.png");
    let both = |parameters: &str| {
        [Effort::Fast, Effort::Thorough].map(|effort| {
            let limits = Limits::default();
            made_with(&source, parameters, |_| None, limits, effort, Accept::default())
                .unwrap()
                .bytes
        })
    };
    for parameters in ["/fw/300/format/webp", "/fw/300/format/jpg", "/fw/200"] {
        let [fast, thorough] = both(parameters);
        assert!(thorough.len() < fast.len(), "{parameters}: {} {}", thorough.len(), fast.len());
        let off = difference(&decoded(&fast), &decoded(&thorough));
        assert!(off < 8.0, "{parameters}: {off}");
    }
}

#[test]
fn metadata_go_along_only_when_asked_for() {
    let metadata = Metadata {
        exif: Some(metadata::tests::sample(1)),
        iptc: Some(b"\x1c\x02\x05\0\x01t".to_vec()),
        xmp: Some(b"<x/>".to_vec()),
        icc: None,
    };
    let source = with_metadata(&gradient(20, 10), Target::Jpeg, &metadata);
    let found = |parameters: &str| {
        let made = made(&source, parameters).unwrap();
        metadata::read(&made.bytes, Kind::of(&made.bytes).unwrap())
    };
    assert_eq!(found("/fw/10"), Metadata::default());
    assert_eq!(found("/fw/10/exifswitch/true"), metadata);
    for format in ["webp", "png"] {
        let found = found(&format!("/fw/10/exifswitch/true/format/{format}"));
        assert_eq!(
            (found.exif, found.xmp),
            (metadata.exif.clone(), metadata.xmp.clone()),
            "{format}"
        );
    }
}

#[test]
fn profiles_go_along_unless_dropped_or_drawn_upon() {
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let metadata = Metadata { icc: Some(icc.clone()), ..Metadata::default() };
    let red = Raster::filled(32, 32, [200, 50, 50, 255]);
    for target in [Target::Jpeg, Target::Png, Target::WebP] {
        let source = with_metadata(&red, target, &metadata);
        let profile = |bytes: &[u8]| {
            let decoded =
                crate::image::decode::still(bytes, &header(bytes), 1.0, &Limits::default());
            decoded.unwrap().icc
        };
        let kept = made(&source, "/quality/95").unwrap().bytes;
        assert_eq!(profile(&kept).as_ref(), Some(&icc), "{target:?}");
        let shade = decoded(&kept).pixel(9, 9).unwrap()[0];
        assert!(shade.abs_diff(200) <= 3, "{target:?}: {shade}");
        for parameters in ["/quality/95/noicc/true", "/quality/95/border/1x1"] {
            let dropped = made(&source, parameters).unwrap().bytes;
            assert_eq!(profile(&dropped), None, "{target:?}");
            let shade = decoded(&dropped).pixel(9, 9).unwrap()[0];
            assert!(shade >= 205, "converted to sRGB: {target:?} {shade}");
        }
    }
}

#[test]
fn sixteen_bits_greys_and_palettes_are_read() {
    let encode = |colours, depth, palette: Option<&[u8]>, data: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(colours);
        encoder.set_depth(depth);
        if let Some(palette) = palette {
            encoder.set_palette(palette);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        bytes
    };
    use png::{BitDepth, ColorType};
    let deep =
        encode(ColorType::Rgb, BitDepth::Sixteen, None, &[9, 1, 8, 2, 7, 3, 6, 4, 5, 5, 4, 6]);
    let grey = encode(ColorType::Grayscale, BitDepth::Eight, None, &[100, 200]);
    let pale = encode(ColorType::GrayscaleAlpha, BitDepth::Eight, None, &[100, 255, 200, 7]);
    let few = encode(ColorType::Indexed, BitDepth::Eight, Some(&[1, 2, 3, 4, 5, 6]), &[1, 0]);
    let expected = [
        (deep, [[9, 8, 7, 255], [6, 5, 4, 255]]),
        (grey, [[100, 100, 100, 255], [200, 200, 200, 255]]),
        (pale, [[100, 100, 100, 255], [200, 200, 200, 7]]),
        (few, [[4, 5, 6, 255], [1, 2, 3, 255]]),
    ];
    for (source, [left, right]) in expected {
        let raster = decoded(&made(&source, "/format/png").unwrap().bytes);
        assert_eq!((raster.pixel(0, 0), raster.pixel(1, 0)), (Some(left), Some(right)));
    }
}

#[test]
fn inks_are_read() {
    // Cyan without and with black, as Adobe stores it: inverted.
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_CMYK);
    encoder.set_size(16, 16);
    encoder.set_quality(98.0);
    let mut started = encoder.start_compress(Vec::new()).unwrap();
    let row = [[0, 255, 255, 255].repeat(8), [0, 255, 255, 55].repeat(8)].concat();
    started.write_scanlines(&row.repeat(16)).unwrap();
    let source = started.finish().unwrap();
    assert!(metadata::is_adobe_jpeg(&source));
    let raster = decoded(&made(&source, "/format/png").unwrap().bytes);
    let (light, dark) = (raster.pixel(2, 8).unwrap(), raster.pixel(13, 8).unwrap());
    assert!(light[0] <= 4 && light[1] >= 250 && light[2] >= 250, "{light:?}");
    assert!(dark[0] <= 4 && dark[1].abs_diff(55) <= 5, "{dark:?}");
}

#[test]
fn drawings_are_drawn_at_the_size_that_is_needed() {
    let source = br##"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">
        <rect width="20" height="20" fill="#ff0000"/></svg>"##;
    let made = made(source, "/fw/4000/force/true").unwrap();
    let raster = decoded(&made.bytes);
    assert_eq!((made.media_type, raster.width(), raster.height()), ("image/png", 4000, 2000));
    assert_eq!(raster.channels(), Channels::Rgba);
    // As sharp as at its own size.
    assert_eq!(raster.pixel(1995, 1000), Some([255, 0, 0, 255]));
    assert_eq!(raster.pixel(2004, 1000).unwrap()[3], 0);
}

#[test]
fn what_moves_keeps_its_frames_times_and_turns() {
    for source in [Target::Gif, Target::WebP] {
        let bytes = moving(source, 80, 20, 5);
        let (frames, plays) = decoded_frames(&bytes);
        let delays: Vec<u32> = frames.iter().map(|it| it.1).collect();
        assert_eq!((delays, plays), (vec![70, 80, 90, 100, 110], 3), "{source:?}");
        for parameters in ["/fw/40", "/fw/40/format/webp", "/fw/40/coalesce/false"] {
            let made = made(&bytes, parameters).unwrap();
            let (frames, plays) = decoded_frames(&made.bytes);
            assert_eq!((frames.len(), made.frames, plays), (5, 5, 3), "{source:?} {parameters}");
            for (index, (raster, delay)) in frames.iter().enumerate() {
                assert_eq!(*delay, 70 + index as u32 * 10);
                assert_eq!((raster.width(), raster.height()), (40, 10));
                let (square, ground) = (index as u32 * 5 + 2, (index as u32 * 5 + 20) % 40);
                let (red, blue) =
                    (raster.pixel(square, 4).unwrap(), raster.pixel(ground, 4).unwrap());
                assert!(red[0] > 180 && red[2] < 80, "{source:?} {parameters} {index}: {red:?}");
                assert!(blue[0] < 60 && blue[2] > 200, "{source:?} {parameters} {index}: {blue:?}");
            }
        }
    }
}

#[test]
fn one_frame_of_what_moves() {
    let source = moving(Target::Gif, 80, 20, 5);
    for (parameters, media_type) in
        [("/gifto/true", "image/gif"), ("/format/png", "image/png"), ("/format/jpg", "image/jpeg")]
    {
        let made = made(&source, parameters).unwrap();
        assert_eq!((made.frames, made.media_type), (1, media_type), "{parameters}");
        let raster = decoded(&made.bytes);
        assert!(raster.pixel(3, 8).unwrap()[0] > 200, "{parameters}");
        assert!(raster.pixel(15, 8).unwrap()[2] > 200, "{parameters}");
    }
}

#[test]
fn what_frames_leave_behind_is_done_as_browsers_do_it() {
    use gif::{DisposalMethod, Frame, Repeat};
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 4, 1, &[255, 0, 0, 0, 255, 0]).unwrap();
    encoder.set_repeat(Repeat::Infinite).unwrap();
    let mut frame = |left, width, index: u8, dispose| {
        let mut frame = Frame::from_indexed_pixels(width, 1, vec![index; usize::from(width)], None);
        (frame.left, frame.dispose, frame.delay) = (left, dispose, 5);
        encoder.write_frame(&frame).unwrap();
    };
    frame(0, 4, 0, DisposalMethod::Keep);
    frame(1, 1, 1, DisposalMethod::Previous);
    frame(2, 1, 1, DisposalMethod::Background);
    frame(3, 9, 1, DisposalMethod::Keep);
    drop(encoder);
    let expected = ["rrrr", "rgrr", "rrgr", "rr.g"];
    let shown = |bytes: &[u8]| -> Vec<String> {
        let (frames, _) = decoded_frames(bytes);
        let letter = |it: &[u8]| match it {
            [255, 0, 0, 255] => 'r',
            [0, 255, 0, 255] => 'g',
            [_, _, _, 0] => '.',
            _ => '?',
        };
        frames
            .iter()
            .map(|(raster, _)| raster.clone().into_rgba().each().map(letter).collect())
            .collect()
    };
    assert_eq!(shown(&bytes), expected);
    // And it looks the same after having been written anew.
    for parameters in ["/coalesce/true", "/coalesce/false", "/format/webp/lossless/true"] {
        assert_eq!(shown(&made(&bytes, parameters).unwrap().bytes), expected, "{parameters}");
    }
}

#[test]
fn automatic_quality_is_the_lowest_that_looks_good() {
    let source = photograph("kodim23.png");
    let thorough = |parameters: &str| {
        let limits = Limits::default();
        made_with(&source, parameters, |_| None, limits, Effort::Thorough, Accept::default())
            .unwrap()
    };
    for format in ["jpg", "webp"] {
        let found = thorough(&format!("/fw/200/quality/auto/format/{format}"));
        let score = found.score.unwrap();
        assert!((70.0..76.0).contains(&score), "{format}: {score}");
        assert!(
            thorough(&format!("/fw/200/quality/95/format/{format}")).score.unwrap() > score + 5.0
        );
    }
    assert_eq!(thorough("/fw/100").score.map(|it| it > 99.9), Some(true), "PNG loses nothing");
    let quick = made(&source, "/fw/100/quality/auto/format/webp").unwrap();
    assert_eq!(quick.bytes, made(&source, "/fw/100/format/webp").unwrap().bytes);
}
