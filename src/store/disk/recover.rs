//! Opens a store and finds what is in it.
//!
//! 1. The newer good superblock says whose it is; without one the store is formatted anew.
//! 2. The newest good snapshot gives the slots of the segments that were sealed by then.
//! 3. One pass over the seams between segments, where the footer of one meets the header of the next:
//!    what is in another life than the snapshot says is read from its footer.
//! 4. Segments in use without a footer are scanned. The newest of each class is written on.
//!
//! Of two records of one name the newer wins: that of the higher generation, then offset.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::counters::COUNTERS;
use super::device::Opener;
use super::footer::{self, Entry, TRAILER, Trailer};
use super::geometry::{Geometry, PAGE};
use super::policy::Class;
use super::scan::{Scanned, scan};
use super::segment::Life;
use super::slot::Slot;
use super::slots::Slots;
use super::snapshot;
use super::superblock::Superblock;
use super::volume::{Counts, Staged, Volume};

/// What the writer knows of the segments.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Segments with nothing in them.
    pub free: VecDeque<u32>,
    /// Segments that are not written to any more, oldest first, of each class.
    pub full: [VecDeque<Life>; 2],
    /// Segments that are written to, of each class.
    pub open: [Option<Open>; 2],
    /// The generation that the next segment gets.
    pub generation: u64,
}

/// A segment that is written to.
#[derive(Debug)]
pub(super) struct Open {
    pub life: Life,
    /// Up to here it is in the file.
    pub flushed: u32,
    /// What comes behind.
    pub pending: Vec<u8>,
    pub entries: Vec<Entry>,
}

/// Bytes read before the end of each segment when its footer will be wanted: an average one.
const TAIL: usize = 36 << 10;
/// Records whose place in the index is fetched before they are entered.
const BATCH: usize = 64;

/// Opens the store in `path`.
pub(super) fn open(
    path: &Path,
    size: u64,
    average: u64,
    opener: &dyn Opener,
) -> io::Result<(Arc<Volume>, Books)> {
    let wanted = Geometry::of(size, average)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the disk is too small"))?;
    let device = opener.open(path, size)?;
    if device.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let known = Superblock::load(&*device)?.filter(|it| it.geometry.size == wanted.size);
    let mut superblock = known.unwrap_or_else(|| Superblock::new(wanted));
    if known.is_none() {
        tracing::info!(path = %path.display(), "formatting the store: nothing readable is in it");
        COUNTERS.formatted.bump();
    }
    superblock.open(&*device)?;
    let loaded = if known.is_some() { snapshot::load(&*device, &superblock)? } else { None };
    let geometry = &superblock.geometry;
    let fresh = || Slots::new(geometry.buckets, geometry.segments, superblock.secret);
    let with_snapshot = loaded.is_some();
    let (slots, sequence) = loaded.unwrap_or_else(|| (fresh(), 0));
    let volume = Volume {
        device,
        superblock,
        slots,
        staged: Staged::default(),
        counts: Counts::default(),
        snapshot: Mutex::new(sequence),
    };
    let mut books = Books { generation: superblock.epoch << 32, ..Books::default() };
    if known.is_some() {
        let (unsealed, entries) = (Vec::new(), Vec::new());
        let pass = Pass { volume: &volume, books: &mut books, unsealed, entries, failed: 0 };
        pass.run(if with_snapshot { PAGE } else { TAIL })?;
    } else {
        books.free = (0..geometry.segments).collect();
    }
    COUNTERS.recovered.add(volume.slots.held_by_all().0);
    books.publish(&volume);
    Ok((Arc::new(volume), books))
}

impl Books {
    /// Tells the figures how many segments there are of each sort.
    pub(super) fn publish(&self, volume: &Volume) {
        volume.counts.free.store(self.free.len() as u32, Ordering::Relaxed);
        for class in [Class::New, Class::Proved] {
            let open = u32::from(self.open[class as usize].is_some());
            let full = self.full[class as usize].len() as u32;
            volume.counts.of(class).store(open + full, Ordering::Relaxed);
        }
    }
}

/// The pass over all segments.
struct Pass<'a> {
    volume: &'a Volume,
    books: &'a mut Books,
    unsealed: Vec<Life>,
    /// Those of one footer; kept for its room.
    entries: Vec<Entry>,
    /// Segments that could not be read. They are left alone: what is in them may come back.
    failed: u32,
}

