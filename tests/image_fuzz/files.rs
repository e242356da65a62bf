//! Files of every format that mutations begin with.

use std::io::Cursor;

use brink::image::encode::{self, Animation, Effort, How, Target};
use brink::image::metadata::Metadata;
use brink::image::raster::{Channels, Raster};
use image::{ColorType, ExtendedColorType, ImageFormat};

/// A photograph, of which pieces are taken.
const PHOTOGRAPH: &str = "../shared/data/images/kodim23.png";

const DRAWING: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 64 48" width="64" height="48"><defs><linearGradient id="a"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="#00f8"/></linearGradient><filter id="f" width="2" height="2"><feGaussianBlur stdDeviation="2 3"/><feTurbulence baseFrequency="0.05" numOctaves="2"/><feComposite operator="in" in2="SourceGraphic"/></filter><clipPath id="c"><circle cx="32" cy="24" r="20"/></clipPath><pattern id="p" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M0 0h2v2z"/></pattern><mask id="m"><rect width="64" height="24" fill="white"/></mask><symbol id="s"><rect width="9" height="9" rx="2"/></symbol></defs><style>.k { fill: url(#a); stroke-dasharray: 2 3 }</style><rect class="k" width="64" height="48" clip-path="url(#c)" stroke="black"/><g mask="url(#m)" filter="url(#f)" opacity=".5" transform="rotate(9) scale(1.5 .7)"><use xlink:href="#s" x="5"/><path d="M1 1C9 9 20-5 30 4S9 8 7 3Q1 1 2 2T9 9A3 4 5 1 0 9 8Z" fill="url(#p)"/></g><text x="3" y="20" font-size="9">Ab中</text></svg>"##;

fn how(target: Target) -> How {
    How {
        target,
        quality: 80,
        effort: Effort::Fast,
        lossless: false,
        progressive: false,
        compress: false,
    }
}

/// A piece of the photograph; a made picture where there is none.
fn picture(width: u32, height: u32) -> Raster {
    let whole = std::fs::read(PHOTOGRAPH).ok().and_then(|bytes| image_of(&bytes));
    let pixels =
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| match &whole {
            Some((side, pixels)) => {
                let at = ((y as usize + 100) * side + x as usize + 200) * 3;
                [pixels[at], pixels[at + 1], pixels[at + 2]]
            }
            None => [(x * 5) as u8, (y * 5) as u8, (x * y) as u8],
        });
    Raster::new(width, height, Channels::Rgb, pixels.collect()).unwrap()
}

/// Width and pixels of a PNG in RGB.
fn image_of(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    (frame.color_type == png::ColorType::Rgb).then_some((frame.width as usize, pixels))
}

fn translucent(raster: &Raster) -> Raster {
    let mut raster = raster.clone().into_rgba();
    for row in raster.rows_mut() {
        row.chunks_exact_mut(4).enumerate().for_each(|(at, it)| it[3] = (at * 9) as u8);
    }
    raster
}

fn moving(target: Target, lossless: bool) -> Vec<u8> {
    let mut file = Animation::new(How { lossless, ..how(target) }, false);
    for frame in 0..5u8 {
        let mut raster = translucent(&picture(32, 24));
        raster.rows_mut().skip(usize::from(frame) * 4).take(4).for_each(|it| it.fill(frame * 40));
        file.add(raster, 50 + u32::from(frame)).unwrap();
    }
    file.finish(3, &Metadata::default()).unwrap()
}

fn other(pixels: &[u8], size: (u32, u32), colours: ColorType, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let colours = ExtendedColorType::from(colours);
    image::write_buffer_with_format(&mut bytes, pixels, size.0, size.1, colours, format).unwrap();
    bytes.into_inner()
}

