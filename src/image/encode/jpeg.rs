//! JPEG by mozjpeg: libjpeg's own speed where a client waits, its trellis where none does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mozjpeg::{ColorSpace, Compress, Marker};

use super::super::error::Error;
use super::super::metadata::Metadata;
use super::super::raster::Raster;
use super::{Effort, How, Target, failed};

/// From this quality on colours have the full resolution.
const FULL_COLOUR: u8 = 90;
/// The most bytes of a segment's data.
const SEGMENT: usize = 65_533;

/// Encodes a picture without alpha.
pub(super) fn encode(raster: &Raster, how: &How, metadata: &Metadata) -> Result<Vec<u8>, Error> {
    // libjpeg reports errors by unwinding.
    catch_unwind(AssertUnwindSafe(|| compressed(raster, how, metadata)))
        .map_err(|_| failed(Target::Jpeg, "libjpeg refuses the picture"))?
        .map_err(|why| failed(Target::Jpeg, why))
}

fn compressed(raster: &Raster, how: &How, metadata: &Metadata) -> std::io::Result<Vec<u8>> {
    let mut encoder = Compress::new(ColorSpace::JCS_RGB);
    if how.effort == Effort::Fast && !how.compress {
        encoder.set_fastest_defaults();
    }
    encoder.set_size(raster.width() as usize, raster.height() as usize);
    encoder.set_quality(f32::from(how.quality));
    encoder.set_optimize_coding(true);
    if how.quality >= FULL_COLOUR {
        encoder.set_chroma_sampling_pixel_sizes((1, 1), (1, 1));
    }
    // In this order: the other way round the output is baseline, without a word.
    encoder.set_optimize_scans(false);
    if how.progressive || how.effort == Effort::Thorough || how.compress {
        encoder.set_progressive_mode();
    }
    let mut started = encoder.start_compress(Vec::new())?;
    let texts = [
        (&b"Exif\0\0"[..], &metadata.exif),
        (&b"http://ns.adobe.com/xap/1.0/\0"[..], &metadata.xmp),
    ];
    for (name, data) in texts {
        let Some(data) = data else { continue };
        let segment = [name, data].concat();
        if segment.len() <= SEGMENT {
            started.write_marker(Marker::APP(1), &segment);
        }
    }
    for segment in metadata.icc.iter().flat_map(|it| profile(it)) {
        started.write_marker(Marker::APP(2), &segment);
    }
    if let Some(segment) = metadata.iptc.as_ref().and_then(|it| resources(it)) {
        started.write_marker(Marker::APP(13), &segment);
    }
    started.write_scanlines(raster.pixels())?;
    started.finish()
}

/// The parts of a profile, counted from 1.
fn profile(icc: &[u8]) -> Vec<Vec<u8>> {
    let name = b"ICC_PROFILE\0";
    let parts = icc.chunks(SEGMENT - name.len() - 2);
    let count = parts.len().min(255) as u8;
    (1..=count)
        .zip(parts)
        .map(|(number, part)| [name, &[number, count][..], part].concat())
        .collect()
}

/// The data sets among Photoshop's resources.
fn resources(iptc: &[u8]) -> Option<Vec<u8>> {
    let mut segment = b"Photoshop 3.0\x008BIM\x04\x04\0\0".to_vec();
    segment.extend(u32::try_from(iptc.len()).ok()?.to_be_bytes());
    segment.extend(iptc);
    segment.resize(segment.len() + (iptc.len() & 1), 0);
    (segment.len() <= SEGMENT).then_some(segment)
}
