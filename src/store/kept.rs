//! A stored response at rest, packed: most of a large cache is not being asked for at any moment.
//!
//! A small object is three allocations: this, its key and field values in one, and its body.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::body::Body;
use super::budget::Charge;
use super::entry::Names;
use super::shape::{self, Shape, Shapes};
use crate::cache::tags;
use crate::cache::{
    Allowance, Arrival, Key, KeyRef, Lifetimes, Parent, Reason, Source, Stored, VarySpec,
};
use crate::clock::Timestamp;

/// One stored response with its body and how often it was found.
#[derive(Debug)]
pub(super) struct Kept {
    head: Head,
    pub(super) body: Body,
    hits: AtomicU32,
    /// When moka was last told that it is asked for; and [`FILED`].
    told: AtomicU32,
    /// Pays for everything but the body.
    charge: Charge,
}

/// A [`Stored`] and the key of its URL, packed.
#[derive(Debug)]
pub(super) struct Head {
    shape: Arc<Shape>,
    /// The key's text and, after it, the values of the fields.
    text: Bytes,
    key_length: u32,
    status: StatusCode,
    no_cache: bool,
    immutable: bool,
    /// What forbids to serve it stale, to do so while revalidating, and on errors.
    refused: [Option<Reason>; 3],
    source: Source,
    fresh: Millis,
    stale_while_revalidate: Millis,
    stale_if_error: Millis,
    age_value: Millis,
    date: Timestamp,
    request_time: Timestamp,
    response_time: Timestamp,
    object_id: u64,
    /// All purge rules up to this number have been looked at, and named it not.
    fill_seq: AtomicU64,
    /// `u64::MAX` where it is not known.
    total: u64,
    rare: Option<Box<Rare>>,
}

/// What few responses have.
#[derive(Debug, Default)]
struct Rare {
    vary: Option<VarySpec>,
    names: Option<Names>,
    reach: Option<u64>,
    parent: Option<Parent>,
    rest_until: Option<Timestamp>,
}

/// Half the size of a `Duration`, and as fine as our clock.
#[derive(Clone, Copy, Debug)]
struct Millis(u64);

/// What an object costs beyond what is counted one by one: its places in the index and in the line
/// or in moka, the owner of its body, and the allocator's waste.
const OVERHEAD: usize = 400;

/// Set in [`Kept::told`] once it lies on disk just as it is in memory.
const FILED: u32 = 1 << 31;

/// An object that is asked for for the first few times is always news to moka.
const ALWAYS_TOLD: u32 = 3;

impl Kept {
    pub(super) fn new(head: Head, body: Body, charge: Charge) -> Self {
        Kept { head, body, hits: AtomicU32::new(0), told: AtomicU32::new(0), charge }
    }

    /// What names it among the variants of its URL; `None` where there is no `Vary`.
    pub(super) fn names(&self) -> Option<&Names> {
        self.head.rare.as_ref()?.names.as_ref()
    }

    /// What selects it among the variants of its URL.
    pub(super) fn vary(&self) -> Option<&VarySpec> {
        self.head.rare.as_ref()?.vary.as_ref()
    }

    pub(super) fn request_time(&self) -> Timestamp {
        self.head.request_time
    }

    pub(super) fn response_time(&self) -> Timestamp {
        self.head.response_time
    }

    /// Whether this is an answer for the URL with this key.
    pub(super) fn is_for(&self, key: KeyRef<'_>) -> bool {
        self.head.text.get(..self.head.key_length as usize) == Some(key.as_bytes())
    }

    /// Number of the newest purge rule that has been looked at.
    pub(super) fn fill_seq(&self) -> u64 {
        self.head.fill_seq.load(Ordering::Relaxed)
    }

    /// Notes that all purge rules up to this number have been looked at.
    pub(super) fn looked_at(&self, number: u64) {
        self.head.fill_seq.fetch_max(number, Ordering::Relaxed);
    }

    /// The numbers of its tags, under the key of its URL.
    pub(super) fn tags(&self, key: KeyRef<'_>) -> Vec<u64> {
        let stored = self.unpack();
        tags::numbers(key, &stored.headers, &stored.hidden)
    }

    /// The key of its URL.
    pub(super) fn key(&self) -> Key {
        Key::of_text(self.head.text.get(..self.head.key_length as usize).unwrap_or_default())
    }

    /// Whether it lies on disk just as it is here.
    pub(super) fn is_filed(&self) -> bool {
        self.told.load(Ordering::Relaxed) & FILED != 0
    }

    /// Notes that it does.
    pub(super) fn set_filed(&self) {
        self.told.fetch_or(FILED, Ordering::Relaxed);
    }

    /// Whether it lies on disk and was asked for once at most while it was in memory.
    pub(super) fn is_back_for_one(&self) -> bool {
        self.is_filed() && self.hits() <= 1
    }

    /// The response as the rest of the program sees it.
    pub(super) fn unpack(&self) -> Stored {
        self.head.unpack()
    }

    /// Bytes that it takes in memory; always the same number. What is on its way to disk does not
    /// count: memory is about to let go of it.
    pub(super) fn bytes(&self) -> u64 {
        let body = if self.body.is_filed() { 0 } else { self.body.bytes() };
        self.charge.bytes() + body
    }

    /// The same with the bytes that a rival has of the same representation: another part of it came
    /// while this one did.
    pub(super) fn joined_with(self, rival: &Kept) -> Self {
        let same = self.head.object_id == rival.head.object_id
            && self.head.total == rival.head.total
            && !self.body.is_complete();
        match same {
            true => Kept { body: self.body.joined_with(&rival.body), ..self },
            false => self,
        }
    }

