//! What the index knows of one record, in 16 bytes.
//!
//! ```text
//! first word   0 lock of the bucket 1 | chunk 1 | frequency 2 | size class 8 | segment 20 | tag 32
//! second word  0 offset / 512 17 | site 20 | expires in hours 20 | generation, its lowest bits, 7
//! ```
//!
//! A tag of zero is an empty slot. The generation's bits make all slots of a segment die at once
//! when it gets another one; the one in 128 that does not show is caught by the record's header.

use super::Kind;
use super::footer::Entry;
use super::geometry::SECTOR;
use super::record;

/// What the index knows of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub segment: u32,
    /// From the start of the segment.
    pub offset: u32,
    /// At least so many bytes hold the record, up to 6 % more than it has.
    pub span: u32,
    /// How often it was read, up to 3.
    pub frequency: u8,
    pub kind: Kind,
    pub site: u32,
    /// Hours since 1970 after which it is useless; 0 is never.
    pub hours: u32,
    /// The lowest 7 bits of its segment's generation.
    pub life: u8,
}

/// Most that is counted of how often a record is read.
pub(super) const MOST: u8 = 3;

impl Slot {
    /// Of a record in a segment of that generation, not read yet.
    pub(super) fn of(entry: &Entry, segment: u32, generation: u64) -> Slot {
        Slot {
            segment,
            offset: entry.offset,
            span: size_of_class(size_class(record::span(entry.length))),
            frequency: 0,
            kind: entry.kind,
            site: entry.site,
            hours: entry.hours,
            life: (generation & 0x7f) as u8,
        }
    }

    /// The two words, the bucket's lock bit not set.
    pub(super) fn encode(&self, tag: u32) -> (u64, u64) {
        let first = u64::from(self.kind == Kind::Chunk) << 1
            | u64::from(self.frequency & 3) << 2
            | u64::from(size_class(self.span)) << 4
            | u64::from(self.segment & 0xf_ffff) << 12
            | u64::from(tag) << 32;
        let second = u64::from((self.offset / SECTOR as u32) & 0x1_ffff)
            | u64::from(self.site & 0xf_ffff) << 17
            | u64::from(self.hours & 0xf_ffff) << 37
            | u64::from(self.life & 0x7f) << 57;
        (first, second)
    }

    /// What two words say.
    pub(super) fn decode(first: u64, second: u64) -> Slot {
        Slot {
            segment: (first >> 12 & 0xf_ffff) as u32,
            offset: (second & 0x1_ffff) as u32 * SECTOR as u32,
            span: size_of_class((first >> 4) as u8),
            frequency: (first >> 2 & 3) as u8,
            kind: if first >> 1 & 1 == 1 { Kind::Chunk } else { Kind::Meta },
            site: (second >> 17 & 0xf_ffff) as u32,
            hours: (second >> 37 & 0xf_ffff) as u32,
            life: (second >> 57) as u8,
        }
    }
}

/// The class of a size: exact up to 33 sectors, then 16 steps to each doubling. Counted from the
/// second sector on, so that a full chunk (header of one sector, payload of 2048) is exact.
fn size_class(bytes: u32) -> u8 {
    let beyond = bytes.div_ceil(SECTOR as u32).saturating_sub(1);
    if beyond < 16 {
        return beyond as u8;
    }
    let shift = 27 - beyond.leading_zeros();
    let steps = beyond.div_ceil(1 << shift);
    // 32 steps are 16 of the next doubling: the sum carries over by itself.
    (shift * 16 + steps).min(255) as u8
}

fn size_of_class(class: u8) -> u32 {
    let class = u32::from(class);
    let beyond = if class < 32 { class } else { (class % 16 + 16) << (class / 16 - 1) };
    beyond.saturating_add(1).saturating_mul(SECTOR as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_as_it_was_written() {
        let slot = Slot {
            segment: 0xf_ffff,
            offset: 0x1_ffff * 512,
            span: 2049 * 512,
            frequency: 3,
            kind: Kind::Chunk,
            site: 0xf_fffe,
            hours: 0xf_fffd,
            life: 0x7f,
        };
        let (first, second) = slot.encode(u32::MAX);
        assert_eq!(Slot::decode(first, second), slot);
        assert_eq!((first >> 32, first & 1), (u64::from(u32::MAX), 0));
    }

    #[test]
    fn size_classes_cover_with_little_waste() {
        for sectors in 1..=2049u32 {
            let covered = size_of_class(size_class(sectors * 512)) / 512;
            assert!(covered >= sectors && (covered - sectors) * 16 <= sectors, "{sectors}");
            assert_eq!(size_class(covered * 512), size_class(sectors * 512));
        }
        assert_eq!(size_of_class(size_class(2049 * 512)), 2049 * 512);
    }
}
