//! The index on disk, so that a start need not read every footer.
//!
//! ```text
//! area   = header 4 KiB | one entry 16 for each segment, padded to 4 KiB | all buckets 64 each
//! header =  0 magic 8 | 8 version 4 | 12 zero 4 | 16 store 8 | 24 sequence 8 | 32 segments 4
//!         | 36 buckets 4 | 40 CRC32C of all that follows 4 | 44 CRC32C of the above 4
//! entry  =  0 generation 8, or 0 | 8 zero 8
//! ```
//!
//! An entry is 0 unless the segment was sealed before the snapshot was begun: only the slots of those
//! count, and only as long as the segment is in the same life. The others are found by their footers
//! or by a scan, and the newer of two records of a name wins; so a snapshot may be old, and brings
//! nothing back that was reclaimed. The two areas take turns, and the header is written last.

use std::io;
use std::sync::atomic::Ordering;

use super::counters::COUNTERS;
use super::device::Device;
use super::geometry::PAGE;
use super::numbers::{is_sealed, put, seal, u32_at, u64_at};
use super::slots::Slots;
use super::superblock::Superblock;
use super::volume::Volume;

const MAGIC: &[u8; 8] = b"brinksnp";
const VERSION: u32 = 1;
const SUM: usize = 44;
/// Bytes of a bucket.
const BUCKET: usize = 64;
/// Buckets that are read or written at once: a mebibyte.
const PIECE: usize = 16 << 10;

impl Volume {
    /// Writes the index to the older area. Two calls at a time do not mix.
    pub(super) fn write_snapshot(&self) -> io::Result<()> {
        let mut sequence = self.snapshot.lock();
        let next = *sequence + 1;
        let geometry = self.geometry();
        let area = geometry.snapshot(next);
        // The old header must be gone before its body is: both have checksums, but it costs nothing.
        self.device.write_at(area, &vec![0; PAGE])?;
        let mut bytes = self.lives();
        let mut at = area + PAGE as u64;
        self.device.write_at(at, &bytes)?;
        at += bytes.len() as u64;
        let mut sum = crc32c::crc32c(&bytes);
        for begin in (0..self.slots.buckets()).step_by(PIECE) {
            bytes.clear();
            for index in begin..(begin + PIECE).min(self.slots.buckets()) {
                for word in self.slots.dump(index).unwrap_or_default() {
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
            }
            self.device.write_at(at, &bytes)?;
            at += bytes.len() as u64;
            sum = crc32c::crc32c_append(sum, &bytes);
        }
        self.device.sync()?;
        let mut page = vec![0; PAGE];
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, &VERSION.to_le_bytes());
        put(&mut page, 16, &self.superblock.store.to_le_bytes());
        put(&mut page, 24, &next.to_le_bytes());
        put(&mut page, 32, &geometry.segments.to_le_bytes());
        put(&mut page, 36, &geometry.buckets.to_le_bytes());
        put(&mut page, 40, &sum.to_le_bytes());
        seal(&mut page, SUM);
        self.device.write_at(area, &page)?;
        self.device.sync()?;
        *sequence = next;
        COUNTERS.snapshots.bump();
        Ok(())
    }

    /// The generations of the segments that are sealed now.
    fn lives(&self) -> Vec<u8> {
        let segments = self.geometry().segments;
        let mut bytes = vec![0; (segments as usize * 16).next_multiple_of(PAGE)];
        for number in 0..segments {
            let live = self.slots.live(number);
            if live.is_some_and(|live| live.sealed.load(Ordering::Acquire)) {
                let generation = self.slots.generation(number);
                put(&mut bytes, number as usize * 16, &generation.to_le_bytes());
            }
        }
        bytes
    }
}

/// The newest good index of a device and its number, with the segments whose slots it has marked as
/// sealed; nothing if there is none.
pub(super) fn load(
    device: &dyn Device,
    superblock: &Superblock,
) -> io::Result<Option<(Slots, u64)>> {
    let geometry = &superblock.geometry;
    let mut found = Vec::new();
    for which in 0..2 {
        let mut page = vec![0; PAGE];
        device.read_at(geometry.snapshot(which), &mut page)?;
        let good = page.starts_with(MAGIC)
            && u32_at(&page, 8) == VERSION
            && u64_at(&page, 16) == superblock.store
            && u32_at(&page, 32) == geometry.segments
            && u32_at(&page, 36) == geometry.buckets
            && u64_at(&page, 24) & 1 == which
            && is_sealed(&page, SUM);
        if good {
            found.push((u64_at(&page, 24), u32_at(&page, 40)));
        }
    }
    found.sort_unstable_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
    for (sequence, sum) in found {
        if let Some(slots) = body(device, superblock, sequence, sum)? {
            return Ok(Some((slots, sequence)));
        }
    }
    Ok(None)
}

fn body(
    device: &dyn Device,
    superblock: &Superblock,
    sequence: u64,
    expected: u32,
) -> io::Result<Option<Slots>> {
    let geometry = &superblock.geometry;
    let slots = Slots::new(geometry.buckets, geometry.segments, superblock.secret);
    let mut at = geometry.snapshot(sequence) + PAGE as u64;
    let mut bytes = vec![0; (geometry.segments as usize * 16).next_multiple_of(PAGE)];
    device.read_at(at, &mut bytes)?;
    at += bytes.len() as u64;
    let mut sum = crc32c::crc32c(&bytes);
    for number in 0..geometry.segments {
        let generation = u64_at(&bytes, number as usize * 16);
        slots.begin(number, generation);
        if let Some(live) = slots.live(number).filter(|_| generation != 0) {
            live.sealed.store(true, Ordering::Release);
        }
    }
    for begin in (0..slots.buckets()).step_by(PIECE) {
        let count = PIECE.min(slots.buckets() - begin);
        bytes.resize(count * BUCKET, 0);
        device.read_at(at, &mut bytes)?;
        at += bytes.len() as u64;
        sum = crc32c::crc32c_append(sum, &bytes);
        for (index, bucket) in bytes.chunks_exact(BUCKET).enumerate() {
            let mut words = [0; BUCKET / 8];
            for (place, word) in words.iter_mut().enumerate() {
                *word = u64_at(bucket, place * 8);
            }
            slots.load(begin + index, words);
        }
    }
    Ok((sum == expected).then_some(slots))
}
