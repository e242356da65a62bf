//! Changes bytes of a file a little, and mends what would hide the change.

use fastrand::Rng;

/// Numbers at which something turns.
const NUMBERS: [u32; 14] = [
    0,
    1,
    2,
    7,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
];

/// What files grow to at most.
const LONGEST: usize = 1 << 20;

/// A file out of these, changed in a few places.
pub fn mutated(rng: &mut Rng, files: &[(&'static str, Vec<u8>)]) -> (&'static str, Vec<u8>) {
    let (name, mut bytes) = files[rng.usize(..files.len())].clone();
    for _ in 0..1 + rng.usize(..4) {
        change(rng, &mut bytes, files);
    }
    bytes.truncate(LONGEST);
    if rng.u8(..4) > 0 {
        mend(&mut bytes);
    }
    (name, bytes)
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, files: &[(&'static str, Vec<u8>)]) {
    if bytes.is_empty() {
        return;
    }
    let at = place(rng, bytes.len());
    let end = (at + [1, 4, 30, 300][rng.usize(..4)]).min(bytes.len());
    match rng.u8(..11) {
        0 => bytes[at] ^= 1 << rng.u8(..8),
        1 => bytes[at] = rng.u8(..),
        2..4 => write(rng, bytes, at),
        4 => drop(bytes.drain(at..end)),
        5 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        6 => {
            let part = bytes[at..end].repeat(1 + rng.usize(..200));
            bytes.splice(at..end, part);
        }
        7 => bytes[at..end].iter_mut().for_each(|it| *it = rng.u8(..)),
        8 => bytes[at..end].fill([0, 0xff][rng.usize(..2)]),
        9 => {
            let other = &files[rng.usize(..files.len())].1;
            let from = place(rng, other.len());
            let to = (from + end - at).min(other.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        _ => bytes.truncate(at),
    }
}

/// Anywhere, but often in the header.
fn place(rng: &mut Rng, length: usize) -> usize {
    match rng.u8(..4) {
        0 => rng.usize(..length.min(64)),
        1 => rng.usize(..length.min(700)),
        _ => rng.usize(..length),
    }
}

/// Writes a number of 1, 2 or 4 bytes of either order.
fn write(rng: &mut Rng, bytes: &mut [u8], at: usize) {
    let number = match rng.u8(..3) {
        0 => rng.u32(..),
        _ => NUMBERS[rng.usize(..NUMBERS.len())].wrapping_add(rng.u32(..3)).wrapping_sub(1),
    };
    let mut digits = number.to_le_bytes()[..[1, 2, 4][rng.usize(..3)]].to_vec();
    if rng.bool() {
        digits.reverse();
    }
    bytes.iter_mut().skip(at).zip(digits).for_each(|(to, from)| *to = from);
}

/// Makes the checksums of a PNG and the length of a RIFF right again.
fn mend(bytes: &mut [u8]) {
    if bytes.starts_with(b"\x89PNG") {
        let mut at = 8;
        while let Some(length) = bytes.get(at..at + 4) {
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            let Some(sum) = bytes.get(at + 4..at + 8 + length).map(checksum) else { break };
            let Some(place) = bytes.get_mut(at + 8 + length..at + 12 + length) else { break };
            place.copy_from_slice(&sum.to_be_bytes());
            at += 12 + length;
        }
    }
    if bytes.starts_with(b"RIFF") && bytes.len() > 12 {
        let length = (bytes.len() - 8) as u32;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
    }
}

/// The CRC-32 of PNG.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
