//! Round corners.

use super::super::raster::Raster;

/// Makes what lies outside of the four rounded corners transparent. The radius is at most half the
/// shorter side.
pub fn round(raster: Raster, radius: u32) -> Raster {
    let (width, height) = (raster.width(), raster.height());
    let radius = radius.min(width.min(height) / 2);
    let mut raster = raster.into_rgba();
    for (y, row) in raster.rows_mut().enumerate() {
        // Rows away from the nearer horizontal edge.
        let deep = (y as u32).min(height - 1 - y as u32);
        if deep >= radius {
            continue;
        }
        let pixels = row.as_chunks_mut::<4>().0;
        let last = pixels.len().saturating_sub(1);
        for near in 0..radius as usize {
            let cover = cover(near as u32, deep, radius);
            for at in [near, last - near.min(last)] {
                if let Some([_, _, _, alpha]) = pixels.get_mut(at) {
                    *alpha = (f64::from(*alpha) * cover).round() as u8;
                }
            }
        }
    }
    raster
}

/// How much of a pixel, so far from both edges, lies within the circle: 0 to 1.
fn cover(x: u32, y: u32, radius: u32) -> f64 {
    let away = |it: u32| f64::from(radius) - f64::from(it) - 0.5;
    (f64::from(radius) - away(x).hypot(away(y)) + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_clear_and_the_rest_is_not() {
        let raster = round(Raster::filled(40, 30, [1, 2, 3, 255]), 10);
        for (x, y) in [(0, 0), (39, 0), (0, 29), (39, 29), (1, 1)] {
            assert_eq!(raster.pixel(x, y).unwrap()[3], 0, "{x} {y}");
        }
        for (x, y) in [(10, 0), (29, 0), (0, 10), (39, 19), (20, 15), (3, 3), (36, 26)] {
            assert_eq!(raster.pixel(x, y), Some([1, 2, 3, 255]), "{x} {y}");
        }
        // The circle goes through the middle of this pixel's neighbourhood.
        let edge = raster.pixel(2, 3).unwrap()[3];
        assert!(edge > 0 && edge < 255, "{edge}");
    }

    #[test]
    fn a_large_radius_makes_a_disc() {
        let raster = round(Raster::filled(20, 20, [9, 9, 9, 255]), 1000);
        let clear = raster.each().filter(|it| it[3] == 0).count();
        let opaque = raster.each().filter(|it| it[3] == 255).count();
        assert!((50..=90).contains(&clear), "{clear}");
        assert!((270..=310).contains(&opaque), "{opaque}");
    }

    #[test]
    fn a_single_pixel_stays() {
        assert_eq!(
            round(Raster::filled(1, 1, [9, 9, 9, 255]), 10).pixel(0, 0),
            Some([9, 9, 9, 255])
        );
    }
}
