//! Kinds of damage to a store's file.

use std::sync::Arc;

use fastrand::Rng;

use crate::damage::Stores;

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const MIB: usize = 1 << 20;

/// What is done to a file.
pub type Harm = fn(&mut Victim);

/// The kinds of damage, and the share of bytes that must on average outlive each, in percent.
pub const KINDS: [(&str, Harm, f64); 13] = [
    ("payload bits", Victim::payload_bits, 50.0),
    ("record headers", Victim::record_headers, 50.0),
    ("footers", Victim::footers, 90.0),
    ("one superblock", Victim::superblock, 99.0),
    ("snapshots", Victim::snapshots, 99.0),
    ("zeroed ranges", Victim::zeroed_ranges, 50.0),
    ("random ranges", Victim::random_ranges, 50.0),
    ("swapped segments", Victim::swapped_segments, 50.0),
    ("truncated file", Victim::truncated, 0.0),
    ("torn sectors", Victim::torn_sectors, 30.0),
    ("older segments", Victim::older_segments, 50.0),
    ("foreign segments", Victim::foreign_segments, 50.0),
    ("another version", Victim::another_version, 0.0),
];

/// A copy of a store's file, half of them with a snapshot, after some damage.
pub fn harmed(harm: Harm, stores: &Arc<Stores>, seed: u64) -> Vec<u8> {
    let file = if seed.is_multiple_of(2) { &stores.clean } else { &stores.killed };
    let mut victim =
        Victim { bytes: file.clone(), stores: stores.clone(), rng: Rng::with_seed(seed) };
    harm(&mut victim);
    victim.bytes
}

/// A file that is being damaged.
pub struct Victim {
    bytes: Vec<u8>,
    stores: Arc<Stores>,
    rng: Rng,
}

impl Victim {
    /// Where the segments begin, and how long each is.
    fn segments(&self) -> (Vec<usize>, usize) {
        let number = |at: usize, length: usize| {
            let bytes = self.bytes[at..at + length].iter().rev();
            bytes.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let (size, count, start) = (number(48, 4), number(52, 4), number(72, 8));
        ((0..count).map(|it| start + it * size).collect(), size)
    }

    /// A segment, in use or not.
    fn segment(&mut self) -> usize {
        let (starts, _) = self.segments();
        starts[self.rng.usize(..starts.len())]
    }

    /// A place in a segment that is in use.
    fn place(&mut self) -> usize {
        let (mut starts, size) = self.segments();
        starts.retain(|at| self.bytes[*at..].starts_with(b"brinkseg"));
        starts[self.rng.usize(..starts.len())] + self.rng.usize(..size)
    }

    /// The sectors with these bytes, `within` bytes from their beginning.
    fn find(&self, magic: &[u8], within: usize) -> Vec<usize> {
        let start = self.segments().0[0];
        let sectors = (start..self.bytes.len() - SECTOR).step_by(SECTOR);
        sectors.filter(|at| self.bytes[at + within..].starts_with(magic)).collect()
    }

    fn flip(&mut self, at: usize) {
        self.bytes[at] ^= 1 << self.rng.u8(..8);
    }

    fn payload_bits(&mut self) {
        for _ in 0..self.rng.usize(1..40) {
            let at = self.place();
            self.flip(at);
        }
    }

    fn record_headers(&mut self) {
        let headers = self.find(b"brnk", 0);
        for _ in 0..self.rng.usize(1..40) {
            let at = headers[self.rng.usize(..headers.len())] + self.rng.usize(..96);
            self.flip(at);
        }
    }

    fn footers(&mut self) {
        for at in self.find(b"brinkend", SECTOR - 64) {
            for _ in 0..self.rng.usize(0..4) {
                let at = at + SECTOR - self.rng.usize(1..=200);
                self.flip(at);
            }
        }
    }

    fn superblock(&mut self) {
        let at = self.rng.usize(..2) * PAGE + self.rng.usize(..84);
        self.flip(at);
    }

    fn snapshots(&mut self) {
        let end = self.segments().0[0];
        let areas = [2 * PAGE, PAGE + end / 2];
        for _ in 0..self.rng.usize(1..40) {
            let at = match self.rng.bool() {
                true => areas[self.rng.usize(..2)] + self.rng.usize(..48),
                false => self.rng.usize(2 * PAGE..end),
            };
            self.flip(at);
        }
    }

    fn zeroed_ranges(&mut self) {
        self.ranges(|bytes, _| bytes.fill(0));
    }

    fn random_ranges(&mut self) {
        self.ranges(|bytes, rng| rng.fill(bytes));
    }

    fn ranges(&mut self, harm: fn(&mut [u8], &mut Rng)) {
        for _ in 0..self.rng.usize(1..6) {
            let at = self.place();
            let end = (at + self.rng.usize(1..MIB)).min(self.bytes.len());
            harm(&mut self.bytes[at..end], &mut self.rng);
        }
    }

    fn swapped_segments(&mut self) {
        let (_, size) = self.segments();
        for _ in 0..self.rng.usize(1..4) {
            let (one, other) = (self.segment(), self.segment());
            let kept = self.bytes[one..one + size].to_vec();
            self.bytes.copy_within(other..other + size, one);
            self.bytes[other..other + size].copy_from_slice(&kept);
        }
    }

    fn truncated(&mut self) {
        let length = self.rng.usize(..self.bytes.len());
        self.bytes.truncate(length);
    }

    fn torn_sectors(&mut self) {
        for _ in 0..self.rng.usize(1..60) {
            let at = self.place() / SECTOR * SECTOR;
            let sector = at..(at + SECTOR).min(self.bytes.len());
            match self.rng.u8(..3) {
                0 => self.bytes[sector].fill(0),
                1 => self.bytes[sector.clone()].copy_from_slice(&self.stores.older[sector]),
                _ => self.bytes[sector.clone()].copy_from_slice(&self.stores.foreign[sector]),
            }
        }
    }

    fn older_segments(&mut self) {
        self.segments_from(|stores| &stores.older);
    }

    fn foreign_segments(&mut self) {
        self.segments_from(|stores| &stores.foreign);
    }

    /// Takes some segments from another file, not always to the same place.
    fn segments_from(&mut self, other: fn(&Stores) -> &Vec<u8>) {
        let (_, size) = self.segments();
        for _ in 0..self.rng.usize(1..6) {
            let to = self.segment();
            let from = if self.rng.bool() { to } else { self.segment() };
            let part = &other(&self.stores)[from..from + size];
            self.bytes[to..to + size].copy_from_slice(part);
        }
    }

    /// The superblocks, or some segments, are good and of a version to come.
    fn another_version(&mut self) {
        let pages = match self.rng.bool() {
            true => vec![(0, 80), (PAGE, 80)],
            false => self.segments().0.into_iter().map(|at| (at, 36)).collect(),
        };
        for (at, sum) in pages {
            if self.bytes[at..].starts_with(b"brink") && (sum == 80 || self.rng.bool()) {
                self.bytes[at + 8] = 2;
                let seal = crc32c::crc32c(&self.bytes[at..at + sum]);
                self.bytes[at + sum..at + sum + 4].copy_from_slice(&seal.to_le_bytes());
            }
        }
    }
}
