//! What becomes of sizes and places.

use crate::image::encode::Target;
use crate::image::geometry::Size;
use crate::image::raster::{Channels, Raster};
use crate::image::samples::{decoded, file, gradient, made, with_metadata};
use crate::image::{ErrorKind, metadata};

/// The pixels of what comes out as a PNG.
fn png(source: &[u8], parameters: &str) -> Raster {
    decoded(&made(source, &format!("{parameters}/format/png")).unwrap().bytes)
}

#[test]
fn every_scaling_key_has_the_size_that_the_language_says() {
    let source = file(&gradient(240, 160), Target::Png);
    let cases = [
        ("/fw/60", (60, 40)),
        ("/fh/40", (60, 40)),
        ("/max/120", (120, 80)),
        ("/min/80", (120, 80)),
        ("/fwfh/60x60", (60, 40)),
        ("/fwfh2/60x60", (90, 60)),
        ("/both/60x60", (60, 60)),
        ("/sq/50", (50, 50)),
        ("/stretch/50x70", (50, 70)),
        ("/scale/50", (120, 80)),
        ("/wscale/50", (120, 160)),
        ("/hscale/25", (240, 40)),
        ("/fxfn/120x60", (90, 60)),
        ("/fxfn2/120x60", (120, 80)),
        ("/fp/9600", (120, 80)),
        ("/fw/480", (240, 160)),
        ("/fw/480/force/true", (480, 320)),
        ("/scale/150", (360, 240)),
    ];
    for (parameters, (width, height)) in cases {
        let made = made(&source, parameters).unwrap();
        assert_eq!(made.size, Size::new(width, height), "{parameters}");
        let raster = decoded(&made.bytes);
        assert_eq!(raster.size(), made.size, "{parameters}");
        // What was a gradient from corner to corner still is one, but where it was cropped.
        let corners = [(0, 0), (width - 1, height - 1)].map(|(x, y)| raster.pixel(x, y).unwrap());
        let [first, last] = corners;
        let crops = parameters.starts_with("/both") || parameters.starts_with("/sq");
        let (low, high) = if crops { (46, 209) } else { (4, 251) };
        assert!(first[0] <= low && first[1] <= 4, "{parameters}: {first:?}");
        assert!(last[0] >= high && last[1] >= 251, "{parameters}: {last:?}");
    }
}

#[test]
fn jpeg_decoded_at_an_eighth_has_the_same_colours_and_places() {
    let source = file(&gradient(400, 300), Target::Jpeg);
    let reference = file(&gradient(400, 300), Target::Png);
    for parameters in ["/fw/49", "/fw/99", "/fw/170", "/both/37x37", "/crop/201x153a75a53/fw/25"] {
        let (fast, exact) = (png(&source, parameters), png(&reference, parameters));
        assert_eq!(fast.size(), exact.size(), "{parameters}");
        let worst = fast.pixels().iter().zip(exact.pixels()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(6), "{parameters}: {worst:?}");
    }
}

#[test]
fn crop_comes_before_scaling_and_clip_after() {
    let source = file(&gradient(256, 256), Target::Png);
    let cropped = png(&source, "/crop/100x50a20a10");
    assert_eq!(cropped.size(), Size::new(100, 50));
    assert_eq!(cropped.pixel(0, 0), Some([20, 10, 64, 255]));
    assert_eq!(cropped.pixel(99, 49), Some([119, 59, 64, 255]));
    let east = png(&source, "/crop/100x50a0a0/gravity/southeast");
    assert_eq!(east.pixel(0, 0), Some([156, 206, 64, 255]));
    let both = png(&source, "/crop/200x200a0a0/fw/100/clip/30x30a10a10");
    assert_eq!(both.size(), Size::new(30, 30));
    let first = both.pixel(0, 0).unwrap();
    assert!(first[0].abs_diff(20) <= 1 && first[1].abs_diff(20) <= 1, "{first:?}");
}

#[test]
fn a_photograph_on_its_side_is_straightened_before_all_else() {
    let source = |turn| {
        let metadata = metadata::Metadata {
            exif: Some(metadata::tests::sample(turn)),
            ..metadata::Metadata::default()
        };
        with_metadata(&gradient(64, 32), Target::Jpeg, &metadata)
    };
    let upright = png(&source(6), "/rotate/auto/crop/32x16a0a0");
    assert_eq!(upright.size(), Size::new(32, 16));
    // Turned clockwise: the old left bottom is the new left top.
    let corner = upright.pixel(0, 0).unwrap();
    assert!(corner[0] <= 8 && corner[1] >= 247, "{corner:?}");
    assert_eq!(png(&source(6), "/fw/32").size(), Size::new(32, 16), "only when asked for");
    assert_eq!(png(&source(6), "/rotate/auto/fw/16").size(), Size::new(16, 32));
    assert_eq!(png(&source(1), "/rotate/auto/fw/16").size(), Size::new(16, 8));
    let kept = made(&source(6), "/rotate/auto/exifswitch/true").unwrap();
    let exif = metadata::read(&kept.bytes, crate::image::header::Kind::Jpeg).exif.unwrap();
    assert_eq!(metadata::orientation(&exif), 1, "it stands upright now");
}

