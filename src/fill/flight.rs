//! One fetch that many clients share, and the map of those under way.
//!
//! A flight is found by its URL. It is for one variant of it and for the whole or a range, as far as
//! that is known before the response comes. Who asks either boards the flight that answers the
//! question, or leads a new one; the store is asked again under the same lock, so that a response
//! that has just been stored is not fetched again.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use foldhash::fast::RandomState;
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use tokio::sync::watch;

use super::{Answered, COUNTERS, Inquiry};
use crate::cache::{self, Key, Reason, Reuse};
use crate::clock::Timestamp;
use crate::header::range;
use crate::store::{Doom, Entry, Lookup, Store};
use crate::upstream::{Fault, FaultKind, Inbound};

/// One fetch.
pub(super) struct Flight {
    /// The URL.
    key: Key,
    id: Id,
    /// Whether nobody but the leader's client may be aboard.
    alone: bool,
    /// The newest purge when it began.
    fill_seq: u64,
    /// Forbids to store the response: the URL was invalidated meanwhile.
    pub(super) doom: Doom,
    aboard: AtomicUsize,
    landing: watch::Sender<Option<Landing>>,
    /// A response that is for the leader's client alone.
    gift: Mutex<Option<Inbound>>,
    /// The fields of a shared response that are for the leader's client alone.
    once: Mutex<HeaderMap>,
}

/// What a flight fetches, as far as that is known at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Id {
    /// The variant by the newest `Vary` known, or the URL.
    variant: Key,
    /// The range that is asked for; `None` for the whole.
    range: Option<HeaderValue>,
}

/// What came of a flight, known with the response head.
#[derive(Clone, Debug)]
pub(super) struct Landing {
    pub(super) what: What,
    /// Who answered; `None` if nobody did.
    pub(super) answered: Option<Answered>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// A response that is stored, or shared at least by those aboard; its body may still grow.
    /// `variant` is its key.
    Entry { entry: Arc<Entry>, variant: Key, stored: bool },
    /// A 304: what was stored holds.
    Revalidated(Arc<Entry>),
    /// A response that is for the leader's client alone.
    Uncacheable(Reason),
    /// A 5xx while something is stored that may be served instead.
    Erroring(StatusCode),
    /// No response.
    Failed(Arc<Fault>),
}

/// A client's place in a flight; given up when dropped.
pub(super) struct Seat {
    pub(super) flight: Arc<Flight>,
    pub(super) leads: bool,
}

/// How a client gets what it asked for.
pub(super) enum Boarding {
    /// It has come into the store meanwhile.
    Stored(Arc<Entry>),
    /// It has been found to be uncacheable meanwhile.
    Uncacheable,
    /// From a flight under way; or from one that this client must lead.
    Seat(Seat),
    /// Too many wait already.
    Crowded,
}

/// The flights under way, spread over locks by URL.
pub(super) struct Board {
    hasher: RandomState,
    shards: Box<[CachePadded<Mutex<Shard>>; SHARDS]>,
    most_aboard: usize,
}

type Shard = HashMap<Key, SmallVec<[Arc<Flight>; 1]>, RandomState>;

const SHARDS: usize = 64;

/// How far behind a range a growing body may be to be waited for, in bytes.
const NEAR: u64 = 1 << 20;

impl Board {
    pub(super) fn new(most_aboard: usize) -> Self {
        let hasher = RandomState::default();
        let shard = |_| CachePadded::new(Mutex::new(HashMap::with_hasher(hasher.clone())));
        let shards = Box::new(std::array::from_fn(shard));
        Board { hasher, shards, most_aboard }
    }

    /// Finds the flight for an inquiry or makes one. `late` is a flight that the client has waited
    /// for too long: the first who says so replaces it.
    pub(super) fn board(
        &self,
        inquiry: &Inquiry<'_>,
        store: &Store,
        now: Timestamp,
        late: Option<&Arc<Flight>>,
    ) -> Boarding {
        let mut shard = self.shard(inquiry.key);
        match store.peek(inquiry.key, inquiry.request.headers) {
            Lookup::Found(entry) if inquiry.is_answered_by(&entry, now) => {
                return Boarding::Stored(entry);
            }
            Lookup::Marker(_) if inquiry.base.is_none() => return Boarding::Uncacheable,
            _ => {}
        }
        let mut variant = store.variant_key(inquiry.key, inquiry.request.headers);
        let flights = shard.entry(inquiry.key.clone()).or_default();
        if let Some(late) = late {
            flights.retain(|flight| !Arc::ptr_eq(flight, late));
        }
        // What a purge made old before it has come is of no use to those who ask now.
        let current =
            |flight: &&Arc<Flight>| store.is_current(inquiry.key, flight.fill_seq, Vec::new);
        for flight in flights.iter().filter(current) {
            match flight.answers(inquiry, &mut variant, now) {
                true if flight.aboard.load(Ordering::Relaxed) >= self.most_aboard => {
                    COUNTERS.crowded.bump();
                    return Boarding::Crowded;
                }
                true => return Boarding::Seat(Seat::new(flight.clone(), false)),
                false => {}
            }
        }
        let id = Id { variant, range: inquiry.range.cloned() };
        let flight = Flight::new(inquiry.key, id, false, store.purge_seq());
        flights.push(flight.clone());
        Boarding::Seat(Seat::new(flight, true))
    }

    /// A flight that no one else can board. It is on the board all the same, for an invalidation of
    /// its URL to find it.
    pub(super) fn alone(&self, key: &Key) -> Seat {
        let flight = Flight::new(key, Id { variant: key.clone(), range: None }, true, 0);
        self.shard(key).entry(key.clone()).or_default().push(flight.clone());
        Seat::new(flight, true)
    }

