//! A request while its keys are read. What only makes sense together is put together at the end, so
//! that the order of the keys does not matter.

use super::value::{Placed, Wrong};
use crate::image::density;
use crate::image::spec::{
    Canvas, Colour, Content, Crop, Direction, Format, Frame, Gradient, Gravity, MARKS_MOST, Mark,
    Output, Position, Question, Scale, Spec, TEXT_MOST,
};

type Done = Result<(), Wrong>;

/// What has been read so far.
pub struct Draft {
    /// What needs nothing else to make sense.
    pub spec: Spec,
    /// The density, in quarters.
    pub quarters: u32,
    /// Width and height of the frame's bars.
    pub frame: (u32, u32),
    pub frame_colour: Colour,
    pub canvas: Option<Placed>,
    pub canvas_colour: Colour,
    pub direction: Option<Direction>,
    pub gradient_span: Option<(u32, u32)>,
    pub gradient_from: Colour,
    pub gradient_to: Colour,
    pub strip: bool,
    pub hex: bool,
    /// Which of crop and clip was written last; a gravity belongs to it.
    cut: Option<Cut>,
    /// The marks so far are a version's, and the first that follows replaces them.
    inherited: bool,
}

#[derive(Clone, Copy)]
enum Cut {
    Crop,
    Clip,
}

/// The parts of a text watermark that keys set.
pub struct Letters<'a> {
    pub size: &'a mut u32,
    pub font: &'a mut String,
    pub colour: &'a mut Colour,
    pub outline: &'a mut Option<Colour>,
}

/// The parts of an image watermark that keys set.
pub struct Picture<'a> {
    pub percent: &'a mut Option<u8>,
    pub repeat: &'a mut bool,
}

/// The most bytes of a watermark's path.
const PATH_MOST: usize = 1024;

impl Default for Draft {
    fn default() -> Self {
        Draft {
            spec: Spec::default(),
            quarters: density::ONE,
            frame: (0, 0),
            frame_colour: Colour::WHITE,
            canvas: None,
            canvas_colour: Colour::WHITE,
            direction: None,
            gradient_span: None,
            gradient_from: Gradient::FROM,
            gradient_to: Gradient::TO,
            strip: false,
            hex: false,
            cut: None,
            inherited: false,
        }
    }
}

impl Draft {
    /// From here on keys override those of a version.
    pub fn begin_overrides(&mut self) {
        self.inherited = true;
    }

    /// The last scaling key counts.
    pub fn scale(&mut self, scale: Scale) -> Done {
        self.spec.scale = Some(scale);
        Ok(())
    }

    /// Exactly this size, cut in the middle unless a gravity follows.
    pub fn exact(&mut self, (width, height): (u32, u32)) -> Done {
        self.scale(Scale::Exact { width, height, gravity: Gravity::At(Position::Center) })
    }

    pub fn crop(&mut self, placed: Placed) -> Done {
        self.spec.crop = Some(cut(placed));
        self.cut = Some(Cut::Crop);
        Ok(())
    }

    pub fn clip(&mut self, placed: Placed) -> Done {
        self.spec.clip = Some(cut(placed));
        self.cut = Some(Cut::Clip);
        Ok(())
    }

    /// A gravity belongs to the crop or clip before it, else to `both` or `sq`.
    pub fn gravity(&mut self, wanted: Gravity) -> Done {
        let spec = &mut self.spec;
        let place = match self.cut {
            Some(Cut::Crop) => spec.crop.as_mut().map(|it| &mut it.gravity),
            Some(Cut::Clip) => spec.clip.as_mut().map(|it| &mut it.gravity),
            None => match &mut spec.scale {
                Some(Scale::Exact { gravity, .. }) => Some(gravity),
                _ => None,
            },
        };
        *place.ok_or_else(|| {
            because(
                "stands before what it belongs to; write it after `crop`, `clip`, `both` or `sq`",
            )
        })? = wanted;
        Ok(())
    }

    fn add_mark(&mut self, content: Content) -> Done {
        if std::mem::take(&mut self.inherited) {
            self.spec.marks.clear();
        }
        if self.spec.marks.len() == MARKS_MOST {
            return Err(because(format!(
                "is one more than the {MARKS_MOST} that a picture may have"
            )));
        }
        self.spec.marks.push(Mark::new(content));
        Ok(())
    }

    /// Starts an image watermark; a path without its first slash gets one.
    pub fn image_mark(&mut self, path: &str) -> Done {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let climbs = path.split('/').any(|segment| matches!(segment, "." | ".."));
        let strange = |letter: char| letter.is_control() || matches!(letter, '?' | '#' | '\\');
        if climbs || path.len() > PATH_MOST || path.contains(strange) || path.ends_with('/') {
            return Err(because("is no plain path of this site"));
        }
        self.add_mark(Content::Image { path, percent: None, repeat: false })
    }

