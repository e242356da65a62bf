//! What is asked of an image, typed, checked and free of synonyms: the engine executes a [`Spec`].
//!
//! The steps run in this order, whatever the order of the keys: decode, straighten by EXIF
//! (`Rotate::Auto`), crop, scale, clip, round the corners, rotate by an angle, flip, sharpen, blur,
//! gradient, marks in their order, frame, canvas, encode.
//!
//! All lengths are pixels; where nothing else is said, 1 to [`SIDE_MOST`]. A density (`dpr/2`) is
//! already multiplied in.

/// The longest side of any picture that is asked for, in pixels.
pub const SIDE_MOST: u32 = 20_000;
/// The most pixels that `fp` may ask for.
pub const AREA_MOST: u32 = 25_000_000;
/// The largest percentage of the scaling keys that take one.
pub const PERCENT_MOST: u16 = 1000;
/// The largest radius of a blur, in pixels.
pub const BLUR_RADIUS_MOST: u8 = 50;
/// The largest standard deviation of a blur, in pixels.
pub const BLUR_SIGMA_MOST: u16 = 1000;
/// The most watermarks of one picture.
pub const MARKS_MOST: usize = 10;
/// The most characters of a text watermark.
pub const TEXT_MOST: usize = 1000;
/// The largest font size of a text watermark, in pixels.
pub const FONT_SIZE_MOST: u32 = 2000;
/// The most theme colours that can be asked for.
pub const COLOURS_MOST: u16 = 4096;
/// The finest measure of a focal point: thousandths of a side.
pub const FOCUS_WHOLE: u16 = 1000;

/// A picture, or a question about one. `Default` is: as it is, without EXIF.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Cut before scaling.
    pub crop: Option<Crop>,
    /// The new size.
    pub scale: Option<Scale>,
    /// Enlarge where the scaling key would not; [`Scale::Exact`] stretches a too small source
    /// instead of cropping it. Never true without a `scale` that heeds it.
    pub force: bool,
    /// Cut after scaling.
    pub clip: Option<Crop>,
    /// Radius of the four corners.
    pub round: Option<u32>,
    /// Straightening or a turn.
    pub rotate: Option<Rotate>,
    /// Mirroring.
    pub flip: Option<Flip>,
    /// Sharpen.
    pub unsharp: bool,
    /// Blur.
    pub blur: Option<Blur>,
    /// A gradient laid over pictures that do not move.
    pub gradient: Option<Gradient>,
    /// Watermarks in drawing order, at most [`MARKS_MOST`]; none is invisible.
    pub marks: Vec<Mark>,
    /// A frame around the picture, which adds to its size.
    pub frame: Option<Frame>,
    /// A canvas on which the picture is put.
    pub canvas: Option<Canvas>,
    /// How the picture is encoded.
    pub output: Output,
    /// On status 405, 409 or 503 send the original with `x-gmkerl-err-code`.
    pub ignore_error: bool,
    /// Answer this about the original as JSON and make no picture. All other fields but
    /// `ignore_error` are then at their defaults.
    pub question: Option<Question>,
}

/// One of nine places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Position {
    NorthWest,
    North,
    NorthEast,
    West,
    Center,
    East,
    SouthWest,
    South,
    SouthEast,
}

/// Where the box of a crop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gravity {
    /// Against an edge, in a corner or in the middle.
    At(Position),
    /// Around a point, as far as the edges allow: thousandths of width and height, 0 to
    /// [`FOCUS_WHOLE`].
    Focus {
        /// From the left edge.
        x: u16,
        /// From the top edge.
        y: u16,
    },
    /// Around what draws attention; the engine looks.
    Auto,
}

/// A box to cut out. It lies by its gravity, then moves by `x` and `y`; `geometry` has the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crop {
    /// Width; without one, what the offset leaves.
    pub width: Option<u32>,
    /// Height; without one, what the offset leaves.
    pub height: Option<u32>,
    /// Moves the box east, or west if negative.
    pub x: i32,
    /// Moves the box south, or north if negative.
    pub y: i32,
    /// Where the box lies before it moves.
    pub gravity: Gravity,
}

