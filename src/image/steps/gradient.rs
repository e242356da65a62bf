//! A gradient laid over a picture.

use super::super::raster::Raster;
use super::super::spec::{Colour, Direction, Gradient};
use super::blend;

/// Lays the gradient over the picture.
pub fn gradient(raster: &mut Raster, gradient: &Gradient) {
    let (width, height) = (raster.width(), raster.height());
    let length = match gradient.direction {
        Direction::Down | Direction::Up => height,
        Direction::Right | Direction::Left => width,
    };
    let colours = colours(gradient, length);
    let bytes = raster.channels().bytes();
    let reversed = matches!(gradient.direction, Direction::Up | Direction::Left);
    let colour = |at: usize| {
        let at = if reversed { (length as usize - 1).saturating_sub(at) } else { at };
        colours.get(at).copied().unwrap_or(gradient.to)
    };
    let across = matches!(gradient.direction, Direction::Right | Direction::Left);
    for (y, row) in raster.rows_mut().enumerate() {
        for (x, pixel) in row.chunks_exact_mut(bytes).enumerate() {
            let over = colour(if across { x } else { y });
            blend::put(pixel, &[over.red, over.green, over.blue], over.alpha);
        }
    }
}

/// The colour of each line from the edge where the gradient begins.
fn colours(gradient: &Gradient, length: u32) -> Vec<Colour> {
    let (start, stop) = gradient.span.unwrap_or((0, length.saturating_sub(1)));
    let span = f64::from(stop.saturating_sub(start)).max(1.0);
    let line = |at: u32| {
        let part = match at {
            at if at <= start => 0.0,
            at if at >= stop => 1.0,
            at => f64::from(at - start) / span,
        };
        let between = |from: u8, to: u8| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8
        };
        let (from, to) = (gradient.from, gradient.to);
        Colour {
            red: between(from.red, to.red),
            green: between(from.green, to.green),
            blue: between(from.blue, to.blue),
            alpha: between(from.alpha, to.alpha),
        }
    };
    (0..length).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(direction: Direction, span: Option<(u32, u32)>) -> Raster {
        let mut raster = Raster::filled(11, 11, [255, 255, 255, 255]);
        let (from, to) = (Colour::BLACK, Colour { alpha: 0, ..Colour::BLACK });
        gradient(&mut raster, &Gradient { direction, span, from, to });
        raster
    }

    #[test]
    fn it_runs_from_where_it_begins() {
        let cases = [
            (Direction::Down, (5, 0), (5, 10)),
            (Direction::Up, (5, 10), (5, 0)),
            (Direction::Right, (0, 5), (10, 5)),
            (Direction::Left, (10, 5), (0, 5)),
        ];
        for (direction, start, stop) in cases {
            let raster = laid(direction, None);
            assert_eq!(raster.pixel(start.0, start.1), Some([0, 0, 0, 255]), "{direction:?}");
            assert_eq!(raster.pixel(stop.0, stop.1), Some([255, 255, 255, 255]), "{direction:?}");
            let middle = raster.pixel(5, 5).unwrap()[0];
            assert!(middle.abs_diff(127) <= 1, "{direction:?} {middle}");
        }
    }

    #[test]
    fn before_the_start_lies_the_first_colour_and_after_the_stop_the_last() {
        let raster = laid(Direction::Down, Some((3, 7)));
        let column: Vec<u8> = (0..11).map(|y| raster.pixel(0, y).unwrap()[0]).collect();
        assert_eq!(column, [0, 0, 0, 0, 64, 127, 191, 255, 255, 255, 255]);
        let sharp = laid(Direction::Down, Some((5, 5)));
        assert_eq!(sharp.pixel(0, 5), Some([0, 0, 0, 255]));
        assert_eq!(sharp.pixel(0, 6), Some([255, 255, 255, 255]));
    }
}
