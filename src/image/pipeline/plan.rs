//! All sizes and boxes of a job, known before anything is decoded.

use super::super::error::Error;
use super::super::geometry::{Area, Size};
use super::super::raster::Raster;
use super::super::spec::{Gravity, Rotate, Scale, Spec};
use super::super::steps::{attention, turn};

/// Sizes and boxes, in the order of the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// The source's size before it stands upright.
    pub source: Size,
    /// How the source stands: an EXIF orientation, 1 if upright.
    pub orientation: u8,
    /// The part of the upright source that is seen.
    pub area: Area,
    /// Its size after scaling.
    pub size: Size,
    /// How large the source must be decoded at least, beside its full size.
    pub needed: f64,
    /// The part that is kept after scaling.
    pub clip: Option<Area>,
    /// A turn by degrees, and the size after it.
    pub turn: Option<(u16, Size)>,
    /// The size with the frame.
    pub framed: Option<Size>,
    /// The size at the end.
    pub result: Size,
    /// Whether a box lies where the eye goes, which only the picture itself can say.
    pub looks: bool,
}

/// A decoded and upright picture to look at, and how large it is beside the full size.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub raster: &'a Raster,
    pub factor: f64,
}

impl Plan {
    /// Plans for a source of this size before it stands upright. Without a view, boxes that lie where
    /// the eye goes lie in the middle.
    pub fn new(
        spec: &Spec,
        source: Size,
        orientation: u8,
        view: Option<View<'_>>,
    ) -> Result<Self, Error> {
        let upright = match turn::swaps_sides(orientation) {
            true => Size { width: source.height, height: source.width },
            false => source,
        };
        let mut looks = false;
        let mut area = Area { x: 0, y: 0, size: upright };
        if let Some(mut crop) = spec.crop {
            crop.gravity = look(crop.gravity, area, crop.area(upright).size, view, &mut looks);
            area = crop.area(upright);
        }
        let mut size = area.size;
        if let Some(scale) = spec.scale {
            let target = aimed(scale, area, view, &mut looks).target(area.size, spec.force)?;
            if let Some(piece) = target.crop {
                area = Area { x: area.x + piece.x, y: area.y + piece.y, size: piece.size };
            }
            size = target.size;
        }
        let needed = share(size.width, area.size.width).max(share(size.height, area.size.height));
        let mut clipped = None;
        if let Some(mut clip) = spec.clip {
            let piece = clip.area(size).size;
            // Seen in the source, where the view is.
            let scaled = |part: u32, whole: u32, source: u32| {
                (u64::from(part) * u64::from(source) / u64::from(whole.max(1))).max(1) as u32
            };
            let seen = Size::new(
                scaled(piece.width, size.width, area.size.width),
                scaled(piece.height, size.height, area.size.height),
            );
            clip.gravity = look(clip.gravity, area, seen, view, &mut looks);
            clipped = Some(clip.area(size));
        }
        let plan = Plan {
            source,
            orientation,
            area,
            size,
            needed,
            clip: clipped,
            turn: None,
            framed: None,
            result: clipped.map_or(size, |it| it.size),
            looks,
        };
        plan.ended(spec)
    }

    /// Adds the steps that change the size after the clip.
    fn ended(mut self, spec: &Spec) -> Result<Self, Error> {
        if let Some(Rotate::Degrees(degrees)) = spec.rotate {
            self.result = self.result.turned(degrees)?;
            self.turn = Some((degrees, self.result));
        }
        if let Some(frame) = spec.frame {
            self.result = frame.around(self.result)?;
            self.framed = Some(self.result);
        }
        if let Some(canvas) = spec.canvas {
            self.result = canvas.size()?;
        }
        Ok(self)
    }
}

fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}

/// Scaling with its box where the eye goes.
fn aimed(scale: Scale, area: Area, view: Option<View<'_>>, looks: &mut bool) -> Scale {
    match scale {
        Scale::Exact { width, height, gravity } => {
            let piece = scale.target(area.size, false).ok().and_then(|it| it.crop);
            let piece = piece.map_or(area.size, |it| it.size);
            let gravity = look(gravity, area, piece, view, looks);
            Scale::Exact { width, height, gravity }
        }
        other => other,
    }
}

