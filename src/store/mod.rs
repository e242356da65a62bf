//! Keeps bytes: the memory tier.
//!
//! A concrete type with look-up, insertion as a stream, update of metadata, and removal. It knows
//! nothing of freshness; `cache` judges and `fill` joins the store with the origin. See `budget`
//! for the bound on memory, `body` for how bodies are read while they grow.

mod body;
mod budget;
mod chunks;
mod counters;
pub mod disk;
mod entry;
mod filed;
mod growing;
mod index;
pub mod inspect;
mod kept;
mod memo;
mod memory;
mod page;
mod purge;
mod reader;
mod remembered;
pub mod rules;
mod settings;
mod shape;
mod shared;
pub mod survey;
mod tiers;
mod window;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;

pub use body::{Body, Cut, End};
pub use budget::{Budget, Charge};
pub use counters::{COUNTERS, Counters};
use disk::Disks;
pub use disk::Opener;
pub use entry::Entry;
pub use reader::{Ahead, Reader};
pub use settings::{Disk, Settings};
pub use writer::{Doom, Writer};

use crate::cache::{Key, KeyRef, Stored};
use crate::clock::{Clock, Timestamp};
use crate::header::no_vary_search::NoVarySearch;
use chunks::Chunks;
use entry::{Names, Resource};
use filed::CHUNK;
use growing::Growing;
use kept::{Head, Kept};
use memo::Memo;
use memory::{Change, Memory};
use rules::{Fate, Rules};
use shape::Shapes;
use tiers::Lower;
use writer::{Place, STEP, Spilling};

/// The store of one node.
pub struct Store {
    settings: Settings,
    clock: Clock,
    budget: Arc<Budget>,
    memory: Memory,
    lower: Option<Arc<Lower>>,
    rules: Arc<Rules>,
    shapes: Shapes,
    /// URLs that are uncacheable until then.
    markers: Memo<Timestamp>,
    /// Paths and which parts of their queries do not matter.
    searches: Memo<Arc<NoVarySearch>>,
    /// URLs that are not fetched by slices until then.
    unsliced: Memo<Timestamp>,
    objects: AtomicU64,
}

/// What a look-up came to.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A response that the request selects; whole or in part, fresh or not.
    Found(Arc<Entry>),
    /// Responses are stored for the URL, but none that the request's header fields select.
    VaryMiss,
    /// The URL is known to be uncacheable until then.
    Marker(Timestamp),
    /// Nothing is known.
    Absent,
}

/// A response about to be stored.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Key of the URL.
    pub key: &'a Key,
    /// Header fields of the request that the response answers, for `Vary`.
    pub request_headers: &'a HeaderMap,
    /// The response without its body.
    pub stored: Stored,
    /// Set for a 206: the range that comes.
    pub part: Option<Part>,
    /// How many variants the URL may have.
    pub max_variants: usize,
    /// Set by whoever invalidates the URL meanwhile.
    pub doom: Doom,
}

/// The range of a representation that a 206 carries. [`Stored::total`] must be set.
#[derive(Debug)]
pub struct Part {
    /// Offsets of its bytes.
    pub range: Range<u64>,
    /// Ranges of the same representation that are stored already and stay (RFC 9111 section 3.4).
    pub onto: Option<Arc<Entry>>,
}

/// How full the store is, for metrics and the admin interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The bound in bytes.
    pub limit: u64,
    /// Bytes used, in flight included.
    pub used: u64,
    /// URLs in the window.
    pub window_objects: u64,
    /// Their bytes.
    pub window_bytes: u64,
    /// URLs that proved themselves. moka counts a little behind.
    pub main_objects: u64,
    /// Their bytes.
    pub main_bytes: u64,
    /// URLs marked as uncacheable.
    pub markers: u64,
}

impl Store {
    /// An empty store in memory alone.
    pub fn new(settings: Settings, clock: Clock) -> Arc<Self> {
        let rules = Rules::forgetful(clock.clone(), settings.max_purge_rules as usize);
        Store::over(settings, clock, rules, None)
    }

