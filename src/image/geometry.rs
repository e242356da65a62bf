//! Sizes and boxes: what each step makes of a picture's size, in whole pixels and without a picture.
//!
//! A side that follows from the other by ratio is rounded to the nearest pixel and is at least 1.

use super::spec::{Canvas, Crop, FOCUS_WHOLE, Frame, Gravity, Mark, Position, SIDE_MOST, Scale};

/// The most pixels of a picture, all frames together.
pub const PIXELS_MOST: u64 = 200_000_000;

/// Width and height in pixels, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// The width.
    pub width: u32,
    /// The height.
    pub height: u32,
}

/// A part of a picture; it lies inside and is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    /// Distance from the left edge.
    pub x: u32,
    /// Distance from the top edge.
    pub y: u32,
    /// Its size.
    pub size: Size,
}

/// What scaling does: cut the source, then bring the piece to a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The piece of the source; `None`: all of it.
    pub crop: Option<Area>,
    /// The size after scaling.
    pub size: Size,
}

/// A picture would be larger than [`SIDE_MOST`] or [`PIXELS_MOST`] allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// So wide.
    Width(u64),
    /// So high.
    Height(u64),
    /// So many pixels.
    Pixels(u64),
}

impl Size {
    /// A size; 0 counts as 1.
    pub fn new(width: u32, height: u32) -> Self {
        Size { width: width.max(1), height: height.max(1) }
    }

    /// A size within the limits for `frames` frames.
    ///
    /// # Errors
    /// The first limit that is broken: width, height, pixels.
    pub fn checked(width: u64, height: u64, frames: u64) -> Result<Size, TooLarge> {
        let most = u64::from(SIDE_MOST);
        if width > most {
            return Err(TooLarge::Width(width));
        }
        if height > most {
            return Err(TooLarge::Height(height));
        }
        let pixels = (width * height).saturating_mul(frames.max(1));
        if pixels > PIXELS_MOST {
            return Err(TooLarge::Pixels(pixels));
        }
        let narrow = |side: u64| u32::try_from(side).unwrap_or(SIDE_MOST);
        Ok(Size::new(narrow(width), narrow(height)))
    }

    /// The number of pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Both sides in the ratio `by / of`, unchecked.
    fn times(self, by: u32, of: u32) -> (u64, u64) {
        (ratio(self.width, by, of), ratio(self.height, by, of))
    }

    /// The box that a turn by so many degrees needs; right angles fit exactly.
    ///
    /// # Errors
    /// A box above the limits.
    pub fn turned(self, degrees: u16) -> Result<Size, TooLarge> {
        let (width, height) = (f64::from(self.width), f64::from(self.height));
        match degrees % 360 {
            0 | 180 => Size::checked(self.width.into(), self.height.into(), 1),
            90 | 270 => Size::checked(self.height.into(), self.width.into(), 1),
            angle => {
                let (sin, cos) = f64::from(angle).to_radians().sin_cos();
                let (sin, cos) = (sin.abs(), cos.abs());
                let grown = |side: f64| side.round().max(1.0) as u64;
                Size::checked(
                    grown(width * cos + height * sin),
                    grown(width * sin + height * cos),
                    1,
                )
            }
        }
    }
}

/// `side * by / of` to the nearest whole, at least 1.
fn ratio(side: u32, by: u32, of: u32) -> u64 {
    let of = u64::from(of.max(1));
    ((u64::from(side) * u64::from(by) + of / 2) / of).max(1)
}

impl Scale {
    /// What becomes of `source`; `force` as in [`super::Spec::force`].
    ///
    /// # Errors
    /// A result above the limits.
    pub fn target(self, source: Size, force: bool) -> Result<Target, TooLarge> {
        let (width, height) = match self {
            Scale::Exact { width, height, gravity } => {
                return Ok(exact(source, Size::new(width, height), gravity, force));
            }
            Scale::Stretch { width, height } => (width.into(), height.into()),
            Scale::Percent(percent) => source.times(percent.into(), 100),
            Scale::WidthPercent(percent) => {
                (ratio(source.width, percent.into(), 100), source.height.into())
            }
            Scale::HeightPercent(percent) => {
                (source.width.into(), ratio(source.height, percent.into(), 100))
            }
            Scale::Area(most) => by_area(source, most, force),
            _ => {
                let (by, of) = self.factor(source);
                if by > of && !force {
                    (source.width.into(), source.height.into())
                } else {
                    source.times(by, of)
                }
            }
        };
        Ok(Target { crop: None, size: Size::checked(width, height, 1)? })
    }

