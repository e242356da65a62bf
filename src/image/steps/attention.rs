//! Where the eye goes: strong edges, saturated colours and skin draw it.

use super::super::geometry::{Area, Size};
use super::super::raster::Raster;

/// The longer side of the map that is searched.
const MAP: u32 = 96;

/// The point of a picture, in thousandths of its sides, around which a box of this size (in the
/// picture's own pixels) holds most of what draws the eye.
pub fn focus(raster: &Raster, size: Size) -> (u16, u16) {
    let cell = raster.width().max(raster.height()).div_ceil(MAP).max(1);
    let map = Map::of(raster, cell);
    let span = |side: u32, most: u32| (side / cell).clamp(1, most);
    let (wide, high) = (span(size.width, map.width), span(size.height, map.height));
    let mut best = (f64::MIN, 0, 0);
    for y in 0..=map.height - high {
        for x in 0..=map.width - wide {
            let sum = map.sum(Area { x, y, size: Size::new(wide, high) });
            // Of two that hold as much, the one nearer to the middle.
            let off = |at: u32, span: u32, most: u32| {
                ((f64::from(at) + f64::from(span) / 2.0) / f64::from(most) - 0.5).abs()
            };
            let sum = sum * (1.0 - 0.05 * (off(x, wide, map.width) + off(y, high, map.height)));
            if sum > best.0 {
                best = (sum, x, y);
            }
        }
    }
    let centre = |at: u32, span: u32, most: u32| {
        let middle = f64::from(at) + f64::from(span) / 2.0;
        (middle / f64::from(most) * 1000.0).round().clamp(0.0, 1000.0) as u16
    };
    (centre(best.1, wide, map.width), centre(best.2, high, map.height))
}

/// How much each cell draws the eye, summed from the top left so that a box is four look-ups.
struct Map {
    width: u32,
    height: u32,
    sums: Vec<f64>,
}

impl Map {
    fn of(raster: &Raster, cell: u32) -> Self {
        let (width, height) = (raster.width().div_ceil(cell), raster.height().div_ceil(cell));
        let middle = |at: u32, side: u32| (at * cell + cell / 2).min(side - 1);
        let colour = |x: u32, y: u32| {
            let (x, y) = (
                middle(x.min(width - 1), raster.width()),
                middle(y.min(height - 1), raster.height()),
            );
            raster.pixel(x, y).unwrap_or_default()
        };
        let stride = width as usize + 1;
        let mut sums = vec![0.0; stride * (height as usize + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += weight(colour(x, y), colour(x + 1, y), colour(x, y + 1));
                let above = y as usize * stride + x as usize + 1;
                let sum = sums.get(above).copied().unwrap_or_default() + row;
                if let Some(place) = sums.get_mut(above + stride) {
                    *place = sum;
                }
            }
        }
        Map { width, height, sums }
    }

    fn sum(&self, area: Area) -> f64 {
        let at = |x: u32, y: u32| {
            let index = y as usize * (self.width as usize + 1) + x as usize;
            self.sums.get(index).copied().unwrap_or_default()
        };
        let (right, bottom) = (area.x + area.size.width, area.y + area.size.height);
        at(right, bottom) - at(area.x, bottom) - at(right, area.y) + at(area.x, area.y)
    }
}

/// How much a cell draws the eye, from its colour and those to its right and below.
fn weight(here: [u8; 4], right: [u8; 4], below: [u8; 4]) -> f64 {
    let light = |[red, green, blue, _]: [u8; 4]| {
        0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)
    };
    let [red, green, blue, alpha] = here.map(f64::from);
    let edge = (light(here) - light(right)).abs() + (light(here) - light(below)).abs();
    let brightest = red.max(green).max(blue);
    let saturation = brightest - red.min(green).min(blue);
    let skin = red > 95.0
        && green > 40.0
        && blue > 20.0
        && red > green
        && green > blue
        && (15.0..=120.0).contains(&(red - green));
    let skin = if skin { 40.0 } else { 0.0 };
    // Even what draws nothing is a little: of equals, the middle wins.
    1.0 + (edge * 2.0 + saturation * 0.3 + skin) * alpha / 255.0
}

#[cfg(test)]
mod tests {
    use super::super::blend;
    use super::*;

    /// A grey picture with a small checkered block around a point.
    fn with_block(x: i64, y: i64) -> Raster {
        let mut raster = Raster::filled(400, 200, [120, 120, 120, 255]);
        for step in 0..36_i64 {
            let shade = if (step + step / 6) % 2 == 0 { 0 } else { 255 };
            let tile = Raster::filled(8, 8, [shade, shade, shade, 255]);
            blend::draw(&mut raster, &tile, (x - 24 + step % 6 * 8, y - 24 + step / 6 * 8), 100);
        }
        raster
    }

    #[test]
    fn the_box_holds_what_draws_the_eye() {
        for (x, y) in [(60, 100), (330, 100), (200, 50)] {
            let (fx, _) = focus(&with_block(x, y), Size::new(200, 200));
            let left = (i64::from(fx) * 400 / 1000 - 100).clamp(0, 200);
            assert!(left <= x - 20 && left + 200 >= x + 20, "{x}: {fx}");
        }
    }

    #[test]
    fn nothing_to_see_is_the_middle() {
        let (x, y) = focus(&Raster::filled(300, 100, [9, 9, 9, 255]), Size::new(100, 100));
        assert!(x.abs_diff(500) <= 20 && y.abs_diff(500) <= 20, "{x} {y}");
        assert_eq!(focus(&Raster::filled(1, 1, [9, 9, 9, 255]), Size::new(50, 50)), (500, 500));
    }
}
