//! A stored response as it is used, and all those of one URL.

use std::sync::Arc;

use http::HeaderMap;

use super::COUNTERS;
use super::body::Body;
use super::kept::Kept;
use crate::cache::{Key, KeyRef, Question, Stored, VarySpec};
use crate::clock::Timestamp;
use crate::header::accept_language;

/// One stored response, or one that is being fetched, as a request sees it.
#[derive(Debug)]
pub struct Entry {
    /// Everything but the body.
    pub stored: Stored,
    /// The body; an update by a 304 shares it with the entry it replaces.
    pub body: Body,
    /// What was found in the store, if it came from there.
    kept: Option<Arc<Kept>>,
}

impl Entry {
    /// An entry that look-ups do not find (yet).
    pub(super) fn new(stored: Stored, body: Body) -> Arc<Self> {
        Arc::new(Entry { stored, body, kept: None })
    }

    /// What the store holds, unpacked.
    pub(super) fn found(kept: Arc<Kept>) -> Arc<Self> {
        Arc::new(Entry { stored: kept.unpack(), body: kept.body.clone(), kept: Some(kept) })
    }

    /// The same, stale since then because of a purge.
    pub(super) fn stale(kept: Arc<Kept>, since: Timestamp) -> Arc<Self> {
        let mut stored = kept.unpack();
        let lifetimes = &mut stored.lifetimes;
        let age = lifetimes.age(stored.response_time, since);
        (lifetimes.fresh, lifetimes.immutable) = (lifetimes.fresh.min(age), false);
        Arc::new(Entry { stored, body: kept.body.clone(), kept: Some(kept) })
    }

    /// What the store holds, if it came from there.
    pub(super) fn kept(&self) -> Option<&Arc<Kept>> {
        self.kept.as_ref()
    }

    /// Whether it is this one, unpacked.
    pub(super) fn is_of(&self, kept: &Arc<Kept>) -> bool {
        self.kept.as_ref().is_some_and(|own| Arc::ptr_eq(own, kept))
    }

    /// Whether both are the same stored response: the same bytes under the same metadata.
    pub fn is_same(&self, other: &Entry) -> bool {
        match (&self.kept, &other.kept) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => std::ptr::eq(self, other),
        }
    }

    /// The header fields, to be sent: without a copy if nobody else has the entry. It has none then.
    pub fn take_headers(entry: &mut Arc<Self>) -> HeaderMap {
        match Arc::get_mut(entry) {
            Some(entry) => std::mem::take(&mut entry.stored.headers),
            None => entry.stored.headers.clone(),
        }
    }

    /// How many times look-ups found this entry.
    pub fn hits(&self) -> u32 {
        self.kept.as_ref().map_or(0, |kept| kept.hits())
    }

    /// Whether the whole representation is there, rather than ranges of it.
    pub fn is_whole(&self) -> bool {
        self.body.is_complete()
    }

    /// Bytes that the entry takes in memory.
    pub fn bytes(&self) -> u64 {
        self.kept.as_ref().map_or_else(|| self.body.bytes(), |kept| kept.bytes())
    }
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
    /// The names of a response to a request for `key` with `headers`; `None` without `Vary`.
    pub(super) fn of(key: &Key, headers: &HeaderMap, stored: &Stored) -> Option<Self> {
        let spec = stored.vary.as_ref()?;
        let language = accept_language::content_language(&stored.headers);
        let by_language = language.and_then(|language| key.variant_in(spec, headers, &language));
        Some(Names { key: key.variant(spec, headers), by_language })
    }

    /// The texts, to be written down.
    pub(super) fn texts(&self) -> (&[u8], Option<&[u8]>) {
        (self.key.as_bytes(), self.by_language.as_ref().map(Key::as_bytes))
    }

    /// The names with these texts.
    pub(super) fn of_texts(key: &[u8], by_language: Option<&[u8]>) -> Self {
        Names { key: Key::of_text(key), by_language: by_language.map(Key::of_text) }
    }

    /// Bytes of memory that the texts take.
    pub(super) fn weight(&self) -> usize {
        self.key.weight() + self.by_language.as_ref().map_or(0, Key::weight)
    }
}

/// What a request would select by one `Vary`.
struct Wanted<'a> {
    spec: &'a VarySpec,
    key: Question,
    by_language: Option<Question>,
}

