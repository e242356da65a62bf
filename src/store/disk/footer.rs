//! The end of a full segment: what is in it, so that a start need not read it all.
//!
//! ```text
//! … | entry 32 | entry 32 | … | trailer 64 |  end of the segment
//! entry   =  0 name 16
//!         | 16 offset / 512 17 bits, length 21 bits, chunk 1 bit, zero 5 bits, site 20 bits
//!         | 24 expires in hours 20 bits, hash 44 bits
//! trailer =  0 magic 8 | 8 version 4 | 12 number 4 | 16 store 8 | 24 generation 8 | 32 count 4
//!         | 36 CRC32C of the entries 4 | 40 class 1 | 41 zero 19 | 60 CRC32C of the above 4
//! ```
//!
//! It is written when everything before it is durable. A footer whose generation is not that of the
//! segment's header is of a former life.

use super::Kind;
use super::geometry::SECTOR;
use super::name::{Name, mix};
use super::numbers::{is_sealed, put, seal, u32_at, u64_at, u128_at};
use super::record::Header;
use super::segment::{Life, class_byte, class_of};

const MAGIC: &[u8; 8] = b"brinkend";
const VERSION: u32 = 1;
const SUM: usize = 60;
/// Bytes of an entry.
pub(super) const ENTRY: usize = 32;
/// Bytes of the trailer.
pub(super) const TRAILER: usize = 64;

/// A record as the footer has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub name: Name,
    /// From the start of the segment.
    pub offset: u32,
    /// Bytes of the payload.
    pub length: u32,
    pub kind: Kind,
    pub site: u32,
    /// Hours since 1970 after which it is useless; 0 is never.
    pub hours: u32,
    /// What [`cut`] leaves of the hash of its URL.
    pub hash: u64,
}

/// A hash as the policy sees it: 44 bits are kept, and spread again over 64.
pub(super) fn cut(hash: u64) -> u64 {
    hash >> 20
}

/// What the policy is told in place of a hash.
pub(super) fn told(hash: u64) -> u64 {
    mix(cut(hash))
}

/// Hours for a time in seconds, rounded up so that nothing dies early.
pub(super) fn hours(seconds: u64) -> u32 {
    seconds.div_ceil(3600).min((1 << 20) - 1) as u32
}

impl Entry {
    /// Of a record's header.
    pub(super) fn of(header: &Header) -> Entry {
        Entry {
            name: header.name,
            offset: header.offset,
            length: header.length,
            kind: header.kind,
            site: header.site,
            hours: hours(header.expires),
            hash: cut(header.hash),
        }
    }

    fn encode(&self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        put(&mut bytes, 0, &self.name.bits().to_le_bytes());
        let place = u64::from(self.offset / SECTOR as u32)
            | u64::from(self.length) << 17
            | u64::from(self.kind == Kind::Chunk) << 38
            | u64::from(self.site) << 44;
        put(&mut bytes, 16, &place.to_le_bytes());
        put(&mut bytes, 24, &(u64::from(self.hours) | self.hash << 20).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Entry {
        let (place, rest) = (u64_at(bytes, 16), u64_at(bytes, 24));
        Entry {
            name: Name::from_bits(u128_at(bytes, 0)),
            offset: (place & 0x1_ffff) as u32 * SECTOR as u32,
            length: (place >> 17 & 0x1f_ffff) as u32,
            kind: if place >> 38 & 1 == 1 { Kind::Chunk } else { Kind::Meta },
            site: (place >> 44) as u32,
            hours: (rest & 0xf_ffff) as u32,
            hash: rest >> 20,
        }
    }
}

/// Bytes of a footer of so many entries.
pub(super) fn size(entries: usize) -> usize {
    entries * ENTRY + TRAILER
}

/// The footer as it is written, to end where the segment ends.
pub(super) fn encode(entries: &[Entry], life: Life, store: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size(entries.len()));
    for entry in entries {
        bytes.extend_from_slice(&entry.encode());
    }
    let sum = crc32c::crc32c(&bytes);
    let mut trailer = [0; TRAILER];
    put(&mut trailer, 0, MAGIC);
    put(&mut trailer, 8, &VERSION.to_le_bytes());
    put(&mut trailer, 12, &life.number.to_le_bytes());
    put(&mut trailer, 16, &store.to_le_bytes());
    put(&mut trailer, 24, &life.generation.to_le_bytes());
    put(&mut trailer, 32, &(entries.len() as u32).to_le_bytes());
    put(&mut trailer, 36, &sum.to_le_bytes());
    put(&mut trailer, 40, &[class_byte(life.class)]);
    seal(&mut trailer, SUM);
    bytes.extend_from_slice(&trailer);
    bytes
}

/// What a trailer says: the life it closes, how many entries lie before it, and their checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    pub life: Life,
    pub count: usize,
    sum: u32,
}

impl Trailer {
    /// What the last [`TRAILER`] bytes of segment `number` say, if they are good.
    pub(super) fn decode(bytes: &[u8], store: u64, number: u32) -> Option<Trailer> {
        let named = bytes.starts_with(MAGIC)
            && u32_at(bytes, 8) == VERSION
            && u32_at(bytes, 12) == number
            && u64_at(bytes, 16) == store;
        if !named || !is_sealed(bytes, SUM) {
            return None;
        }
        let class = class_of(*bytes.get(40)?)?;
        let life = Life { number, generation: u64_at(bytes, 24), class };
        Some(Trailer { life, count: u32_at(bytes, 32) as usize, sum: u32_at(bytes, 36) })
    }

    /// The entries in `bytes`, which must be all of them, if they are good.
    pub(super) fn entries<'a>(&self, bytes: &'a [u8]) -> Option<impl Iterator<Item = Entry> + 'a> {
        let whole = bytes.len() == self.count * ENTRY && crc32c::crc32c(bytes) == self.sum;
        whole.then(|| bytes.chunks_exact(ENTRY).map(Entry::decode))
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Class;
    use super::*;

    #[test]
    fn a_footer_is_read_as_it_was_written() {
        let entry = |index: u32| Entry {
            name: Name::of_chunk(3, index),
            offset: 512 * (131_071 - index),
            length: (1 << 20) - index,
            kind: if index == 0 { Kind::Meta } else { Kind::Chunk },
            site: (1 << 20) - 1 - index,
            hours: (1 << 20) - 1,
            hash: cut(u64::MAX - u64::from(index)),
        };
        let entries = [entry(0), entry(1), entry(2)];
        let life = Life { number: 5, generation: 77, class: Class::Proved };
        let bytes = encode(&entries, life, 9);
        let (body, end) = bytes.split_at(bytes.len() - TRAILER);
        let trailer = Trailer::decode(end, 9, 5).unwrap();
        assert_eq!((trailer.life, trailer.count), (life, 3));
        assert_eq!(trailer.entries(body).unwrap().collect::<Vec<_>>(), entries);
        assert!(Trailer::decode(end, 8, 5).is_none() && Trailer::decode(end, 9, 6).is_none());
        assert!(trailer.entries(&bytes[32..96]).is_none());
    }
}