impl Pass<'_> {
    fn run(mut self, tail: usize) -> io::Result<()> {
        let geometry = *self.volume.geometry();
        let mut header = self.read(geometry.base(0), PAGE)?;
        let last = geometry.segments - 1;
        for number in 0..geometry.segments {
            let end = geometry.base(number) + u64::from(geometry.segment);
            let next = if number < last { PAGE } else { 0 };
            let seam = self.read(end - tail as u64, tail + next)?;
            let (before, after) = match &seam {
                Some(seam) => seam.split_at(tail),
                None => (&[][..], &[][..]),
            };
            match &header {
                None => self.leave(number),
                Some(page) => match Life::decode(page, self.volume.superblock.store, number) {
                    None => self.free(number),
                    Some(_) if seam.is_none() => self.leave(number),
                    Some(life) => self.meet(life, before)?,
                },
            }
            header = seam.is_some().then(|| after.to_vec());
            if header.is_none() && number < last {
                header = self.read(end, PAGE)?;
            }
        }
        self.rest()
    }

    /// Bytes of the device; nothing if it reports an error, until that was too often.
    fn read(&mut self, at: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; length];
        match self.volume.device.read_at(at, &mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => {
                COUNTERS.read_errors.bump();
                self.failed += 1;
                if self.failed > self.volume.geometry().segments / 8 {
                    Err(error)
                } else {
                    Ok(None)
                }
            }
        }
    }

    fn free(&mut self, number: u32) {
        self.volume.slots.begin(number, 0);
        self.books.free.push_back(number);
    }

    fn leave(&mut self, number: u32) {
        self.volume.slots.begin(number, 0);
    }

    /// A segment in use: enters what its footer says, unless the snapshot had it.
    fn meet(&mut self, life: Life, before: &[u8]) -> io::Result<()> {
        let volume = self.volume;
        // Only larger if the newer superblock was damaged.
        self.books.generation = self.books.generation.max(life.generation);
        let end = before.len().saturating_sub(TRAILER);
        let store = volume.superblock.store;
        let trailer = Trailer::decode(before.get(end..).unwrap_or_default(), store, life.number)
            .filter(|trailer| trailer.life == life);
        let live = volume.slots.live(life.number);
        let known = live.is_some_and(|live| live.sealed.load(Ordering::Acquire))
            && volume.slots.generation(life.number) == life.generation;
        if known && trailer.is_some() {
            self.full(life);
            return Ok(());
        }
        volume.slots.begin(life.number, life.generation);
        let Some(trailer) = trailer else {
            self.unsealed.push(life);
            return Ok(());
        };
        let size = footer::size(trailer.count) - TRAILER;
        let inside = end.checked_sub(size).and_then(|start| before.get(start..end));
        let good = match inside.and_then(|bytes| trailer.entries(bytes)) {
            Some(entries) => {
                self.entries.clear();
                self.entries.extend(entries);
                self.enter_all(life, &self.entries);
                true
            }
            None => self.far(&trailer)?,
        };
        if good {
            if let Some(live) = live {
                live.sealed.store(true, Ordering::Release);
            }
            self.full(life);
        } else {
            self.unsealed.push(life);
        }
        Ok(())
    }

    /// Enters the entries of a footer that is longer than what was read of the segment.
    fn far(&mut self, trailer: &Trailer) -> io::Result<bool> {
        match self.volume.entries(trailer) {
            Ok(None) => Ok(false),
            Ok(Some(entries)) => {
                self.enter_all(trailer.life, &entries);
                Ok(true)
            }
            Err(error) => {
                COUNTERS.read_errors.bump();
                tracing::warn!(%error, segment = trailer.life.number, "a footer cannot be read");
                Ok(false)
            }
        }
    }

    fn enter_all(&self, life: Life, entries: &[Entry]) {
        let slots = &self.volume.slots;
        for batch in entries.chunks(BATCH) {
            slots.warm(batch.iter().map(|entry| entry.name));
            for entry in batch {
                let slot = Slot::of(entry, life.number, life.generation);
                slots.insert_newer(entry.name, slot);
            }
        }
    }

    fn full(&mut self, life: Life) {
        self.books.full[life.class as usize].push_back(life);
    }

    /// Scans the segments without a footer, and puts the full ones in order.
    fn rest(mut self) -> io::Result<()> {
        let mut unsealed = std::mem::take(&mut self.unsealed);
        unsealed.sort_unstable_by_key(|life| life.generation);
        for life in unsealed {
            match scan(&*self.volume.device, &self.volume.superblock, life) {
                Ok(found) => {
                    self.enter_all(life, &found.entries);
                    self.go_on(life, found);
                }
                Err(error) => {
                    COUNTERS.read_errors.bump();
                    tracing::warn!(%error, segment = life.number, "a segment cannot be scanned");
                    self.full(life);
                }
            }
        }
        for full in &mut self.books.full {
            full.make_contiguous().sort_unstable_by_key(|life| life.generation);
        }
        Ok(())
    }

    /// Writes on in a segment that has room. The one before it of its class counts as full.
    fn go_on(&mut self, life: Life, found: Scanned) {
        let room = self.volume.geometry().segment - found.end;
        if room <= self.volume.geometry().segment / 8 {
            self.full(life);
            return;
        }
        let Scanned { entries, end } = found;
        let open = Open { life, flushed: end, pending: Vec::new(), entries };
        if let Some(before) = self.books.open[life.class as usize].replace(open) {
            self.full(before.life);
        }
    }
}