impl<'a> Wanted<'a> {
    fn new(key: KeyRef<'_>, spec: &'a VarySpec, headers: &HeaderMap) -> Self {
        let favourite = if spec.by_language() { accept_language::favourite(headers) } else { None };
        let by_language = favourite.and_then(|language| key.variant_in(spec, headers, &language));
        Wanted { spec, key: key.variant(spec, headers), by_language }
    }

    fn is(&self, names: &Names) -> bool {
        self.key == names.key
            || matches!((&self.by_language, &names.by_language), (Some(a), Some(b)) if a == b)
    }
}

/// Everything stored for one URL: one response, or several that differ by `Vary`. A change makes a
/// new one. Two pointers, since the index has one of these for each URL.
#[derive(Clone, Debug)]
pub(super) enum Resource {
    One(Arc<Kept>),
    /// The newest first.
    Many(Arc<Vec<Arc<Kept>>>),
}

impl Resource {
    /// The newest response that a request with `headers` selects (RFC 9111 section 4.1).
    pub(super) fn select(&self, key: KeyRef<'_>, headers: &HeaderMap) -> Option<&Arc<Kept>> {
        let mut known: Option<Wanted<'_>> = None;
        for kept in self.variants() {
            let Some(spec) = kept.vary() else {
                return Some(kept);
            };
            let wanted = match known.take() {
                Some(wanted) if wanted.spec == spec => wanted,
                _ => Wanted::new(key, spec, headers),
            };
            if kept.names().is_some_and(|names| wanted.is(names)) {
                return Some(kept);
            }
            known = Some(wanted);
        }
        None
    }

    /// Whether this is stored for `key` and not for one that happens to have the same hash.
    pub(super) fn is_for(&self, key: KeyRef<'_>) -> bool {
        self.variants().first().is_some_and(|kept| kept.is_for(key))
    }

    /// The `Vary` of the newest response that has one.
    pub(super) fn latest_spec(&self) -> Option<&VarySpec> {
        self.variants().iter().find_map(|kept| kept.vary())
    }

    /// All responses, the newest first.
    pub(super) fn variants(&self) -> &[Arc<Kept>] {
        match self {
            Resource::One(kept) => std::slice::from_ref(kept),
            Resource::Many(variants) => variants,
        }
    }

    /// Bytes of all variants together.
    pub(super) fn bytes(&self) -> u64 {
        self.variants().iter().map(|kept| kept.bytes()).sum()
    }

    /// The same with `new` as the newest; it takes the place of the one with the same names. At most
    /// `cap` variants stay, the newest.
    pub(super) fn with(&self, new: Arc<Kept>, cap: usize) -> Self {
        let others = self.variants().iter().filter(|kept| !named_alike(kept, &new));
        let mut variants: Vec<_> = std::iter::once(&new).chain(others).cloned().collect();
        COUNTERS.variants_dropped.add(variants.len().saturating_sub(cap.max(1)) as u64);
        variants.truncate(cap.max(1));
        Resource::of(variants).unwrap_or(Resource::One(new))
    }

    /// The same without `gone`; `None` if nothing is left.
    pub(super) fn without(&self, gone: &Arc<Kept>) -> Option<Self> {
        let others = self.variants().iter().filter(|kept| !Arc::ptr_eq(kept, gone));
        Resource::of(others.cloned().collect())
    }

    /// These variants, the newest first; `None` if there are none.
    pub(super) fn of(mut variants: Vec<Arc<Kept>>) -> Option<Self> {
        if variants.len() > 1 {
            return Some(Resource::Many(Arc::new(variants)));
        }
        variants.pop().map(Resource::One)
    }

    /// Whether ranges of a representation would take the place of a whole one that came while they
    /// were being fetched.
    pub(super) fn has_better(&self, new: &Kept) -> bool {
        let rival = self.variants().iter().find(|kept| named_alike(kept, new));
        !new.body.is_complete()
            && rival.is_some_and(|rival| {
                rival.body.is_complete() && rival.response_time() >= new.request_time()
            })
    }

    /// What `new` takes the place of.
    pub(super) fn rival(&self, new: &Kept) -> Option<&Arc<Kept>> {
        self.variants().iter().find(|kept| named_alike(kept, new))
    }

    /// Whether `kept` is (still) one of these.
    pub(super) fn holds(&self, kept: &Arc<Kept>) -> bool {
        self.variants().iter().any(|held| Arc::ptr_eq(held, kept))
    }
}

/// Whether two variants have the same key.
fn named_alike(one: &Kept, other: &Kept) -> bool {
    one.names().map(|names| &names.key) == other.names().map(|names| &names.key)
}
