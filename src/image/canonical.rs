//! The one text of a [`Spec`]: equal behaviour has equal text, and the text read again is the same
//! `Spec`. It is the variant's key.
//!
//! Keys stand in one fixed order and defaults are left out. (A gravity must follow what it belongs to
//! and a watermark's keys their watermark, so the order is not that of the alphabet.)

use std::fmt::{self, Display, Write};

use super::params::value::{DIRECTIONS, FLIPS, POSITIONS, to_base64};
use super::spec::{
    Canvas, Colour, Content, Crop, Format, Gradient, Gravity, Mark, Output, Position, Quality,
    Question, Rotate, Scale, Spec,
};

impl Spec {
    /// The canonical text, such as `/fw/300/format/webp`; empty for the default.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        if let Some(question) = self.question {
            write_question(out, question)?;
        }
        if let Some(scale) = self.scale {
            write_scale(out, scale)?;
        }
        flag(out, "force", self.force, false)?;
        write_crop(out, "crop", self.crop)?;
        write_crop(out, "clip", self.clip)?;
        if let Some(radius) = self.round {
            pair(out, "roundrect", radius)?;
        }
        match self.rotate {
            Some(Rotate::Auto) => pair(out, "rotate", "auto")?,
            Some(Rotate::Degrees(angle)) => pair(out, "rotate", angle)?,
            None => {}
        }
        if let Some(flip) = self.flip {
            pair(out, "flip", name(&FLIPS, flip))?;
        }
        flag(out, "unsharp", self.unsharp, false)?;
        if let Some(blur) = self.blur {
            pair(out, "gaussblur", format_args!("{}x{}", blur.radius, blur.sigma))?;
        }
        if let Some(gradient) = self.gradient {
            write_gradient(out, gradient)?;
        }
        for mark in &self.marks {
            write_mark(out, mark)?;
        }
        if let Some(frame) = self.frame {
            pair(out, "border", format_args!("{}x{}", frame.width, frame.height))?;
            colour(out, "brdcolor", frame.colour, Colour::WHITE)?;
        }
        if let Some(canvas) = self.canvas {
            write_canvas(out, canvas)?;
        }
        write_output(out, &self.output)?;
        flag(out, "ignore-error", self.ignore_error, false)
    }
}

fn pair(out: &mut String, key: &str, value: impl Display) -> fmt::Result {
    write!(out, "/{key}/{value}")
}

fn flag(out: &mut String, key: &str, value: bool, default: bool) -> fmt::Result {
    if value == default { Ok(()) } else { pair(out, key, value) }
}

fn colour(out: &mut String, key: &str, value: Colour, default: Colour) -> fmt::Result {
    if value == default { Ok(()) } else { pair(out, key, value) }
}

impl Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}{:02X}{:02X}", self.red, self.green, self.blue)?;
        if self.alpha == 255 { Ok(()) } else { write!(f, "{:02X}", 255 - self.alpha) }
    }
}

