//! Which bytes of one body lie on disk: whole mebibytes, and what is left at its end.
//!
//! The disk may let go of any of them at any time. What is noted here is what was there when it was
//! last looked at; a reader that finds a mebibyte gone notes that, so that the next request has it
//! fetched again.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::disk::{Disks, Name, Now};

/// Bytes of a body in one record on disk; the last record of a body has what is left.
pub(super) const CHUNK: u64 = 1 << 20;

/// Where pieces that are read end: a multiple of this, so that each block is verified once.
const BLOCK: u64 = 64 << 10;

/// The part of a body that lies on disk; all bodies of the same bytes share one.
pub(super) struct Filed {
    disks: Arc<Disks>,
    object_id: u64,
    /// The records that are there, and those on their way.
    records: Mutex<Records>,
}

/// A bit for each record.
#[derive(Default)]
struct Records {
    here: Vec<u64>,
    coming: Vec<u64>,
}

/// What a look for bytes came to.
pub(super) enum Found {
    Bytes(Bytes),
    /// They may be there, but finding out takes a while.
    Later,
    /// They are gone.
    Gone,
}

impl Filed {
    /// Nothing on disk as yet.
    pub(super) fn new(disks: Arc<Disks>, object_id: u64) -> Arc<Self> {
        Arc::new(Filed { disks, object_id, records: Mutex::default() })
    }

    /// What the disk has of a body of `total` bytes.
    pub(super) fn find(disks: Arc<Disks>, object_id: u64, total: u64) -> Arc<Self> {
        let filed = Filed::new(disks, object_id);
        let last = total.div_ceil(CHUNK).min(u64::from(u32::MAX)) as u32;
        (0..last)
            .filter(|index| filed.disks.has(filed.name(*index)))
            .for_each(|index| filed.end(index, true));
        filed
    }

    /// The name of one record.
    pub(super) fn name(&self, index: u32) -> Name {
        Name::of_chunk(self.object_id, index)
    }

    /// Notes that a record is about to be written; false if it is there or on its way already.
    pub(super) fn begin(&self, index: u32) -> bool {
        let mut records = self.records.lock();
        if bit(&records.here, index.into()) || bit(&records.coming, index.into()) {
            return false;
        }
        set(&mut records.coming, index);
        true
    }

    /// Notes what came of writing a record.
    pub(super) fn end(&self, index: u32, stored: bool) {
        let mut records = self.records.lock();
        clear(&mut records.coming, index);
        if stored {
            set(&mut records.here, index);
        }
    }

    /// Notes that a record is gone.
    fn lose(&self, index: u32) {
        clear(&mut self.records.lock().here, index);
    }

    /// Whether a record is there.
    pub(super) fn has(&self, index: u32) -> bool {
        bit(&self.records.lock().here, u64::from(index))
    }

    /// Whether the record with the byte at `position` is there.
    pub(super) fn covers(&self, position: u64) -> bool {
        bit(&self.records.lock().here, position / CHUNK)
    }

    /// The ranges of a body of `total` bytes that are there.
    pub(super) fn present(&self, total: u64) -> Vec<Range<u64>> {
        let here = &self.records.lock().here;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (at, word) in here.iter().enumerate().filter(|(_, word)| **word != 0) {
            for index in (at as u64 * 64..).take(64).filter(|index| word >> (index % 64) & 1 == 1) {
                let (start, end) = (index * CHUNK, ((index + 1) * CHUNK).min(total));
                match ranges.last_mut() {
                    Some(last) if last.end == start => last.end = end,
                    _ if start < end => ranges.push(start..end),
                    _ => {}
                }
            }
        }
        ranges
    }

    /// The parts of `wanted` that are not there.
    pub(super) fn missing(&self, wanted: Range<u64>) -> Vec<Range<u64>> {
        let here = &self.records.lock().here;
        let mut gaps: Vec<Range<u64>> = Vec::new();
        let mut position = wanted.start;
        while position < wanted.end {
            let index = position / CHUNK;
            let next = ((index + 1) * CHUNK).min(wanted.end);
            if !bit(here, index) {
                match gaps.last_mut() {
                    Some(last) if last.end == position => last.end = next,
                    _ => gaps.push(position..next),
                }
            }
            position = next;
        }
        gaps
    }

    /// About `most` bytes from `position` on, at most to `until`, if they can be had without waiting.
    pub(super) fn read_now(&self, position: u64, until: u64, most: u64) -> Found {
        let (index, range) = piece(position, until, most);
        if !self.has(index) {
            return Found::Gone;
        }
        match self.disks.read_now(self.name(index), range) {
            Now::Bytes(bytes) if !bytes.is_empty() => Found::Bytes(bytes),
            Now::Later => Found::Later,
            Now::Bytes(_) | Now::Gone => {
                self.lose(index);
                Found::Gone
            }
        }
    }

    /// The same, waiting for the disk. `None` if they are gone.
    pub(super) async fn read(&self, position: u64, until: u64, most: u64) -> Option<Bytes> {
        let (index, range) = piece(position, until, most);
        let bytes = match self.has(index) {
            true => self.disks.read(self.name(index), range).await,
            false => None,
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        if bytes.is_none() {
            self.lose(index);
        }
        bytes
    }
}

impl fmt::Debug for Filed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filed").field("object_id", &self.object_id).finish_non_exhaustive()
    }
}

fn bit(here: &[u64], index: u64) -> bool {
    here.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

fn set(bits: &mut Vec<u64>, index: u32) {
    let word = index as usize / 64;
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    if let Some(word) = bits.get_mut(word) {
        *word |= 1 << (index % 64);
    }
}

fn clear(bits: &mut [u64], index: u32) {
    if let Some(word) = bits.get_mut(index as usize / 64) {
        *word &= !(1 << (index % 64));
    }
}

/// The record that has the byte at `position`, and which part of it to read next.
fn piece(position: u64, until: u64, most: u64) -> (u32, Range<u32>) {
    let (index, start) = (position / CHUNK, position % CHUNK);
    let border = (start / BLOCK + most.div_ceil(BLOCK).max(1)) * BLOCK;
    let end = border.min(CHUNK).min(start + until.saturating_sub(position));
    (index.min(u64::from(u32::MAX)) as u32, start as u32..end as u32)
}
