//! Keeps bytes: the memory tier.
//!
//! A concrete type with look-up, insertion as a stream, update of metadata, and removal. It knows
//! nothing of freshness; `cache` judges and `fill` joins the store with the origin. See `budget`
//! for the bound on memory, `body` for how bodies are read while they grow.

mod body;
mod budget;
mod chunks;
mod entry;
mod index;
mod kept;
mod memo;
mod memory;
mod reader;
mod settings;
mod shape;
mod window;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderMap;

pub use body::{Body, Cut, End};
pub use budget::{Budget, Charge};
pub use entry::Entry;
pub use reader::Reader;
pub use settings::Settings;
pub use writer::{Doom, Writer};

use crate::cache::{Key, KeyRef, Stored};
use crate::clock::{Clock, Timestamp};
use crate::count::Counter;
use crate::header::no_vary_search::NoVarySearch;
use body::Growing;
use chunks::Chunks;
use entry::{Names, Resource};
use kept::{Head, Kept};
use memo::Memo;
use memory::{Change, Memory};
use shape::Shapes;
use writer::{Place, STEP};

/// What the store has done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Responses stored, whole or in part.
    pub stored: Counter,
    /// Their bytes, metadata included.
    pub stored_bytes: Counter,
    /// Metadata replaced after a 304.
    pub updated: Counter,
    /// URLs removed by order.
    pub removed: Counter,
    /// URLs that went for lack of room.
    pub evicted: Counter,
    /// URLs that left the window and were offered to moka.
    pub offered: Counter,
    /// Variants that went since their URL had too many.
    pub variants_dropped: Counter,
    /// Reservations that failed even after evicting.
    pub no_room: Counter,
    /// Bodies that were too large to keep, known at the start or found out on the way.
    pub outgrown: Counter,
    /// Bodies that were cut.
    pub cut: Counter,
    /// Readers cut since they held up a stream.
    pub stalled: Counter,
    /// URLs marked as uncacheable.
    pub marked: Counter,
}

/// The counters of the process's store.
pub static COUNTERS: Counters = Counters {
    stored: Counter::new(),
    stored_bytes: Counter::new(),
    updated: Counter::new(),
    removed: Counter::new(),
    evicted: Counter::new(),
    offered: Counter::new(),
    variants_dropped: Counter::new(),
    no_room: Counter::new(),
    outgrown: Counter::new(),
    cut: Counter::new(),
    stalled: Counter::new(),
    marked: Counter::new(),
};

