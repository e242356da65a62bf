//! Where everything lies in a store's file.
//!
//! ```text
//! 0       4 KiB   8 KiB                                             start
//! | superblock | superblock | snapshot area | snapshot area | … | segment 0 | segment 1 | …
//! ```
//!
//! A segment is a two-hundredth of the disk, but at least 2 MiB and at most 64 MiB, a whole number of
//! mebibytes. The geometry is settled when the store is formatted; another size formats it anew,
//! since the index would not fit.

/// The smallest piece that a disk writes whole; records begin at a multiple of it.
pub(super) const SECTOR: usize = 512;
/// A page of the page cache, and the size of a superblock and of a segment's header.
pub(super) const PAGE: usize = 4096;
/// Bytes of payload under one checksum.
pub(super) const BLOCK: usize = 64 << 10;

const MIB: u64 = 1 << 20;
/// A smaller disk is refused.
pub(super) const SMALLEST: u64 = 16 * MIB;
/// Segment numbers have 20 bits.
const MOST_SEGMENTS: u64 = 1 << 20;
/// Slots in a bucket of the index.
const SLOTS: u64 = 4;
/// Percent of the slots that are in use when records have their average size.
const LOAD: u64 = 85;

/// Where everything lies. All sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    /// Size of the whole file.
    pub size: u64,
    /// Size of a segment.
    pub segment: u32,
    /// How many segments there are.
    pub segments: u32,
    /// How many buckets the index has.
    pub buckets: u32,
    /// Size of one of the two snapshot areas.
    pub area: u64,
    /// Offset of segment 0.
    pub start: u64,
}

impl Geometry {
    /// Of a disk of `size` bytes for records of `average` bytes; nothing if it is too small.
    pub(super) fn of(size: u64, average: u64) -> Option<Geometry> {
        if size < SMALLEST {
            return None;
        }
        let segment = (size / 200).clamp(2 * MIB, 64 * MIB) / MIB * MIB;
        let records = size / average.max(SECTOR as u64);
        // An index of more than an eighth of the disk would leave a small disk nothing.
        let most = size / 8 / (SLOTS * 16);
        let buckets = (records * 100 / LOAD).div_ceil(SLOTS).max(64).min(most);
        let most_segments = (size / segment).min(MOST_SEGMENTS);
        let body = (most_segments * 16).next_multiple_of(PAGE as u64) + buckets * SLOTS * 16;
        let area = (PAGE as u64 + body).next_multiple_of(PAGE as u64);
        let start = 2 * PAGE as u64 + 2 * area;
        let segments = (size.saturating_sub(start) / segment).min(MOST_SEGMENTS);
        let geometry = Geometry {
            size,
            segment: segment as u32,
            segments: segments as u32,
            buckets: u32::try_from(buckets).unwrap_or(u32::MAX),
            area,
            start,
        };
        (segments >= 4).then_some(geometry)
    }

    /// Whether numbers read from a superblock make sense: nothing overlaps or ends beyond the file.
    pub(super) fn is_sound(&self) -> bool {
        let segment = u64::from(self.segment);
        let body = u64::from(self.segments) * 16 + u64::from(self.buckets) * SLOTS * 16;
        let fits = |it: u64| it <= self.size;
        (2 * MIB..=64 * MIB).contains(&segment)
            && segment.is_multiple_of(PAGE as u64)
            && (4..=MOST_SEGMENTS).contains(&u64::from(self.segments))
            && self.buckets > 0
            && fits(self.area)
            && fits(self.start)
            && self.area >= body + PAGE as u64
            && self.start >= 2 * self.area + 2 * PAGE as u64
            && fits(self.start + segment * u64::from(self.segments))
    }

    /// Offset of a segment in the file.
    pub(super) fn base(&self, segment: u32) -> u64 {
        self.start + u64::from(segment) * u64::from(self.segment)
    }

    /// Offset of the snapshot area 0 or 1.
    pub(super) fn snapshot(&self, which: u64) -> u64 {
        2 * PAGE as u64 + (which & 1) * self.area
    }

    /// So few free segments must always be there that reclaiming can copy.
    pub(super) fn reserve(&self) -> u32 {
        (self.segments / 100).max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_of_all_sizes_are_laid_out() {
        for size in [16 * MIB, 17 * MIB + 5, 100 * MIB, 10_000 * MIB, 20 << 40] {
            for average in [0, 4096, 64 << 10, 1 << 40] {
                let geometry = Geometry::of(size, average).unwrap();
                assert!(geometry.is_sound(), "{geometry:?}");
            }
        }
        assert_eq!(Geometry::of(16 * MIB, 65536).unwrap().segments, 7);
        assert_eq!(Geometry::of(1 << 40, 65536).unwrap().segment, 64 << 20);
        assert!(Geometry::of(16 * MIB - 1, 65536).is_none());
    }
}
