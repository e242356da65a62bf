//! A job on its way: the ordered list of steps, and what they keep from frame to frame.

use std::time::Instant;

use fast_image_resize::Resizer;

use super::super::colour;
use super::super::decode;
use super::super::error::{Error, ErrorKind};
use super::super::geometry::{Area, Size};
use super::super::header::Header;
use super::super::limits::Deadline;
use super::super::raster::Raster;
use super::super::spec::{Content, Mark, Spec};
use super::super::steps::mark::Ready;
use super::super::steps::scale::{Part, scale};
use super::super::steps::text::{self, Text};
use super::super::steps::{blur, corners, crop, frame, gradient, mark, sharpen, turn};
use super::plan::{Plan, View};
use super::{Means, Step};

/// A job on its way.
pub(super) struct Work<'a> {
    pub spec: &'a Spec,
    pub means: &'a Means<'a>,
    pub plan: Plan,
    pub deadline: Deadline,
    /// What was done so far.
    pub steps: Vec<Step>,
    resizer: Resizer,
    /// Laid out for the first frame.
    marks: Option<Vec<Ready>>,
}

impl<'a> Work<'a> {
    pub fn new(spec: &'a Spec, means: &'a Means<'a>, plan: Plan, deadline: Deadline) -> Self {
        let (steps, resizer) = (Vec::new(), Resizer::new());
        Work { spec, means, plan, deadline, steps, resizer, marks: None }
    }

    /// Writes down what was done since `start`; the same of several frames is one.
    pub fn note(&mut self, name: &'static str, size: Size, start: Instant) {
        let time = start.elapsed();
        match self.steps.iter_mut().find(|it| it.name == name) {
            Some(step) => step.time += time,
            None => self.steps.push(Step { name, size, time }),
        }
    }

    /// Whether colours are drawn that were given as sRGB.
    pub fn draws(&self) -> bool {
        let spec = self.spec;
        !spec.marks.is_empty()
            || spec.gradient.is_some()
            || spec.frame.is_some()
            || spec.canvas.is_some()
    }

    /// Carries out all steps between decoding and encoding on one picture or frame. `factor`: how
    /// large it was decoded beside its full size; `icc`: the profile that has to be applied.
    pub fn apply(
        &mut self,
        raster: Raster,
        factor: f64,
        icc: Option<&[u8]>,
        moving: bool,
    ) -> Result<Raster, Error> {
        let spec = self.spec;
        let mut raster = raster;
        if self.plan.orientation != 1 {
            let orientation = self.plan.orientation;
            raster = self.step("straighten", raster, |it| turn::straighten(it, orientation))?;
        }
        self.look(&raster, factor)?;
        raster = self.scaled(raster, factor)?;
        if let Some(icc) = icc {
            raster = self.step("colours", raster, |it| colour::to_srgb(it, icc))?;
        }
        if let Some(area) = self.plan.clip {
            raster = self.step("clip", raster, |it| crop::crop(it, area))?;
        }
        if let Some(radius) = spec.round {
            raster = self.step("corners", raster, |it| corners::round(it, radius))?;
        }
        if let Some((degrees, size)) = self.plan.turn {
            raster = self.step("rotate", raster, |it| turn::turn(it, degrees, size))?;
        }
        if let Some(flip) = spec.flip {
            raster = self.step("flip", raster, |it| turn::flip(it, flip))?;
        }
        if spec.unsharp {
            raster = self.step("sharpen", raster, sharpen::sharpen)?;
        }
        if let Some(kind) = spec.blur {
            raster = self.step("blur", raster, |it| blur::blur(it, kind))?;
        }
        if let Some(colours) = spec.gradient.filter(|_| !moving) {
            raster = self.step("gradient", raster, |mut it| {
                gradient::gradient(&mut it, &colours);
                it
            })?;
        }
        raster = self.marked(raster, moving)?;
        if let (Some(bars), Some(size)) = (spec.frame, self.plan.framed) {
            raster = self.step("frame", raster, |it| frame::frame(it, &bars, size))?;
        }
        if let Some(ground) = spec.canvas {
            raster = self.step("canvas", raster, |it| frame::canvas(it, &ground))?;
        }
        Ok(raster)
    }

