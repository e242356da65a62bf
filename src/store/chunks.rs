//! The bytes that a body has: chunks at their offsets, sorted, with gaps where nothing has come yet.
//!
//! Chunks are reference-counted [`Bytes`], so slicing, joining a list to another and handing chunks
//! to readers copy nothing.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::filed::Filed;

/// A sorted list of chunks that do not overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks {
    list: VecDeque<Chunk>,
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Chunk {
    at: u64,
    bytes: Bytes,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.at + self.bytes.len() as u64
    }
}

impl Chunks {
    /// Puts `bytes` at offset `at`. Where a byte is present already, the present one stays.
    pub(super) fn insert(&mut self, at: u64, bytes: Bytes) {
        let end = at + bytes.len() as u64;
        if self.list.back().is_none_or(|last| last.end() <= at) {
            if !bytes.is_empty() {
                self.bytes += bytes.len() as u64;
                self.list.push_back(Chunk { at, bytes });
            }
            return;
        }
        for gap in self.missing(at..end) {
            let part = bytes.slice((gap.start - at) as usize..(gap.end - at) as usize);
            let index = self.list.partition_point(|chunk| chunk.at < gap.start);
            self.bytes += part.len() as u64;
            self.list.insert(index, Chunk { at: gap.start, bytes: part });
        }
    }

    /// Puts in all that another list has and this one lacks.
    pub(super) fn insert_all(&mut self, other: &Chunks) {
        other.list.iter().for_each(|chunk| self.insert(chunk.at, chunk.bytes.clone()));
    }

    /// The bytes from offset `from` to the end of the chunk that holds it, at most to `until`.
    pub(super) fn read(&self, from: u64, until: u64) -> Option<Bytes> {
        let index = self.list.partition_point(|chunk| chunk.end() <= from);
        let chunk = self.list.get(index).filter(|chunk| chunk.at <= from && from < until)?;
        let start = (from - chunk.at) as usize;
        let end = (until.min(chunk.end()) - chunk.at) as usize;
        Some(chunk.bytes.slice(start..end))
    }

    /// Sum of the lengths of all chunks.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many chunks there are.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Offset of the first byte held.
    pub(super) fn first(&self) -> Option<u64> {
        self.list.front().map(|chunk| chunk.at)
    }

    /// The ranges held, adjoining chunks taken together.
    pub(super) fn present(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for chunk in &self.list {
            match ranges.last_mut() {
                Some(last) if last.end == chunk.at => last.end = chunk.end(),
                _ => ranges.push(chunk.at..chunk.end()),
            }
        }
        ranges
    }

    /// The parts of `wanted` that are not held.
    pub(super) fn missing(&self, wanted: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut position = wanted.start;
        let first = self.list.partition_point(|chunk| chunk.end() <= wanted.start);
        for chunk in self.list.iter().skip(first).take_while(|chunk| chunk.at < wanted.end) {
            if chunk.at > position {
                gaps.push(position..chunk.at);
            }
            position = chunk.end();
        }
        if position < wanted.end {
            gaps.push(position..wanted.end);
        }
        gaps
    }

    /// Lengths of the chunks that adjoin each other up to `until`, none beginning before `from`, the
    /// last one first.
    pub(super) fn lengths_back_from(&self, until: u64, from: u64) -> impl Iterator<Item = u64> {
        let last = self.list.partition_point(|chunk| chunk.at < until);
        let mut position = until;
        self.list.range(..last).rev().map_while(move |chunk| {
            let adjoins = chunk.at >= from && chunk.end() == position;
            position = chunk.at;
            adjoins.then_some(chunk.bytes.len() as u64)
        })
    }

    /// The chunks of `range`, sliced to it; `None` unless all of it is present.
    pub(super) fn pieces(&self, range: Range<u64>) -> Option<Vec<Bytes>> {
        let mut pieces = Vec::new();
        let mut position = range.start;
        while position < range.end {
            let piece = self.read(position, range.end)?;
            position += piece.len() as u64;
            pieces.push(piece);
        }
        Some(pieces)
    }

    /// Puts `joined` in place of what is held of the same range.
    pub(super) fn replace(&mut self, at: u64, joined: Bytes) {
        let end = at + joined.len() as u64;
        self.exchange(at..end, Some(joined));
    }

    /// Lets go of what is held of `range`.
    pub(super) fn forget(&mut self, range: Range<u64>) {
        self.exchange(range, None);
    }