    /// A store with what its disks hold from earlier, and the purges that `state` knows of.
    ///
    /// # Errors
    /// One sentence: another node uses one of the disks, or the purges cannot be kept.
    pub fn open(
        settings: Settings,
        clock: Clock,
        state: &Path,
        files: Arc<dyn Opener>,
    ) -> Result<Arc<Self>, String> {
        let rules = Rules::open(state, clock.clone(), settings.max_purge_rules as usize)?;
        let disks = match settings.disks.is_empty() {
            true => None,
            false => Some(Disks::open(settings.disk_options(), files)?),
        };
        Ok(Store::over(settings, clock, rules, disks))
    }

    fn over(
        settings: Settings,
        clock: Clock,
        rules: Rules,
        disks: Option<Arc<Disks>>,
    ) -> Arc<Self> {
        let most = settings.max_markers as usize;
        let rules = Arc::new(rules);
        let lower = disks.map(|disks| Arc::new(Lower::new(disks, &rules)));
        Arc::new(Store {
            budget: Budget::new(settings.memory.0),
            memory: Memory::new(&settings, lower.clone()),
            lower,
            rules,
            shapes: Shapes::default(),
            markers: Memo::new(most),
            searches: Memo::new(most),
            unsliced: Memo::new(most),
            // The disk names bytes by such a number too: no two starts may give the same one.
            objects: AtomicU64::new(fastrand::u64(..)),
            clock,
            settings,
        })
    }

    /// A number for new bytes, as [`Stored::object_id`](crate::cache::Stored::object_id) wants it.
    pub fn new_object_id(&self) -> u64 {
        self.objects.fetch_add(1, Ordering::Relaxed)
    }

