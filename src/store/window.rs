//! Where new objects wait until they have proved themselves: first in, first out, by bytes.
//!
//! moka has no admission window of its own, so that an object which is asked for in bursts would be
//! refused before its second request. Here every new object stays for a while whatever its
//! frequency, and is then offered to moka, which has counted its requests meanwhile.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};

use super::entry::Resource;
use crate::cache::Key;
use crate::clock::Timestamp;

/// The maps are read on every hit and so spread over many locks; the queue is not.
#[derive(Debug)]
pub(super) struct Window {
    capacity: u64,
    longest: Duration,
    bytes: AtomicU64,
    hasher: RandomState,
    shards: Box<[CachePadded<RwLock<Shard>>]>,
    queue: Mutex<Queue>,
}

type Shard = HashMap<Key, Placed, RandomState>;

#[derive(Debug)]
struct Placed {
    resource: Arc<Resource>,
    bytes: u64,
    ticket: u64,
}

#[derive(Debug, Default)]
struct Queue {
    line: VecDeque<Ticket>,
    last: u64,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    key: Key,
    since: Timestamp,
}

const SHARDS: usize = 64;

impl Window {
    pub(super) fn new(capacity: u64, longest: Duration) -> Self {
        let hasher = RandomState::default();
        let shard = || CachePadded::new(RwLock::new(HashMap::with_hasher(hasher.clone())));
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        let (bytes, queue) = (AtomicU64::new(0), Mutex::new(Queue::default()));
        Window { capacity, longest, bytes, hasher, shards, queue }
    }

    /// What is held for `key`.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Resource>> {
        Some(self.shard(key)?.read().get(key)?.resource.clone())
    }

    /// Bytes of all objects in the window.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many URLs are in the window.
    pub(super) fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Holds `resource` for `key`. One that takes the place of another keeps its place in the line.
    pub(super) fn put(&self, key: &Key, resource: Arc<Resource>, now: Timestamp) {
        let Some(shard) = self.shard(key) else { return };
        let bytes = resource.bytes();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut shard = shard.write();
        if let Some(placed) = shard.get_mut(key) {
            let before = std::mem::replace(&mut placed.bytes, bytes);
            let old = std::mem::replace(&mut placed.resource, resource);
            self.bytes.fetch_sub(before, Ordering::Relaxed);
            drop(shard);
            drop(old);
            return;
        }
        let ticket = {
            let mut queue = self.queue.lock();
            queue.last += 1;
            let number = queue.last;
            queue.line.push_back(Ticket { number, key: key.clone(), since: now });
            number
        };
        shard.insert(key.clone(), Placed { resource, bytes, ticket });
    }

    /// Takes out what is held for `key`.
    pub(super) fn remove(&self, key: &Key) -> Option<Arc<Resource>> {
        let placed = self.shard(key)?.write().remove(key)?;
        self.bytes.fetch_sub(placed.bytes, Ordering::Relaxed);
        Some(placed.resource)
    }

    /// The key next in line to leave, and its ticket, if the window is too full or that object has
    /// been in it for too long.
    pub(super) fn due(&self, now: Timestamp) -> Option<(Key, u64)> {
        let full = self.bytes() > self.capacity;
        let mut queue = self.queue.lock();
        let since = queue.line.front()?.since;
        (full || now.since(since) >= self.longest).then(|| queue.pop())?
    }

    /// The key next in line to leave, and its ticket.
    pub(super) fn oldest(&self) -> Option<(Key, u64)> {
        self.queue.lock().pop()
    }

    /// Takes out what came in with `ticket`; `None` if that has gone before.
    pub(super) fn leave(&self, key: &Key, ticket: u64) -> Option<Arc<Resource>> {
        let mut shard = self.shard(key)?.write();
        if shard.get(key)?.ticket != ticket {
            return None;
        }
        let placed = shard.remove(key)?;
        self.bytes.fetch_sub(placed.bytes, Ordering::Relaxed);
        Some(placed.resource)
    }

    /// Drops tickets whose object has gone. Without this, URLs that are purged and fetched again
    /// and again would lengthen the line without filling the window.
    pub(super) fn tidy(&self) {
        let mut queue = self.queue.lock();
        if queue.line.len() < 1024 || queue.line.len() < 2 * self.count() {
            return;
        }
        let line = std::mem::take(&mut queue.line);
        drop(queue);
        let live = |ticket: &Ticket| {
            let placed = self.shard(&ticket.key).map(|shard| shard.read());
            placed.and_then(|shard| shard.get(&ticket.key).map(|placed| placed.ticket))
                == Some(ticket.number)
        };
        let mut line: VecDeque<Ticket> = line.into_iter().filter(live).collect();
        let mut queue = self.queue.lock();
        line.append(&mut queue.line);
        queue.line = line;
    }

    fn shard(&self, key: &Key) -> Option<&RwLock<Shard>> {
        // The map inside uses the same hasher and its low bits, so the shard is chosen by others.
        let index = (self.hasher.hash_one(key) >> 40) as usize % SHARDS;
        self.shards.get(index).map(|shard| &**shard)
    }
}

impl Queue {
    fn pop(&mut self) -> Option<(Key, u64)> {
        self.line.pop_front().map(|ticket| (ticket.key, ticket.number))
    }
}
