//! The memory tier: the window for new objects, and moka for those that proved themselves.
//!
//! A URL is in one of the two at a time. Lookups ask moka first, which notes the request even if it
//! does not have the object; so by the time an object leaves the window, moka knows how often it was
//! asked for and admits it or not (TinyLFU). Changes to a URL go through one of a few locks chosen by
//! its hash; lookups take none of these.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use moka::sync::SegmentedCache;
use parking_lot::{Mutex, MutexGuard};

use super::COUNTERS;
use super::budget::Budget;
use super::entry::Resource;
use super::settings::Settings;
use super::window::Window;
use crate::cache::Key;
use crate::clock::Timestamp;

pub(super) struct Memory {
    window: Window,
    main: SegmentedCache<Key, Arc<Resource>, RandomState>,
    hasher: RandomState,
    stripes: Box<[Mutex<()>]>,
}

/// What to do with a URL's resource.
pub(super) enum Change {
    Nothing,
    Put(Resource),
    Remove,
}

const STRIPES: usize = 256;

/// moka counts weights in `u32`; in units of this many bytes an object may have a terabyte.
const WEIGHT_UNIT: u64 = 256;

/// A segment of moka smaller than this could not hold large objects beside others.
const LEAST_SEGMENT: u64 = 512 << 20;

impl Memory {
    pub(super) fn new(settings: &Settings) -> Self {
        let hasher = RandomState::default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let segments = (settings.main_bytes() / LEAST_SEGMENT).clamp(1, cores.next_power_of_two());
        let main = SegmentedCache::builder(segments as usize)
            .max_capacity(settings.main_bytes() / WEIGHT_UNIT)
            .weigher(|_: &Key, resource: &Arc<Resource>| {
                resource.bytes().div_ceil(WEIGHT_UNIT).min(u64::from(u32::MAX)) as u32
            })
            .build_with_hasher(hasher.clone());
        let stripes = std::iter::repeat_with(Mutex::default).take(STRIPES).collect();
        let window = Window::new(settings.window_bytes(), settings.window_time.0);
        Memory { window, main, hasher, stripes }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Resource>> {
        self.main.get(key).or_else(|| self.window.get(key))
    }

    /// Changes what is held for `key` in one step; `alter` sees what is held now.
    pub(super) fn change(
        &self,
        key: &Key,
        now: Timestamp,
        alter: impl FnOnce(Option<&Resource>) -> Change,
    ) {
        {
            let _alone = self.stripe(key);
            let in_main = self.main.get(key);
            let held = in_main.clone().or_else(|| self.window.get(key));
            let change = alter(held.as_deref());
            if matches!(change, Change::Nothing) {
                return;
            }
            if let Some(held) = &held {
                held.retire();
            }
            match change {
                Change::Put(new) if in_main.is_some() => {
                    self.main.insert(key.clone(), Arc::new(new))
                }
                Change::Put(new) => self.window.put(key, Arc::new(new), now),
                Change::Remove | Change::Nothing => {
                    self.main.invalidate(key);
                    self.window.remove(key);
                }
            }
        }
        self.sweep(now);
    }

    /// Moves what the window has no room or time for on to moka.
    pub(super) fn sweep(&self, now: Timestamp) {
        while let Some((key, ticket)) = self.window.due(now) {
            self.promote(&key, ticket);
        }
    }

    /// Brings moka up to date; for a quiet moment, about once a second.
    pub(super) fn settle(&self) {
        self.main.run_pending_tasks();
        self.window.tidy();
    }

    /// Evicts until `budget` has `bytes` to spare: from the window first what was never asked for
    /// again, then whatever moka lists first. It stops when it has evicted as much as was wanted,
    /// room or not: what slow clients hold stays used, and the cache must not be emptied for it.
    pub(super) fn make_room(&self, budget: &Budget, bytes: u64) {
        // More than asked for, so that the next ones need not come here.
        let wanted = bytes.max(budget.limit() / 256).min(budget.limit());
        let spare = || budget.limit().saturating_sub(budget.used()) >= wanted;
        let mut evicted = 0;
        while !spare() && evicted < wanted {
            let Some((key, ticket)) = self.window.oldest() else { break };
            let _alone = self.stripe(&key);
            let Some(resource) = self.window.leave(&key, ticket) else { continue };
            if resource.entries().any(|entry| entry.hits() > 0) {
                COUNTERS.offered.bump();
                self.main.insert(key, resource);
            } else {
                evicted += resource.bytes();
            }
        }
        if spare() || evicted >= wanted {
            return;
        }
        self.main.run_pending_tasks();
        for (key, resource) in self.main.iter() {
            if spare() || evicted >= wanted {
                break;
            }
            evicted += resource.bytes();
            let _alone = self.stripe(&key);
            self.main.invalidate(&*key);
        }
        // What moka lets go of is freed when no thread can be reading it any more, which takes it
        // a few rounds to find out.
        for _ in 0..4 {
            self.main.run_pending_tasks();
        }
    }

    /// How many URLs are held, and their bytes: in the window, then in moka.
    pub(super) fn held(&self) -> [(u64, u64); 2] {
        let main = (self.main.entry_count(), self.main.weighted_size() * WEIGHT_UNIT);
        [(self.window.count() as u64, self.window.bytes()), main]
    }

    fn promote(&self, key: &Key, ticket: u64) {
        let _alone = self.stripe(key);
        if let Some(resource) = self.window.leave(key, ticket) {
            COUNTERS.offered.bump();
            self.main.insert(key.clone(), resource);
        }
    }

    fn stripe(&self, key: &Key) -> Option<MutexGuard<'_, ()>> {
        let index = self.hasher.hash_one(key) as usize % STRIPES;
        self.stripes.get(index).map(|stripe| stripe.lock())
    }
}
