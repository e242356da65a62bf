//! Reads one record and verifies what it hands out.
//!
//! Nothing is pinned while a read goes on. The segment may be reclaimed and written again meanwhile:
//! then the header that is read is of another generation, offset or name, or a checksum does not
//! match, and the read is a miss.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::buffer::Buffer;
use super::footer::Entry;
use super::geometry::{BLOCK, SECTOR};
use super::name::Name;
use super::record::{Header, prefix, span};
use super::segment::Life;
use super::slot::Slot;
use super::volume::Volume;

/// Why there are no bytes.
#[derive(Debug)]
pub(super) enum Miss {
    /// The disk would have to be waited for.
    Later,
    /// The header is damaged, or of another place, generation or name.
    Mismatch,
    /// A block of the payload is damaged.
    Checksum,
    /// The disk reported an error.
    Failed(io::Error),
}

/// Up to so many bytes a record is read whole: it may be one whose payload is not aligned.
const SMALL: u32 = (BLOCK + 4 * SECTOR) as u32;

impl Volume {
    /// Bytes `range` of the payload of the record at `slot`, in a segment of that generation.
    pub(super) fn read(
        &self,
        name: Name,
        (slot, generation): (&Slot, u64),
        range: &Range<u32>,
        wait: bool,
    ) -> Result<Bytes, Miss> {
        if let Some(payload) = self.staged.get((slot.segment, slot.offset), name) {
            let end = payload.len().min(range.end as usize);
            return Ok(payload.slice((range.start as usize).min(end)..end));
        }
        let room = self.geometry().segment.saturating_sub(slot.offset);
        let whole = slot.span.min(room);
        let needed = if whole <= SMALL {
            whole
        } else if (range.start as usize) < BLOCK {
            // The header and the blocks behind it in one piece.
            let blocks = (range.end as usize).min(super::LARGEST).next_multiple_of(BLOCK);
            whole.min((SECTOR + blocks) as u32)
        } else {
            SECTOR as u32
        };
        let base = self.geometry().base(slot.segment) + u64::from(slot.offset);
        let head = self.fetch(base, needed as usize, wait)?;
        let header = Header::decode(&head, self.superblock.store)
            .filter(|it| it.generation == generation && it.offset == slot.offset && it.name == name)
            .filter(|it| span(it.length) <= room)
            .ok_or(Miss::Mismatch)?;
        self.payload(base, &header, head, range, wait)
    }

    /// The blocks that `range` touches, from `head` if it reaches so far, verified and cut.
    fn payload(
        &self,
        base: u64,
        header: &Header,
        head: Buffer,
        range: &Range<u32>,
        wait: bool,
    ) -> Result<Bytes, Miss> {
        let end = header.length.min(range.end) as usize;
        let start = (range.start as usize).min(end);
        if start == end {
            return Ok(Bytes::new());
        }
        let first = start / BLOCK;
        let from = first * BLOCK;
        let to = end.next_multiple_of(BLOCK).min(header.length as usize);
        let begin = prefix(header.length);
        // Where in the buffer the first of the blocks lies.
        let (part, at) = match begin + to <= head.len() {
            true => (head, begin + from),
            false => (self.fetch(base + (begin + from) as u64, to - from, wait)?, 0),
        };
        let blocks = part.get(at..at + to - from).unwrap_or_default();
        if !header.matches(first, blocks) {
            return Err(Miss::Checksum);
        }
        Ok(part.keep(at + start - from..at + end - from))
    }

    /// A whole record by its place, header and payload, verified.
    pub(super) fn record(&self, life: Life, entry: &Entry) -> Result<(Header, Bytes), Miss> {
        let room = self.geometry().segment.saturating_sub(entry.offset);
        let base = self.geometry().base(life.number) + u64::from(entry.offset);
        let head = self.fetch(base, span(entry.length).min(room) as usize, true)?;
        let header = Header::decode(&head, self.superblock.store)
            .filter(|it| it.generation == life.generation && it.offset == entry.offset)
            .filter(|it| it.name == entry.name && it.length == entry.length)
            .ok_or(Miss::Mismatch)?;
        let payload = self.payload(base, &header, head, &(0..u32::MAX), true)?;
        Ok((header, payload))
    }

    fn fetch(&self, offset: u64, length: usize, wait: bool) -> Result<Buffer, Miss> {
        let mut buffer = Buffer::new(length);
        if wait {
            self.device.read_at(offset, buffer.as_mut()).map_err(Miss::Failed)?;
        } else if !self.device.read_now(offset, buffer.as_mut()).map_err(Miss::Failed)? {
            return Err(Miss::Later);
        }
        Ok(buffer)
    }
}