    /// By what both sides are multiplied, as a wanted length over the source's.
    fn factor(self, source: Size) -> (u32, u32) {
        let Size { width, height } = source;
        let (long, short) = (width.max(height), width.min(height));
        match self {
            Scale::Width(wanted) => (wanted, width),
            Scale::Height(wanted) => (wanted, height),
            Scale::Longest(wanted) => (wanted, long),
            Scale::Shortest(wanted) => (wanted, short),
            Scale::Fit { width: w, height: h } => lesser((w, width), (h, height)),
            Scale::Cover { width: w, height: h } => greater((w, width), (h, height)),
            Scale::FitSides { long: l, short: s } => lesser((l, long), (s, short)),
            Scale::CoverSides { long: l, short: s } => greater((l, long), (s, short)),
            // The others do not keep the ratio, or not by a length.
            _ => (1, 1),
        }
    }
}

/// Whether fraction `one` is at most `other`.
fn at_most(one: (u32, u32), other: (u32, u32)) -> bool {
    u64::from(one.0) * u64::from(other.1) <= u64::from(other.0) * u64::from(one.1)
}

fn lesser(one: (u32, u32), other: (u32, u32)) -> (u32, u32) {
    if at_most(one, other) { one } else { other }
}

fn greater(one: (u32, u32), other: (u32, u32)) -> (u32, u32) {
    if at_most(one, other) { other } else { one }
}

/// The largest width whose picture has no more than `most` pixels.
fn by_area(source: Size, most: u32, force: bool) -> (u64, u64) {
    if source.pixels() <= most.into() && !force {
        return (source.width.into(), source.height.into());
    }
    let height = |width: u64| {
        let of = u64::from(source.width);
        ((width * u64::from(source.height) + of / 2) / of).max(1)
    };
    let fits = |width: u64| width * height(width) <= most.into();
    let (mut low, mut high) = (1, u64::from(most) + 1);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle) { low = middle } else { high = middle }
    }
    (low, height(low).min(most.into()))
}

/// `both`: the largest piece with the wanted ratio; where `force` is set, a source that is too small
/// on either side is stretched as a whole.
fn exact(source: Size, size: Size, gravity: Gravity, force: bool) -> Target {
    let small = source.width < size.width || source.height < size.height;
    if small && force {
        return Target { crop: None, size };
    }
    let narrow = |side: u64, most: u32| u32::try_from(side).unwrap_or(most).min(most);
    // The piece takes the whole height where the source is the wider of the two, else the width.
    let piece = if at_most((size.width, size.height), (source.width, source.height)) {
        let width = ratio(source.height, size.width, size.height);
        Size::new(narrow(width, source.width), source.height)
    } else {
        let height = ratio(source.width, size.height, size.width);
        Size::new(source.width, narrow(height, source.height))
    };
    let (x, y) = gravity.place(source, piece);
    let crop = Some(Area { x, y, size: piece }).filter(|_| piece != source);
    Target { crop, size }
}

impl Position {
    /// In which third it lies, from the left and from the top: 0, 1 or 2.
    pub fn thirds(self) -> (u8, u8) {
        match self {
            Position::NorthWest => (0, 0),
            Position::North => (1, 0),
            Position::NorthEast => (2, 0),
            Position::West => (0, 1),
            Position::Center => (1, 1),
            Position::East => (2, 1),
            Position::SouthWest => (0, 2),
            Position::South => (1, 2),
            Position::SouthEast => (2, 2),
        }
    }
}

impl Gravity {
    /// Where `piece`, which must not be larger, lies in `whole`. `Auto` counts as the middle: who
    /// has looked at the picture puts a focal point in its place.
    pub fn place(self, whole: Size, piece: Size) -> (u32, u32) {
        let free_x = whole.width.saturating_sub(piece.width);
        let free_y = whole.height.saturating_sub(piece.height);
        match self {
            Gravity::At(position) => {
                let (right, down) = position.thirds();
                (third(free_x, right), third(free_y, down))
            }
            Gravity::Auto => (free_x / 2, free_y / 2),
            Gravity::Focus { x, y } => (
                around(whole.width, piece.width, x).min(free_x),
                around(whole.height, piece.height, y).min(free_y),
            ),
        }
    }
}

