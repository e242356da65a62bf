//! One job: a file's bytes and what is asked of them in, a file's bytes out.
//!
//! The order: look at the header and refuse what is too large → plan all sizes and refuse what would
//! become too large → decode no more than is needed → the steps of [`Work::apply`] → encode. A job
//! holds its deadline between any two of these and between frames.

mod plan;
mod search;
mod target;
#[cfg(test)]
mod tests;
mod work;

use std::time::{Duration, Instant};

pub use target::Accept;

use super::colour;
use super::colours;
use super::decode::{self, Flow};
use super::encode::{self, Animation, Effort};
use super::error::{Error, ErrorKind};
use super::fonts::Fonts;
use super::geometry::Size;
use super::header::{Header, Kind};
use super::limits::{Deadline, Limits};
use super::metadata::{self, Metadata};
use super::raster::Raster;
use super::score::Reference;
use super::spec::{Quality, Question, Rotate, Spec};
use super::steps::scale;
use plan::Plan;
use work::Work;

/// Theme colours are looked for in a picture no longer than this.
const THEME_SIDE: u32 = 256;

/// What a job may use.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// What it may cost.
    pub limits: &'a Limits,
    /// How much work goes into few bytes.
    pub effort: Effort,
    /// What the client can show, for [`super::spec::Format::Auto`].
    pub accept: Accept,
    /// Say how much a still result looks like what was encoded.
    pub score: bool,
    /// Fonts to write with.
    pub fonts: &'a Fonts,
    /// The bytes of a watermark's picture by its path; none where there is none.
    pub mark: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

/// A picture or an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media_type: &'static str,
    /// The picture's size; of an answer, that of what was asked about.
    pub size: Size,
    /// Its frames.
    pub frames: u32,
    /// How much it looks like what was encoded (see [`super::score`]), where that was asked for and the
    /// format can be read.
    pub score: Option<f64>,
    /// What was done, in order.
    pub steps: Vec<Step>,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub name: &'static str,
    /// The size of the picture after it.
    pub size: Size,
    /// How long it took, all frames together.
    pub time: Duration,
}

/// Carries out what is asked.
///
/// # Errors
/// A refusal with status and code: never a picture that is not whole.
pub fn run(source: &[u8], spec: &Spec, means: &Means<'_>) -> Result<Made, Error> {
    let deadline = Deadline::after(means.limits.time);
    if let Some(question) = spec.question {
        return answer(source, question, means).map_err(|error| match error.kind {
            ErrorKind::NotAnImage => Error { kind: ErrorKind::NotAskable, ..error },
            _ => error,
        });
    }
    let start = Instant::now();
    let header = Header::read(source, means.limits)?;
    let needs_metadata = spec.rotate == Some(Rotate::Auto) || spec.output.keep_exif;
    let metadata =
        if needs_metadata { metadata::read(source, header.kind) } else { Metadata::default() };
    let orientation = match (spec.rotate, &metadata.exif) {
        (Some(Rotate::Auto), Some(exif)) if header.kind != Kind::Tiff => {
            metadata::orientation(exif)
        }
        _ => 1,
    };
    let full = header.size();
    let plan = Plan::new(spec, full, orientation, None)?;
    let kept = kept(spec, metadata, header.kind, orientation);
    let moving = header.frames > 1
        && !spec.output.first_frame_only
        && target::moves(spec.output.format, header.kind, means);
    means.limits.check_result(plan.result, if moving { header.frames } else { 1 })?;
    let mut work = Work::new(spec, means, plan, deadline);
    work.note("header", full, start);
    if moving { animation(source, &header, work, kept) } else { still(source, &header, work, kept) }
}

/// The metadata that go along.
fn kept(spec: &Spec, metadata: Metadata, kind: Kind, orientation: u8) -> Metadata {
    if !spec.output.keep_exif {
        return Metadata::default();
    }
    let exif = metadata.exif.filter(|_| kind != Kind::Tiff).map(|exif| match orientation {
        1 => exif,
        _ => metadata::straightened(exif),
    });
    Metadata { exif, icc: None, ..metadata }
}