    /// Does one thing, writes it down and looks at the clock.
    fn step(
        &mut self,
        name: &'static str,
        raster: Raster,
        run: impl FnOnce(Raster) -> Raster,
    ) -> Result<Raster, Error> {
        let start = Instant::now();
        let raster = run(raster);
        self.note(name, raster.size(), start);
        self.deadline.check()?;
        Ok(raster)
    }

    /// Puts boxes where the eye goes; of what moves, where it goes in the first frame.
    fn look(&mut self, raster: &Raster, factor: f64) -> Result<(), Error> {
        if !self.plan.looks {
            return Ok(());
        }
        let start = Instant::now();
        let view = View { raster, factor };
        let plan = Plan::new(self.spec, self.plan.source, self.plan.orientation, Some(view))?;
        self.means.limits.check_result(plan.result, 1)?;
        self.plan = Plan { looks: false, ..plan };
        self.note("look", raster.size(), start);
        Ok(())
    }

    /// Crops and scales in one go.
    fn scaled(&mut self, raster: Raster, factor: f64) -> Result<Raster, Error> {
        let (area, size) = (self.plan.area, self.plan.size);
        let whole = Area { x: 0, y: 0, size: raster.size() };
        if factor == 1.0 && size == area.size {
            if area == whole {
                return Ok(raster);
            }
            return self.step("crop", raster, |it| crop::crop(it, area));
        }
        let start = Instant::now();
        let part = Part::seen(area, factor, raster.size());
        let raster = scale(&raster, part, size, &mut self.resizer)?;
        self.note("scale", raster.size(), start);
        self.deadline.check()?;
        Ok(raster)
    }

    fn marked(&mut self, raster: Raster, moving: bool) -> Result<Raster, Error> {
        if self.spec.marks.is_empty() {
            return Ok(raster);
        }
        if self.marks.is_none() {
            let wanted = self.spec.marks.iter().filter(|it| it.animate || !moving);
            let start = Instant::now();
            let ready: Result<Vec<_>, Error> =
                wanted.map(|it| self.ready(it, raster.size())).collect();
            self.marks = Some(ready?.into_iter().flatten().collect());
            self.note("prepare marks", raster.size(), start);
        }
        let marks = self.marks.take().unwrap_or_default();
        let raster = self.step("marks", raster, |mut it| {
            marks.iter().for_each(|mark| mark.draw(&mut it));
            it
        });
        self.marks = Some(marks);
        raster
    }

    /// A mark's picture, laid out; none if it is too large for the picture.
    fn ready(&self, mark: &Mark, size: Size) -> Result<Option<Ready>, Error> {
        match &mark.content {
            Content::Image { path, percent, repeat } => {
                let picture = self.picture(path).map_err(|why| {
                    let message = format!("the watermark's picture {path}: {why}");
                    Error::new(ErrorKind::Mark, message)
                })?;
                mark::ready(picture, mark, *percent, *repeat, size)
            }
            Content::Text { text, size: letters, font, colour, outline } => {
                let text = Text { text, size: *letters, font, colour: *colour, outline: *outline };
                let most = Size::new(size.width / 2, size.height / 2);
                match text::draw(&text, self.means.fonts, most)? {
                    Some(picture) => mark::ready(picture, mark, None, false, size),
                    None => Ok(None),
                }
            }
        }
    }

    fn picture(&self, path: &str) -> Result<Raster, Error> {
        let bytes = (self.means.mark)(path)
            .ok_or_else(|| Error::not_an_image("it is not there or cannot be fetched"))?;
        let header = Header::read(&bytes, self.means.limits)?;
        let decoded = decode::still(&bytes, &header, 1.0, self.means.limits)?;
        Ok(match decoded.icc {
            Some(icc) => colour::to_srgb(decoded.raster, &icc),
            None => decoded.raster,
        })
    }
}
