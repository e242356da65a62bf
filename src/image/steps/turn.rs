//! Straightening by EXIF, turning by any angle, mirroring.

use super::super::geometry::Size;
use super::super::raster::{Channels, Raster};
use super::super::spec::Flip;
use super::blend;

/// Whether an EXIF orientation swaps width and height.
pub fn swaps_sides(orientation: u8) -> bool {
    (5..=8).contains(&orientation)
}

/// Turns a picture upright that stands as its EXIF orientation (1 to 8) says.
pub fn straighten(raster: Raster, orientation: u8) -> Raster {
    let size = raster.size();
    let (right, bottom) = (size.width - 1, size.height - 1);
    let turned = Size { width: size.height, height: size.width };
    match orientation {
        2 => raster.rearranged(size, |x, y| (right - x, y)),
        3 => raster.rearranged(size, |x, y| (right - x, bottom - y)),
        4 => raster.rearranged(size, |x, y| (x, bottom - y)),
        5 => raster.rearranged(turned, |x, y| (y, x)),
        6 => raster.rearranged(turned, |x, y| (y, bottom - x)),
        7 => raster.rearranged(turned, |x, y| (right - y, bottom - x)),
        8 => raster.rearranged(turned, |x, y| (right - y, x)),
        _ => raster,
    }
}

/// Mirrors a picture.
pub fn flip(raster: Raster, flip: Flip) -> Raster {
    straighten(
        raster,
        match flip {
            Flip::Horizontal => 2,
            Flip::Both => 3,
            Flip::Vertical => 4,
        },
    )
}

/// Turns a picture clockwise; it then has this size ([`Size::turned`]). Except by right angles, what
/// was not in the old picture is transparent.
pub fn turn(raster: Raster, degrees: u16, size: Size) -> Raster {
    match degrees % 360 {
        0 => raster,
        90 => straighten(raster, 6),
        180 => straighten(raster, 3),
        270 => straighten(raster, 8),
        degrees => slanted(raster, degrees, size),
    }
}

/// Each new pixel is mixed from the four that lie around its place in the old picture.
fn slanted(raster: Raster, degrees: u16, size: Size) -> Raster {
    let Size { width, height } = size;
    let (sine, cosine) = f64::from(degrees).to_radians().sin_cos();
    let centre = (f64::from(raster.width()) / 2.0, f64::from(raster.height()) / 2.0);
    let middle = (f64::from(width) / 2.0, f64::from(height) / 2.0);
    let source = blend::premultiplied(raster);
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        let down = f64::from(y) + 0.5 - middle.1;
        for x in 0..width {
            let right = f64::from(x) + 0.5 - middle.0;
            let from_x = right * cosine + down * sine + centre.0 - 0.5;
            let from_y = down * cosine - right * sine + centre.1 - 0.5;
            pixels.extend_from_slice(&sample(&source, from_x, from_y));
        }
    }
    match Raster::new(width, height, Channels::Rgba, pixels) {
        Some(turned) => blend::divided(turned),
        None => source,
    }
}

/// The colour at a place between pixels; beyond the edge all is transparent.
fn sample(raster: &Raster, x: f64, y: f64) -> [u8; 4] {
    let (left, top) = (x.floor(), y.floor());
    if left < -1.0
        || top < -1.0
        || left >= f64::from(raster.width())
        || top >= f64::from(raster.height())
    {
        return [0; 4];
    }
    let at = |dx: f64, dy: f64| {
        let (x, y) = (left + dx, top + dy);
        if x < 0.0 || y < 0.0 { None } else { raster.pixel(x as u32, y as u32) }.unwrap_or([0; 4])
    };
    let (right, down) = (x - left, y - top);
    let corners = [at(0.0, 0.0), at(1.0, 0.0), at(0.0, 1.0), at(1.0, 1.0)];
    let weights =
        [(1.0 - right) * (1.0 - down), right * (1.0 - down), (1.0 - right) * down, right * down];
    let mut sums = [0.0; 4];
    for (corner, weight) in corners.iter().zip(weights) {
        for (sum, &value) in sums.iter_mut().zip(corner) {
            *sum += f64::from(value) * weight;
        }
    }
    sums.map(|it| it.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three by two pixels, numbered from the top left.
    fn sample_raster() -> Raster {
        Raster::new(3, 2, Channels::Rgb, (1..=6).flat_map(|it| [it; 3]).collect()).unwrap()
    }

    fn numbers(raster: &Raster) -> Vec<u8> {
        raster.each().map(|it| it[0]).collect()
    }

    #[test]
    fn every_orientation_is_undone() {
        let expected: [(u8, (u32, u32), [u8; 6]); 9] = [
            (0, (3, 2), [1, 2, 3, 4, 5, 6]),
            (1, (3, 2), [1, 2, 3, 4, 5, 6]),
            (2, (3, 2), [3, 2, 1, 6, 5, 4]),
            (3, (3, 2), [6, 5, 4, 3, 2, 1]),
            (4, (3, 2), [4, 5, 6, 1, 2, 3]),
            (5, (2, 3), [1, 4, 2, 5, 3, 6]),
            (6, (2, 3), [4, 1, 5, 2, 6, 3]),
            (7, (2, 3), [6, 3, 5, 2, 4, 1]),
            (8, (2, 3), [3, 6, 2, 5, 1, 4]),
        ];
        for (orientation, size, pixels) in expected {
            let raster = straighten(sample_raster(), orientation);
            assert_eq!((raster.width(), raster.height()), size, "{orientation}");
            assert_eq!(numbers(&raster), pixels, "{orientation}");
            assert_eq!(swaps_sides(orientation), size == (2, 3));
        }
    }

    #[test]
    fn right_angles_are_exact_and_clockwise() {
        let by = |degrees| {
            numbers(&turn(
                sample_raster(),
                degrees,
                sample_raster().size().turned(degrees).unwrap(),
            ))
        };
        assert_eq!(by(90), [4, 1, 5, 2, 6, 3]);
        assert_eq!(by(180), [6, 5, 4, 3, 2, 1]);
        assert_eq!(by(270), [3, 6, 2, 5, 1, 4]);
        assert_eq!(by(360), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn flips_mirror() {
        assert_eq!(numbers(&flip(sample_raster(), Flip::Horizontal)), [3, 2, 1, 6, 5, 4]);
        assert_eq!(numbers(&flip(sample_raster(), Flip::Vertical)), [4, 5, 6, 1, 2, 3]);
        assert_eq!(numbers(&flip(sample_raster(), Flip::Both)), [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn other_angles_grow_and_leave_clear_corners() {
        let size = Size::new(40, 20).turned(45).unwrap();
        let raster = turn(Raster::filled(40, 20, [200, 0, 0, 255]), 45, size);
        assert_eq!(raster.size(), size);
        assert!(size.width.abs_diff(43) <= 1, "{size:?}");
        assert_eq!(raster.pixel(0, 0), Some([0; 4]));
        assert_eq!(raster.pixel(21, 21), Some([200, 0, 0, 255]));
        // Clockwise: the right end goes down.
        assert_eq!(raster.pixel(32, 32), Some([200, 0, 0, 255]));
        assert_eq!(raster.pixel(32, 10), Some([0; 4]));
    }
}