    /// How many times look-ups found it.
    pub(super) fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Counts a look-up, and says how many there were before.
    pub(super) fn found(&self) -> u32 {
        self.hits.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether moka should hear of the look-up that came after `before` others: it does of the first
    /// few, then of one in each `tick`. More would tell it nothing new, and costs more than the
    /// look-up.
    pub(super) fn is_news(&self, before: u32, tick: u32) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        if before >= ALWAYS_TOLD && told & !FILED == tick & !FILED {
            return false;
        }
        // If another look-up or the disk writes at the same time, a word is said twice; no more.
        let next = told & FILED | tick & !FILED;
        let _ = self.told.compare_exchange(told, next, Ordering::Relaxed, Ordering::Relaxed);
        true
    }

    /// Goes on counting where another one was.
    pub(super) fn inherit_hits(&self, from: &Kept) {
        self.hits.store(from.hits(), Ordering::Relaxed);
    }
}

impl Head {
    /// Packs a response to be stored under `key`. What it holds is copied, so that it pins nothing
    /// of the buffers that the response was read into.
    pub(super) fn new(
        shapes: &Shapes,
        key: KeyRef<'_>,
        names: Option<Names>,
        stored: &Stored,
    ) -> Self {
        let (shown, hidden, key) = (&stored.headers, &stored.hidden, key.as_bytes());
        let mut text = Vec::with_capacity(key.len() + shape::lines_length(shown, hidden));
        text.extend_from_slice(key);
        shape::write_lines(&mut text, shown, hidden);
        let lifetimes = &stored.lifetimes;
        let (behind, error) = (&lifetimes.stale_while_revalidate, &lifetimes.stale_if_error);
        Head {
            shape: shapes.of(shown, hidden),
            text: text.into(),
            key_length: key.len() as u32,
            status: stored.status,
            no_cache: lifetimes.no_cache,
            immutable: lifetimes.immutable,
            refused: [lifetimes.stale_refused, behind.refused, error.refused],
            source: lifetimes.source,
            fresh: lifetimes.fresh.into(),
            stale_while_revalidate: behind.window.into(),
            stale_if_error: error.window.into(),
            age_value: lifetimes.age_value.into(),
            date: lifetimes.date,
            request_time: stored.request_time,
            response_time: stored.response_time,
            object_id: stored.object_id,
            fill_seq: AtomicU64::new(stored.fill_seq),
            total: stored.total.unwrap_or(u64::MAX),
            rare: Rare::of(names, stored),
        }
    }

    /// Bytes that an object with this head takes in memory beside its body.
    pub(super) fn weight(&self) -> u64 {
        let rare = self.rare.as_ref().map_or(0, |rare| rare.weight());
        (std::mem::size_of::<Kept>() + self.text.len() + rare + OVERHEAD) as u64
    }

    fn unpack(&self) -> Stored {
        let (headers, hidden) = self.shape.fields(self.text.slice(self.key_length as usize..));
        let (request_time, response_time) = (self.request_time, self.response_time);
        let age_value = self.age_value.into();
        let arrival = Arrival::of(self.date, age_value, request_time, response_time);
        let [stale_refused, behind, error] = self.refused;
        let allowance = |window: Millis, refused| Allowance { window: window.into(), refused };
        let lifetimes = Lifetimes {
            source: self.source,
            fresh: self.fresh.into(),
            stale_while_revalidate: allowance(self.stale_while_revalidate, behind),
            stale_if_error: allowance(self.stale_if_error, error),
            stale_refused,
            no_cache: self.no_cache,
            immutable: self.immutable,
            date: self.date,
            age_value,
            apparent_age: arrival.apparent_age,
            response_delay: arrival.response_delay,
            corrected_initial_age: arrival.corrected_initial_age,
        };
        let rare = self.rare.as_deref();
        Stored {
            status: self.status,
            headers,
            hidden,
            request_time,
            response_time,
            lifetimes,
            vary: rare.and_then(|rare| rare.vary.clone()),
            total: Some(self.total).filter(|total| *total != u64::MAX),
            reach: rare.and_then(|rare| rare.reach),
            object_id: self.object_id,
            fill_seq: self.fill_seq.load(Ordering::Relaxed),
            parent: rare.and_then(|rare| rare.parent.clone()),
            rest_until: rare.and_then(|rare| rare.rest_until),
        }
    }
}

impl Rare {
    fn of(names: Option<Names>, stored: &Stored) -> Option<Box<Self>> {
        let Stored { vary, reach, parent, rest_until, .. } = stored;
        if vary.is_none() && reach.is_none() && parent.is_none() && rest_until.is_none() {
            return None;
        }
        Some(Box::new(Rare {
            vary: vary.clone(),
            names,
            reach: *reach,
            parent: parent.clone(),
            rest_until: *rest_until,
        }))
    }

    fn weight(&self) -> usize {
        std::mem::size_of::<Rare>() + self.names.as_ref().map_or(0, Names::weight)
    }
}

impl From<Duration> for Millis {
    fn from(duration: Duration) -> Self {
        Millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl From<Millis> for Duration {
    fn from(millis: Millis) -> Self {
        Duration::from_millis(millis.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small() {
        // With the counters of its `Arc` it fits the allocator's class of 224 bytes.
        assert!(std::mem::size_of::<Kept>() + 16 <= 224, "{}", std::mem::size_of::<Kept>());
    }
}
