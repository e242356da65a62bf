//! Pictures and files for tests.

use std::io::Cursor;
use std::path::Path;

use image::ImageFormat;

use super::encode::{self, Effort, How, Target};
use super::fonts::Fonts;
use super::limits::Limits;
use super::metadata::Metadata;
use super::pipeline::{self, Accept, Made, Means};
use super::raster::{Channels, Raster};
use super::settings::Settings;
use super::{Error, params};

/// How to encode, quickly.
pub fn how(target: Target) -> How {
    How {
        target,
        quality: 90,
        effort: Effort::Fast,
        lossless: false,
        progressive: false,
        compress: false,
    }
}

/// Red grows to the right, green downwards.
pub fn gradient(width: u32, height: u32) -> Raster {
    let level = |at: u32, side: u32| (at * 255 / side.saturating_sub(1).max(1)) as u8;
    let pixels = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| [level(x, width), level(y, height), 64]))
        .collect();
    Raster::new(width, height, Channels::Rgb, pixels).unwrap()
}

/// The same, and what is right of the middle is half clear.
pub fn translucent(width: u32, height: u32) -> Raster {
    let mut raster = gradient(width, height).into_rgba();
    for row in raster.rows_mut() {
        let half = row.len() / 8 * 4;
        row[half..].chunks_exact_mut(4).for_each(|it| it[3] = 128);
    }
    raster
}

/// A picture as a file.
pub fn file(raster: &Raster, target: Target) -> Vec<u8> {
    encode::still(raster.clone(), &how(target), &Metadata::default()).unwrap()
}

/// A picture as a file of the formats that are only read.
pub fn other(raster: &Raster, format: ImageFormat) -> Vec<u8> {
    let colours = match raster.channels() {
        Channels::Rgb => image::ExtendedColorType::Rgb8,
        Channels::Rgba => image::ExtendedColorType::Rgba8,
    };
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (raster.width(), raster.height());
    image::write_buffer_with_format(&mut bytes, raster.pixels(), width, height, colours, format)
        .unwrap();
    bytes.into_inner()
}

/// A square of eight pixels that moves over a blue ground, a step of ten pixels a frame, and plays
/// three times.
pub fn moving(target: Target, width: u32, height: u32, frames: u32) -> Vec<u8> {
    let mut file = encode::Animation::new(How { lossless: true, ..how(target) }, false);
    for frame in 0..frames {
        let mut raster = Raster::filled(width, height, [0, 0, 255, 255]);
        let square = Raster::filled(8, 8, [255, 0, 0, 255]);
        super::steps::blend::draw(&mut raster, &square, (i64::from(frame * 10 % width), 4), 100);
        file.add(raster, 70 + frame * 10).unwrap();
    }
    file.finish(3, &Metadata::default()).unwrap()
}

/// A photograph of the shared ones.
pub fn photograph(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/images").join(name);
    std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// What comes of a file and parameters such as `/fw/300`.
pub fn made(source: &[u8], parameters: &str) -> Result<Made, Error> {
    made_with(source, parameters, |_| None, Limits::default(), Effort::Fast, Accept::default())
}

/// The same with all that matters.
pub fn made_with(
    source: &[u8],
    parameters: &str,
    mark: impl Fn(&str) -> Option<Vec<u8>>,
    limits: Limits,
    effort: Effort,
    accept: Accept,
) -> Result<Made, Error> {
    let spec = params::parse(parameters, &Settings::default()).expect("the parameters are good");
    let fonts = Fonts::default();
    let score = effort == Effort::Thorough;
    let means = Means { limits: &limits, effort, accept, score, fonts: &fonts, mark: &mark };
    pipeline::run(source, &spec, &means)
}

/// The pixels of a file.
pub fn decoded(bytes: &[u8]) -> Raster {
    let limits = Limits::default();
    let header = super::header::Header::read(bytes, &limits).unwrap();
    super::decode::still(bytes, &header, 1.0, &limits).unwrap().raster
}

/// Frames of a file with their delays, and how often it plays.
pub fn decoded_frames(bytes: &[u8]) -> (Vec<(Raster, u32)>, u16) {
    let header = super::header::Header::read(bytes, &Limits::default()).unwrap();
    let mut frames = Vec::new();
    let plays = super::decode::frames(bytes, &header, &Limits::default(), &mut |frame| {
        frames.push((frame.raster.clone(), frame.delay));
        Ok(super::decode::Flow::Next)
    });
    (frames, plays.unwrap())
}

/// The mean difference of all bytes of two pictures of the same size and channels.
pub fn difference(one: &Raster, other: &Raster) -> f64 {
    assert_eq!((one.size(), one.channels()), (other.size(), other.channels()));
    let sum: u64 =
        one.pixels().iter().zip(other.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.pixels().len() as f64
}

/// A JPEG or PNG with metadata.
pub fn with_metadata(raster: &Raster, target: Target, metadata: &Metadata) -> Vec<u8> {
    encode::still(raster.clone(), &how(target), metadata).unwrap()
}
