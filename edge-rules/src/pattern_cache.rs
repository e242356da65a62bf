//! Built patterns, shared by all programs of a thread and bounded in bytes.

use std::collections::HashMap;

use regex_automata::util::primitives::NonMaxUsize;

use crate::automaton::{Automaton, Looked, Scratch};
use crate::pattern::Asked;
use crate::trace::Reason;

/// Bytes that the place to backtrack in may keep for the next search.
const SCRATCH_BYTES: usize = 256 << 10;

/// Built patterns, shared by all programs of a thread and bounded in bytes.
///
/// A pattern is built when it is first searched with. What has not been used since the last time
/// that room was made goes first.
pub struct PatternCache {
    known: HashMap<u64, usize, foldhash::fast::RandomState>,
    built: Vec<Built>,
    bytes: usize,
    most: usize,
    /// Where the search for room goes on.
    hand: usize,
    builds: u64,
    scratch: Option<Scratch>,
}

struct Built {
    hash: u64,
    text: Box<str>,
    ignore_case: bool,
    automaton: Automaton,
    bytes: usize,
    used: bool,
}

/// A pattern that is ready to be searched with, until the next one is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place(usize);

/// What there was to do before a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ready {
    /// Nothing.
    Built,
    /// The pattern was built, in room that was there.
    New,
    /// The pattern was built, and others had to go for it.
    Crowded,
}

impl PatternCache {
    /// An empty cache of at most `bytes`; one pattern is kept whatever its size.
    pub fn new(bytes: usize) -> PatternCache {
        PatternCache {
            known: HashMap::default(),
            built: Vec::new(),
            bytes: 0,
            most: bytes,
            hand: 0,
            builds: 0,
            scratch: None,
        }
    }

    /// Bytes of all that is built.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many patterns were ever built here.
    pub fn builds(&self) -> u64 {
        self.builds
    }

    /// Whether the pattern is built, so that searching with it costs no more than that.
    pub(crate) fn is_built(&self, asked: Asked) -> bool {
        self.find(asked).is_some()
    }

    /// Builds the pattern unless it is built.
    ///
    /// # Errors
    /// It does not parse, or is too large.
    pub(crate) fn prepare(&mut self, asked: Asked) -> Result<(Place, Ready), Reason> {
        if let Some(at) = self.find(asked) {
            if let Some(built) = self.built.get_mut(at) {
                built.used = true;
            }
            return Ok((Place(at), Ready::Built));
        }
        let mut automaton = Automaton::build(asked.text, asked.ignore_case)?;
        let bytes = size_of::<Built>() + automaton.bytes() + asked.text.len();
        if let Some(at) = self.known.get(&asked.hash).copied() {
            self.remove(at);
        }
        let crowded = self.make_room(bytes);
        if crowded {
            automaton.charge_all();
        }
        let at = self.built.len();
        // What is never asked for again goes before what is.
        let (text, ignore_case) = (asked.text.into(), asked.ignore_case);
        self.built.push(Built {
            hash: asked.hash,
            text,
            ignore_case,
            automaton,
            bytes,
            used: false,
        });
        self.known.insert(asked.hash, at);
        self.bytes += bytes;
        self.builds += 1;
        Ok((Place(at), if crowded { Ready::Crowded } else { Ready::New }))
    }

    /// Whether the pattern is found in `text`.
    pub(crate) fn look(&mut self, place: Place, text: &[u8]) -> Looked {
        let looked = self.with(place, |automaton, _| automaton.look(text));
        looked.unwrap_or(Looked { found: None, steps: 0 })
    }

    /// Whether the pattern's groups are found in the time of the text alone.
    pub(crate) fn has_one_pass(&mut self, place: Place) -> bool {
        self.with(place, |automaton, _| automaton.has_one_pass()).unwrap_or_default()
    }

    /// Where the groups of the pattern's first match lie.
    ///
    /// # Errors
    /// The text is too long to be searched in this way.
    pub(crate) fn groups(
        &mut self,
        place: Place,
        text: &[u8],
        slots: &mut [Option<NonMaxUsize>],
    ) -> Result<bool, Reason> {
        let search = |automaton: &mut Automaton, scratch: &mut Option<Scratch>| {
            let room = scratch.get_or_insert_with(|| automaton.scratch());
            let found = automaton.groups(text, slots, room);
            if room.memory_usage() > SCRATCH_BYTES {
                *scratch = None;
            }
            found
        };
        self.with(place, search).unwrap_or(Err(Reason::LargePattern))
    }

    /// Does something with a built pattern, which may grow by it.
    fn with<T>(
        &mut self,
        place: Place,
        work: impl FnOnce(&mut Automaton, &mut Option<Scratch>) -> T,
    ) -> Option<T> {
        let built = self.built.get_mut(place.0)?;
        let result = work(&mut built.automaton, &mut self.scratch);
        let now = size_of::<Built>() + built.automaton.bytes() + built.text.len();
        self.bytes = self.bytes + now - built.bytes;
        built.bytes = now;
        Some(result)
    }

