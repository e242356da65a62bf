//! A stored response, and all those of one URL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::HeaderMap;

use super::COUNTERS;
use super::body::Body;
use super::budget::Charge;
use crate::cache::{Key, Stored, VarySpec};

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

/// What an entry costs beyond its headers and its body: its own fields, the key's text twice, the
/// index and the allocator's waste. Rounded up from measurement.
const ENTRY_OVERHEAD: u64 = 768;

/// What one header field costs beyond its text.
const FIELD_OVERHEAD: u64 = 72;

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
pub(super) fn meta_bytes(key: &Key, headers: &HeaderMap) -> u64 {
    let fields =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    let text = 2 * key.text().len();
    ENTRY_OVERHEAD + FIELD_OVERHEAD * headers.len() as u64 + (fields + text) as u64
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
    key: Key,
    entry: Arc<Entry>,
}

impl Resource {
    /// A URL with one response.
    pub(super) fn of(key: Key, entry: Arc<Entry>) -> Self {
        Resource { variants: vec![Variant { key, entry }], retired: AtomicBool::new(false) }
    }

    /// The newest response that a request with `headers` selects (RFC 9111 section 4.1).
    pub(super) fn select(&self, key: &Key, headers: &HeaderMap) -> Option<&Arc<Entry>> {
        let mut known: Option<(&VarySpec, Key)> = None;
        for variant in &self.variants {
            let Some(spec) = &variant.entry.stored.vary else {
                return Some(&variant.entry);
            };
            let wanted = match known.take() {
                Some((of, wanted)) if of == spec => wanted,
                _ => key.variant(spec, headers),
            };
            if wanted == variant.key {
                return Some(&variant.entry);
            }
            known = Some((spec, wanted));
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

    /// The same with `entry` as the newest; it takes the place of the one under the same variant
    /// key. At most `cap` variants stay, the newest.
    pub(super) fn with(&self, key: Key, entry: Arc<Entry>, cap: usize) -> Self {
        let others = self.variants.iter().filter(|variant| variant.key != key).cloned();
        let mut variants: Vec<_> = others.collect();
        variants.insert(0, Variant { key, entry });
        COUNTERS.variants_dropped.add(variants.len().saturating_sub(cap.max(1)) as u64);
        variants.truncate(cap.max(1));
        Resource { variants, retired: AtomicBool::new(false) }
    }

    /// The same without `entry`.
    pub(super) fn without(&self, entry: &Arc<Entry>) -> Self {
        let others = self.variants.iter().filter(|variant| !Arc::ptr_eq(&variant.entry, entry));
        Resource { variants: others.cloned().collect(), retired: AtomicBool::new(false) }
    }

    /// The variant key of `entry`, if it is (still) one of these.
    pub(super) fn key_of(&self, entry: &Arc<Entry>) -> Option<&Key> {
        let variant = self.variants.iter().find(|variant| Arc::ptr_eq(&variant.entry, entry));
        variant.map(|variant| &variant.key)
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