fn third(free: u32, third: u8) -> u32 {
    match third {
        0 => 0,
        1 => free / 2,
        _ => free,
    }
}

/// Where a piece begins whose middle is at `share` thousandths of the whole.
fn around(whole: u32, piece: u32, share: u16) -> u32 {
    let middle = u64::from(whole) * u64::from(share) / u64::from(FOCUS_WHOLE);
    let begin = middle.saturating_sub(u64::from(piece / 2));
    u32::try_from(begin).unwrap_or(whole)
}

impl Crop {
    /// The part of `source` that is kept: the box, cut to the size of the source, lies by its
    /// gravity and moves; if its origin then lies outside, the origin is 0,0; what is past the edges
    /// is cut off.
    pub fn area(self, source: Size) -> Area {
        let left = |whole: u32, moved: i32| whole.saturating_sub(moved.unsigned_abs()).max(1);
        let wanted = Size::new(
            self.width.unwrap_or_else(|| left(source.width, self.x)).min(source.width),
            self.height.unwrap_or_else(|| left(source.height, self.y)).min(source.height),
        );
        let (x, y) = self.gravity.place(source, wanted);
        let (x, y) = (i64::from(x) + i64::from(self.x), i64::from(y) + i64::from(self.y));
        let inside = |at: i64, whole: u32| u32::try_from(at).ok().filter(|at| *at < whole);
        let (x, y) = match (inside(x, source.width), inside(y, source.height)) {
            (Some(x), Some(y)) => (x, y),
            _ => (0, 0),
        };
        let size =
            Size::new(wanted.width.min(source.width - x), wanted.height.min(source.height - y));
        Area { x, y, size }
    }
}

impl Frame {
    /// The size of a picture with this frame around it.
    ///
    /// # Errors
    /// A size above the limits.
    pub fn around(self, picture: Size) -> Result<Size, TooLarge> {
        let grown = |side: u32, bar: u32| u64::from(side) + 2 * u64::from(bar);
        Size::checked(grown(picture.width, self.width), grown(picture.height, self.height), 1)
    }
}

impl Canvas {
    /// The canvas's size.
    ///
    /// # Errors
    /// A size above the limits.
    pub fn size(self) -> Result<Size, TooLarge> {
        Size::checked(self.width.into(), self.height.into(), 1)
    }

    /// Where the picture's top left corner lies on the canvas; negative where the picture sticks out.
    pub fn place(self, picture: Size) -> (i64, i64) {
        let middle = |canvas: u32, side: u32| (i64::from(canvas) - i64::from(side)).div_euclid(2);
        match self.at {
            Some((x, y)) => (x.into(), y.into()),
            None => (middle(self.width, picture.width), middle(self.height, picture.height)),
        }
    }
}

impl Mark {
    /// Where a mark of this size lies on a picture; it may stick out.
    pub fn place(&self, picture: Size, mark: Size) -> (i64, i64) {
        let (right, down) = self.align.thirds();
        (
            along(picture.width, mark.width, self.margin_x, right),
            along(picture.height, mark.height, self.margin_y, down),
        )
    }

    /// Whether a mark of this size is drawn: none of its sides is above half of the picture's.
    pub fn fits(picture: Size, mark: Size) -> bool {
        mark.width <= picture.width / 2 && mark.height <= picture.height / 2
    }

    /// The size of an image mark whose longer side is to be so many percent of the picture's shorter.
    /// It may grow.
    pub fn by_percent(picture: Size, mark: Size, percent: u8) -> Size {
        let wanted = ratio(picture.width.min(picture.height), percent.into(), 100);
        let wanted = u32::try_from(wanted).unwrap_or(SIDE_MOST);
        let narrow = |side: u64| u32::try_from(side).unwrap_or(SIDE_MOST);
        let (width, height) = mark.times(wanted, mark.width.max(mark.height));
        Size::new(narrow(width), narrow(height))
    }
}

fn along(picture: u32, mark: u32, margin: u32, third: u8) -> i64 {
    let free = i64::from(picture) - i64::from(mark);
    match third {
        0 => margin.into(),
        1 => free.div_euclid(2) + i64::from(margin),
        _ => free - i64::from(margin),
    }
}