/// A new size. None enlarges without `force` unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// `fw`: this width, height by ratio.
    Width(u32),
    /// `fh`: this height, width by ratio.
    Height(u32),
    /// `max`: this longer side, the other by ratio.
    Longest(u32),
    /// `min`: this shorter side, the other by ratio.
    Shortest(u32),
    /// `fwfh`: inside this box.
    Fit {
        /// Width of the box.
        width: u32,
        /// Height of the box.
        height: u32,
    },
    /// `fwfh2`: the smallest that covers this box; nothing is cropped.
    Cover {
        /// Width of the box.
        width: u32,
        /// Height of the box.
        height: u32,
    },
    /// `both`, `sq`: exactly this size, by a crop to its ratio. Enlarges.
    Exact {
        /// The width.
        width: u32,
        /// The height.
        height: u32,
        /// Where the crop lies; the middle unless asked otherwise.
        gravity: Gravity,
    },
    /// `stretch`: exactly this size, without regard to the ratio. Enlarges.
    Stretch {
        /// The width.
        width: u32,
        /// The height.
        height: u32,
    },
    /// `scale`: both sides by percent, 1 to [`PERCENT_MOST`] but not 100. Enlarges above 100.
    Percent(u16),
    /// `wscale`: the width alone by percent, as above.
    WidthPercent(u16),
    /// `hscale`: the height alone by percent, as above.
    HeightPercent(u16),
    /// `fxfn`: neither the longer nor the shorter side above these.
    FitSides {
        /// Bound of the longer side; not below `short`.
        long: u32,
        /// Bound of the shorter side.
        short: u32,
    },
    /// `fxfn2`: neither the longer nor the shorter side below these; nothing is cropped.
    CoverSides {
        /// Bound of the longer side; not below `short`.
        long: u32,
        /// Bound of the shorter side.
        short: u32,
    },
    /// `fp`: the largest with no more than so many pixels, 1 to [`AREA_MOST`].
    Area(u32),
}

/// A turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rotate {
    /// Straighten by EXIF orientation, before everything else; without one, or when it makes no
    /// sense, nothing happens.
    Auto,
    /// Clockwise, 1 to 359 degrees, after the corners.
    Degrees(u16),
}

/// Mirroring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flip {
    /// Left becomes right.
    Horizontal,
    /// Top becomes bottom.
    Vertical,
    /// Both, which is half a turn.
    Both,
}

/// A Gaussian blur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blur {
    /// Reach in pixels, up to [`BLUR_RADIUS_MOST`]; 0 derives it from `sigma`.
    pub radius: u8,
    /// Standard deviation in pixels, 1 to [`BLUR_SIGMA_MOST`].
    pub sigma: u16,
}

/// A colour with its opacity: `alpha` 255 is opaque. (URLs give the transparency instead.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
    /// 0 is invisible, 255 opaque.
    pub alpha: u8,
}

/// Which way a gradient runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `top,down`
    Down,
    /// `bottom,up`
    Up,
    /// `left,right`
    Right,
    /// `right,left`
    Left,
}

/// A gradient overlay. Before its start lies the first colour, after its stop the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gradient {
    /// Which way it runs.
    pub direction: Direction,
    /// Start and stop in pixels from the edge where it begins, the start not after the stop.
    /// `None`: from edge to edge.
    pub span: Option<(u32, u32)>,
    /// The colour at the start.
    pub from: Colour,
    /// The colour at the stop.
    pub to: Colour,
}

/// A watermark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// What is drawn.
    pub content: Content,
    /// Where it lies.
    pub align: Position,
    /// Distance from the left or right edge; at a middle it moves the mark east. 0 to [`SIDE_MOST`].
    pub margin_x: u32,
    /// Distance from the top or bottom edge; at a middle it moves the mark south. As above.
    pub margin_y: u32,
    /// Percent, 1 to 100: 100 is opaque.
    pub opacity: u8,
    /// Mark animated pictures too.
    pub animate: bool,
}

/// What a watermark shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Another image of the same site.
    Image {
        /// Its decoded path, from `/`; never with `.` or `..` segments, never an image request.
        path: String,
        /// The mark's longer side as percent of the picture's shorter side, 1 to 100, so that it
        /// always fits; `None`: the mark's own size.
        percent: Option<u8>,
        /// Tile it over the whole picture.
        repeat: bool,
    },
    /// A text, 1 to [`TEXT_MOST`] characters; the only control character in it is the line feed.
    Text {
        /// What it says.
        text: String,
        /// Font size in pixels, 1 to [`FONT_SIZE_MOST`].
        size: u32,
        /// The font's name: one of `params::FONTS`, or one that the site names.
        font: String,
        /// The letters' colour.
        colour: Colour,
        /// The outline's colour, if it has a visible one.
        outline: Option<Colour>,
    },
}

