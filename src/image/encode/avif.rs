//! AVIF by libaom. It takes several times as long as WebP: for work behind the answers.

use libavif::{Encoder, RgbPixels, YuvFormat};

use super::super::error::Error;
use super::super::raster::Raster;
use super::{Effort, How, Target, failed};

/// From this quality on colours have the full resolution.
const FULL_COLOUR: u8 = 90;

pub(super) fn encode(raster: &Raster, how: &How) -> Result<Vec<u8>, Error> {
    let broken = |why: libavif::Error| failed(Target::Avif, format!("{why:?}"));
    let pixels =
        RgbPixels::new(raster.width(), raster.height(), raster.pixels()).map_err(broken)?;
    let colours = if how.quality >= FULL_COLOUR { YuvFormat::Yuv444 } else { YuvFormat::Yuv420 };
    let mut encoder = Encoder::new();
    encoder.set_max_threads(1).set_quality(how.quality).set_alpha_quality(how.quality).set_speed(
        match how.effort {
            Effort::Fast => 9,
            Effort::Thorough => 8,
        },
    );
    let data = encoder.encode(&pixels.to_image(colours)).map_err(broken)?;
    Ok(data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::super::samples;
    use super::*;

    #[test]
    fn a_photograph_becomes_smaller_and_looks_the_same() {
        let raster = samples::decoded(&samples::photograph("kodim23.png"));
        let how = How { quality: 60, ..samples::how(Target::Avif) };
        let bytes = encode(&raster, &how).unwrap();
        assert_eq!(bytes.get(4..12), Some(&b"ftypavif"[..]));
        let shown = libavif::decode_rgb(&bytes).unwrap();
        assert_eq!((shown.width(), shown.height()), (raster.width(), raster.height()));
        let mut off = 0;
        for (x, y) in (0..48).map(|it| (it * 16, it * 10)) {
            let (red, green, blue, _) = shown.pixel(x, y);
            let pixel = raster.pixel(x, y).unwrap();
            let here = [red, green, blue];
            off += here.iter().zip(pixel).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>();
        }
        assert!(off / 48 < 30, "{off}");
        assert!(bytes.len() < 40_000, "{}", bytes.len());
    }

    #[test]
    fn alpha_is_kept() {
        let bytes = encode(&samples::translucent(64, 48), &samples::how(Target::Avif)).unwrap();
        let shown = libavif::decode_rgb(&bytes).unwrap();
        assert_eq!(shown.pixel(5, 5).3, 255);
        assert!(shown.pixel(60, 5).3.abs_diff(128) <= 3);
    }
}
