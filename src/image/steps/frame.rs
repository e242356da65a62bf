//! A frame around a picture, and a canvas below it.

use super::super::geometry::Size;
use super::super::raster::Raster;
use super::super::spec::{Canvas, Colour, Frame};
use super::blend;

/// Puts bars around the picture; it then has this size ([`Frame::around`]).
pub fn frame(raster: Raster, frame: &Frame, size: Size) -> Raster {
    placed(raster, size, (i64::from(frame.width), i64::from(frame.height)), frame.colour)
}

/// Puts the picture on a canvas; what lies outside is cut off.
pub fn canvas(raster: Raster, canvas: &Canvas) -> Raster {
    let at = canvas.place(raster.size());
    placed(raster, Size::new(canvas.width, canvas.height), at, canvas.colour)
}

/// The picture shows through to the ground only where the ground is; a clear ground stays clear.
fn placed(raster: Raster, size: Size, at: (i64, i64), colour: Colour) -> Raster {
    let Colour { red, green, blue, alpha } = colour;
    let mut ground = Raster::filled(size.width, size.height, [red, green, blue, alpha]);
    blend::draw(&mut ground, &raster, at, 100);
    ground
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: Colour = Colour { red: 0, green: 0, blue: 255, alpha: 255 };

    #[test]
    fn a_frame_adds_to_the_size() {
        let picture = Raster::filled(4, 3, RED);
        let bars = Frame { width: 3, height: 2, colour: BLUE };
        let result = frame(picture.clone(), &bars, bars.around(picture.size()).unwrap());
        assert_eq!(result.size(), Size::new(10, 7));
        assert_eq!(result.pixel(2, 3), Some([0, 0, 255, 255]));
        assert_eq!(result.pixel(3, 1), Some([0, 0, 255, 255]));
        assert_eq!(result.pixel(3, 2), Some(RED));
        assert_eq!(result.pixel(6, 4), Some(RED));
        assert_eq!(result.pixel(7, 4), Some([0, 0, 255, 255]));
    }

    #[test]
    fn a_canvas_holds_the_picture_in_its_middle_or_where_asked() {
        let on = |at, width, height| {
            canvas(Raster::filled(4, 2, RED), &Canvas { width, height, at, colour: BLUE })
        };
        let middle = on(None, 8, 6);
        assert_eq!((middle.pixel(2, 2), middle.pixel(5, 3)), (Some(RED), Some(RED)));
        assert_eq!(middle.pixel(1, 2), Some([0, 0, 255, 255]));
        let corner = on(Some((-1, 5)), 8, 6);
        assert_eq!(corner.size(), Size::new(8, 6));
        assert_eq!(corner.each().filter(|it| it[0] == 255).count(), 3);
        assert_eq!(on(None, 2, 1), Raster::filled(2, 1, RED));
    }

    #[test]
    fn a_clear_canvas_is_clear() {
        let colour = Colour { alpha: 0, ..BLUE };
        let ground = Canvas { width: 3, height: 3, at: None, colour };
        let result = canvas(Raster::filled(1, 1, RED), &ground);
        assert_eq!((result.pixel(0, 0).unwrap()[3], result.pixel(1, 1)), (0, Some(RED)));
    }
}
