//! Watermarks: how large they are and how often they are drawn.

use super::super::error::Error;
use super::super::geometry::Size;
use super::super::raster::Raster;
use super::super::spec::Mark;
use super::{blend, scale};

/// Tiles whose sides are below this are drawn several at once.
const BLOCK: u32 = 64;

/// A mark that is ready to be drawn.
#[derive(Clone, Debug)]
pub struct Ready {
    picture: Raster,
    columns: Vec<i64>,
    rows: Vec<i64>,
    opacity: u8,
    /// Drawn on pictures that move, too.
    pub animate: bool,
}

/// Lays a mark out on a picture of this size: scaled to `percent` of its shorter side, or as it is,
/// and then nothing if it is too large for the picture.
pub fn ready(
    picture: Raster,
    mark: &Mark,
    percent: Option<u8>,
    repeat: bool,
    size: Size,
) -> Result<Option<Ready>, Error> {
    let target = match percent {
        Some(percent) => Mark::by_percent(size, picture.size(), percent),
        None => picture.size(),
    };
    if percent.is_none() && !Mark::fits(size, target) {
        return Ok(None);
    }
    let picture = match target == picture.size() {
        true => picture,
        false => scale::whole(&picture, target)?,
    };
    let place = mark.place(size, target);
    let opacity = mark.opacity;
    if !repeat {
        let (columns, rows) = (vec![place.0], vec![place.1]);
        return Ok(Some(Ready { picture, columns, rows, opacity, animate: mark.animate }));
    }
    let step = (target.width + mark.margin_x, target.height + mark.margin_y);
    let (picture, step) = block(picture, step, size);
    let columns = lines(place.0, picture.width(), step.0, size.width);
    let rows = lines(place.1, picture.height(), step.1, size.height);
    Ok(Some(Ready { picture, columns, rows, opacity, animate: mark.animate }))
}

impl Ready {
    /// Draws the mark.
    pub fn draw(&self, raster: &mut Raster) {
        for &y in &self.rows {
            for &x in &self.columns {
                blend::draw(raster, &self.picture, (x, y), self.opacity);
            }
        }
    }
}

/// Several small tiles as one with clear gaps, so that a tile of one pixel costs no call for each
/// pixel of the picture.
fn block(tile: Raster, step: (u32, u32), size: Size) -> (Raster, (u32, u32)) {
    let times = |step: u32, whole: u32| BLOCK.min(whole).div_ceil(step).max(1);
    let (across, down) = (times(step.0, size.width), times(step.1, size.height));
    if across == 1 && down == 1 {
        return (tile, step);
    }
    let grown = (step.0 * across, step.1 * down);
    let mut block = Raster::filled(grown.0, grown.1, [0; 4]);
    for row in 0..down {
        for column in 0..across {
            let place = (i64::from(step.0 * column), i64::from(step.1 * row));
            blend::draw(&mut block, &tile, place, 100);
        }
    }
    (block, grown)
}

/// Every `step` from before the edge to the end, through `start`: all at which a part is seen.
fn lines(start: i64, part: u32, step: u32, whole: u32) -> Vec<i64> {
    // The first whose last pixel lies inside.
    let first = (start + i64::from(part) - 1).rem_euclid(i64::from(step)) - i64::from(part) + 1;
    (first..i64::from(whole)).step_by(step as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::spec::{Content, Position};
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];

    fn mark(align: Position, margin_x: u32, margin_y: u32) -> Mark {
        let content = Content::Image { path: "/m.png".into(), percent: None, repeat: false };
        Mark { content, align, margin_x, margin_y, opacity: 100, animate: false }
    }

    fn drawn(picture: Raster, mark: &Mark, repeat: bool, size: Size) -> Raster {
        let mut raster = Raster::filled(size.width, size.height, [0, 0, 0, 255]);
        ready(picture, mark, None, repeat, size).unwrap().unwrap().draw(&mut raster);
        raster
    }

    #[test]
    fn a_mark_lies_where_it_is_put() {
        let picture = Raster::filled(10, 6, RED);
        let raster = drawn(picture, &mark(Position::SouthEast, 3, 2), false, Size::new(100, 50));
        assert_eq!(raster.each().filter(|it| it[0] == 255).count(), 60);
        assert_eq!((raster.pixel(87, 42), raster.pixel(96, 47)), (Some(RED), Some(RED)));
    }

    #[test]
    fn a_mark_above_half_of_a_side_is_left_out() {
        let mark = mark(Position::Center, 0, 0);
        let fits = |width, height, percent, repeat| {
            let picture = Raster::filled(width, height, RED);
            ready(picture, &mark, percent, repeat, Size::new(100, 50)).unwrap().is_some()
        };
        assert!(fits(50, 25, None, false));
        assert!(!fits(51, 1, None, false));
        assert!(!fits(1, 26, None, true));
        assert!(fits(800, 600, Some(100), false));
    }

    #[test]
    fn percent_is_of_the_longer_side_in_the_shorter() {
        let percent = |percent| {
            let picture = Raster::filled(40, 20, RED);
            let ready =
                ready(picture, &mark(Position::Center, 0, 0), percent, false, Size::new(400, 200));
            ready.unwrap().unwrap().picture.size()
        };
        assert_eq!(percent(Some(50)), Size::new(100, 50));
        assert_eq!(percent(Some(2)), Size::new(4, 2));
        assert_eq!(percent(None), Size::new(40, 20));
    }

    #[test]
    fn tiles_cover_the_whole_picture() {
        let picture = Raster::filled(10, 10, RED);
        let size = Size::new(95, 42);
        let touching = drawn(picture.clone(), &mark(Position::Center, 0, 0), true, size);
        assert_eq!(touching, Raster::filled(95, 42, RED));
        let apart = drawn(picture, &mark(Position::NorthWest, 10, 10), true, Size::new(100, 40));
        assert_eq!(apart.each().filter(|it| it[0] == 255).count(), 10 * 100);
        assert_eq!(apart.pixel(10, 10), Some(RED));
        assert_eq!(apart.pixel(9, 10), Some([0, 0, 0, 255]));
    }
}