/// A frame, `width` left and right, `height` above and below; either may be 0, not both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Of the left and of the right bar.
    pub width: u32,
    /// Of the upper and of the lower bar.
    pub height: u32,
    /// Its colour.
    pub colour: Colour,
}

/// A canvas; what of the picture lies outside is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Canvas {
    /// The new width.
    pub width: u32,
    /// The new height.
    pub height: u32,
    /// Where the picture's top left corner lies on the canvas; `None`: in the middle.
    pub at: Option<(i32, i32)>,
    /// Its colour.
    pub colour: Colour,
}

/// What the picture is encoded as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// As the source is, animated GIF included; a source that cannot be written becomes PNG or JPEG.
    #[default]
    Source,
    /// The best that the client accepts.
    Auto,
    /// JPEG; the first frame alone of what moves.
    Jpeg,
    /// PNG; as above.
    Png,
    /// WebP, animated if the source is.
    WebP,
    /// AVIF; the first frame alone of what moves.
    Avif,
}

/// The quality of lossy encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quality {
    /// 1 to 99.
    Fixed(u8),
    /// The lowest that looks good, found by a perceptual score.
    Auto,
}

/// How the picture is encoded. What has no effect on the format is at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// The format.
    pub format: Format,
    /// Lossless, where the output is WebP.
    pub lossless: bool,
    /// The quality; `None`: the encoder's own.
    pub quality: Option<Quality>,
    /// One more pass for size on JPEG and PNG.
    pub compress: bool,
    /// Progressive, where the output is JPEG.
    pub progressive: bool,
    /// GIF frames filled in, and not left as the changed part alone. Default: true.
    pub coalesce: bool,
    /// The first frame alone of what moves.
    pub first_frame_only: bool,
    /// Keep the colour profile. Default: true.
    pub keep_icc: bool,
    /// Keep EXIF, and with it IPTC and XMP. Default: false.
    pub keep_exif: bool,
}

impl Default for Output {
    fn default() -> Self {
        Output {
            format: Format::Source,
            lossless: false,
            quality: None,
            compress: false,
            progressive: false,
            coalesce: true,
            first_frame_only: false,
            keep_icc: true,
            keep_exif: false,
        }
    }
}

/// What a client wants to know of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Width, height, format and frames.
    Info,
    /// That and EXIF.
    Meta,
    /// Width, height, format, frames and IPTC.
    MetaIptc,
    /// Everything.
    MetaAll,
    /// Theme colours by weight.
    Colours {
        /// How many at most, 1 to [`COLOURS_MOST`].
        count: u16,
        /// Written as `"0xRRGGBB"`, else as numbers.
        hex: bool,
    },
}

impl Default for Gravity {
    fn default() -> Self {
        Gravity::At(Position::NorthWest)
    }
}

impl Colour {
    /// Opaque black.
    pub const BLACK: Colour = Colour { red: 0, green: 0, blue: 0, alpha: 255 };
    /// Opaque white.
    pub const WHITE: Colour = Colour { red: 255, green: 255, blue: 255, alpha: 255 };
}

impl Gradient {
    /// The colour at the start where none is given: invisible.
    pub const FROM: Colour = Colour { alpha: 0, ..Colour::BLACK };
    /// The colour at the stop where none is given.
    pub const TO: Colour = Colour::BLACK;
}

impl Mark {
    /// The margin where none is given, both ways.
    pub const MARGIN: u32 = 20;
    /// The font size of a text where none is given.
    pub const FONT_SIZE: u32 = 32;
    /// The font of a text where none is given.
    pub const FONT: &str = "simsun";

    /// A watermark with the defaults of the URL language.
    pub fn new(content: Content) -> Self {
        Mark {
            content,
            align: Position::NorthWest,
            margin_x: Mark::MARGIN,
            margin_y: Mark::MARGIN,
            opacity: 100,
            animate: false,
        }
    }
}

impl Scale {
    /// Whether `force` changes anything.
    pub fn heeds_force(self) -> bool {
        !matches!(
            self,
            Scale::Stretch { .. }
                | Scale::Percent(_)
                | Scale::WidthPercent(_)
                | Scale::HeightPercent(_)
        )
    }
}
