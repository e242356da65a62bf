//! Fewer pixels than a file has, made while its rows arrive: boxes of pixels become one each.
//!
//! What will be scaled down anyway then needs neither the memory nor the time of all its pixels. Boxes
//! are as large as leaves twice the sides that are needed, so that Lanczos has the last word.

use super::super::geometry::Size;
use super::super::raster::{Channels, Raster};

/// Pixels that remain on each side for one of the result.
const KEPT: f64 = 2.0;
/// The longest side of a box: its sums, weighted by opacity, must fit 32 bits.
const MOST: u32 = 128;

/// The side of the boxes that may become one pixel each, where the result needs no more than `needed`
/// of the source's sides; 1: every pixel is wanted.
pub(super) fn side(needed: f64) -> u32 {
    (1.0 / (needed * KEPT)).clamp(1.0, f64::from(MOST)) as u32
}

/// A picture on its way: it takes rows of 8-bit samples and keeps sums.
pub(super) struct Shrink {
    size: Size,
    samples: usize,
    side: u32,
    sums: Vec<u32>,
    /// Rows that the sums hold.
    rows: u32,
    pixels: Vec<u8>,
}

impl Shrink {
    /// For rows of `samples` each pixel: grey, grey and alpha, colours, or colours and alpha.
    pub fn new(full: Size, samples: usize, side: u32) -> Self {
        let size = Size::new(full.width.div_ceil(side), full.height.div_ceil(side));
        let bytes = channels(samples).bytes() * size.width as usize * size.height as usize;
        let sums = vec![0; size.width as usize * samples];
        Shrink { size, samples, side, sums, rows: 0, pixels: Vec::with_capacity(bytes) }
    }

    /// Takes the next row.
    pub fn row(&mut self, row: &[u8]) {
        let side = self.side as usize;
        match self.samples {
            1 => opaque::<1>(&mut self.sums, row, side),
            2 => weighted::<2>(&mut self.sums, row, side),
            3 => opaque::<3>(&mut self.sums, row, side),
            _ => weighted::<4>(&mut self.sums, row, side),
        }
        self.rows += 1;
        if self.rows == self.side {
            self.flush(row.len() / self.samples);
        }
    }

    /// The picture; none if rows are missing. `width` is that of the rows.
    pub fn finish(mut self, width: u32) -> Option<Raster> {
        if self.rows > 0 {
            self.flush(width as usize);
        }
        Raster::new(self.size.width, self.size.height, channels(self.samples), self.pixels)
    }

    /// Sums become pixels.
    fn flush(&mut self, width: usize) {
        let side = self.side as usize;
        for (column, sums) in self.sums.chunks_exact_mut(self.samples).enumerate() {
            let wide = side.min(width - (column * side).min(width)).max(1) as u32;
            let count = wide * self.rows;
            let mean = |sum: u32, of: u32| ((sum + of / 2) / of.max(1)) as u8;
            match *sums {
                [grey] => self.pixels.extend([mean(grey, count); 3]),
                [grey, alpha] => {
                    let grey = mean(grey, alpha);
                    self.pixels.extend([grey, grey, grey, mean(alpha, count)]);
                }
                [red, green, blue] => {
                    self.pixels.extend([red, green, blue].map(|it| mean(it, count)));
                }
                [red, green, blue, alpha] => {
                    self.pixels.extend([red, green, blue].map(|it| mean(it, alpha)));
                    self.pixels.push(mean(alpha, count));
                }
                _ => {}
            }
            sums.fill(0);
        }
        self.rows = 0;
    }
}

fn channels(samples: usize) -> Channels {
    if samples.is_multiple_of(2) { Channels::Rgba } else { Channels::Rgb }
}

/// Adds a row of pixels without alpha.
fn opaque<const SAMPLES: usize>(sums: &mut [u32], row: &[u8], side: usize) {
    let sums = sums.as_chunks_mut::<SAMPLES>().0.iter_mut();
    for (sums, pixels) in sums.zip(row.chunks(side * SAMPLES)) {
        for pixel in pixels.as_chunks::<SAMPLES>().0 {
            for (sum, &sample) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(sample);
            }
        }
    }
}

/// Adds a row of pixels whose last sample is alpha, by which the others count.
fn weighted<const SAMPLES: usize>(sums: &mut [u32], row: &[u8], side: usize) {
    let sums = sums.as_chunks_mut::<SAMPLES>().0.iter_mut();
    for (sums, pixels) in sums.zip(row.chunks(side * SAMPLES)) {
        for pixel in pixels.as_chunks::<SAMPLES>().0 {
            let alpha = pixel.last().map_or(0, |&it| u32::from(it));
            let weights = [alpha, alpha, alpha, 1];
            let weights = weights.iter().skip(weights.len() - SAMPLES);
            for ((sum, &sample), weight) in sums.iter_mut().zip(pixel).zip(weights) {
                *sum += u32::from(sample) * weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn boxes_leave_twice_what_is_needed() {
        let cases = [(1.0, 1), (4.0, 1), (0.26, 1), (0.25, 2), (0.1, 5), (0.0001, 128), (0.0, 128)];
        for (needed, expected) in cases {
            assert_eq!(side(needed), expected, "{needed}");
        }
    }

    #[test]
    fn invisible_colours_do_not_count() {
        let mut shrink = Shrink::new(Size::new(2, 1), 4, 2);
        shrink.row(&[200, 100, 50, 255, 0, 255, 0, 0]);
        let raster = shrink.finish(2).unwrap();
        assert_eq!(raster.pixel(0, 0), Some([200, 100, 50, 128]));
    }

    #[test]
    fn missing_rows_are_no_picture() {
        let mut shrink = Shrink::new(Size::new(2, 3), 3, 2);
        shrink.row(&[0; 6]);
        shrink.row(&[0; 6]);
        assert!(shrink.finish(2).is_none());
    }

    proptest! {
        /// Every pixel is the mean of its box, the boxes at the edges too.
        #[test]
        fn pixels_are_means(
            width in 1u32..40, height in 1u32..40, samples in prop::sample::select(vec![1usize, 3]),
            side in 1u32..9, seed in any::<u64>(),
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let stride = width as usize * samples;
            let source: Vec<u8> = (0..stride * height as usize).map(|_| rng.u8(..)).collect();
            let mut shrink = Shrink::new(Size::new(width, height), samples, side);
            source.chunks(stride).for_each(|row| shrink.row(row));
            let raster = shrink.finish(width).unwrap();
            prop_assert_eq!(raster.size(), Size::new(width.div_ceil(side), height.div_ceil(side)));
            for (y, x) in (0..raster.height()).flat_map(|y| (0..raster.width()).map(move |x| (y, x))) {
                let (mut sum, mut count) = (0, 0);
                for row in y * side..((y + 1) * side).min(height) {
                    for column in x * side..((x + 1) * side).min(width) {
                        sum += u32::from(source[(row * width + column) as usize * samples]);
                        count += 1;
                    }
                }
                let pixel = raster.pixel(x, y).unwrap();
                prop_assert_eq!(u32::from(pixel[0]), (sum + count / 2) / count);
            }
        }
    }
}
