//! A bounded memory of small facts about URLs: which are uncacheable, which parts of their queries do
//! not matter. The oldest goes when there are too many.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::cache::Key;

#[derive(Debug)]
pub(super) struct Memo<T> {
    hasher: RandomState,
    shards: Box<[Mutex<Shard<T>>]>,
    per_shard: usize,
    /// So that an empty memory costs a look-up nothing.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Shard<T> {
    facts: HashMap<Key, T, RandomState>,
    line: VecDeque<Key>,
}

const SHARDS: usize = 32;

impl<T: Clone> Memo<T> {
    /// A memory of at most about `most` facts.
    pub(super) fn new(most: usize) -> Self {
        let hasher = RandomState::default();
        let shard = || Shard { facts: HashMap::with_hasher(hasher.clone()), line: VecDeque::new() };
        let shards = std::iter::repeat_with(|| Mutex::new(shard())).take(SHARDS).collect();
        Memo { hasher, shards, per_shard: most.div_ceil(SHARDS), count: AtomicUsize::new(0) }
    }

    /// What is known of `key`.
    pub(super) fn get(&self, key: &Key) -> Option<T> {
        if self.count() == 0 {
            return None;
        }
        self.shard(key)?.lock().facts.get(key).cloned()
    }

    /// Remembers `fact` of `key`.
    pub(super) fn put(&self, key: &Key, fact: T) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.lock();
        if shard.facts.insert(key.clone(), fact).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            shard.line.push_back(key.clone());
        }
        // The line may name a key twice that was forgotten and learnt again: then it goes early.
        while shard.line.len() > self.per_shard {
            if let Some(oldest) = shard.line.pop_front()
                && shard.facts.remove(&oldest).is_some()
            {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Forgets what is known of `key`.
    pub(super) fn forget(&self, key: &Key) {
        if self.count() > 0
            && let Some(shard) = self.shard(key)
            && shard.lock().facts.remove(key).is_some()
        {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many facts there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &Key) -> Option<&Mutex<Shard<T>>> {
        self.shards.get((self.hasher.hash_one(key) >> 40) as usize % SHARDS)
    }
}
