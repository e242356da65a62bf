//! Writes records: appends them to the open segment of their class.
//!
//! A record waits in a buffer, where readers find it, until there is a mebibyte or nothing more to
//! do: so a busy disk gets large writes, and an idle one has everything in its file at once. A
//! segment that is full gets its footer, and is made durable before and after: what a footer names is
//! there.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use super::counters::COUNTERS;
use super::footer::{self, Entry};
use super::geometry::{PAGE, SECTOR};
use super::name::Name;
use super::policy::{Class, Policy};
use super::record::{Header, place, prefix, span, sums};
use super::recover::{Books, Open};
use super::segment::Life;
use super::slot::Slot;
use super::volume::Volume;
use super::{Judge, Write};

/// So many bytes are written at once.
const PORTION: usize = 1 << 20;

/// The one who writes to a volume.
pub(super) struct Writer {
    pub(super) volume: Arc<Volume>,
    pub(super) books: Books,
    pub(super) policy: Arc<Mutex<Policy>>,
    pub(super) judge: Arc<OnceLock<Judge>>,
    /// Segments sealed since it was last asked.
    seals: u32,
}

impl Open {
    /// Where the next record may begin.
    pub(super) fn cursor(&self) -> u32 {
        self.flushed + self.pending.len() as u32
    }
}

impl Writer {
    pub(super) fn new(
        volume: Arc<Volume>,
        books: Books,
        policy: Arc<Mutex<Policy>>,
        judge: Arc<OnceLock<Judge>>,
    ) -> Writer {
        Writer { volume, books, policy, judge, seals: 0 }
    }

    /// Enters a record; false if there is no room for it.
    pub(super) fn write(&mut self, write: Write, class: Class) -> io::Result<bool> {
        let header = Header {
            kind: write.kind,
            generation: 0,
            offset: 0,
            length: write.payload.len() as u32,
            name: write.name,
            hash: write.hash,
            fill_seq: write.fill_seq,
            expires: write.expires,
            site: write.site & 0xf_ffff,
            sums: sums(&write.payload),
        };
        let class = self.newer(write.name, class)?;
        if !self.fits(class, header.length) {
            self.seal(class)?;
            self.reclaim()?;
            // Reclaiming may have begun a segment of proved records.
            if !self.fits(class, header.length) && !self.begin(class)? {
                return Ok(false);
            }
        }
        let bytes = u64::from(span(header.length));
        let Some(slot) = self.append(class, header, &write.payload) else { return Ok(false) };
        if self.volume.slots.insert(write.name, slot) {
            COUNTERS.evicted.bump();
        }
        COUNTERS.written.bump();
        COUNTERS.written_bytes.add(bytes);
        self.write_out_portion(class)?;
        Ok(true)
    }

    /// Writes out what waits.
    pub(super) fn write_out_all(&mut self) -> io::Result<()> {
        self.write_out(Class::New)?;
        self.write_out(Class::Proved)
    }

    /// How many segments were sealed since this was last asked with enough of them.
    pub(super) fn sealed_at_least(&mut self, count: u32) -> bool {
        let enough = self.seals >= count;
        if enough {
            self.seals = 0;
        }
        enough
    }

    /// Writes out what waits for the segment of a class if it is worth a write.
    pub(super) fn write_out_portion(&mut self, class: Class) -> io::Result<()> {
        let open = self.books.open[class as usize].as_ref();
        if open.is_some_and(|open| open.pending.len() >= PORTION) {
            return self.write_out(class);
        }
        Ok(())
    }

    /// A class whose next record lies behind the present one of that name, so that a start takes the
    /// right one of the two for the newer: two segments are written at a time, and a copy may lie in
    /// the one that was begun later.
    fn newer(&mut self, name: Name, class: Class) -> io::Result<Class> {
        let Some((_, present)) = self.volume.slots.find(name) else { return Ok(class) };
        let begun = |class: Class| Some(self.books.open[class as usize].as_ref()?.life.generation);
        if begun(class).is_none_or(|generation| generation >= present) {
            return Ok(class);
        }
        let other = if class == Class::New { Class::Proved } else { Class::New };
        if begun(other).is_some_and(|generation| generation >= present) {
            return Ok(other);
        }
        self.seal(class)?;
        Ok(class)
    }