/// The store of one node.
pub struct Store {
    settings: Settings,
    clock: Clock,
    budget: Arc<Budget>,
    memory: Memory,
    shapes: Shapes,
    /// URLs that are uncacheable until then.
    markers: Memo<Timestamp>,
    /// Paths and which parts of their queries do not matter.
    searches: Memo<Arc<NoVarySearch>>,
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
    /// An empty store.
    pub fn new(settings: Settings, clock: Clock) -> Arc<Self> {
        let most = settings.max_markers as usize;
        Arc::new(Store {
            budget: Budget::new(settings.memory.0),
            memory: Memory::new(&settings),
            shapes: Shapes::default(),
            markers: Memo::new(most),
            searches: Memo::new(most),
            objects: AtomicU64::new(1),
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
            Ok(kept) => Lookup::Found(self.memory.found(key, kept)),
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
            Ok(kept) => Lookup::Found(Entry::found(kept)),
            Err(lookup) => lookup,
        }
    }

    /// What is stored and selected, or what there is instead.
    fn select(&self, key: KeyRef<'_>, headers: &HeaderMap) -> Result<Arc<Kept>, Lookup> {
        let resource = self.memory.get(key);
        if let Some(kept) = resource.as_ref().and_then(|held| held.select(key, headers)) {
            return Ok(kept.clone());
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
        held.iter().cloned().map(Entry::found).collect()
    }

    /// Opens an entry for a response. Its body can be read at once; look-ups find it when the
    /// writer has finished, unless it turns out not to be kept ([`Writer::keeps`]).
    pub fn insert(self: &Arc<Self>, incoming: Incoming<'_>) -> (Arc<Entry>, Writer) {
        let Incoming { key, request_headers, stored, part, max_variants, doom } = incoming;
        let names = Names::of(key, request_headers, &stored);
        let head = Head::new(&self.shapes, key.into(), names, &stored);
        let total = stored.total;
        let (chunks, from, until) = match part {
            Some(Part { range, onto }) => {
                let chunks = onto.map(|onto| onto.body.with_chunks(Chunks::clone));
                (chunks.unwrap_or_default(), range.start, Some(range.end))
            }
            None => (Chunks::default(), 0, total),
        };
        let expected = until.map_or(STEP, |until| until.saturating_sub(from));
        let fits = chunks.bytes() + until.map_or(0, |_| expected) <= self.settings.largest_kept();
        let meta = head.weight();
        let reserve = fits.then(|| self.reserve(meta.saturating_add(expected))).flatten();
        let keeps = reserve.is_some();
        let mut reserve = reserve.unwrap_or_else(|| self.budget.nothing());
        let body = Arc::new(Growing::new(chunks, from, until, total));
        if !keeps {
            COUNTERS.outgrown.bump();
            body.slide();
        }
        let entry = Entry::new(stored, body.clone().into());
        let writer = Writer {
            store: self.clone(),
            entry: entry.clone(),
            body,
            place: Place { key: key.clone(), max_variants, doom },
            head: keeps.then_some(head),
            meta: reserve.split(meta),
            reserve,
            keeps,
            joined: from,
            pieces: 0,
        };
        (entry, writer)
    }

    /// Replaces an entry's metadata after a 304 (RFC 9111 section 4.3.4) or a HEAD (4.3.5); both
    /// share the body. If the old entry is not stored any more, the new one is not either.
    pub fn update(&self, key: &Key, entry: &Arc<Entry>, stored: Stored) -> Arc<Entry> {
        let Some(old) = entry.kept() else { return self.aside(entry, stored) };
        let head = Head::new(&self.shapes, key.into(), old.names().cloned(), &stored);
        let Some(charge) = self.reserve(head.weight()) else { return self.aside(entry, stored) };
        let updated = Arc::new(Kept::new(head, entry.body.clone(), charge));
        updated.inherit_hits(old);
        self.memory.change(key.into(), self.clock.now(), |held| {
            match held.filter(|held| held.holds(old)) {
                Some(held) => {
                    COUNTERS.updated.bump();
                    Change::Put(held.with(updated.clone(), usize::MAX))
                }
                None => Change::Nothing,
            }
        });
        Entry::found(updated)
    }

    /// The entry with other metadata, for one client alone: look-ups go on finding it as it is.
    pub fn aside(&self, entry: &Arc<Entry>, stored: Stored) -> Arc<Entry> {
        Entry::new(stored, entry.body.clone())
    }

    /// Remembers that `key` is uncacheable until then.
    pub fn mark(&self, key: &Key, until: Timestamp) {
        COUNTERS.marked.bump();
        self.markers.put(key, until);
    }

    /// Which parts of its queries do not matter for a path (`No-Vary-Search`), by its
    /// [`path_key`](crate::cache::path_key). `None` at once while no path has such a rule.
    pub fn search_rule(&self, path: &Key) -> Option<Arc<NoVarySearch>> {
        self.searches.get(path.into())
    }

    /// Whether any path has such a rule, so that it is worth making its key.
    pub fn has_search_rules(&self) -> bool {
        self.searches.count() > 0
    }

    /// Remembers what the origin says of a path's queries; `None` forgets it.
    pub fn learn_search_rule(&self, path: &Key, rule: Option<NoVarySearch>) {
        match rule {
            Some(rule) => self.searches.put(path, Arc::new(rule)),
            None => self.searches.forget(path),
        }
    }

    /// Forgets that `key` is uncacheable: its last response could have been stored.
    pub fn unmark(&self, key: &Key) {
        self.markers.forget(key);
    }

    /// Removes a URL: all its variants, and its mark.
    pub fn remove(&self, key: &Key) {
        self.markers.forget(key);
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
        let mut placed = false;
        let bytes = kept.bytes();
        self.memory.change((&place.key).into(), self.clock.now(), |held| {
            // Asked under the lock that a removal takes: whoever dooms the fill before removing
            // the URL cannot be overtaken.
            if place.doom.is_set() || held.is_some_and(|held| held.has_better(&kept)) {
                return Change::Nothing;
            }
            placed = true;
            let kept = Arc::new(kept);
            let others = held.map(|held| held.with(kept.clone(), place.max_variants));
            Change::Put(others.unwrap_or(Resource::One(kept)))
        });
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