    /// Lets go of what lies on disk by now.
    pub(super) fn forget_filed(&mut self, filed: &Filed) {
        for range in filed.present(self.list.back().map_or(0, Chunk::end)) {
            self.forget(range);
        }
    }

    fn exchange(&mut self, range: Range<u64>, new: Option<Bytes>) {
        let Range { start: at, end } = range;
        let first = self.list.partition_point(|chunk| chunk.end() <= at);
        let last = self.list.partition_point(|chunk| chunk.at < end);
        let (mut before, mut after) = (None, None);
        for chunk in self.list.drain(first..last) {
            self.bytes -= chunk.bytes.len() as u64;
            if chunk.at < at {
                before = Some((chunk.at, chunk.bytes.slice(..(at - chunk.at) as usize)));
            }
            if chunk.end() > end {
                after = Some((end, chunk.bytes.slice((end - chunk.at) as usize..)));
            }
        }
        let new = new.map(|bytes| (at, bytes));
        for (at, bytes) in after.into_iter().chain(new).chain(before) {
            self.bytes += bytes.len() as u64;
            self.list.insert(first, Chunk { at, bytes });
        }
    }

    /// Lets go of the chunks that end at or before `position`.
    pub(super) fn forget_before(&mut self, position: u64) {
        while self.list.front().is_some_and(|chunk| chunk.end() <= position) {
            self.bytes -= self.list.pop_front().map_or(0, |chunk| chunk.bytes.len() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: usize = 200;

    fn byte(at: u64) -> u8 {
        (at % 251) as u8
    }

    proptest! {
        #[test]
        fn what_is_inserted_in_any_order_is_what_is_read(
            parts in proptest::collection::vec((0u64..180, 0usize..20), 0..40),
            join in (0u64..200, 0u64..200),
        ) {
            let mut chunks = Chunks::default();
            let mut held = [false; LENGTH];
            for (at, length) in parts {
                chunks.insert(at, (at..at + length as u64).map(byte).collect());
                held[at as usize..at as usize + length].fill(true);
            }
            let join = join.0..join.1;
            let pieces = chunks.pieces(join.clone());
            prop_assert_eq!(pieces.is_some(), chunks.missing(join.clone()).is_empty());
            if let Some(pieces) = pieces {
                prop_assert!(pieces.concat().into_iter().eq(join.clone().map(byte)));
            }
            prop_assert_eq!(chunks.bytes(), held.iter().filter(|held| **held).count() as u64);
            for at in 0..LENGTH as u64 {
                let read = chunks.read(at, LENGTH as u64);
                prop_assert_eq!(read.is_some(), held[at as usize]);
                if let Some(read) = read {
                    prop_assert!(read.iter().copied().eq((at..at + read.len() as u64).map(byte)));
                }
            }
            for range in chunks.present() {
                let (at, middle) = (range.start, range.start + (range.end - range.start) / 2);
                chunks.replace(at, (at..middle).map(byte).collect());
                chunks.replace(middle, (middle..range.end).map(byte).collect());
                prop_assert_eq!(chunks.read(at, middle).map_or(0, |read| read.len() as u64), middle - at);
            }
            prop_assert_eq!(chunks.bytes(), held.iter().filter(|held| **held).count() as u64);
            let inside = |ranges: &[Range<u64>], at| ranges.iter().any(|range| range.contains(&at));
            let (present, missing) = (chunks.present(), chunks.missing(0..LENGTH as u64));
            for at in 0..LENGTH as u64 {
                prop_assert_eq!(inside(&present, at), held[at as usize]);
                prop_assert_eq!(inside(&missing, at), !held[at as usize]);
            }
        }
    }

    #[test]
    fn joining_and_forgetting_keep_the_rest() {
        let mut chunks = Chunks::default();
        for at in [0u64, 10, 20, 40] {
            chunks.insert(at, (at..at + 10).map(byte).collect());
        }
        let joined = chunks.pieces(10..30).unwrap().concat().into();
        chunks.replace(10, joined);
        assert_eq!((chunks.count(), chunks.bytes()), (3, 40));
        assert_eq!(chunks.read(12, 100).unwrap().len(), 18);
        chunks.forget(15..18);
        assert_eq!((chunks.present(), chunks.bytes()), (vec![0..15, 18..30, 40..50], 37));
        chunks.forget_before(30);
        assert_eq!(chunks.present(), vec![40..50]);
    }
}
