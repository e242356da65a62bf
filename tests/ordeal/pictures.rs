//! Pictures that mean harm: floods of pixels, headers that lie, files that end, that grow, or that are
//! two things at once.

use brink::image::encode::{self, Animation, Effort, How, Target};
use brink::image::metadata::Metadata;
use brink::image::raster::Raster;
use png::{BitDepth, ColorType};

/// A file by a name.
type File = (&'static str, Vec<u8>);

/// All of them.
pub fn hostile() -> Vec<File> {
    [pngs(), gifs(), webps(), bitmaps(), tiffs(), jpegs(), crate::drawings::all(), mixed()].concat()
}

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

/// A small honest file.
pub fn honest(target: Target) -> Vec<u8> {
    sized(target, 640, 480)
}

fn sized(target: Target, width: u32, height: u32) -> Vec<u8> {
    let mut raster = Raster::filled(width, height, [200, 30, 60, 255]);
    for (y, row) in raster.rows_mut().enumerate() {
        row.iter_mut().enumerate().for_each(|(x, it)| *it = (x * 7 + y * 3 + x * y / 9) as u8);
    }
    encode::still(raster, &how(target), &Metadata::default()).unwrap()
}

fn half(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A PNG without anything in it, of rows that are all zero.
fn flood(width: u32, height: u32, colours: ColorType, depth: BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(colours);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::Fastest);
    encoder.set_filter(png::Filter::NoFilter);
    if colours == ColorType::Indexed {
        encoder.set_palette(vec![9; 768]);
    }
    let row = vec![0; colours_bytes(width, colours, depth)];
    let mut writer = encoder.write_header().unwrap();
    let mut stream = writer.stream_writer().unwrap();
    (0..height).for_each(|_| std::io::Write::write_all(&mut stream, &row).unwrap());
    stream.finish().unwrap();
    drop(writer);
    bytes
}

fn colours_bytes(width: u32, colours: ColorType, depth: BitDepth) -> usize {
    (width as usize * colours.samples() * depth as usize).div_ceil(8)
}

/// One part of a PNG, with its checksum.
fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = joined(&[name, data]);
    let sum = !named.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    });
    joined(&[&(data.len() as u32).to_be_bytes(), &named, &sum.to_be_bytes()])
}

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn header(width: u32, height: u32) -> Vec<u8> {
    let data = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    joined(&[SIGNATURE, &chunk(b"IHDR", &data)])
}

