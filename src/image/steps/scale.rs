//! Scaling by Lanczos, in sRGB, with colours weighted by their opacity.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::super::error::{Error, ErrorKind};
use super::super::geometry::{Area, Size};
use super::super::raster::{Channels, Raster};

/// A rectangle whose edges may lie within pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// From the left edge.
    pub x: f64,
    /// From the top edge.
    pub y: f64,
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
}

impl Part {
    /// A rectangle of whole pixels of the full picture, seen in one that is `factor` times as large,
    /// and cut to that one's size.
    pub fn seen(area: Area, factor: f64, size: Size) -> Self {
        let (wide, high) = (f64::from(size.width), f64::from(size.height));
        let x = (f64::from(area.x) * factor).min(wide - 0.01).max(0.0);
        let y = (f64::from(area.y) * factor).min(high - 0.01).max(0.0);
        let width = (f64::from(area.size.width) * factor).min(wide - x);
        let height = (f64::from(area.size.height) * factor).min(high - y);
        Part { x, y, width, height }
    }
}

/// Scales the part of a picture that lies in `part` to `size`. `resizer` keeps its working memory
/// from frame to frame.
pub fn scale(
    raster: &Raster,
    part: Part,
    size: Size,
    resizer: &mut Resizer,
) -> Result<Raster, Error> {
    let kind = match raster.channels() {
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba => PixelType::U8x4,
    };
    let failed = |why: String| Error::new(ErrorKind::Fault, format!("scaling failed: {why}"));
    let source = ImageRef::new(raster.width(), raster.height(), raster.pixels(), kind)
        .map_err(|why| failed(why.to_string()))?;
    let mut result = Image::new(size.width, size.height, kind);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(part.x, part.y, part.width, part.height);
    resizer.resize(&source, &mut result, &options).map_err(|why| failed(why.to_string()))?;
    Raster::new(size.width, size.height, raster.channels(), result.into_vec())
        .ok_or_else(|| failed("an impossible size".into()))
}

/// Scales a whole picture, once.
pub fn whole(raster: &Raster, size: Size) -> Result<Raster, Error> {
    let part = Part::seen(Area { x: 0, y: 0, size: raster.size() }, 1.0, raster.size());
    scale(raster, part, size, &mut Resizer::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_colour_stays_that_colour() {
        let raster = Raster::filled(40, 30, [10, 200, 90, 255]);
        let small = whole(&raster, Size::new(7, 5)).unwrap();
        assert_eq!(small, Raster::filled(7, 5, [10, 200, 90, 255]));
        let large = whole(&raster, Size::new(90, 31)).unwrap();
        assert_eq!(large, Raster::filled(90, 31, [10, 200, 90, 255]));
    }

    #[test]
    fn invisible_colours_do_not_bleed() {
        // Left half opaque red, right half invisible green.
        let row: Vec<u8> =
            [[255, 0, 0, 255]; 8].into_iter().chain([[0, 255, 0, 0]; 8]).flatten().collect();
        let raster = Raster::new(16, 16, Channels::Rgba, row.repeat(16)).unwrap();
        let small = whole(&raster, Size::new(3, 3)).unwrap();
        let middle = small.pixel(1, 1).unwrap();
        assert!(middle[3] > 100 && middle[3] < 156, "{middle:?}");
        assert_eq!(&middle[..3], &[255, 0, 0]);
    }

    #[test]
    fn a_part_is_seen_in_a_smaller_picture() {
        let area = Area { x: 80, y: 0, size: Size::new(21, 50) };
        let part = Part::seen(area, 0.125, Size::new(13, 7));
        assert_eq!(part, Part { x: 10.0, y: 0.0, width: 2.625, height: 6.25 });
        let beyond =
            Part::seen(Area { x: 200, y: 0, size: Size::new(9, 9) }, 1.0, Size::new(100, 100));
        assert!(beyond.x < 100.0 && beyond.width > 0.0);
    }

    #[test]
    fn parts_are_exact() {
        // Columns of different brightness; the part holds two of them.
        let row: Vec<u8> = (0..16).flat_map(|x| [x * 10; 3]).collect();
        let raster = Raster::new(16, 16, Channels::Rgb, row.repeat(16)).unwrap();
        let part = Part { x: 4.0, y: 4.0, width: 8.0, height: 8.0 };
        let same = scale(&raster, part, Size::new(8, 8), &mut Resizer::new()).unwrap();
        assert_eq!(same, raster.cut(Area { x: 4, y: 4, size: Size::new(8, 8) }));
    }
}
