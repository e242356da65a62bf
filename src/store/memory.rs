//! The memory tier: an index of all that is stored, the window for new objects, and moka to say
//! which of those that left the window are worth their room.
//!
//! An object is found in the index wherever it stands; moka holds no more of it than its hash and
//! its size. It hears of requests, those for new objects too, so by the time an object leaves the
//! window moka knows how often it was asked for and admits it or not (TinyLFU); what it refuses or
//! evicts leaves the index at once. It need not hear of each: see [`Kept::is_news`]. A look-up takes
//! the lock of its part of the index and nothing else.
//!
//! Changes to a URL also go through one of a few locks chosen by its hash, so that the index and moka
//! learn of them in the same order. moka calls back with locks of its own held: it is never called
//! under a lock of the index.

use std::collections::hash_map::Entry as Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use foldhash::fast::RandomState;
use moka::notification::RemovalCause;
use moka::sync::SegmentedCache;
use parking_lot::{Mutex, MutexGuard};

use super::COUNTERS;
use super::budget::Budget;
use super::entry::{Entry, Resource};
use super::index::{Held, Index, PROVED};
use super::kept::Kept;
use super::settings::Settings;
use super::tiers::Lower;
use super::window::{Ticket, Window};
use crate::cache::KeyRef;
use crate::clock::Timestamp;

pub(super) struct Memory {
    index: Arc<Index>,
    window: Window,
    /// The hashes of what proved itself, and what they weigh.
    proved: SegmentedCache<u64, u32, RandomState>,
    stripes: Box<[Mutex<()>]>,
    /// Where what leaves the window, and what moka lets go of, is offered.
    lower: Option<Arc<Lower>>,
    /// Bytes that may wait to be written to disk: evicted, and not free yet.
    waiting: u64,
    /// Bytes that moka was offered since it was last brought up to date, and how many those may be.
    offered: AtomicU64,
    lag: u64,
    /// Goes on about once a second.
    tick: AtomicU32,
}

/// What to do with a URL's resource.
pub(super) enum Change {
    Nothing,
    Put(Resource),
    Remove,
}

const STRIPES: usize = 256;

/// One in so many look-ups of an object makes it popular for a while.
const POPULAR: u32 = 8;

/// moka counts weights in `u32`; in units of this many bytes an object may have a terabyte.
const WEIGHT_UNIT: u64 = 256;

/// A segment of moka smaller than this could not hold large objects beside others.
const LEAST_SEGMENT: u64 = 512 << 20;

impl Memory {
    pub(super) fn new(settings: &Settings, lower: Option<Arc<Lower>>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let segments = (settings.main_bytes() / LEAST_SEGMENT).clamp(1, cores.next_power_of_two());
        let index = Arc::new(Index::new());
        let (found, below) = (index.clone(), lower.clone());
        let proved = SegmentedCache::builder(segments as usize)
            .max_capacity(settings.main_bytes() / WEIGHT_UNIT)
            .weigher(|_: &u64, weight: &u32| *weight)
            .eviction_listener(move |hash, _, cause| {
                if cause == RemovalCause::Size
                    && let Some(gone) = found.remove(*hash, PROVED)
                {
                    COUNTERS.evicted.bump();
                    offer(below.as_deref(), &gone);
                }
            })
            .build_with_hasher(RandomState::default());
        let stripes = std::iter::repeat_with(Mutex::default).take(STRIPES).collect();
        let window = Window::new(settings.window_bytes(), settings.window_time.0);
        let waiting = settings.queue_bytes() * settings.disks.len() as u64;
        let (offered, lag) = (AtomicU64::new(0), settings.memory.0 / 64);
        let tick = AtomicU32::new(1);
        Memory { index, window, proved, stripes, lower, waiting, offered, lag, tick }
    }

    /// What is stored for `key`.
    pub(super) fn get(&self, key: KeyRef<'_>) -> Option<Resource> {
        self.index.get(key.hash64()).filter(|resource| resource.is_for(key))
    }

    /// What was found for a request; counts the request, and tells moka if that is news.
    pub(super) fn found(&self, key: KeyRef<'_>, kept: Arc<Kept>) -> Arc<Entry> {
        let before = kept.found();
        if kept.is_news(before, self.tick.load(Ordering::Relaxed)) {
            self.missed(key);
        }
        self.index.unpack(key.hash64(), kept, before % POPULAR == POPULAR - 1)
    }

    /// Tells moka of a request.
    pub(super) fn missed(&self, key: KeyRef<'_>) {
        self.proved.get(&key.hash64());
    }

    /// All that is stored.
    pub(super) fn all(&self) -> Vec<Resource> {
        self.index.all()
    }

    /// Where everything is found.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Changes what is stored for `key` in one step; `alter` sees what is stored now.
    pub(super) fn change(
        &self,
        key: KeyRef<'_>,
        now: Timestamp,
        alter: impl FnOnce(Option<&Resource>) -> Change,
    ) {
        let alone = self.stripe(key.hash64());
        if let Some(replaced) = self.alter(key, now, alter) {
            self.index.clear_desk(key.hash64());
            drop(replaced);
        }
        drop(alone);
        self.sweep(now);
    }