fn still(
    source: &[u8],
    header: &Header,
    mut work: Work<'_>,
    mut kept: Metadata,
) -> Result<Made, Error> {
    let start = Instant::now();
    let decoded = decode::still(source, header, work.plan.needed, work.means.limits)?;
    work.note("decode", decoded.raster.size(), start);
    work.deadline.check()?;
    let output = &work.spec.output;
    let profile = decoded.icc.filter(|it| colour::is_of_use(it));
    let target = |translucent| target::still(output.format, header.kind, work.means, translucent);
    let goes_along = output.keep_icc && !work.draws() && target(false)?.has_profile();
    let (along, apply) = if goes_along { (profile, None) } else { (None, profile) };
    kept.icc = along;
    let raster = work.apply(decoded.raster, decoded.factor, apply.as_deref(), false)?;
    let target = target::still(output.format, header.kind, work.means, raster.is_translucent())?;
    let how = target::how(&work.spec.output, target, work.means.effort);
    let (start, size) = (Instant::now(), raster.size());
    let reference = if work.means.score { Reference::new(&raster) } else { None };
    let searches = output.quality == Some(Quality::Auto) && work.means.effort == Effort::Thorough;
    let found = match searches {
        true => search::encoded(&raster, &how, &kept, work.means, work.deadline)?,
        false => None,
    };
    let bytes = match found {
        Some(bytes) => bytes,
        None => encode::still(raster, &how, &kept)?,
    };
    work.note("encode", size, start);
    work.deadline.check()?;
    let score = reference.and_then(|it| search::score(&it, &bytes, work.means).ok());
    let (media_type, steps) = (target.media_type(), work.steps);
    Ok(Made { bytes, media_type, size, frames: 1, score, steps })
}

fn animation(
    source: &[u8],
    header: &Header,
    mut work: Work<'_>,
    kept: Metadata,
) -> Result<Made, Error> {
    let target = target::moving(work.spec.output.format, header.kind, work.means);
    let how = target::how(&work.spec.output, target, work.means.effort);
    let mut file = Animation::new(how, work.spec.output.coalesce);
    let mut decoding = Instant::now();
    let plays = decode::frames(source, header, work.means.limits, &mut |frame| {
        let size = frame.raster.size();
        work.note("decode", size, decoding);
        work.deadline.check()?;
        let raster = work.apply(frame.raster.clone(), 1.0, None, true)?;
        let (start, size) = (Instant::now(), raster.size());
        file.add(raster, frame.delay)?;
        work.note("encode", size, start);
        decoding = Instant::now();
        Ok(Flow::Next)
    })?;
    let (frames, size) = (file.frames(), work.plan.result);
    let bytes = file.finish(plays, &kept)?;
    work.deadline.check()?;
    let (media_type, steps) = (target.media_type(), work.steps);
    Ok(Made { bytes, media_type, size, frames, score: None, steps })
}

/// Answers a question about an image as JSON.
fn answer(source: &[u8], question: Question, means: &Means<'_>) -> Result<Made, Error> {
    let start = Instant::now();
    let header = Header::read(source, means.limits)?;
    let (exif, iptc) = match question {
        Question::Info | Question::Colours { .. } => (false, false),
        Question::Meta => (true, false),
        Question::MetaIptc => (false, true),
        Question::MetaAll => (true, true),
    };
    let json = match question {
        Question::Colours { count, hex } => {
            let raster = thumbnail(source, &header, means)?;
            colours::answer(&colours::theme(&raster, count), hex)
        }
        _ => {
            let metadata = if exif || iptc {
                metadata::read(source, header.kind)
            } else {
                Metadata::default()
            };
            metadata::about(&header, &metadata, exif, iptc)
        }
    };
    let size = header.size();
    let steps = vec![Step { name: "answer", size, time: start.elapsed() }];
    let bytes = json.to_string().into_bytes();
    let frames = header.frames;
    Ok(Made { bytes, media_type: "application/json", size, frames, score: None, steps })
}

/// A small picture in sRGB.
fn thumbnail(source: &[u8], header: &Header, means: &Means<'_>) -> Result<Raster, Error> {
    let longest = header.width.max(header.height);
    let share = f64::from(THEME_SIDE.min(longest)) / f64::from(longest);
    let decoded = decode::still(source, header, share, means.limits)?;
    let size = decoded.raster.size();
    let longest = size.width.max(size.height);
    let most = THEME_SIDE.min(longest);
    let side = |it: u32| (u64::from(it) * u64::from(most) / u64::from(longest)) as u32;
    let small = scale::whole(&decoded.raster, Size::new(side(size.width), side(size.height)))?;
    Ok(match decoded.icc {
        Some(icc) => colour::to_srgb(small, &icc),
        None => small,
    })
}
