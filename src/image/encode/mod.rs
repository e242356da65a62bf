//! From pixels to a file's bytes: one file per format.

mod animation;
#[cfg(feature = "avif")]
mod avif;
mod gif;
mod jpeg;
mod png;
mod riff;
mod webp;

pub use animation::Animation;

use super::error::{Error, ErrorKind};
use super::metadata::Metadata;
use super::raster::Raster;

/// Formats that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Target {
    Jpeg,
    Png,
    Gif,
    WebP,
    Avif,
}

impl Target {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Target::Jpeg => "image/jpeg",
            Target::Png => "image/png",
            Target::Gif => "image/gif",
            Target::WebP => "image/webp",
            Target::Avif => "image/avif",
        }
    }

    /// Whether pictures of this format can be other than opaque.
    pub fn has_alpha(self) -> bool {
        self != Target::Jpeg
    }

    /// Whether this format carries a colour profile here.
    pub fn has_profile(self) -> bool {
        matches!(self, Target::Jpeg | Target::Png | Target::WebP)
    }

    /// The longest side that this format can have.
    pub fn side_most(self) -> u32 {
        match self {
            Target::WebP => 16_383,
            Target::Jpeg => 65_500,
            Target::Gif | Target::Avif => 65_535,
            Target::Png => i32::MAX as u32,
        }
    }
}

/// How much work goes into few bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effort {
    /// While a client waits.
    #[default]
    Fast,
    /// Behind the answers, for what is asked for often.
    Thorough,
}

/// How to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    /// The format.
    pub target: Target,
    /// 1 to 99, for lossy formats.
    pub quality: u8,
    /// How much work.
    pub effort: Effort,
    /// Lossless WebP.
    pub lossless: bool,
    /// Progressive JPEG.
    pub progressive: bool,
    /// One more pass for size on JPEG and PNG.
    pub compress: bool,
}

/// Encodes one picture with the metadata that are to be kept. What the format cannot say is dropped:
/// alpha on JPEG becomes white.
pub fn still(raster: Raster, how: &How, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    let most = how.target.side_most();
    for (side, kind) in [(raster.width(), ErrorKind::Width), (raster.height(), ErrorKind::Height)] {
        if side > most {
            let message =
                format!("a side of {side} pixels; {} allows {most}", how.target.media_type());
            return Err(Error::new(kind, message));
        }
    }
    match how.target {
        Target::Jpeg => jpeg::encode(&raster.flattened([255; 3]), how, metadata),
        Target::Png => png::encode(raster.without_needless_alpha(), how, metadata),
        Target::WebP => webp::encode(&raster.without_needless_alpha(), how, metadata),
        Target::Gif => gif::encode(raster),
        #[cfg(feature = "avif")]
        Target::Avif => avif::encode(&raster.without_needless_alpha(), how),
        #[cfg(not(feature = "avif"))]
        Target::Avif => Err(Error::new(ErrorKind::Format, "this build cannot write AVIF")),
    }
}

fn failed(target: Target, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Fault, format!("encoding {} failed: {why}", target.media_type()))
}
