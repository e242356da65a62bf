//! A bounded memory of small facts about URLs: which are uncacheable, which parts of their queries do
//! not matter. The oldest goes when there are too many.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::cache::{Key, KeyRef};

#[derive(Debug)]
pub(super) struct Memo<T> {
    shards: Box<[Mutex<Shard<T>>]>,
    per_shard: usize,
    /// So that an empty memory costs a look-up nothing.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Shard<T> {
    /// By the hash of the key.
    facts: HashMap<u64, (Key, T), RandomState>,
    line: VecDeque<u64>,
}

const SHARDS: usize = 32;

impl<T: Clone> Memo<T> {
    /// A memory of at most about `most` facts.
    pub(super) fn new(most: usize) -> Self {
        let shard = || Shard { facts: HashMap::default(), line: VecDeque::new() };
        let shards = std::iter::repeat_with(|| Mutex::new(shard())).take(SHARDS).collect();
        Memo { shards, per_shard: most.div_ceil(SHARDS), count: AtomicUsize::new(0) }
    }

    /// What is known of `key`.
    pub(super) fn get(&self, key: KeyRef<'_>) -> Option<T> {
        if self.count() == 0 {
            return None;
        }
        let shard = self.shard(key.hash64())?.lock();
        let (known, fact) = shard.facts.get(&key.hash64())?;
        (known.as_bytes() == key.as_bytes()).then(|| fact.clone())
    }

    /// Remembers `fact` of `key`.
    pub(super) fn put(&self, key: &Key, fact: T) {
        let hash = key.hash64();
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.lock();
        if shard.facts.insert(hash, (key.clone(), fact)).is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
            shard.line.push_back(hash);
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
            && let Some(shard) = self.shard(key.hash64())
            && shard.lock().facts.remove(&key.hash64()).is_some()
        {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many facts there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard<T>>> {
        self.shards.get(hash as usize % SHARDS)
    }
}
