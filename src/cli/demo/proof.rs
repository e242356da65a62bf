//! Bytes that prove themselves: whoever reads a piece of them can tell which URL, which version and
//! which offset they belong to.
//!
//! The stream has no end of its own and consists of lines of [`LINE`] bytes:
//!
//! ```text
//! brink-proof at=000000000128 v=00000001 url=127.0.0.1:8080/bytes/100000                  \n
//!                |               |           |
//!                offset of the   version,    host, path and query, padded with spaces to 84 bytes;
//!                line, decimal   hex         a longer one is cut to 67, `~` and its FNV-1a hash
//! ```
//!
//! So a cache that mixes up objects, versions or offsets is found out by [`verify`]. The demo's
//! origin serves this, and tests check it with the same functions.

/// The length of a line, its `\n` included.
pub const LINE: usize = 128;

const HEAD: &[u8] = b"brink-proof at=";
const OFFSET: usize = 12;
const VERSION_MARK: &[u8] = b" v=";
const VERSION: usize = 8;
const URL_MARK: &[u8] = b" url=";
const URL: usize = LINE - HEAD.len() - OFFSET - VERSION_MARK.len() - VERSION - URL_MARK.len() - 1;
/// How much of a URL that is too long is kept before `~` and 16 digits of its hash.
const URL_KEPT: usize = URL - 17;

/// The stream that belongs to one URL in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// A line whose offset is left at zero.
    line: [u8; LINE],
}

/// What is wrong with bytes that were to prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is no whole line in them, so they do not say what they are; a [`Proof`] can still
    /// verify them.
    TooShort,
    /// The byte at this offset of the stream is not what the first whole line promises.
    At(u64),
}

/// The bytes from `offset` of the stream that belongs to `url` in `version`.
pub fn chunk(url: &str, version: u32, offset: u64, length: usize) -> Vec<u8> {
    Proof::new(url, version).chunk(offset, length)
}

/// Whether `bytes` are what a stream has at `offset`; tells which stream.
///
/// The first whole line says which it is, and every byte must then be right. Offsets count modulo
/// 10^12.
pub fn verify(bytes: &[u8], offset: u64) -> Result<Proof, Wrong> {
    let skipped = (LINE - (offset % LINE as u64) as usize) % LINE;
    let first = bytes.get(skipped..).and_then(|rest| rest.get(..LINE)).ok_or(Wrong::TooShort)?;
    let mut line = [0; LINE];
    line.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
    let proof = Proof { line };
    proof.verify(bytes, offset)?;
    // The bytes agree with their first line; now that line must be one that we write.
    let again = Proof::of_label(proof.label(), proof.version().ok_or(Wrong::At(offset))?);
    again.verify(bytes, offset)?;
    Ok(again)
}

impl Proof {
    /// The stream of `url` (host, path and query) in `version`.
    pub fn new(url: &str, version: u32) -> Self {
        Proof::of_label(&label(url), version)
    }

    fn of_label(label: &[u8], version: u32) -> Self {
        let mut line = [b' '; LINE];
        let version = format!("{version:08x}");
        let parts = [HEAD, &[b'0'; OFFSET], VERSION_MARK, version.as_bytes(), URL_MARK, label];
        line.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
        if let Some(last) = line.last_mut() {
            *last = b'\n';
        }
        Proof { line }
    }

    /// `length` bytes from `offset`.
    pub fn chunk(&self, offset: u64, length: usize) -> Vec<u8> {
        let skipped = (offset % LINE as u64) as usize;
        let mut bytes = Vec::with_capacity(length + 2 * LINE);
        let mut line = self.line;
        let mut at = offset - skipped as u64;
        while bytes.len() < skipped + length {
            stamp(&mut line, at);
            bytes.extend_from_slice(&line);
            at += LINE as u64;
        }
        bytes.drain(..skipped);
        bytes.truncate(length);
        bytes
    }

