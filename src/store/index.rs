//! Where everything stored is found, whether it is new or has proved itself.
//!
//! Read on every hit, and so spread over many locks, each held just long enough to take a pointer.
//! What is asked for over and over also lies on a desk, unpacked.
//!
//! Objects are told apart by the 64-bit hash of their key, and what is found is compared with the
//! whole key: of two URLs with the same hash, which nobody can choose, one at a time is stored.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::entry::{Entry, Resource};
use super::kept::Kept;
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[CachePadded<RwLock<Shard>>]>,
    /// By the hash of the key, one each. Never looked at but for what the index holds.
    desk: Box<[RwLock<Option<Ready>>]>,
}

/// The hash of a key, and one of its entries.
type Ready = (u64, Arc<Entry>);

/// Part of the index, by the hash of the key.
pub(super) type Shard = HashMap<u64, Held, RandomState>;

/// Everything stored for one URL, and where it stands.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) resource: Resource,
    /// Since when it has been in the window, or [`PROVED`].
    pub(super) since: Timestamp,
}

/// It has left the window, and moka knows of it.
pub(super) const PROVED: Timestamp = Timestamp(u64::MAX);

const SHARDS: usize = 64;

/// How many objects lie unpacked: a few kilobytes each.
const DESK: usize = 1024;

impl Index {
    pub(super) fn new() -> Self {
        let shard = || CachePadded::new(RwLock::new(Shard::default()));
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Index { shards, desk: std::iter::repeat_with(Default::default).take(DESK).collect() }
    }

    /// What is stored under `hash`.
    pub(super) fn get(&self, hash: u64) -> Option<Resource> {
        Some(self.shard(hash)?.read().get(&hash)?.resource.clone())
    }

    /// All that is stored.
    pub(super) fn all(&self) -> Vec<Resource> {
        let copy = |shard: &CachePadded<RwLock<Shard>>| {
            shard.read().values().map(|held| held.resource.clone()).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(copy).collect()
    }

    /// The hashes of all that is stored, a part of the index at a time: no lock is held but while one
    /// part is listed.
    pub(super) fn hashes(&self) -> impl Iterator<Item = Vec<u64>> {
        self.shards.iter().map(|shard| shard.read().keys().copied().collect())
    }

    /// How many URLs there are.
    pub(super) fn count(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read().len() as u64).sum()
    }

    /// Takes out what is stored under `hash` if it stands at `since`.
    pub(super) fn remove(&self, hash: u64, since: Timestamp) -> Option<Resource> {
        let mut shard = self.shard(hash)?.write();
        let held = shard.get(&hash).is_some_and(|held| held.since == since);
        let held = held.then(|| shard.remove(&hash)).flatten()?;
        drop(shard);
        self.clear_desk(hash);
        Some(held.resource)
    }

    /// Unpacks what is stored under `hash`; if it is `popular`, so that it need not be done again.
    pub(super) fn unpack(&self, hash: u64, kept: Arc<Kept>, popular: bool) -> Arc<Entry> {
        let Some(place) = self.place(hash) else { return Entry::found(kept) };
        if let Some((_, ready)) = place.read().as_ref().filter(|(_, ready)| ready.is_of(&kept)) {
            return ready.clone();
        }
        let entry = Entry::found(kept);
        if popular {
            let before = place.write().replace((hash, entry.clone()));
            drop(before);
        }
        entry
    }

    /// To be called when what is stored under `hash` has changed, so that the desk holds on to
    /// nothing that is gone.
    pub(super) fn clear_desk(&self, hash: u64) {
        if let Some(place) = self.place(hash) {
            clear(place, |(other, _)| *other == hash);
        }
    }

    /// Takes from the desk what went while it was being laid there.
    pub(super) fn tidy_desk(&self) {
        for place in &self.desk {
            clear(place, |(hash, entry)| {
                let held = self.get(*hash);
                !held.zip(entry.kept()).is_some_and(|(held, kept)| held.holds(kept))
            });
        }
    }

    fn place(&self, hash: u64) -> Option<&RwLock<Option<Ready>>> {
        // The shards take the lowest bits.
        self.desk.get((hash >> 16) as usize % DESK)
    }

    /// The part that `hash` belongs to.
    pub(super) fn shard(&self, hash: u64) -> Option<&RwLock<Shard>> {
        self.shards.get(hash as usize % SHARDS).map(|shard| &**shard)
    }
}

fn clear(place: &RwLock<Option<Ready>>, is_gone: impl Fn(&Ready) -> bool) {
    let gone = place.read().as_ref().is_some_and(is_gone);
    if gone {
        let before = place.write().take();
        drop(before);
    }
}
