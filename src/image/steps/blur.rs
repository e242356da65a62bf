//! Gaussian blur: exact where the reach is short, by three boxes where it is not.

use std::collections::VecDeque;

use image::{ImageBuffer, Rgb, Rgba};

use super::super::raster::{Channels, Raster};
use super::super::spec::Blur;
use super::blend;

/// The largest standard deviation for which each weight is applied by itself.
const EXACT_MOST: u16 = 12;

/// Blurs a picture; beyond its edges its outermost pixels go on.
pub fn blur(raster: Raster, blur: Blur) -> Raster {
    let translucent = raster.channels() == Channels::Rgba;
    let raster = if translucent { blend::premultiplied(raster) } else { raster };
    let blurred = if blur.radius == 0 && blur.sigma > EXACT_MOST {
        boxes(raster, f32::from(blur.sigma))
    } else {
        let sigma = f32::from(blur.sigma);
        let radius = match blur.radius {
            0 => (sigma * 3.0).ceil() as usize,
            radius => usize::from(radius),
        };
        gaussian(&raster, radius, sigma)
    };
    if translucent { blend::divided(blurred) } else { blurred }
}

/// A picture convolved with a bell of this reach and deviation, first along rows, then along columns.
pub(super) fn gaussian(raster: &Raster, radius: usize, sigma: f32) -> Raster {
    let bell: Vec<f32> = (-(radius as i64)..=radius as i64)
        .map(|it| (-(it as f32).powi(2) / (2.0 * sigma * sigma)).exp())
        .collect();
    let whole: f32 = bell.iter().sum();
    let bell: Vec<f32> = bell.iter().map(|it| it / whole).collect();
    let bytes = raster.channels().bytes();
    let last = raster.height() as usize - 1;
    let mut sources = raster.rows();
    // The rows within reach, the first of which is row `top`.
    let mut window: VecDeque<Vec<f32>> = VecDeque::new();
    let mut top = 0;
    let mut sums = vec![0.0_f32; raster.stride()];
    let mut result = raster.clone();
    for (y, to) in result.rows_mut().enumerate() {
        while top + window.len() <= (y + radius).min(last) {
            let Some(row) = sources.next() else { break };
            window.push_back(along(row, bytes, radius, &bell));
        }
        while top + radius < y {
            window.pop_front();
            top += 1;
        }
        sums.fill(0.5);
        for (step, weight) in bell.iter().enumerate() {
            let from = (y + step).saturating_sub(radius).min(last) - top;
            for (sum, value) in sums.iter_mut().zip(window.get(from).into_iter().flatten()) {
                *sum += value * weight;
            }
        }
        for (place, sum) in to.iter_mut().zip(&sums) {
            *place = *sum as u8;
        }
    }
    result
}

/// One row convolved with the bell.
fn along(row: &[u8], bytes: usize, radius: usize, bell: &[f32]) -> Vec<f32> {
    let (first, last) = (row.get(..bytes), row.get(row.len() - bytes..));
    let mut padded = Vec::with_capacity(row.len() + 2 * radius * bytes);
    padded.extend(first.unwrap_or_default().repeat(radius).iter().map(|&it| f32::from(it)));
    padded.extend(row.iter().map(|&it| f32::from(it)));
    padded.extend(last.unwrap_or_default().repeat(radius).iter().map(|&it| f32::from(it)));
    let mut sums = vec![0.0; row.len()];
    for (step, weight) in bell.iter().enumerate() {
        let values = padded.get(step * bytes..).unwrap_or_default();
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += value * weight;
        }
    }
    sums
}

/// Three box blurs, whose cost does not grow with the reach.
fn boxes(raster: Raster, sigma: f32) -> Raster {
    let (width, height) = (raster.width(), raster.height());
    let channels = raster.channels();
    let original = raster.clone();
    let pixels = match channels {
        Channels::Rgb => ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, raster.into_pixels())
            .map(|it| image::imageops::fast_blur(&it, sigma).into_raw()),
        Channels::Rgba => ImageBuffer::<Rgba<u8>, _>::from_raw(width, height, raster.into_pixels())
            .map(|it| image::imageops::fast_blur(&it, sigma).into_raw()),
    };
    pixels.and_then(|it| Raster::new(width, height, channels, it)).unwrap_or(original)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White right half.
    fn step(width: u32) -> Raster {
        let row: Vec<u8> =
            (0..width).flat_map(|x| [if x < width / 2 { 0 } else { 255 }; 3]).collect();
        Raster::new(width, 8, Channels::Rgb, row.repeat(8)).unwrap()
    }

    #[test]
    fn one_colour_stays_that_colour() {
        for (radius, sigma) in [(0, 1), (0, 12), (0, 13), (0, 1000), (50, 1000), (1, 3)] {
            let raster = Raster::filled(30, 20, [10, 100, 250, 255]);
            assert_eq!(blur(raster.clone(), Blur { radius, sigma }), raster, "{radius}x{sigma}");
        }
    }

    #[test]
    fn a_step_becomes_the_integral_of_a_bell() {
        let raster = blur(step(60), Blur { radius: 0, sigma: 5 });
        let at = |x| raster.pixel(x, 4).unwrap()[0];
        assert_eq!((at(0), at(59)), (0, 255));
        // One deviation from the edge: 15.9 % and 84.1 %.
        assert!(at(24).abs_diff(35) <= 4 && at(35).abs_diff(220) <= 4, "{} {}", at(24), at(35));
        assert!(at(29) < 128 && at(30) > 127);
    }

    #[test]
    fn boxes_look_like_the_bell() {
        let exact = gaussian(&step(200), 60, 20.0);
        let fast = boxes(step(200), 20.0);
        for (a, b) in exact.pixels().iter().zip(fast.pixels()) {
            assert!(a.abs_diff(*b) <= 12, "{a} {b}");
        }
    }

    #[test]
    fn the_radius_bounds_the_reach() {
        let raster = blur(step(60), Blur { radius: 2, sigma: 100 });
        let row: Vec<u8> = (26..34).map(|x| raster.pixel(x, 0).unwrap()[0]).collect();
        assert_eq!(row, [0, 0, 51, 102, 153, 204, 255, 255]);
    }

    #[test]
    fn clear_colours_do_not_bleed() {
        let mut raster = Raster::filled(20, 4, [0, 255, 0, 0]);
        for row in raster.rows_mut() {
            row[..40].copy_from_slice(&[255, 0, 0, 255].repeat(10));
        }
        let edge = blur(raster, Blur { radius: 3, sigma: 2 }).pixel(10, 1).unwrap();
        assert!(edge[0] >= 253 && edge[1] == 0 && edge[3] < 200, "{edge:?}");
    }
}
