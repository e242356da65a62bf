//! JPEG by mozjpeg, which leaves out what a smaller picture does not need (scaling in the DCT).
//!
//! Its own error manager hears of every warning: libjpeg goes on after damaged or missing data and
//! fills the rest with grey, which here is an error. Both errors and such warnings unwind.

use std::cell::Cell;
use std::ptr;

use mozjpeg::{ColorSpace, Decompress};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, msg_parm_union};

use super::super::colour;
use super::super::error::Error;
use super::super::geometry::Size;
use super::super::header::{Header, Kind};
use super::super::limits::Limits;
use super::super::metadata::{self, Metadata};
use super::super::raster::{Channels, Raster};
use super::{Decoded, damaged};

thread_local! {
    /// Whether a warning is an error: within the compressed data, not among the headers.
    static STRICT: Cell<bool> = const { Cell::new(false) };
}

/// Decodes to the smallest of 1, 2, 4 or 8 eighths that is not below `needed`.
pub(super) fn decode(
    bytes: &[u8],
    header: &Header,
    needed: f64,
    limits: &Limits,
) -> Result<Decoded, Error> {
    STRICT.set(false);
    let broken = |why: std::io::Error| damaged(Kind::Jpeg, why);
    let mut decoder = Decompress::builder().with_err(errors()).from_mem(bytes).map_err(broken)?;
    if decoder.size() != (header.width as usize, header.height as usize) {
        return Err(damaged(Kind::Jpeg, "its header contradicts itself"));
    }
    let eighths = eighths(needed);
    let scaled = |side: u32| (side * u32::from(eighths)).div_ceil(8);
    limits.check_held(Size::new(scaled(header.width), scaled(header.height)))?;
    decoder.scale(eighths);
    let Metadata { icc, .. } = metadata::read(bytes, Kind::Jpeg);
    let four = decoder.components().len() == 4;
    STRICT.set(true);
    let space = if four { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB };
    let mut started = decoder.to_colorspace(space).map_err(broken)?;
    let (width, height) = (started.width() as u32, started.height() as u32);
    let mut pixels: Vec<u8> = started.read_scanlines().map_err(broken)?;
    STRICT.set(false);
    drop(started);
    let mut icc = icc;
    if four {
        pixels = colour::cmyk_to_srgb(pixels, metadata::is_adobe_jpeg(bytes), icc.take());
    }
    let raster = Raster::new(width, height, Channels::Rgb, pixels)
        .ok_or_else(|| damaged(Kind::Jpeg, "it has fewer rows than it says"))?;
    Ok(Decoded { raster, factor: f64::from(eighths) / 8.0, icc })
}

fn eighths(needed: f64) -> u8 {
    [1, 2, 4].into_iter().find(|&it| f64::from(it) / 8.0 >= needed).unwrap_or(8)
}

/// Reports every error, and every warning while [`STRICT`], by unwinding.
fn errors() -> jpeg_error_mgr {
    jpeg_error_mgr {
        error_exit: Some(fail),
        emit_message: Some(hear),
        output_message: Some(ignore),
        format_message: Some(ignore_text),
        reset_error_mgr: Some(ignore),
        msg_code: 0,
        msg_parm: msg_parm_union { _bindgen_data_: [0; 20] },
        trace_level: 0,
        num_warnings: 0,
        jpeg_message_table: ptr::null(),
        last_jpeg_message: 0,
        addon_message_table: ptr::null(),
        first_addon_message: 0,
        last_addon_message: 0,
    }
}

extern "C-unwind" fn fail(_: &mut jpeg_common_struct) {
    std::panic::resume_unwind(Box::new("libjpeg refuses the file"));
}

extern "C-unwind" fn hear(common: &mut jpeg_common_struct, level: i32) {
    if level < 0 && STRICT.get() {
        fail(common);
    }
}

extern "C-unwind" fn ignore(_: &mut jpeg_common_struct) {}

extern "C-unwind" fn ignore_text(_: &mut jpeg_common_struct, _: &[u8; 80]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_scale_that_is_enough() {
        let cases = [(0.01, 1), (0.125, 1), (0.126, 2), (0.25, 2), (0.4, 4), (0.51, 8), (3.0, 8)];
        for (needed, expected) in cases {
            assert_eq!(eighths(needed), expected, "{needed}");
        }
    }
}
