//! One opened store: its device, its index, and what is not in the file yet. Readers, the writer and
//! the snapshot share it; when a sick disk is opened again there is a new one.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::Bytes;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::device::Device;
use super::footer::{self, Entry, TRAILER, Trailer};
use super::geometry::Geometry;
use super::name::Name;
use super::policy::Class;
use super::scan::scan;
use super::segment::Life;
use super::slots::Slots;
use super::superblock::Superblock;

/// One opened store.
pub(super) struct Volume {
    pub device: Arc<dyn Device>,
    pub superblock: Superblock,
    pub slots: Slots,
    pub staged: Staged,
    pub counts: Counts,
    /// Number of the last snapshot; held while one is written.
    pub snapshot: Mutex<u64>,
}

/// How many segments there are of each sort, for figures.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub free: AtomicU32,
    pub new: AtomicU32,
    pub proved: AtomicU32,
}

impl Volume {
    pub(super) fn geometry(&self) -> &Geometry {
        &self.superblock.geometry
    }

    /// What lies in a segment: what its footer says, else what a scan finds.
    pub(super) fn contents(&self, life: Life) -> io::Result<Vec<Entry>> {
        let geometry = self.geometry();
        let end = geometry.base(life.number) + u64::from(geometry.segment);
        let mut trailer = [0; TRAILER];
        self.device.read_at(end - TRAILER as u64, &mut trailer)?;
        let trailer = Trailer::decode(&trailer, self.superblock.store, life.number);
        if let Some(trailer) = trailer.filter(|it| it.life == life)
            && let Some(entries) = self.entries(&trailer)?
        {
            return Ok(entries);
        }
        Ok(scan(&*self.device, &self.superblock, life)?.entries)
    }

    /// The entries that a trailer closes, if they are good.
    pub(super) fn entries(&self, trailer: &Trailer) -> io::Result<Option<Vec<Entry>>> {
        let geometry = self.geometry();
        let size = footer::size(trailer.count);
        if size > geometry.segment as usize {
            return Ok(None);
        }
        let end = geometry.base(trailer.life.number) + u64::from(geometry.segment);
        let mut bytes = vec![0; size - TRAILER];
        self.device.read_at(end - size as u64, &mut bytes)?;
        Ok(trailer.entries(&bytes).map(|entries| entries.collect()))
    }

    /// What the header of a segment says that is in use.
    pub(super) fn life(&self, number: u32) -> io::Result<Option<Life>> {
        let mut page = vec![0; super::geometry::PAGE];
        self.device.read_at(self.geometry().base(number), &mut page)?;
        let life = Life::decode(&page, self.superblock.store, number);
        let generation = self.slots.generation(number);
        Ok(life.filter(|life| generation != 0 && life.generation == generation))
    }
}

impl Counts {
    /// The count of a class.
    pub(super) fn of(&self, class: Class) -> &AtomicU32 {
        match class {
            Class::New => &self.new,
            Class::Proved => &self.proved,
        }
    }
}

/// Payloads of records that are in the index but not in the file yet.
#[derive(Default)]
pub(super) struct Staged {
    /// So that a reader takes no lock when there are none.
    count: AtomicUsize,
    parts: Mutex<Parts>,
}

/// By segment and offset.
type Parts = HashMap<(u32, u32), (Name, Bytes), RandomState>;

impl Staged {
    /// Keeps the payload of the record at that segment and offset.
    pub(super) fn put(&self, place: (u32, u32), name: Name, payload: Bytes) {
        let mut parts = self.parts.lock();
        parts.insert(place, (name, payload));
        self.count.store(parts.len(), Ordering::Release);
    }

    /// The payload of the record at that segment and offset, if it is kept here.
    pub(super) fn get(&self, place: (u32, u32), name: Name) -> Option<Bytes> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let parts = self.parts.lock();
        let (known, payload) = parts.get(&place)?;
        (*known == name).then(|| payload.clone())
    }

    /// All that is kept here, with segment and offset.
    pub(super) fn all(&self) -> Vec<((u32, u32), Name, Bytes)> {
        let parts = self.parts.lock();
        parts.iter().map(|(place, (name, payload))| (*place, *name, payload.clone())).collect()
    }

    /// Lets go of payloads that are in the file or given up.
    pub(super) fn drop_all(&self, places: impl Iterator<Item = (u32, u32)>) {
        let mut parts = self.parts.lock();
        for place in places {
            parts.remove(&place);
        }
        self.count.store(parts.len(), Ordering::Release);
    }
}