    /// Whether the open segment has room for a record and the footer behind it.
    pub(super) fn fits(&self, class: Class, length: u32) -> bool {
        self.books.open[class as usize].as_ref().is_some_and(|open| {
            let end = place(open.cursor(), length) as usize + span(length) as usize;
            end + footer::size(open.entries.len() + 1) <= self.volume.geometry().segment as usize
        })
    }

    /// Appends a record to the open segment, which must have room, and says where it is.
    pub(super) fn append(
        &mut self,
        class: Class,
        mut header: Header,
        payload: &Bytes,
    ) -> Option<Slot> {
        let open = self.books.open[class as usize].as_mut()?;
        let Life { number, generation, .. } = open.life;
        header.offset = place(open.cursor(), header.length);
        header.generation = generation;
        let begin = (header.offset - open.flushed) as usize;
        open.pending.resize(begin, 0);
        open.pending.extend_from_slice(&header.encode(self.volume.superblock.store));
        open.pending.resize(begin + prefix(header.length), 0);
        open.pending.extend_from_slice(payload);
        open.pending.resize(open.pending.len().next_multiple_of(SECTOR), 0);
        let entry = Entry::of(&header);
        open.entries.push(entry);
        self.volume.staged.put((number, header.offset), header.name, payload.clone());
        Some(Slot::of(&entry, number, generation))
    }

    /// Begins another segment of a class; false if none is free.
    pub(super) fn begin(&mut self, class: Class) -> io::Result<bool> {
        let Some(number) = self.books.free.front().copied() else { return Ok(false) };
        let life = Life { number, generation: self.books.generation + 1, class };
        let page = life.encode(self.volume.superblock.store);
        self.volume.device.write_at(self.volume.geometry().base(number), &page)?;
        self.books.free.pop_front();
        self.books.generation += 1;
        self.volume.slots.begin(number, life.generation);
        let (flushed, entries) = (PAGE as u32, Vec::new());
        let open = Open { life, flushed, pending: Vec::new(), entries };
        self.books.open[class as usize] = Some(open);
        self.books.publish(&self.volume);
        Ok(true)
    }

    /// Writes out what waits for the segment of a class. What cannot be written is forgotten.
    pub(super) fn write_out(&mut self, class: Class) -> io::Result<()> {
        let Some(open) = self.books.open[class as usize].as_mut() else { return Ok(()) };
        if open.pending.is_empty() {
            return Ok(());
        }
        let (cursor, number) = (open.cursor(), open.life.number);
        // Whole pages are written, or the kernel would have to read what it does not have of the
        // last one. The next write begins in that page, when it is cached.
        let padded = cursor.next_multiple_of(PAGE as u32) - open.flushed;
        open.pending.resize(padded as usize, 0);
        let at = self.volume.geometry().base(number) + u64::from(open.flushed);
        let result = self.volume.device.write_at(at, &open.pending);
        open.pending.clear();
        let kept = open.entries.partition_point(|entry| entry.offset < open.flushed);
        let fresh = open.entries.get(kept..).unwrap_or_default();
        if result.is_err() {
            for entry in fresh {
                let slot = Slot::of(entry, number, open.life.generation);
                self.volume.slots.remove(entry.name, &slot);
            }
        }
        self.volume.staged.drop_all(fresh.iter().map(|entry| (number, entry.offset)));
        match result {
            Ok(()) => open.flushed = cursor,
            Err(_) => open.entries.truncate(kept),
        }
        result
    }

    /// Closes the open segment of a class with a footer.
    pub(super) fn seal(&mut self, class: Class) -> io::Result<()> {
        self.write_out(class)?;
        let Some(open) = self.books.open[class as usize].as_ref() else { return Ok(()) };
        let device = &self.volume.device;
        device.sync()?;
        let footer = footer::encode(&open.entries, open.life, self.volume.superblock.store);
        let geometry = self.volume.geometry();
        let end = geometry.base(open.life.number) + u64::from(geometry.segment);
        device.write_at(end - footer.len() as u64, &footer)?;
        device.sync()?;
        if let Some(live) = self.volume.slots.live(open.life.number) {
            live.sealed.store(true, Ordering::Release);
        }
        let full: &mut VecDeque<Life> = &mut self.books.full[class as usize];
        full.push_back(open.life);
        self.books.open[class as usize] = None;
        self.seals += 1;
        Ok(())
    }

    /// Writes everything out, makes it durable, and keeps the index.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.write_out_all()?;
        self.volume.device.sync()?;
        self.volume.write_snapshot()
    }
}
