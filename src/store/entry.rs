//! A stored response, and all those of one URL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::HeaderMap;

use super::COUNTERS;
use super::body::Body;
use super::budget::Charge;
use crate::cache::{Key, Stored, VarySpec};
use crate::header::accept_language;

/// One stored response: its metadata, its body, and how often it was found.
#[derive(Debug)]
pub struct Entry {
    /// Everything but the body.
    pub stored: Arc<Stored>,
    /// The body; an update by a 304 shares it with the entry it replaces.
    pub body: Arc<Body>,
    hits: AtomicU32,
    meta: u64,
    /// Pays for the metadata; empty if the entry is not kept.
    _charge: Charge,
}

/// What an entry costs beyond its stored head, its key and its body: its own fields, the places that
/// the index holds for it, and the allocator's waste.
const ENTRY_OVERHEAD: u64 = 640;

impl Entry {
    pub(super) fn new(stored: Stored, body: Arc<Body>, charge: Charge) -> Self {
        let meta = charge.bytes();
        Entry { stored: Arc::new(stored), body, hits: AtomicU32::new(0), meta, _charge: charge }
    }

    /// The same entry with a body of its own, for a body that ended early but is good as far as it
    /// goes. `charge` pays for the new metadata.
    pub(super) fn with_body(&self, body: Arc<Body>, charge: Charge) -> Self {
        let (stored, meta) = (self.stored.clone(), charge.bytes());
        Entry { stored, body, hits: AtomicU32::new(0), meta, _charge: charge }
    }

    /// How many times lookups found this entry.
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Whether the whole representation is there, rather than ranges of it.
    pub fn is_whole(&self) -> bool {
        self.body.is_complete()
    }

    /// Bytes that the entry takes in memory.
    pub fn bytes(&self) -> u64 {
        self.meta + self.body.bytes()
    }

    pub(super) fn found(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// The new entry goes on counting where the old one was.
    pub(super) fn inherit_hits(&self, from: &Entry) {
        self.hits.store(from.hits(), Ordering::Relaxed);
    }
}

/// Bytes to charge for the metadata of a response stored under `key`.
pub(super) fn meta_bytes(key: &Key, stored: &Stored) -> u64 {
    // The text is held by the index and by the variant's name.
    ENTRY_OVERHEAD + (stored.weight() + 2 * key.weight()) as u64
}

/// By what a variant is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The values that its request had in the fields that `Vary` names.
    key: Key,
    /// The same with the language that the response is in, for requests that want this one most.
    by_language: Option<Key>,
}

impl Names {
    /// The names of a response to a request for `key` with `headers`.
    pub(super) fn of(key: &Key, headers: &HeaderMap, stored: &Stored) -> Self {
        let Some(spec) = &stored.vary else {
            return Names { key: key.clone(), by_language: None };
        };
        let language = accept_language::content_language(&stored.headers);
        let by_language = language.and_then(|language| key.variant_in(spec, headers, &language));
        Names { key: key.variant(spec, headers), by_language }
    }
}

/// What a request would select by one `Vary`.
struct Wanted<'a> {
    spec: &'a VarySpec,
    key: Key,
    by_language: Option<Key>,
}

impl<'a> Wanted<'a> {
    fn new(key: &Key, spec: &'a VarySpec, headers: &HeaderMap) -> Self {
        let favourite = if spec.by_language() { accept_language::favourite(headers) } else { None };
        let by_language = favourite.and_then(|language| key.variant_in(spec, headers, &language));
        Wanted { spec, key: key.variant(spec, headers), by_language }
    }

    fn is(&self, names: &Names) -> bool {
        self.key == names.key
            || (self.by_language.is_some() && self.by_language == names.by_language)
    }
}

/// Everything stored for one URL: one response, or several that differ by `Vary`. Immutable; a
/// change makes a new one.
#[derive(Debug)]
pub(super) struct Resource {
    /// The newest first.
    variants: Vec<Variant>,
    /// Set when it was replaced or removed on purpose, so that the rest is evictions.
    retired: AtomicBool,
}

#[derive(Clone, Debug)]
struct Variant {
    names: Names,
    entry: Arc<Entry>,
}

impl Resource {
    /// A URL with one response.
    pub(super) fn of(names: Names, entry: Arc<Entry>) -> Self {
        Resource { variants: vec![Variant { names, entry }], retired: AtomicBool::new(false) }
    }

    /// The newest response that a request with `headers` selects (RFC 9111 section 4.1).
    pub(super) fn select(&self, key: &Key, headers: &HeaderMap) -> Option<&Arc<Entry>> {
        let mut known: Option<Wanted<'_>> = None;
        for variant in &self.variants {
            let Some(spec) = &variant.entry.stored.vary else {
                return Some(&variant.entry);
            };
            let wanted = match known.take() {
                Some(wanted) if wanted.spec == spec => wanted,
                _ => Wanted::new(key, spec, headers),
            };
            if wanted.is(&variant.names) {
                return Some(&variant.entry);
            }
            known = Some(wanted);
        }
        None
    }

    /// The `Vary` of the newest response that has one.
    pub(super) fn latest_spec(&self) -> Option<&VarySpec> {
        self.variants.iter().find_map(|variant| variant.entry.stored.vary.as_ref())
    }

    /// All entries, the newest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.variants.iter().map(|variant| &variant.entry)
    }

    /// Bytes of all variants together.
    pub(super) fn bytes(&self) -> u64 {
        self.entries().map(|entry| entry.bytes()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.variants.is_empty()
    }

    /// The same with `entry` as the newest; it takes the place of the one with the same key. At most
    /// `cap` variants stay, the newest.
    pub(super) fn with(&self, names: Names, entry: Arc<Entry>, cap: usize) -> Self {
        let others = self.variants.iter().filter(|variant| variant.names.key != names.key);
        let mut variants: Vec<_> = others.cloned().collect();
        variants.insert(0, Variant { names, entry });
        COUNTERS.variants_dropped.add(variants.len().saturating_sub(cap.max(1)) as u64);
        variants.truncate(cap.max(1));
        Resource { variants, retired: AtomicBool::new(false) }
    }

    /// The same without `entry`.
    pub(super) fn without(&self, entry: &Arc<Entry>) -> Self {
        let others = self.variants.iter().filter(|variant| !Arc::ptr_eq(&variant.entry, entry));
        Resource { variants: others.cloned().collect(), retired: AtomicBool::new(false) }
    }

    /// Whether ranges of a representation would take the place of a whole one that came while they
    /// were being fetched.
    pub(super) fn has_better(&self, names: &Names, entry: &Entry) -> bool {
        let variant = self.variants.iter().find(|variant| variant.names.key == names.key);
        !entry.is_whole()
            && variant.is_some_and(|Variant { entry: held, .. }| {
                held.is_whole() && held.stored.response_time >= entry.stored.request_time
            })
    }

    /// The names of `entry`, if it is (still) one of these.
    pub(super) fn names_of(&self, entry: &Arc<Entry>) -> Option<&Names> {
        let variant = self.variants.iter().find(|variant| Arc::ptr_eq(&variant.entry, entry));
        variant.map(|variant| &variant.names)
    }

    /// Says that this one goes on purpose and not for lack of room.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Resource {
    fn drop(&mut self) {
        if !*self.retired.get_mut() {
            COUNTERS.evicted.bump();
        }
    }
}
