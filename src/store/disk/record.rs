//! One record: a header that says what and where it is, then the payload.
//!
//! ```text
//!  0 magic 4 | 4 version 1 | 5 kind 1 | 6 zero 2 | 8 store 8 | 16 generation 8 | 24 offset 4
//! 28 length 4 | 32 name 16 | 48 hash 8 | 56 fill_seq 8 | 64 expires 8 | 72 site 4
//! 76 CRC32C of the header but for itself 4
//! 80 one CRC32C 4 for each 64 KiB of payload, at least one
//!    payload: right behind; at 512 if it has 64 KiB or more
//! ```
//!
//! A record begins at a multiple of 512, and so that a payload of 64 KiB or more begins at a
//! multiple of 4 KiB: its blocks are whole pages of the page cache.

use bytes::Bytes;
use smallvec::SmallVec;

use super::geometry::{BLOCK, PAGE, SECTOR};
use super::name::Name;
use super::numbers::{put, u32_at, u64_at, u128_at};
use super::{Kind, LARGEST};

const MAGIC: u32 = 0x6b6e_7262;
const VERSION: u8 = 1;
const SUM: usize = 76;
const SUMS: usize = 80;
/// Bytes of the longest header.
pub(super) const LONGEST: usize = SUMS + 4 * (LARGEST / BLOCK);

/// What and where a record is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub kind: Kind,
    pub generation: u64,
    /// From the start of the segment.
    pub offset: u32,
    /// Bytes of the payload.
    pub length: u32,
    pub name: Name,
    pub hash: u64,
    pub fill_seq: u64,
    pub expires: u64,
    pub site: u32,
    /// Of each block of the payload.
    pub sums: SmallVec<[u32; LARGEST / BLOCK]>,
}

impl Header {
    /// The header as it is written.
    pub(super) fn encode(&self, store: u64) -> SmallVec<[u8; LONGEST]> {
        let mut bytes = SmallVec::from_elem(0, SUMS + 4 * blocks(self.length));
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        put(&mut bytes, 4, &[VERSION, u8::from(self.kind == Kind::Chunk)]);
        put(&mut bytes, 8, &store.to_le_bytes());
        put(&mut bytes, 16, &self.generation.to_le_bytes());
        put(&mut bytes, 24, &self.offset.to_le_bytes());
        put(&mut bytes, 28, &self.length.to_le_bytes());
        put(&mut bytes, 32, &self.name.bits().to_le_bytes());
        put(&mut bytes, 48, &self.hash.to_le_bytes());
        put(&mut bytes, 56, &self.fill_seq.to_le_bytes());
        put(&mut bytes, 64, &self.expires.to_le_bytes());
        put(&mut bytes, 72, &self.site.to_le_bytes());
        for (index, sum) in self.sums.iter().enumerate() {
            put(&mut bytes, SUMS + 4 * index, &sum.to_le_bytes());
        }
        let sum = sum_of(&bytes);
        put(&mut bytes, SUM, &sum.to_le_bytes());
        bytes
    }

    /// The header at the start of `bytes`, if it is whole and of this store.
    pub(super) fn decode(bytes: &[u8], store: u64) -> Option<Header> {
        let length = u32_at(bytes, 28);
        let named = u32_at(bytes, 0) == MAGIC && u64_at(bytes, 8) == store;
        if !named || bytes.get(4) != Some(&VERSION) || length as usize > LARGEST {
            return None;
        }
        let whole = bytes.get(..SUMS + 4 * blocks(length))?;
        if sum_of(whole) != u32_at(whole, SUM) {
            return None;
        }
        let kind = match whole.get(5) {
            Some(0) => Kind::Meta,
            Some(1) => Kind::Chunk,
            _ => return None,
        };
        Some(Header {
            kind,
            generation: u64_at(whole, 16),
            offset: u32_at(whole, 24),
            length,
            name: Name::from_bits(u128_at(whole, 32)),
            hash: u64_at(whole, 48),
            fill_seq: u64_at(whole, 56),
            expires: u64_at(whole, 64),
            site: u32_at(whole, 72),
            sums: (0..blocks(length)).map(|index| u32_at(whole, SUMS + 4 * index)).collect(),
        })
    }

    /// Whether `part`, which begins with block `first` and ends with a block, is as it was written.
    pub(super) fn matches(&self, first: usize, part: &[u8]) -> bool {
        let sums = self.sums.get(first..).unwrap_or_default();
        part.len().div_ceil(BLOCK) <= sums.len()
            && part.chunks(BLOCK).zip(sums).all(|(block, sum)| crc32c::crc32c(block) == *sum)
    }
}

/// Checksums of a payload, block by block.
pub(super) fn sums(payload: &Bytes) -> SmallVec<[u32; LARGEST / BLOCK]> {
    match payload.len() {
        0 => SmallVec::from_elem(0, 1),
        _ => payload.chunks(BLOCK).map(crc32c::crc32c).collect(),
    }
}

/// Where the payload begins in a record with so many bytes of it.
pub(super) fn prefix(length: u32) -> usize {
    if (length as usize) < BLOCK { SUMS + 4 } else { SECTOR }
}

/// Bytes of a record with so many bytes of payload, up to where the next may begin.
pub(super) fn span(length: u32) -> u32 {
    (prefix(length) + length as usize).next_multiple_of(SECTOR) as u32
}

/// The first offset, `at` or later, where a record with so many bytes of payload may begin.
pub(super) fn place(at: u32, length: u32) -> u32 {
    let at = at.next_multiple_of(SECTOR as u32);
    if (length as usize) < BLOCK {
        return at;
    }
    (at + SECTOR as u32).next_multiple_of(PAGE as u32) - SECTOR as u32
}

fn blocks(length: u32) -> usize {
    (length as usize).div_ceil(BLOCK).max(1)
}

fn sum_of(header: &[u8]) -> u32 {
    let before = crc32c::crc32c(header.get(..SUM).unwrap_or_default());
    crc32c::crc32c_append(before, header.get(SUMS..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_any_flipped_bit_shows() {
        let payload = Bytes::from(vec![7; 3 * BLOCK + 5]);
        let header = Header {
            kind: Kind::Chunk,
            generation: 1 << 40,
            offset: 3584,
            length: payload.len() as u32,
            name: Name::of_chunk(5, 6),
            hash: 11,
            fill_seq: 12,
            expires: 13,
            site: 14,
            sums: sums(&payload),
        };
        let bytes = header.encode(99);
        assert_eq!(Header::decode(&bytes, 99), Some(header.clone()));
        assert_eq!(Header::decode(&bytes, 98), None);
        assert!(header.matches(3, &payload[3 * BLOCK..]) && !header.matches(2, &payload[..9]));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bent, 99), None, "bit {bit}");
        }
        assert!((0..bytes.len()).all(|end| Header::decode(&bytes[..end], 99).is_none()));
    }

    #[test]
    fn large_payloads_begin_on_a_page() {
        for at in (4096..20_000).step_by(SECTOR) {
            let offset = place(at, BLOCK as u32);
            assert!(offset >= at && (offset as usize + prefix(BLOCK as u32)).is_multiple_of(PAGE));
            assert_eq!(place(at, 10), at);
        }
        assert_eq!(span(1 << 20), (1 << 20) + 512);
        assert_eq!(span(0), 512);
    }
}