    /// Changes the index and tells moka; gives back what went, to be dropped without the lock.
    fn alter(
        &self,
        key: KeyRef<'_>,
        now: Timestamp,
        alter: impl FnOnce(Option<&Resource>) -> Change,
    ) -> Option<Resource> {
        let hash = key.hash64();
        let mut shard = self.index.shard(hash)?.write();
        match shard.entry(hash) {
            Place::Vacant(place) => {
                if let Change::Put(new) = alter(None) {
                    self.window.enter(Ticket { hash, since: now }, new.bytes());
                    place.insert(Held { resource: new, since: now });
                }
                None
            }
            Place::Occupied(mut place) => {
                let same = place.get().resource.is_for(key);
                let change = alter(Some(&place.get().resource).filter(|_| same));
                let (before, new_to_us) =
                    (place.get().resource.bytes(), place.get().since != PROVED);
                match change {
                    Change::Nothing => None,
                    Change::Put(new) => {
                        let after = new.bytes();
                        let old = std::mem::replace(&mut place.get_mut().resource, new);
                        drop(shard);
                        match new_to_us {
                            true => self.window.resize(before, after),
                            false => self.proved.insert(hash, weight(after)),
                        }
                        Some(old)
                    }
                    // What is there is of another URL.
                    Change::Remove if !same => None,
                    Change::Remove => {
                        let old = place.remove();
                        drop(shard);
                        match new_to_us {
                            true => self.window.leave(before),
                            false => self.proved.invalidate(&hash),
                        }
                        Some(old.resource)
                    }
                }
            }
        }
    }

    /// Moves what the window has no room or time for on to moka.
    pub(super) fn sweep(&self, now: Timestamp) {
        let lower = self.lower.as_ref();
        let is_behind = || lower.is_some_and(|lower| lower.disks.is_behind());
        while let Some(ticket) = self.window.due(now, is_behind) {
            let _alone = self.stripe(ticket.hash);
            self.promote(ticket);
        }
    }

    /// Brings moka up to date; for a quiet moment, about once a second.
    pub(super) fn settle(&self) {
        self.tick.fetch_add(1, Ordering::Relaxed);
        self.index.tidy_desk();
        self.proved.run_pending_tasks();
        self.window.tidy(|ticket| {
            let shard = self.index.shard(ticket.hash).map(|shard| shard.read());
            let held = shard.as_ref().and_then(|shard| shard.get(&ticket.hash));
            held.is_some_and(|held| held.since == ticket.since)
        });
    }

    /// Evicts until `budget` has `bytes` to spare: from the window first what was never asked for
    /// again, then whatever moka lists first. It stops when it has evicted as much as was wanted,
    /// room or not: what slow clients hold stays used, and the cache must not be emptied for it.
    pub(super) fn make_room(&self, budget: &Budget, bytes: u64) {
        // More than asked for, so that the next ones need not come here.
        let wanted = bytes.max(budget.limit() / 256).min(budget.limit());
        let spare = || budget.limit().saturating_sub(budget.used()) >= wanted;
        // What goes to disk is free a little later.
        let most = wanted + self.waiting;
        let mut evicted = 0;
        while !spare() && evicted < most {
            let Some(ticket) = self.window.oldest() else { break };
            let _alone = self.stripe(ticket.hash);
            let asked_for = |kept: &Arc<Kept>| kept.hits() > 0;
            match self.index.get(ticket.hash) {
                Some(resource) if resource.variants().iter().any(asked_for) => self.promote(ticket),
                _ => {
                    let Some(gone) = self.index.remove(ticket.hash, ticket.since) else { continue };
                    COUNTERS.evicted.bump();
                    offer(self.lower.as_deref(), &gone);
                    self.window.leave(gone.bytes());
                    evicted += gone.bytes();
                }
            }
        }
        if spare() || evicted >= most {
            return;
        }
        self.proved.run_pending_tasks();
        for (hash, _) in self.proved.iter() {
            if spare() || evicted >= most {
                break;
            }
            let _alone = self.stripe(*hash);
            if let Some(gone) = self.index.remove(*hash, PROVED) {
                COUNTERS.evicted.bump();
                offer(self.lower.as_deref(), &gone);
                evicted += gone.bytes();
            }
            self.proved.invalidate(&*hash);
        }
    }

    /// How many URLs are held, and their bytes: in the window, then of those that proved themselves.
    pub(super) fn held(&self) -> [(u64, u64); 2] {
        let proved = (self.proved.entry_count(), self.proved.weighted_size() * WEIGHT_UNIT);
        [(self.window.count(), self.window.bytes()), proved]
    }

    /// Offers to moka what came into the window with `ticket`, unless that has gone before.
    fn promote(&self, ticket: Ticket) {
        let resource = {
            let mut shard = self.index.shard(ticket.hash).map(|shard| shard.write());
            let held = shard.as_mut().and_then(|shard| shard.get_mut(&ticket.hash));
            let Some(held) = held.filter(|held| held.since == ticket.since) else { return };
            held.since = PROVED;
            held.resource.clone()
        };
        let bytes = resource.bytes();
        self.window.leave(bytes);
        if self.lower.is_some() && resource.variants().iter().all(|kept| kept.is_back_for_one()) {
            COUNTERS.evicted.bump();
            drop(self.index.remove(ticket.hash, PROVED));
            return;
        }
        offer(self.lower.as_deref(), &resource);
        COUNTERS.offered.bump();
        self.proved.insert(ticket.hash, weight(bytes));
        // moka lets go of nothing before it has looked at what came: a few large objects would take
        // the room of many.
        if self.offered.fetch_add(bytes, Ordering::Relaxed) > self.lag {
            self.offered.store(0, Ordering::Relaxed);
            self.proved.run_pending_tasks();
        }
    }

    fn stripe(&self, hash: u64) -> Option<MutexGuard<'_, ()>> {
        // The index takes the lowest bits.
        self.stripes.get((hash >> 8) as usize % STRIPES).map(|stripe| stripe.lock())
    }
}

fn offer(lower: Option<&Lower>, resource: &Resource) {
    if let Some(lower) = lower {
        lower.offer(resource);
    }
}

fn weight(bytes: u64) -> u32 {
    bytes.div_ceil(WEIGHT_UNIT).min(u64::from(u32::MAX)) as u32
}