/// Puts a focal point in the place of [`Gravity::Auto`]: that of `piece` within `area`.
fn look(
    gravity: Gravity,
    area: Area,
    piece: Size,
    view: Option<View<'_>>,
    looks: &mut bool,
) -> Gravity {
    if gravity != Gravity::Auto {
        return gravity;
    }
    *looks = true;
    let Some(view) = view else { return gravity };
    let seen = |it: u32| (f64::from(it) * view.factor).round() as u32;
    let size = Size::new(seen(area.size.width), seen(area.size.height));
    let part = view.raster.cut(Area { x: seen(area.x), y: seen(area.y), size });
    let piece = Size::new(seen(piece.width), seen(piece.height));
    let (x, y) = attention::focus(&part, piece);
    Gravity::Focus { x, y }
}

#[cfg(test)]
mod tests {
    use super::super::super::error::ErrorKind;
    use super::super::super::spec::{Canvas, Colour, Crop, Frame};
    use super::*;

    const SOURCE: Size = Size { width: 1200, height: 800 };

    fn crop(width: u32, height: u32, x: i32) -> Crop {
        let gravity = Gravity::default();
        Crop { width: Some(width), height: Some(height), x, y: 0, gravity }
    }

    #[test]
    fn every_step_changes_the_size_in_its_turn() {
        let spec = Spec {
            crop: Some(crop(600, 400, 100)),
            scale: Some(Scale::Width(300)),
            clip: Some(crop(100, 50, 10)),
            rotate: Some(Rotate::Degrees(90)),
            frame: Some(Frame { width: 5, height: 1, colour: Colour::BLACK }),
            canvas: Some(Canvas { width: 500, height: 400, at: None, colour: Colour::WHITE }),
            ..Spec::default()
        };
        let plan = Plan::new(&spec, SOURCE, 1, None).unwrap();
        assert_eq!(plan.area, Area { x: 100, y: 0, size: Size::new(600, 400) });
        assert_eq!(plan.size, Size::new(300, 200));
        assert_eq!(plan.clip, Some(Area { x: 10, y: 0, size: Size::new(100, 50) }));
        assert_eq!(plan.turn, Some((90, Size::new(50, 100))));
        assert_eq!(plan.framed, Some(Size::new(60, 102)));
        assert_eq!(plan.result, Size::new(500, 400));
        assert_eq!((plan.needed, plan.looks), (0.5, false));
    }

    #[test]
    fn a_source_that_lies_on_its_side_is_planned_upright() {
        let spec = Spec { scale: Some(Scale::Width(400)), ..Spec::default() };
        let plan = Plan::new(&spec, SOURCE, 6, None).unwrap();
        assert_eq!(plan.size, Size::new(400, 600));
        assert_eq!(plan.area.size, Size::new(800, 1200));
    }

    #[test]
    fn what_would_become_too_large_is_refused() {
        let kind = |spec: Spec| Plan::new(&spec, SOURCE, 1, None).unwrap_err().kind;
        let scale = Scale::Stretch { width: 20_000, height: 20_000 };
        assert_eq!(kind(Spec { scale: Some(scale), ..Spec::default() }), ErrorKind::TooLarge);
        let scale = Scale::WidthPercent(1000);
        let frame = Frame { width: 9000, height: 0, colour: Colour::BLACK };
        let spec = Spec { scale: Some(scale), frame: Some(frame), ..Spec::default() };
        assert_eq!(kind(spec), ErrorKind::Width);
    }

    #[test]
    fn a_box_goes_where_the_eye_goes() {
        // Grey, and at the right end stripes.
        let row: Vec<u8> =
            (0..300).flat_map(|x| [if x > 240 && x / 6 % 2 == 0 { 255 } else { 128 }; 3]).collect();
        let channels = super::super::super::raster::Channels::Rgb;
        let raster = Raster::new(300, 200, channels, row.repeat(200)).unwrap();
        let gravity = Gravity::Auto;
        let scale = Some(Scale::Exact { width: 100, height: 100, gravity });
        let spec = Spec { scale, ..Spec::default() };
        let blind = Plan::new(&spec, SOURCE, 1, None).unwrap();
        assert_eq!((blind.area.x, blind.looks), (200, true));
        let view = View { raster: &raster, factor: 0.25 };
        let seen = Plan::new(&spec, SOURCE, 1, Some(view)).unwrap();
        assert!(seen.area.x >= 350, "{:?}", seen.area);
        assert_eq!(seen.area.size, Size::new(800, 800));
    }
}