    /// Starts a text watermark.
    pub fn text_mark(&mut self, text: String) -> Done {
        let text = text.replace("\r\n", "\n");
        let control = |letter: char| letter.is_control() && letter != '\n';
        if text.trim().is_empty() || text.chars().count() > TEXT_MOST || text.contains(control) {
            return Err(Wrong::Value);
        }
        self.add_mark(Content::Text {
            text,
            size: Mark::FONT_SIZE,
            font: Mark::FONT.into(),
            colour: Colour::BLACK,
            outline: None,
        })
    }

    /// The watermark to which a key belongs: the last.
    pub fn mark(&mut self) -> Result<&mut Mark, Wrong> {
        self.spec.marks.last_mut().ok_or_else(|| {
            because("belongs to a watermark; write it after `watermark/url` or `watermark/text`")
        })
    }

    /// The last watermark, which must be a text.
    pub fn letters(&mut self) -> Result<Letters<'_>, Wrong> {
        match &mut self.mark()?.content {
            Content::Text { size, font, colour, outline, .. } => {
                Ok(Letters { size, font, colour, outline })
            }
            Content::Image { .. } => Err(because("belongs to a text watermark, not to an image")),
        }
    }

    /// The last watermark, which must be an image.
    pub fn picture(&mut self) -> Result<Picture<'_>, Wrong> {
        match &mut self.mark()?.content {
            Content::Image { percent, repeat, .. } => Ok(Picture { percent, repeat }),
            Content::Text { .. } => Err(because("belongs to an image watermark, not to a text")),
        }
    }

    /// The last question counts.
    pub fn ask(&mut self, question: Question) -> Done {
        self.spec.question = Some(question);
        Ok(())
    }

    /// Puts together what belongs together, drops what has no effect, and multiplies by the density.
    pub fn finish(self) -> Result<Spec, density::TooLarge> {
        let (width, height) = self.frame;
        let mut spec = Spec {
            frame: Some(Frame { width, height, colour: self.frame_colour })
                .filter(|_| self.frame != (0, 0)),
            canvas: self.canvas.map(|it| Canvas {
                width: it.width,
                height: it.height,
                at: it.offset,
                colour: self.canvas_colour,
            }),
            gradient: self.direction.map(|direction| Gradient {
                direction,
                span: self.gradient_span,
                from: self.gradient_from,
                to: self.gradient_to,
            }),
            ..self.spec
        };
        spec.output.keep_icc &= !self.strip;
        spec.output.keep_exif &= !self.strip;
        if let Some(Question::Colours { hex, .. }) = &mut spec.question {
            *hex = self.hex;
        }
        drop_idle(&mut spec);
        spec.at_density(self.quarters)
    }
}

fn because(clause: impl Into<String>) -> Wrong {
    Wrong::Because(clause.into())
}

fn cut(placed: Placed) -> Crop {
    let (x, y) = placed.offset.unwrap_or_default();
    Crop {
        width: Some(placed.width).filter(|it| *it > 0),
        height: Some(placed.height).filter(|it| *it > 0),
        x,
        y,
        gravity: Gravity::default(),
    }
}

/// Drops what has no effect, so that equal behaviour has equal text.
fn drop_idle(spec: &mut Spec) {
    if spec.question.is_some() {
        *spec =
            Spec { question: spec.question, ignore_error: spec.ignore_error, ..Spec::default() };
    }
    let cuts = |it: &Crop| (it.width, it.height, it.x, it.y) != (None, None, 0, 0);
    spec.crop = spec.crop.filter(cuts);
    spec.clip = spec.clip.filter(cuts);
    let whole = |it: &Scale| {
        matches!(it, Scale::Percent(100) | Scale::WidthPercent(100) | Scale::HeightPercent(100))
    };
    spec.scale = spec.scale.filter(|it| !whole(it));
    spec.force &= spec.scale.is_some_and(Scale::heeds_force);
    spec.gradient = spec.gradient.filter(|it| it.from.alpha > 0 || it.to.alpha > 0);
    spec.marks.retain(visible);
    drop_idle_output(&mut spec.output);
}

fn visible(mark: &Mark) -> bool {
    let ink = match &mark.content {
        Content::Image { .. } => true,
        Content::Text { colour, outline, .. } => colour.alpha > 0 || outline.is_some(),
    };
    mark.opacity > 0 && ink
}

fn drop_idle_output(output: &mut Output) {
    let (jpeg, png, webp, moving) = match output.format {
        Format::Source | Format::Auto => (true, true, true, true),
        Format::Jpeg => (true, false, false, false),
        Format::Png => (false, true, false, false),
        Format::WebP => (false, false, true, true),
        Format::Avif => (false, false, false, false),
    };
    output.lossless &= webp;
    output.progressive &= jpeg;
    output.compress &= jpeg || png;
    output.first_frame_only &= moving;
    // Frames are filled in or not where the output is GIF, which no key asks for by name.
    output.coalesce |= !matches!(output.format, Format::Source | Format::Auto);
    let lossless =
        output.format == Format::Png || (output.format == Format::WebP && output.lossless);
    output.quality = output.quality.filter(|_| !lossless);
}