/// What an IDAT holds: so many rows of zeros, deflated.
fn deflated(rows: u32) -> Vec<u8> {
    let file = flood(9999, rows, ColorType::Grayscale, BitDepth::Eight);
    let mut at = 8;
    let mut data = Vec::new();
    while at + 8 < file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        if &file[at + 4..at + 8] == b"IDAT" {
            data.extend(&file[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    data
}

fn pngs() -> Vec<File> {
    let good = honest(Target::Png);
    let (head, rest) = good.split_at(33);
    let with = |parts: &[u8]| joined(&[head, parts, rest]);
    let end = chunk(b"IEND", b"");
    let bomb = deflated(20_000);
    let mut wrong_sum = good.clone();
    wrong_sum[good.len() / 2] ^= 1;
    let texts = chunk(b"tEXt", b"Comment\0x").repeat(200_000);
    vec![
        ("png of 65535 x 65535", joined(&[&header(65_535, 65_535), &chunk(b"IDAT", &bomb), &end])),
        ("png of 2^31 x 1", joined(&[&header(0x7fff_ffff, 1), &chunk(b"IDAT", &bomb), &end])),
        ("png of 0 x 0", joined(&[&header(0, 0), &chunk(b"IDAT", b""), &end])),
        ("png flood, 1 bit", flood(20_000, 10_000, ColorType::Grayscale, BitDepth::One)),
        ("png flood, rgb", flood(10_000, 10_000, ColorType::Rgb, BitDepth::Eight)),
        ("png flood, 16 bits", flood(5000, 5000, ColorType::Rgba, BitDepth::Sixteen)),
        ("png flood, palette", flood(14_000, 14_000, ColorType::Indexed, BitDepth::Eight)),
        ("png that lies, 9000 x 9000", joined(&[&header(9000, 9000), &rest[..200], &end])),
        ("png without data", joined(&[&header(100, 100), &end])),
        ("png, half of it", half(good.clone())),
        ("png with a wrong sum", wrong_sum),
        ("png of 200000 texts", with(&texts)),
        ("png with a zTXt bomb", with(&chunk(b"zTXt", &joined(&[b"Comment\0\0", &bomb])))),
        ("png with an iCCP bomb", with(&chunk(b"iCCP", &joined(&[b"sRGB\0\0", &bomb])))),
        ("png with 8 MiB of iTXt", with(&chunk(b"iTXt", &vec![b'x'; 8 << 20]))),
        ("png of 2^32 frames", with(&chunk(b"acTL", &[0xff; 8]))),
        ("png with two headers", joined(&[head, &head[8..], rest])),
        ("png with 200 MB behind a pixel", joined(&[&header(1, 1), &chunk(b"IDAT", &bomb), &end])),
        ("png with empty IDATs", with(&chunk(b"IDAT", b"").repeat(100_000))),
    ]
}

/// A GIF's head with a palette of two colours.
fn gif(width: u16, height: u16) -> Vec<u8> {
    let size = [width.to_le_bytes(), height.to_le_bytes()].concat();
    joined(&[b"GIF89a", &size, b"\x80\0\0\0\0\0\xff\xff\xff"])
}

/// A frame of one pixel, that says that it is larger if `side` does.
fn gif_frame(side: u16) -> Vec<u8> {
    let size = side.to_le_bytes().repeat(2);
    joined(&[b"\x21\xf9\x04\0\x05\0\0\0,\0\0\0\0", &size, b"\0\x02\x02\x44\x01\0"])
}

fn gifs() -> Vec<File> {
    let frames = |side, frame, count| {
        let frames = gif_frame(frame).repeat(count);
        joined(&[&gif(side, side), &frames, b";"])
    };
    let comment =
        joined(&[b"\x21\xfe", &[b"\xff", &[b'x'; 255][..]].concat().repeat(30_000), b"\0"]);
    vec![
        ("gif of 65535 x 65535", frames(65_535, 65_535, 1)),
        ("gif with a frame beyond it", frames(1, 65_535, 1)),
        ("gif of 1000 large frames", frames(4000, 1, 1000)),
        ("gif of 190 frames of a megapixel", frames(1000, 1, 190)),
        ("gif of 50000 frames", frames(1, 1, 50_000)),
        ("gif of 9000 frames", frames(100, 1, 9000)),
        ("gif with 8 MB of comment", joined(&[&gif(9, 9), &comment, &gif_frame(1), b";"])),
        ("gif, half of it", half(honest(Target::Gif))),
        ("gif that lies about its frames", frames(3000, 3000, 20)),
        ("gif without a frame", joined(&[&gif(100, 100), b";"])),
    ]
}

fn riff(parts: &[u8], length: Option<u32>) -> Vec<u8> {
    let length = length.unwrap_or(parts.len() as u32 + 4);
    joined(&[b"RIFF", &length.to_le_bytes(), b"WEBP", parts])
}

fn webps() -> Vec<File> {
    let good = honest(Target::WebP);
    let mut moving = Animation::new(How { lossless: true, ..how(Target::WebP) }, false);
    for frame in 0..90u8 {
        moving.add(Raster::filled(1400, 1400, [frame * 2, 9, 9, 255]), 20).unwrap();
    }
    let lying = joined(&[b"VP8L\x08\0\0\0\x2f\xff\xff\xff\x0f\0\0\0", &[0; 8]]);
    let extended = b"VP8X\x0a\0\0\0\x10\0\0\0\xff\xff\xff\xff\xff\xff";
    let plain = How { lossless: true, ..how(Target::WebP) };
    let large = Raster::filled(6000, 6000, [1, 2, 3, 255]);
    vec![
        ("webp of 16384 x 16384", riff(&lying, None)),
        ("webp with a canvas of 2^24", riff(&joined(&[extended, &good[12..]]), None)),
        ("webp of 4 GB", riff(&good[12..], Some(u32::MAX - 1))),
        ("webp, half of it", half(good)),
        ("webp flood", encode::still(large, &plain, &Metadata::default()).unwrap()),
        ("webp of 90 large frames", moving.finish(0, &Metadata::default()).unwrap()),
        ("webp of nothing", riff(b"", None)),
    ]
}

fn bmp(width: i32, height: i32, bits: u16, coding: u32, colours: u32, data: &[u8]) -> Vec<u8> {
    let table = [9u8, 9, 9, 0].repeat(if bits <= 8 { 1 << bits } else { 0 });
    let mut file = b"BM".to_vec();
    file.extend((54 + (table.len() + data.len()) as u32).to_le_bytes());
    file.extend([0; 4]);
    file.extend((54 + table.len() as u32).to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend([width.to_le_bytes(), height.to_le_bytes()].concat());
    file.extend([1u16.to_le_bytes(), bits.to_le_bytes()].concat());
    file.extend(coding.to_le_bytes());
    file.extend([0; 12]);
    file.extend([colours.to_le_bytes(), [0; 4]].concat());
    joined(&[&file, &table, data])
}

fn bitmaps() -> Vec<File> {
    let runs = joined(&[&[255u8, 1].repeat(79), b"\0\0"]).repeat(10_000);
    vec![
        ("bmp of 30000 x 30000", bmp(30_000, 30_000, 24, 0, 0, &[0; 100])),
        ("bmp that lies, 8000 x 8000", bmp(8000, 8000, 24, 0, 0, &[0; 100])),
        ("bmp of runs", bmp(20_000, 10_000, 8, 1, 0, &runs)),
        ("bmp of -2^31", bmp(1, i32::MIN, 24, 0, 0, &[0; 100])),
        ("bmp of 2^32 colours", bmp(100, 100, 8, 0, u32::MAX, &[0; 100])),
        ("ico of 65535 pictures", joined(&[b"\0\0\x01\0\xff\xff", &[1; 4000]])),
        ("ico around a large png", {
            let png = header(60_000, 60_000);
            let length = (png.len() as u32).to_le_bytes();
            joined(&[b"\0\0\x01\0\x01\0\0\0\0\0\x01\0\x20\0", &length, b"\x16\0\0\0", &png])
        }),
        ("ppm of 65535 x 65535", b"P6 65535 65535 255\nabc".to_vec()),
        ("pbm with long numbers", joined(&[b"P1 ", &vec![b'9'; 4 << 20], b" 3\n"])),
        ("ppm that lies, 8000 x 8000", b"P6 8000 8000 255\nabc".to_vec()),
    ]
}

/// A TIFF of one directory; each entry is tag, type, count and value.
fn tiff(entries: &[(u16, u16, u32, u32)], next: u32, data: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    file.extend(next.to_le_bytes());
    joined(&[&file, data])
}

fn tiffs() -> Vec<File> {
    let start = 8 + 2 + 9 * 12 + 4;
    let grey = |side: u32, coding: u32, length: u32| {
        [
            (256, 4, 1, side),
            (257, 4, 1, side),
            (258, 3, 1, 8),
            (259, 3, 1, coding),
            (262, 3, 1, 1),
            (273, 4, 1, start),
            (277, 3, 1, 1),
            (278, 4, 1, side),
            (279, 4, 1, length),
        ]
    };
    let packed = [0x81u8, 7].repeat(12_000 * 12_000 / 128);
    let plain = vec![7; 300 * 300];
    let mut many = grey(300, 1, 9);
    many[5] = (273, 4, u32::MAX, start);
    vec![
        ("tiff of 65535 x 65535", tiff(&grey(65_535, 1, 9), 0, b"123456789")),
        ("tiff that lies, 9000 x 9000", tiff(&grey(9000, 1, 81_000_000), 0, b"123456789")),
        ("tiff of runs", tiff(&grey(12_000, 32_773, packed.len() as u32), 0, &packed)),
        ("tiff in a circle", tiff(&grey(300, 1, 90_000), 8, &plain)),
        ("tiff of 2^32 strips", tiff(&many, 0, &plain)),
        ("tiff, half of it", half(tiff(&grey(300, 1, 90_000), 0, &plain))),
    ]
}

fn jpegs() -> Vec<File> {
    let good = honest(Target::Jpeg);
    let progressive = How { progressive: true, ..how(Target::Jpeg) };
    let raster = Raster::filled(2000, 2000, [90, 80, 70, 255]);
    let scans = encode::still(raster, &progressive, &Metadata::default()).unwrap();
    let marked = |start: &[u8], data: &[u8], times: usize| {
        let length = ((start.len() + data.len()) as u16).to_be_bytes();
        // The marker's own two bytes are not counted.
        let length = (u16::from_be_bytes(length)).to_be_bytes();
        let part = joined(&[&start[..2], &length, &start[2..], data]).repeat(times);
        joined(&[&good[..2], &part, &good[2..]])
    };
    let mut large = good.clone();
    let frame = find(&good, 0xc0);
    large[frame + 5..frame + 9].fill(0xff);
    let changed = |at: usize, value: u8| {
        let mut file = good.clone();
        file[frame + at] = value;
        file
    };
    let mut flat = good.clone();
    flat[frame + 5..frame + 7].fill(0);
    let loop_exif = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0";
    let last = scans.windows(2).rposition(|it| it == [0xff, 0xda]).unwrap();
    let again = scans[last..scans.len() - 2].repeat(90);
    let many = scans[last..scans.len() - 2].repeat(3000);
    vec![
        ("jpeg of 65535 x 65535", large),
        ("jpeg of no height", flat),
        ("jpeg of 90 more scans", joined(&[&scans[..scans.len() - 2], &again, b"\xff\xd9"])),
        ("jpeg of 3000 more scans", joined(&[&scans[..scans.len() - 2], &many, b"\xff\xd9"])),
        ("jpeg, half of it", half(good.clone())),
        ("jpeg with 8 MB of profile", marked(b"\xff\xe2ICC_PROFILE\0\x01\x01", &[7; 60_000], 140)),
        ("jpeg with 8 MB of EXIF", marked(b"\xff\xe1Exif\0\0", &[7; 60_000], 140)),
        ("jpeg with EXIF in a circle", marked(b"\xff\xe1Exif\0\0", loop_exif, 1)),
        ("jpeg of 12 bits", changed(4, 12)),
        ("jpeg of arithmetic codes", changed(1, 0xc9)),
        ("jpeg of 200 parts", changed(9, 200)),
        ("jpeg with 8 MB of filling", joined(&[&good[..2], &vec![0xff; 8 << 20], &good[2..]])),
        ("jpeg in CMYK", cmyk()),
    ]
}

/// Where a marker stands.
fn find(file: &[u8], marker: u8) -> usize {
    file.windows(2).position(|it| it == [0xff, marker]).unwrap()
}

fn cmyk() -> Vec<u8> {
    let mut compress = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_CMYK);
    compress.set_size(640, 480);
    let mut writing = compress.start_compress(Vec::new()).unwrap();
    let pixels: Vec<u8> = (0..640 * 480 * 4).map(|it| (it / 7) as u8).collect();
    writing.write_scanlines(&pixels).unwrap();
    writing.finish().unwrap()
}

fn mixed() -> Vec<File> {
    let page = b"<!DOCTYPE html><script>alert(1)</script>";
    let mut rng = fastrand::Rng::with_seed(5);
    let noise: Vec<u8> = (0..1 << 20).map(|_| rng.u8(..)).collect();
    vec![
        ("jpeg and page", joined(&[&honest(Target::Jpeg), page])),
        ("gif and script", joined(&[b"GIF89a=1;/*", page, b"*/"])),
        ("png and archive", joined(&[&honest(Target::Png), b"PK\x03\x04", &noise[..9000]])),
        ("page", page.to_vec()),
        ("paper", joined(&[b"%PDF-1.7\n", &noise[..9000]])),
        ("nothing", Vec::new()),
        ("noise", noise.clone()),
        ("jpeg of noise", joined(&[b"\xff\xd8\xff\xe0", &noise])),
        ("webp of noise", riff(&joined(&[b"VP8 \0\0\x10\0", &noise]), None)),
    ]
}