/// The name that `table` has for `wanted`; the tables are complete.
fn name<T: PartialEq>(table: &[(&'static str, T)], wanted: T) -> &'static str {
    table.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}

fn write_gravity(out: &mut String, gravity: Gravity, default: Position) -> fmt::Result {
    match gravity {
        Gravity::At(position) if position == default => Ok(()),
        Gravity::At(position) => pair(out, "gravity", name(&POSITIONS, position)),
        Gravity::Auto => pair(out, "gravity", "auto"),
        Gravity::Focus { x, y } => {
            pair(out, "gravity", format_args!("fp:{}x{}", thousandths(x), thousandths(y)))
        }
    }
}

/// `400` as `0.4`.
fn thousandths(share: u16) -> String {
    let text = format!("{}.{:03}", share / 1000, share % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn write_crop(out: &mut String, key: &str, crop: Option<Crop>) -> fmt::Result {
    let Some(crop) = crop else { return Ok(()) };
    write!(out, "/{key}/{}x{}", crop.width.unwrap_or(0), crop.height.unwrap_or(0))?;
    if (crop.x, crop.y) != (0, 0) {
        write_offset(out, crop.x, crop.y)?;
    }
    write_gravity(out, crop.gravity, Position::NorthWest)
}

fn write_offset(out: &mut String, x: i32, y: i32) -> fmt::Result {
    let sign = |distance: i32| if distance < 0 { 's' } else { 'a' };
    write!(out, "{}{}{}{}", sign(x), x.unsigned_abs(), sign(y), y.unsigned_abs())
}

fn write_scale(out: &mut String, scale: Scale) -> fmt::Result {
    match scale {
        Scale::Width(it) => pair(out, "fw", it),
        Scale::Height(it) => pair(out, "fh", it),
        Scale::Longest(it) => pair(out, "max", it),
        Scale::Shortest(it) => pair(out, "min", it),
        Scale::Fit { width, height } => pair(out, "fwfh", format_args!("{width}x{height}")),
        Scale::Cover { width, height } => pair(out, "fwfh2", format_args!("{width}x{height}")),
        Scale::Exact { width, height, gravity } => {
            pair(out, "both", format_args!("{width}x{height}"))?;
            write_gravity(out, gravity, Position::Center)
        }
        Scale::Stretch { width, height } => pair(out, "stretch", format_args!("{width}x{height}")),
        Scale::Percent(it) => pair(out, "scale", it),
        Scale::WidthPercent(it) => pair(out, "wscale", it),
        Scale::HeightPercent(it) => pair(out, "hscale", it),
        Scale::FitSides { long, short } => pair(out, "fxfn", format_args!("{long}x{short}")),
        Scale::CoverSides { long, short } => pair(out, "fxfn2", format_args!("{long}x{short}")),
        Scale::Area(it) => pair(out, "fp", it),
    }
}

fn write_gradient(out: &mut String, gradient: Gradient) -> fmt::Result {
    pair(out, "gdori", name(&DIRECTIONS, gradient.direction))?;
    if let Some((start, stop)) = gradient.span {
        pair(out, "gdpos", format_args!("{start},{stop}"))?;
    }
    colour(out, "gdstartcolor", gradient.from, Gradient::FROM)?;
    colour(out, "gdstopcolor", gradient.to, Gradient::TO)
}

fn write_mark(out: &mut String, mark: &Mark) -> fmt::Result {
    match &mark.content {
        Content::Image { path, percent, repeat } => {
            pair(out, "watermark/url", to_base64(path))?;
            if let Some(percent) = percent {
                pair(out, "percent", percent)?;
            }
            flag(out, "repeat", *repeat, false)?;
        }
        Content::Text { text, size, font, colour: letters, outline } => {
            pair(out, "watermark/text", to_base64(text))?;
            if *size != Mark::FONT_SIZE {
                pair(out, "size", size)?;
            }
            if font != Mark::FONT {
                pair(out, "font", font)?;
            }
            colour(out, "color", *letters, Colour::BLACK)?;
            if let Some(outline) = outline {
                pair(out, "border", outline)?;
            }
        }
    }
    if mark.align != Position::NorthWest {
        pair(out, "align", name(&POSITIONS, mark.align))?;
    }
    if (mark.margin_x, mark.margin_y) != (Mark::MARGIN, Mark::MARGIN) {
        pair(out, "margin", format_args!("{}x{}", mark.margin_x, mark.margin_y))?;
    }
    if mark.opacity != 100 {
        pair(out, "opacity", mark.opacity)?;
    }
    flag(out, "animate", mark.animate, false)
}

fn write_canvas(out: &mut String, canvas: Canvas) -> fmt::Result {
    write!(out, "/canvas/{}x{}", canvas.width, canvas.height)?;
    if let Some((x, y)) = canvas.at {
        write_offset(out, x, y)?;
    }
    colour(out, "cvscolor", canvas.colour, Colour::WHITE)
}

fn write_output(out: &mut String, output: &Output) -> fmt::Result {
    match output.format {
        Format::Source => {}
        Format::Auto => pair(out, "format", "auto")?,
        Format::Jpeg => pair(out, "format", "jpg")?,
        Format::Png => pair(out, "format", "png")?,
        Format::WebP => pair(out, "format", "webp")?,
        Format::Avif => pair(out, "format", "avif")?,
    }
    flag(out, "lossless", output.lossless, false)?;
    match output.quality {
        Some(Quality::Fixed(quality)) => pair(out, "quality", quality)?,
        Some(Quality::Auto) => pair(out, "quality", "auto")?,
        None => {}
    }
    flag(out, "compress", output.compress, false)?;
    flag(out, "progressive", output.progressive, false)?;
    flag(out, "coalesce", output.coalesce, true)?;
    flag(out, "gifto", output.first_frame_only, false)?;
    flag(out, "noicc", !output.keep_icc, false)?;
    flag(out, "exifswitch", output.keep_exif, false)
}

fn write_question(out: &mut String, question: Question) -> fmt::Result {
    match question {
        Question::Info => write!(out, "/info"),
        Question::Meta => write!(out, "/meta"),
        Question::MetaIptc => write!(out, "/meta/iptc"),
        Question::MetaAll => write!(out, "/meta/all"),
        Question::Colours { count, hex } => {
            pair(out, "excolor", count)?;
            if hex { pair(out, "exformat", "hex") } else { Ok(()) }
        }
    }
}
