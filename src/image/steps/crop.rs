//! Cutting a part out, pixel by pixel.

use super::super::geometry::Area;
use super::super::raster::Raster;

/// The part of a picture that lies in `area`; the picture itself where that is all of it.
pub fn crop(raster: Raster, area: Area) -> Raster {
    let all = Area { x: 0, y: 0, size: raster.size() };
    if area == all { raster } else { raster.cut(area) }
}

#[cfg(test)]
mod tests {
    use super::super::super::geometry::Size;
    use super::*;

    #[test]
    fn the_part_is_exact() {
        let mut raster = Raster::filled(8, 6, [0, 0, 0, 255]);
        if let Some(pixel) = raster.pixels_mut().get_mut((2 * 8 + 3) * 3..) {
            pixel[..3].copy_from_slice(&[9, 8, 7]);
        }
        let part = crop(raster.clone(), Area { x: 3, y: 2, size: Size::new(2, 4) });
        assert_eq!(part.size(), Size::new(2, 4));
        assert_eq!(part.pixel(0, 0), Some([9, 8, 7, 255]));
        assert_eq!(part.pixel(1, 0), Some([0, 0, 0, 255]));
        let all = Area { x: 0, y: 0, size: Size::new(8, 6) };
        assert_eq!(crop(raster.clone(), all), raster);
    }
}