#[test]
fn turns_and_flips() {
    let source = file(&gradient(40, 20), Target::Png);
    assert_eq!(png(&source, "/rotate/90").pixel(0, 0), Some([0, 255, 64, 255]));
    assert_eq!(png(&source, "/rotate/90").size(), Size::new(20, 40));
    assert_eq!(png(&source, "/flip/left,right").pixel(0, 0), Some([255, 0, 64, 255]));
    assert_eq!(png(&source, "/flip/top,down").pixel(0, 0), Some([0, 255, 64, 255]));
    let slanted = made(&source, "/rotate/30/format/png").unwrap();
    let raster = decoded(&slanted.bytes);
    assert_eq!((raster.channels(), raster.size()), (Channels::Rgba, slanted.size));
    let jpeg = decoded(&made(&source, "/rotate/30/format/jpg").unwrap().bytes);
    let corner = jpeg.pixel(0, 0).unwrap();
    assert!(corner.iter().all(|it| *it >= 250), "white where a JPEG cannot be clear: {corner:?}");
}

#[test]
fn corners_frame_and_canvas() {
    let source = file(&Raster::filled(60, 40, [0, 200, 0, 255]), Target::Png);
    let round = png(&source, "/roundrect/10");
    assert_eq!((round.pixel(0, 0).unwrap()[3], round.pixel(30, 20)), (0, Some([0, 200, 0, 255])));
    let framed = png(&source, "/border/3x2/brdcolor/0000FF00");
    assert_eq!(framed.size(), Size::new(66, 44));
    assert_eq!(framed.pixel(2, 20), Some([0, 0, 255, 255]));
    assert_eq!(framed.pixel(3, 2), Some([0, 200, 0, 255]));
    let canvas = png(&source, "/canvas/100x100a5a7/cvscolor/FF000000");
    assert_eq!(canvas.size(), Size::new(100, 100));
    assert_eq!(canvas.pixel(5, 7), Some([0, 200, 0, 255]));
    assert_eq!(canvas.pixel(4, 7), Some([255, 0, 0, 255]));
    let clear = png(&source, "/canvas/100x100/cvscolor/FF0000FF");
    assert_eq!((clear.pixel(0, 0).unwrap()[3], clear.pixel(50, 50)), (0, Some([0, 200, 0, 255])));
}

#[test]
fn sharpening_blurring_and_gradients_change_the_pixels_that_they_should() {
    let mut raster = Raster::filled(40, 40, [60, 60, 60, 255]);
    for row in raster.rows_mut() {
        row[60..].fill(180);
    }
    let source = file(&raster, Target::Png);
    let at = |parameters: &str, x| png(&source, parameters).pixel(x, 20).unwrap()[0];
    assert!(at("/unsharp/true", 19) < 55 && at("/unsharp/true", 20) > 185);
    assert_eq!(at("/unsharp/true", 5), 60);
    let soft = at("/gaussblur/0x4", 19);
    assert!(soft > 100 && soft < 121, "{soft}");
    assert_eq!(at("/gaussblur/3x4", 10), 60);
    let colours = "/gdori/left,right/gdpos/0,39/gdstartcolor/00000000/gdstopcolor/FFFFFF00";
    assert_eq!((at(colours, 0), at(colours, 39)), (0, 255));
}

#[test]
fn attention_finds_what_draws_the_eye() {
    let mut raster = Raster::filled(300, 100, [128, 128, 128, 255]);
    for (y, row) in raster.rows_mut().enumerate() {
        for x in 240..280 {
            let shade = if (x / 5 + y / 5) % 2 == 0 { 0 } else { 255 };
            row[x * 3..x * 3 + 3].fill(shade);
        }
    }
    let source = file(&raster, Target::Png);
    let seen = |parameters: &str| {
        let part = png(&source, parameters);
        part.each().filter(|it| it[0] != 128).count()
    };
    assert_eq!(seen("/both/100x100"), 0);
    assert!(seen("/both/100x100/gravity/auto") >= 3800);
    assert!(seen("/crop/100x100a0a0/gravity/auto") >= 3800);
}

#[test]
fn results_beyond_the_limits_are_refused_before_they_are_made() {
    let source = file(&gradient(100, 100), Target::Png);
    let cases = [
        ("/stretch/20000x20000", ErrorKind::TooLarge, 409),
        ("/wscale/1000/border/20000x0", ErrorKind::Width, 405),
        ("/canvas/20000x20000", ErrorKind::TooLarge, 409),
    ];
    for (parameters, kind, status) in cases {
        let error = made(&source, parameters).unwrap_err();
        assert_eq!((error.kind, error.status()), (kind, status), "{parameters}: {error}");
    }
}