    fn find(&self, asked: Asked) -> Option<usize> {
        let at = *self.known.get(&asked.hash)?;
        // Two patterns of one hash must not stand in for each other.
        let built = self.built.get(at)?;
        (*built.text == *asked.text && built.ignore_case == asked.ignore_case).then_some(at)
    }

    /// True if something had to go.
    fn make_room(&mut self, bytes: usize) -> bool {
        let before = self.built.len();
        while self.bytes + bytes > self.most && !self.built.is_empty() {
            if self.hand >= self.built.len() {
                self.hand = 0;
            }
            match self.built.get_mut(self.hand) {
                Some(built) if built.used => {
                    built.used = false;
                    self.hand += 1;
                }
                _ => self.remove(self.hand),
            }
        }
        self.built.len() < before
    }

    fn remove(&mut self, at: usize) {
        if at >= self.built.len() {
            return;
        }
        let gone = self.built.swap_remove(at);
        self.known.remove(&gone.hash);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.built.get(at) {
            self.known.insert(moved.hash, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::hash;

    fn asked(text: &str) -> Asked<'_> {
        Asked { text, ignore_case: false, hash: hash(text, false) }
    }

    fn is_match(cache: &mut PatternCache, asked: Asked, text: &str) -> bool {
        let (place, _) = cache.prepare(asked).unwrap();
        cache.look(place, text.as_bytes()).found.unwrap()
    }

    #[test]
    fn the_cache_is_bounded_and_never_mistakes_a_pattern() {
        let mut cache = PatternCache::new(100 << 10);
        for round in 0..3 {
            for number in 0..100 {
                let text = format!("^/{number}/[a-z]+/x{round}$");
                let path = format!("/{number}/abc/x{round}");
                assert!(is_match(&mut cache, asked(&text), &path));
                // A search may make it grow: room is made before the next is built.
                assert!(cache.bytes() <= 104 << 10 || cache.built.len() == 1);
            }
        }
        assert!(cache.builds() == 300 && (1..250).contains(&cache.built.len()));
        let same_hash = Asked { hash: hash("a[b]c?d", false), ..asked("x[y]z") };
        assert!(is_match(&mut cache, asked("a[b]c?d"), "abd"));
        assert!(!is_match(&mut cache, same_hash, "abd"));
        assert!(is_match(&mut cache, asked("a[b]c?d"), "abd"));
        let counted: usize = cache.built.iter().map(|built| built.bytes).sum();
        assert_eq!(counted, cache.bytes());
    }

    #[test]
    fn too_large_a_pattern_fails_when_built() {
        let mut cache = PatternCache::new(1 << 20);
        let text = "((a{100}){100}){100}";
        assert_eq!(cache.prepare(asked(text)), Err(Reason::LargePattern));
        assert_eq!(cache.prepare(asked("(")), Err(Reason::BadPattern));
    }

    #[test]
    fn what_is_built_in_the_place_of_others_is_told_and_costs() {
        let mut cache = PatternCache::new(12 << 10);
        let (first, ready) = cache.prepare(asked("a[bc]d")).unwrap();
        assert_eq!(ready, Ready::New);
        assert_eq!(cache.prepare(asked("a[bc]d")), Ok((first, Ready::Built)));
        assert_eq!(cache.look(first, b"xxabd"), Looked { found: Some(true), steps: 0 });
        let many = (0..20).map(|number| format!("a[bc]{number}"));
        let last: Vec<_> = many.map(|text| cache.prepare(asked(&text)).unwrap()).collect();
        let Some((last, Ready::Crowded)) = last.last() else { panic!("{last:?}") };
        assert!(cache.look(*last, b"xxab19").steps > 0);
    }

    #[test]
    fn states_that_a_text_makes_are_told_and_bounded() {
        let mut cache = PatternCache::new(1 << 20);
        let (pattern, _) = cache.prepare(asked("[ab]*a[ab]{400}c")).unwrap();
        let letter = |at: u32| b'a' + (hash(&at.to_string(), false) & 1) as u8;
        let text: Vec<u8> = (0..20_000).map(letter).collect();
        let looked = cache.look(pattern, &text);
        assert_eq!(looked.found, None);
        assert!(looked.steps > 10_000, "{looked:?}");
        assert!(cache.bytes() < 250 << 10, "{}", cache.bytes());
        // It begins anew, and knows its way on what is short.
        assert_eq!(cache.look(pattern, b"aba").found, Some(false));
        assert_eq!(cache.look(pattern, b"aba"), Looked { found: Some(false), steps: 0 });
    }

    #[test]
    fn groups_are_the_same_in_one_pass_and_by_backtracking() {
        let mut cache = PatternCache::new(1 << 20);
        for (text, one_pass) in [("^/([a-z]+)/(x)?", true), ("/([a-z]+)/(x)?", false)] {
            let (place, _) = cache.prepare(asked(text)).unwrap();
            assert_eq!(cache.has_one_pass(place), one_pass);
            let mut slots = [None; 6];
            assert_eq!(cache.groups(place, b"/ab/y", &mut slots), Ok(true));
            let slots = slots.map(|slot| slot.map(NonMaxUsize::get));
            assert_eq!(slots, [Some(0), Some(4), Some(1), Some(3), None, None]);
        }
    }
}
