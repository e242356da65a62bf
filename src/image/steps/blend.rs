//! One picture on top of another, and colours weighted by their opacity.

use super::super::raster::{Channels, Raster, mix};

/// Draws `mark` onto `raster` with its top left corner at (`x`, `y`), as opaque as `opacity` percent
/// says. What lies outside is cut off; only the mark's own rectangle is touched.
pub fn draw(raster: &mut Raster, mark: &Raster, (x, y): (i64, i64), opacity: u8) {
    let (skip_x, skip_y) = ((-x).max(0) as usize, (-y).max(0) as usize);
    let (x, y) = (x.max(0) as usize, y.max(0) as usize);
    let (to, from) = (raster.channels().bytes(), mark.channels().bytes());
    let rows = raster.rows_mut().skip(y).zip(mark.rows().skip(skip_y));
    for (row, over) in rows {
        let places = row.chunks_exact_mut(to).skip(x);
        for (place, pixel) in places.zip(over.chunks_exact(from).skip(skip_x)) {
            let (colour, alpha) = pixel.split_at(3);
            let alpha = alpha.first().copied().unwrap_or(255);
            let alpha = ((u32::from(alpha) * u32::from(opacity) + 50) / 100) as u8;
            put(place, colour, alpha);
        }
    }
}

/// Puts one colour onto a pixel with or without alpha.
pub fn put(place: &mut [u8], colour: &[u8], alpha: u8) {
    match (alpha, place) {
        (0, _) => {}
        (_, [red, green, blue]) => {
            for (under, &over) in [red, green, blue].into_iter().zip(colour) {
                *under = mix(over, *under, alpha);
            }
        }
        (_, [red, green, blue, below]) => {
            // What shines through of what lies below.
            let rest = (u32::from(*below) * (255 - u32::from(alpha)) + 127) / 255;
            let sum = (u32::from(alpha) + rest).max(1);
            for (under, &over) in [red, green, blue].into_iter().zip(colour) {
                let mixed = u32::from(over) * u32::from(alpha) + u32::from(*under) * rest;
                *under = ((mixed + sum / 2) / sum) as u8;
            }
            *below = sum as u8;
        }
        _ => {}
    }
}

/// A picture with alpha, its colours multiplied by it.
pub fn premultiplied(raster: Raster) -> Raster {
    let mut raster = raster.into_rgba();
    for pixel in raster.pixels_mut().as_chunks_mut::<4>().0 {
        let [red, green, blue, alpha] = *pixel;
        if alpha != 255 {
            *pixel = [mix(red, 0, alpha), mix(green, 0, alpha), mix(blue, 0, alpha), alpha];
        }
    }
    raster
}

/// The opposite of [`premultiplied`].
pub fn divided(mut raster: Raster) -> Raster {
    if raster.channels() == Channels::Rgb {
        return raster;
    }
    for pixel in raster.pixels_mut().as_chunks_mut::<4>().0 {
        let [red, green, blue, alpha] = *pixel;
        let whole = |it: u8| match alpha {
            0 => 0,
            _ => ((u32::from(it) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8,
        };
        *pixel = [whole(red), whole(green), whole(blue), alpha];
    }
    raster
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_cut_at_the_edges() {
        let mark = Raster::filled(2, 2, [255, 0, 0, 255]);
        for (at, x, y) in [((-1, -1), 0, 0), ((3, 3), 3, 3), ((-1, 3), 0, 3)] {
            let mut raster = Raster::filled(4, 4, [0, 0, 0, 255]);
            draw(&mut raster, &mark, at, 100);
            let red = raster.each().filter(|it| it[0] == 255).count();
            assert_eq!((red, raster.pixel(x, y)), (1, Some([255, 0, 0, 255])), "{at:?}");
        }
        let mut raster = Raster::filled(4, 4, [0, 0, 0, 255]);
        draw(&mut raster, &mark, (9, -7), 100);
        assert_eq!(raster, Raster::filled(4, 4, [0, 0, 0, 255]));
    }

    #[test]
    fn opacity_mixes() {
        let mark = Raster::filled(1, 1, [200, 100, 0, 255]);
        let mut raster = Raster::filled(1, 1, [0, 0, 100, 255]);
        draw(&mut raster, &mark, (0, 0), 50);
        assert_eq!(raster.pixel(0, 0), Some([100, 50, 50, 255]));
        let mut clear = Raster::filled(1, 1, [9, 9, 9, 0]);
        draw(&mut clear, &mark, (0, 0), 50);
        assert_eq!(clear.pixel(0, 0), Some([200, 100, 0, 128]));
    }

    #[test]
    fn weighting_and_back() {
        let raster = Raster::filled(1, 1, [200, 100, 50, 128]);
        let weighted = premultiplied(raster.clone());
        assert_eq!(weighted.pixel(0, 0), Some([100, 50, 25, 128]));
        assert_eq!(divided(weighted).pixel(0, 0), Some([199, 100, 50, 128]));
    }
}