    /// Whether `bytes`, however few, are what this stream has at `offset`.
    pub fn verify(&self, bytes: &[u8], offset: u64) -> Result<(), Wrong> {
        let mut at = offset;
        for piece in bytes.chunks(64 << 10) {
            let right = self.chunk(at, piece.len());
            if let Some(wrong) = piece.iter().zip(&right).position(|(is, should)| is != should) {
                return Err(Wrong::At(at + wrong as u64));
            }
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// The URL as a line shows it.
    pub fn url(&self) -> String {
        String::from_utf8_lossy(self.label()).trim_end().to_owned()
    }

    /// The version; absent when the line is none of ours.
    pub fn version(&self) -> Option<u32> {
        let start = HEAD.len() + OFFSET + VERSION_MARK.len();
        let digits = std::str::from_utf8(self.line.get(start..start + VERSION)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn label(&self) -> &[u8] {
        self.line.get(LINE - 1 - URL..LINE - 1).unwrap_or_default()
    }
}

/// Writes the offset `at` into a line.
fn stamp(line: &mut [u8; LINE], at: u64) {
    let mut rest = at;
    for digit in line.iter_mut().skip(HEAD.len()).take(OFFSET).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}

fn label(url: &str) -> Vec<u8> {
    let shown: Vec<u8> =
        url.bytes().map(|byte| if byte.is_ascii_graphic() { byte } else { b'?' }).collect();
    if shown.len() <= URL {
        return shown;
    }
    let hash = url.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut label = shown;
    label.truncate(URL_KEPT);
    label.extend_from_slice(format!("~{hash:016x}").as_bytes());
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_piece_says_what_it_is(
            url in "[a-z./:?=0-9]{1,150}", version: u32, offset in 0u64..1 << 36, length in 256usize..999,
        ) {
            let piece = chunk(&url, version, offset, length);
            prop_assert_eq!(piece.len(), length);
            let proof = verify(&piece, offset).unwrap();
            prop_assert_eq!(&proof, &Proof::new(&url, version));
            prop_assert_eq!(proof.version(), Some(version));
        }

        #[test]
        fn any_changed_byte_is_found(at in 0usize..700, change in 1u8..) {
            let mut piece = chunk("a/b", 1, 77, 700);
            piece[at] ^= change;
            prop_assert_ne!(verify(&piece, 77).ok(), Some(Proof::new("a/b", 1)));
            prop_assert_eq!(Proof::new("a/b", 1).verify(&piece, 77), Err(Wrong::At(77 + at as u64)));
        }

        #[test]
        fn pieces_join(cut in 0usize..1000) {
            let whole = chunk("a/b", 2, 0, 1000);
            let joined = [chunk("a/b", 2, 0, cut), chunk("a/b", 2, cut as u64, 1000 - cut)].concat();
            prop_assert_eq!(whole, joined);
        }
    }

    #[test]
    fn a_line_can_be_read() {
        let line = String::from_utf8(chunk("demo.localhost/bytes/9", 0x2a, 256, LINE)).unwrap();
        assert!(
            line.starts_with("brink-proof at=000000000256 v=0000002a url=demo.localhost/bytes/9 ")
        );
        assert!(line.ends_with(" \n"));
        assert_eq!(verify(line.as_bytes(), 256).unwrap().url(), "demo.localhost/bytes/9");
    }

    #[test]
    fn other_urls_versions_and_offsets_are_found_out() {
        let piece = chunk("a/b", 1, 0, 1000);
        assert_eq!(verify(&piece, 128), Err(Wrong::At(128 + 15 + 9)));
        assert!(Proof::new("a/c", 1).verify(&piece, 0).is_err());
        assert!(Proof::new("a/b", 2).verify(&piece, 0).is_err());
        let mixed = [chunk("a/b", 1, 0, 500), chunk("a/b", 2, 500, 500)].concat();
        assert!(verify(&mixed, 0).is_err());
        assert_eq!(verify(&piece[..100], 0), Err(Wrong::TooShort));
        assert!(verify(&[b'x'; 500], 0).is_err());
        let long = |end| format!("{}{end}", "a".repeat(100));
        assert_ne!(Proof::new(&long("b"), 1), Proof::new(&long("c"), 1));
    }
}