/// PNG as `brink` itself does not write it.
fn odd_png(colours: png::ColorType, depth: png::BitDepth, row: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 32, 24);
    encoder.set_color(colours);
    encoder.set_depth(depth);
    if colours == png::ColorType::Indexed {
        encoder.set_palette((0..48).map(|it| it * 5).collect::<Vec<u8>>());
        encoder.set_trns(vec![0, 128, 255]);
    }
    encoder.add_ztxt_chunk("Comment".into(), "text ".repeat(40)).unwrap();
    let pixels: Vec<u8> = (0..row * 24).map(|it| (it * 7) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Pieces that only files with metadata have: EXIF with an orientation, IPTC, XMP and a profile.
fn metadata() -> Metadata {
    let mut exif = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend(b"\x0f\x01\x02\0\x06\0\0\0\x26\0\0\0\0\0\0\0Brink\0");
    let icc = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    Metadata {
        exif: Some(exif),
        iptc: Some(b"\x1c\x02\x78\0\x05words\x1c\x02\x19\0\x03key".to_vec()),
        xmp: Some(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>".to_vec()),
        icc: Some(icc),
    }
}

/// Every sort of file by a name.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    use ImageFormat::{Bmp, Ico, Pnm, Tiff};
    let opaque = picture(64, 48);
    let clear = translucent(&opaque);
    let still = |raster: &Raster, how: How, metadata: &Metadata| {
        encode::still(raster.clone(), &how, metadata).unwrap()
    };
    let (nothing, all) = (Metadata::default(), metadata());
    let (jpeg, png, webp) = (how(Target::Jpeg), how(Target::Png), how(Target::WebP));
    let size = (64, 48);
    let grey: Vec<u8> = opaque.pixels().chunks_exact(3).map(|it| it[1]).collect();
    let deep: Vec<u8> = opaque.pixels().iter().flat_map(|it| [*it, *it]).collect();
    vec![
        ("jpeg", still(&opaque, jpeg, &nothing)),
        ("jpeg with metadata", still(&opaque, jpeg, &all)),
        ("progressive jpeg", still(&opaque, How { progressive: true, ..jpeg }, &nothing)),
        ("large jpeg", still(&picture(400, 300), jpeg, &nothing)),
        ("png", still(&opaque, png, &nothing)),
        ("png with alpha", still(&clear, png, &nothing)),
        ("png with metadata", still(&opaque, png, &all)),
        ("grey png", odd_png(png::ColorType::Grayscale, png::BitDepth::Two, 8)),
        ("png of 16 bits", odd_png(png::ColorType::GrayscaleAlpha, png::BitDepth::Sixteen, 128)),
        ("png with a palette", odd_png(png::ColorType::Indexed, png::BitDepth::Four, 16)),
        ("gif", still(&opaque, how(Target::Gif), &nothing)),
        ("moving gif", moving(Target::Gif, false)),
        ("webp", still(&opaque, webp, &nothing)),
        ("webp with alpha", still(&clear, webp, &all)),
        ("lossless webp", still(&clear, How { lossless: true, ..webp }, &nothing)),
        ("moving webp", moving(Target::WebP, false)),
        ("moving lossless webp", moving(Target::WebP, true)),
        ("bmp", other(opaque.pixels(), size, ColorType::Rgb8, Bmp)),
        ("bmp with alpha", other(clear.pixels(), size, ColorType::Rgba8, Bmp)),
        ("grey bmp", other(&grey, size, ColorType::L8, Bmp)),
        ("tiff", other(opaque.pixels(), size, ColorType::Rgb8, Tiff)),
        ("grey tiff", other(&grey, size, ColorType::L8, Tiff)),
        ("tiff of 16 bits", other(&deep, size, ColorType::Rgb16, Tiff)),
        ("ico", other(clear.pixels(), size, ColorType::Rgba8, Ico)),
        ("pnm", other(opaque.pixels(), size, ColorType::Rgb8, Pnm)),
        ("grey pnm", other(&grey, size, ColorType::L8, Pnm)),
        ("plain pnm", b"P2 3 2 255 0 10 200 30 40 255\n".to_vec()),
        (
            "pam",
            b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\nabcdefgh"
                .to_vec(),
        ),
        ("svg", DRAWING.into()),
    ]
}