    /// Looks for a response to a request for `key` with `headers`. Takes no lock that more than a
    /// few other URLs share.
    pub fn get<'a>(&self, key: impl Into<KeyRef<'a>>, headers: &HeaderMap) -> Lookup {
        let key = key.into();
        match self.select(key, headers) {
            Ok((kept, None)) => Lookup::Found(self.memory.found(key, kept)),
            Ok((kept, Some(since))) => Lookup::Found(Entry::stale(kept, since)),
            Err(lookup) => {
                // What is not going to be stored need not prove itself.
                if !matches!(lookup, Lookup::Marker(_)) {
                    self.memory.missed(key);
                }
                lookup
            }
        }
    }

    /// The same without counting the hit.
    pub fn peek<'a>(&self, key: impl Into<KeyRef<'a>>, headers: &HeaderMap) -> Lookup {
        match self.select(key.into(), headers) {
            Ok((kept, None)) => Lookup::Found(Entry::found(kept)),
            Ok((kept, Some(since))) => Lookup::Found(Entry::stale(kept, since)),
            Err(lookup) => lookup,
        }
    }

    /// What is stored and selected and since when a purge has it stale, or what there is instead.
    fn select(
        &self,
        key: KeyRef<'_>,
        headers: &HeaderMap,
    ) -> Result<(Arc<Kept>, Option<Timestamp>), Lookup> {
        let resource = self.memory.get(key);
        if let Some(kept) = resource.as_ref().and_then(|held| held.select(key, headers)) {
            match self.fate(key, kept) {
                Fate::Live => return Ok((kept.clone(), None)),
                Fate::Stale(since) => return Ok((kept.clone(), Some(since))),
                Fate::Dead => {
                    self.bury(key, kept);
                    return Err(Lookup::Absent);
                }
            }
        }
        Err(match self.markers.get(key) {
            Some(until) if until > self.clock.now() => Lookup::Marker(until),
            _ if resource.is_some() => Lookup::VaryMiss,
            _ => Lookup::Absent,
        })
    }

    /// Key of the variant that a request with `headers` would select by the newest `Vary` known;
    /// `key` itself if none is.
    pub fn variant_key(&self, key: &Key, headers: &HeaderMap) -> Key {
        let resource = self.memory.get(key.into());
        match resource.as_ref().and_then(|held| held.latest_spec()) {
            Some(spec) => key.variant(spec, headers),
            None => key.clone(),
        }
    }

    /// Everything stored for a URL, the newest first.
    pub fn variants(&self, key: &Key) -> Vec<Arc<Entry>> {
        let resource = self.memory.get(key.into());
        let held = resource.as_ref().map_or_else(Default::default, Resource::variants);
        let live = |kept: &Arc<Kept>| match self.fate(key.into(), kept) {
            Fate::Live => Some(Entry::found(kept.clone())),
            Fate::Stale(since) => Some(Entry::stale(kept.clone(), since)),
            Fate::Dead => None,
        };
        held.iter().filter_map(live).collect()
    }

    /// Opens an entry for a response. Its body can be read at once; look-ups find it when the
    /// writer has finished, unless it turns out not to be kept ([`Writer::keeps`]).
    pub fn insert(self: &Arc<Self>, incoming: Incoming<'_>) -> (Arc<Entry>, Writer) {
        let Incoming { key, request_headers, stored, part, max_variants, doom } = incoming;
        let names = Names::of(key, request_headers, &stored);
        let head = Head::new(&self.shapes, key.into(), names, &stored);
        let total = stored.total;
        let (chunks, filed, from, until) = match part {
            Some(Part { range, onto }) => {
                let mut chunks = Chunks::default();
                let mut filed = None;
                if let Some(onto) = onto {
                    (chunks, filed) = (onto.body.with_chunks(Chunks::clone), onto.body.filed());
                    filed.iter().for_each(|filed| chunks.forget_filed(filed));
                }
                (chunks, filed, range.start, Some(range.end))
            }
            None => (Chunks::default(), None, 0, total),
        };
        let announced = until.map_or(0, |until| until.saturating_sub(from));
        let inherited = chunks.bytes();
        let in_memory = inherited.saturating_add(announced);
        let spilling = match filed.is_some() || in_memory > self.spill_above() {
            true => self.may_spill(key.into(), &stored, in_memory),
            false => Spilling::No,
        };
        let spills = matches!(spilling, Spilling::To(_));
        let fits = spills || in_memory <= self.largest_kept();
        let expected = if spills || until.is_none() { STEP } else { announced };
        let meta = head.weight();
        let reserve = fits.then(|| self.reserve(meta.saturating_add(expected))).flatten();
        let keeps = reserve.is_some();
        let mut reserve = reserve.unwrap_or_else(|| self.budget.nothing());
        let body = Arc::new(Growing::new(chunks, from, until, total));
        if let Some(filed) = filed {
            body.begin_filing(filed);
        }
        if !keeps {
            COUNTERS.outgrown.bump();
            body.slide();
        }
        let entry = Entry::new(stored, body.clone().into());
        let mut writer = Writer {
            store: self.clone(),
            entry: entry.clone(),
            body,
            place: Place { key: key.clone(), max_variants, doom },
            head: keeps.then_some(head),
            meta: reserve.split(meta),
            reserve,
            keeps,
            spilling: Spilling::No,
            from,
            inherited,
            asked_to_spill: spills,
            spilled: from.next_multiple_of(CHUNK),
            joined: from,
            pieces: 0,
        };
        if keeps {
            writer.begin_spilling(spilling);
        }
        (entry, writer)
    }

    /// Replaces an entry's metadata after a 304 (RFC 9111 section 4.3.4) or a HEAD (4.3.5); both
    /// share the body. If the old entry is not stored any more, the new one is not either; if only the
    /// disk has it by now, memory has the new one again.
    pub fn update(&self, key: &Key, entry: &Arc<Entry>, stored: Stored) -> Arc<Entry> {
        let Some(old) = entry.kept() else { return self.aside(entry, stored) };
        let head = Head::new(&self.shapes, key.into(), old.names().cloned(), &stored);
        let Some(charge) = self.reserve(head.weight()) else { return self.aside(entry, stored) };
        let updated = Arc::new(Kept::new(head, entry.body.clone(), charge));
        updated.inherit_hits(old);
        // An object that is confirmed again and again is written now and then only.
        let minute = |kept: &Kept| kept.response_time().seconds() / 60;
        let due = minute(old) != minute(&updated);
        let below = || self.lower.as_ref().is_some_and(|lower| lower.has(key.into()));
        let mut changed = None;
        self.memory.change(key.into(), self.clock.now(), |held| match held {
            Some(held) if held.holds(old) => {
                COUNTERS.updated.bump();
                let held = held.with(updated.clone(), usize::MAX);
                changed = Some(held.clone()).filter(|_| due);
                Change::Put(held)
            }
            None if old.is_filed() && old.names().is_none() && below() => {
                COUNTERS.updated.bump();
                Change::Put(Resource::One(updated.clone()))
            }
            _ => Change::Nothing,
        });
        if let (Some(lower), Some(resource)) = (&self.lower, changed)
            && lower.has(key.into())
        {
            lower.offer(&resource);
        }
        Entry::found(updated)
    }

    /// The entry with other metadata, for one client alone: look-ups go on finding it as it is.
    pub fn aside(&self, entry: &Arc<Entry>, stored: Stored) -> Arc<Entry> {
        Entry::new(stored, entry.body.clone())
    }

    /// Removes a URL: all its variants, and its mark.
    pub fn remove(&self, key: &Key) {
        self.markers.forget(key);
        self.forget_below(key);
        self.memory.change(key.into(), self.clock.now(), |held| match held {
            Some(_) => {
                COUNTERS.removed.bump();
                Change::Remove
            }
            None => Change::Nothing,
        });
    }

    /// Removes one entry of a URL.
    pub fn remove_entry(&self, key: &Key, entry: &Entry) {
        let Some(gone) = entry.kept() else { return };
        // What is left is offered again in time.
        self.forget_below(key);
        self.memory.change(key.into(), self.clock.now(), |held| {
            match held.filter(|held| held.holds(gone)) {
                Some(held) => held.without(gone).map_or(Change::Remove, Change::Put),
                None => Change::Nothing,
            }
        });
    }

    /// Moves on what has been in the window for too long. The node calls this about once a second.
    pub fn sweep(&self) {
        self.memory.sweep(self.clock.now());
        self.memory.settle();
        if let Some(lower) = &self.lower {
            lower.disks.sweep();
        }
    }

    /// How full the store is.
    pub fn figures(&self) -> Figures {
        let [(window_objects, window_bytes), (main_objects, main_bytes)] = self.memory.held();
        Figures {
            limit: self.budget.limit(),
            used: self.budget.used(),
            window_objects,
            window_bytes,
            main_objects,
            main_bytes,
            markers: self.markers.count() as u64,
        }
    }

    /// Reserves `bytes`, evicting if need be.
    fn reserve(&self, bytes: u64) -> Option<Charge> {
        if let Some(charge) = self.budget.try_charge(bytes) {
            return Some(charge);
        }
        self.memory.make_room(&self.budget, bytes);
        let charge = self.budget.try_charge(bytes);
        if charge.is_none() {
            COUNTERS.no_room.bump();
        }
        charge
    }

    /// Puts a complete response where look-ups find it, unless it is doomed.
    fn place(&self, place: &Place, kept: Kept) -> bool {
        let mut placed = None;
        let bytes = kept.bytes();
        self.memory.change((&place.key).into(), self.clock.now(), |held| {
            // Asked under the lock that a removal takes: whoever dooms the fill before removing
            // the URL cannot be overtaken.
            if place.doom.is_set()
                || self.fate((&place.key).into(), &kept) == Fate::Dead
                || held.is_some_and(|held| held.has_better(&kept))
            {
                return Change::Nothing;
            }
            let kept = Arc::new(match held.and_then(|held| held.rival(&kept)) {
                Some(rival) => kept.joined_with(rival),
                None => kept,
            });
            let others = held.map(|held| held.with(kept.clone(), place.max_variants));
            let resource = others.unwrap_or(Resource::One(kept));
            placed = Some(resource.clone());
            Change::Put(resource)
        });
        let filed = |held: &&Resource| held.variants().iter().any(|kept| kept.body.is_filed());
        if let (Some(lower), Some(resource)) = (&self.lower, placed.as_ref().filter(filed)) {
            // Its bytes lie on disk: without its metadata they would be lost with the process.
            lower.offer(resource);
        }
        let placed = placed.is_some();
        if placed {
            self.markers.forget(&place.key);
            COUNTERS.stored.bump();
            COUNTERS.stored_bytes.add(bytes);
        }
        placed
    }

    fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    fn largest_kept(&self) -> u64 {
        self.settings.largest_kept()
    }

    fn stream_buffer(&self) -> u64 {
        self.settings.stream_buffer.0
    }

    fn stall_timeout(&self) -> Duration {
        self.settings.stall_timeout.0
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("figures", &self.figures()).finish_non_exhaustive()
    }
}
