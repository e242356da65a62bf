//! Which format comes out, and how it is encoded.

use super::super::encode::{Effort, How, Target};
use super::super::error::{Error, ErrorKind};
use super::super::header::Kind;
use super::super::spec::{Format, Output, Quality};
use super::Means;

/// The quality where none is asked for.
const QUALITY: u8 = 75;
/// AVIF looks as good as the others at a lower number.
const QUALITY_AVIF: u8 = 60;

/// What a client can show beside JPEG, PNG and GIF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accept {
    /// WebP.
    pub webp: bool,
    /// AVIF.
    pub avif: bool,
}

/// Whether an animated source still moves in what comes out.
pub(super) fn moves(format: Format, kind: Kind, means: &Means<'_>) -> bool {
    match format {
        Format::Source => matches!(kind, Kind::Gif | Kind::WebP),
        Format::Auto => kind == Kind::Gif || means.accept.webp,
        Format::WebP => true,
        Format::Jpeg | Format::Png | Format::Avif => false,
    }
}

/// The format of what moves.
pub(super) fn moving(format: Format, kind: Kind, means: &Means<'_>) -> Target {
    match format {
        Format::Auto if means.accept.webp => Target::WebP,
        Format::Source | Format::Auto if kind == Kind::Gif => Target::Gif,
        _ => Target::WebP,
    }
}

/// The format of what does not move.
pub(super) fn still(
    format: Format,
    kind: Kind,
    means: &Means<'_>,
    translucent: bool,
) -> Result<Target, Error> {
    let avif = cfg!(feature = "avif");
    // AVIF takes long: only behind the answers, unless it is asked for by name.
    let avif_now = avif && means.accept.avif && means.effort == Effort::Thorough;
    Ok(match format {
        Format::Jpeg => Target::Jpeg,
        Format::Png => Target::Png,
        Format::WebP => Target::WebP,
        Format::Avif if avif => Target::Avif,
        Format::Avif => {
            return Err(Error::new(ErrorKind::Format, "this build cannot write AVIF"));
        }
        Format::Auto if avif_now => Target::Avif,
        Format::Auto if means.accept.webp => Target::WebP,
        Format::Source | Format::Auto => match kind {
            Kind::Jpeg if translucent && format == Format::Auto => Target::Png,
            Kind::Jpeg => Target::Jpeg,
            Kind::Png => Target::Png,
            Kind::Gif => Target::Gif,
            Kind::WebP if format == Format::Source => Target::WebP,
            Kind::Svg | Kind::Ico => Target::Png,
            Kind::WebP | Kind::Bmp | Kind::Tiff | Kind::Pnm => {
                if translucent {
                    Target::Png
                } else {
                    Target::Jpeg
                }
            }
        },
    })
}

/// How a format is encoded.
pub(super) fn how(output: &Output, target: Target, effort: Effort) -> How {
    let quality = match output.quality {
        Some(Quality::Fixed(quality)) => quality,
        Some(Quality::Auto) | None if target == Target::Avif => QUALITY_AVIF,
        Some(Quality::Auto) | None => QUALITY,
    };
    How {
        target,
        quality,
        effort,
        lossless: output.lossless,
        progressive: output.progressive,
        compress: output.compress,
    }
}
