//! Sharpening: the difference to a slightly blurred picture is added once more.

use super::super::raster::Raster;
use super::blur;

const SIGMA: f32 = 0.75;
const REACH: usize = 2;
/// How much of the difference is added.
const AMOUNT: f32 = 0.75;
/// Smaller differences are noise.
const THRESHOLD: u8 = 2;

/// A sharper picture of the same size; alpha stays.
pub fn sharpen(mut raster: Raster) -> Raster {
    let soft = blur::gaussian(&raster, REACH, SIGMA);
    let bytes = raster.channels().bytes();
    let pixels = raster.pixels_mut().chunks_exact_mut(bytes);
    for (pixel, soft) in pixels.zip(soft.each()) {
        for (value, soft) in pixel.iter_mut().zip(soft).take(3) {
            if value.abs_diff(*soft) > THRESHOLD {
                let difference = f32::from(*value) - f32::from(*soft);
                *value = (f32::from(*value) + difference * AMOUNT).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::super::super::raster::Channels;
    use super::*;

    #[test]
    fn edges_gain_contrast_and_flat_parts_do_not_change() {
        let row: Vec<u8> = (0..20).flat_map(|x| [if x < 10 { 80 } else { 160 }; 3]).collect();
        let raster = sharpen(Raster::new(20, 10, Channels::Rgb, row.repeat(10)).unwrap());
        let at = |x| raster.pixel(x, 5).unwrap()[0];
        assert_eq!((at(0), at(5), at(15), at(19)), (80, 80, 160, 160));
        assert!(at(9) < 75 && at(10) > 165, "{} {}", at(9), at(10));
    }

    #[test]
    fn alpha_stays() {
        let mut raster = Raster::filled(6, 6, [100, 100, 100, 200]);
        raster.pixels_mut()[3] = 0;
        let before: Vec<u8> = raster.each().map(|it| it[3]).collect();
        let after: Vec<u8> = sharpen(raster).each().map(|it| it[3]).collect();
        assert_eq!(before, after);
    }
}
