//! The lowest quality that looks good: a few encodings, each scored.

use super::super::decode;
use super::super::encode::{self, How, Target};
use super::super::error::Error;
use super::super::header::Header;
use super::super::limits::Deadline;
use super::super::metadata::Metadata;
use super::super::raster::Raster;
use super::super::score::Reference;
use super::Means;

/// What looks good.
const GOOD: f64 = 70.0;
/// Qualities between which it is looked for.
const LOWEST: u8 = 40;
const HIGHEST: u8 = 90;
/// The most pixels for which it is looked for; beyond, it takes too long.
const PIXELS_MOST: u64 = 4_000_000;

/// Encodes with the lowest quality whose score is good, or the highest there is. Nothing where that
/// cannot be found out: the format is not lossy or not read here, the picture is too large.
pub(super) fn encoded(
    raster: &Raster,
    how: &How,
    metadata: &Metadata,
    means: &Means<'_>,
    deadline: Deadline,
) -> Result<Option<Vec<u8>>, Error> {
    let lossy = match how.target {
        Target::Jpeg => true,
        Target::WebP => !how.lossless,
        Target::Png | Target::Gif | Target::Avif => false,
    };
    if !lossy || raster.size().pixels() > PIXELS_MOST {
        return Ok(None);
    }
    let Some(reference) = Reference::new(raster) else { return Ok(None) };
    let (mut low, mut high) = (LOWEST, HIGHEST);
    let mut best = None;
    while low <= high {
        let quality = low.midpoint(high);
        let bytes = encode::still(raster.clone(), &How { quality, ..*how }, metadata)?;
        let score = score(&reference, &bytes, means)?;
        deadline.check()?;
        if score >= GOOD {
            best = Some(bytes);
            high = quality - 1;
        } else {
            low = quality + 1;
        }
    }
    match best {
        Some(bytes) => Ok(Some(bytes)),
        None => {
            encode::still(raster.clone(), &How { quality: HIGHEST, ..*how }, metadata).map(Some)
        }
    }
}

/// How much a file looks like what it was made of.
pub(super) fn score(reference: &Reference, bytes: &[u8], means: &Means<'_>) -> Result<f64, Error> {
    let header = Header::read(bytes, means.limits)?;
    let decoded = decode::still(bytes, &header, 1.0, means.limits)?;
    Ok(reference.score(&decoded.raster).unwrap_or(0.0))
}
