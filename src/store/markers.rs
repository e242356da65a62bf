//! What is known to be uncacheable, so that such requests do not wait for each other.
//!
//! A bounded memory of URLs: the oldest mark goes when there are too many.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::cache::Key;
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Markers {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    until: HashMap<Key, Timestamp, RandomState>,
    line: VecDeque<Key>,
}

const SHARDS: usize = 32;

impl Markers {
    pub(super) fn new(most: usize) -> Self {
        let shards = std::iter::repeat_with(Mutex::default).take(SHARDS).collect();
        Markers { hasher: RandomState::default(), shards, per_shard: most.div_ceil(SHARDS) }
    }

    /// Until when `key` is marked, if it is at `now`.
    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let until = *self.shard(key)?.lock().until.get(key)?;
        (until > now).then_some(until)
    }

    /// Marks `key` until then.
    pub(super) fn put(&self, key: &Key, until: Timestamp) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        if shard.until.insert(key.clone(), until).is_none() {
            shard.line.push_back(key.clone());
        }
        // The line may name a key twice that was cleared and marked again: then it goes early.
        while shard.line.len() > self.per_shard {
            if let Some(oldest) = shard.line.pop_front() {
                shard.until.remove(&oldest);
            }
        }
    }

    /// Takes the mark away.
    pub(super) fn clear(&self, key: &Key) {
        if let Some(shard) = self.shard(key) {
            shard.lock().until.remove(key);
        }
    }

    /// How many marks there are, the expired ones that nobody asked for included.
    pub(super) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().until.len()).sum()
    }

    fn shard(&self, key: &Key) -> Option<&Mutex<Shard>> {
        self.shards.get((self.hasher.hash_one(key) >> 40) as usize % SHARDS)
    }
}