    /// Takes a flight off the board: from now on nobody boards it.
    pub(super) fn remove(&self, flight: &Arc<Flight>) {
        let mut shard = self.shard(&flight.key);
        if let Some(flights) = shard.get_mut(&flight.key) {
            flights.retain(|other| !Arc::ptr_eq(other, flight));
            if flights.is_empty() {
                shard.remove(&flight.key);
            }
        }
    }

    /// Takes all flights of a URL off the board and forbids that they be stored.
    pub(super) fn doom(&self, key: &Key) {
        for flight in self.shard(key).remove(key).into_iter().flatten() {
            COUNTERS.doomed.bump();
            flight.doom.set();
        }
    }

    /// How many flights that others may board are under way, and how many clients are aboard.
    pub(super) fn count(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(flights, aboard), shard| {
            let shard = shard.lock();
            let all = shard.values().flatten().filter(|flight| !flight.alone);
            all.fold((flights, aboard), |(flights, aboard), flight| {
                (flights + 1, aboard + flight.aboard.load(Ordering::Relaxed))
            })
        })
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let place = (self.hasher.hash_one(key) >> 40) as usize % SHARDS;
        self.shards.get(place).unwrap_or(&self.shards[0]).lock()
    }
}

impl Flight {
    fn new(key: &Key, id: Id, alone: bool, fill_seq: u64) -> Arc<Self> {
        Arc::new(Flight {
            key: key.clone(),
            id,
            alone,
            fill_seq,
            doom: Doom::default(),
            aboard: AtomicUsize::new(0),
            landing: watch::Sender::new(None),
            gift: Mutex::new(None),
            once: Mutex::default(),
        })
    }

    /// Tells everybody aboard what came of it. Only the first word counts.
    pub(super) fn land(&self, what: What, answered: Option<Answered>) {
        self.landing.send_if_modified(|landing| {
            let first = landing.is_none();
            landing.get_or_insert(Landing { what, answered });
            first
        });
    }

    /// Leaves a response for the leader's client.
    pub(super) fn leave_gift(&self, inbound: Inbound) {
        *self.gift.lock() = Some(inbound);
    }

    /// Leaves fields for the leader's client.
    pub(super) fn leave_once(&self, once: HeaderMap) {
        *self.once.lock() = once;
    }

    /// How many clients are aboard: they wait, or have yet to open the body.
    pub(super) fn aboard(&self) -> usize {
        self.aboard.load(Ordering::Relaxed)
    }

    /// Whether this flight brings, or has brought, what the inquiry is for. `variant` is what the
    /// inquiry would select; a flight that knows its `Vary` tells better than the store.
    fn answers(&self, inquiry: &Inquiry<'_>, variant: &mut Key, now: Timestamp) -> bool {
        if self.alone {
            return false;
        }
        // Who wants a range is served from the whole, but not the other way round.
        let covers = self.id.range.is_none() || self.id.range.as_ref() == inquiry.range;
        let landing = self.landing.borrow();
        match landing.as_ref().map(|landing| &landing.what) {
            None => covers && self.id.variant == *variant,
            Some(What::Entry { entry, variant: landed, .. }) => {
                if let Some(spec) = &entry.stored.vary {
                    *variant = inquiry.key.variant(spec, inquiry.request.headers);
                }
                // Whoever waited gets the response however short its life; who comes later may only
                // have what is fresh.
                covers && landed == variant && inquiry.may_use(entry, now) && inquiry.is_near(entry)
            }
            Some(_) => false,
        }
    }
}

impl Seat {
    fn new(flight: Arc<Flight>, leads: bool) -> Self {
        flight.aboard.fetch_add(1, Ordering::Relaxed);
        Seat { flight, leads }
    }

    /// Sleeps until it is known what came of the flight. Its task tells, however it ends.
    pub(super) async fn landing(&self) -> Landing {
        let mut landing = self.flight.landing.subscribe();
        let landed = landing.wait_for(Option::is_some).await.ok().and_then(|landed| landed.clone());
        landed.unwrap_or_else(|| Landing {
            what: What::Failed(Arc::new(Fault::new(FaultKind::Internal))),
            answered: None,
        })
    }

    /// The response that is for the leader's client alone.
    pub(super) fn gift(&self) -> Option<Inbound> {
        self.leads.then(|| self.flight.gift.lock().take()).flatten()
    }

    /// The fields that are for the leader's client alone.
    pub(super) fn once(&self) -> HeaderMap {
        if self.leads { std::mem::take(&mut *self.flight.once.lock()) } else { HeaderMap::new() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flight.aboard.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inquiry<'_> {
    /// Whether what the store has by now is what was asked for.
    fn is_answered_by(&self, entry: &Arc<Entry>, now: Timestamp) -> bool {
        let newer = self.base.is_none_or(|base| !base.is_same(entry));
        newer && entry.is_whole() && self.may_use(entry, now)
    }

    /// Whether a growing body will come to the range that is asked for before long. The end of a
    /// large object is better asked for than waited for.
    fn is_near(&self, entry: &Entry) -> bool {
        let first = self.range.zip(entry.body.total()).and_then(|(range, total)| {
            let specs = range::parse(range.as_bytes(), 1)?;
            Some(specs.first()?.resolve(total)?.start)
        });
        first.is_none_or(|first| first <= entry.body.progress().0.saturating_add(NEAR))
    }

    fn may_use(&self, entry: &Entry, now: Timestamp) -> bool {
        let judgement = cache::judge(self.policy, &self.request, &entry.stored, now);
        matches!(judgement.reuse, Reuse::Fresh)
    }
}
