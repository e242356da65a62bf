//! Regular expressions: judged at load by their text alone, built on first use, kept within bounds.
//!
//! The engine is linear in the text it searches, so look-around and back-references are not there.
//! A pattern of ASCII matches bytes; one with other letters matches characters.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use regex_automata::Input;
use regex_automata::meta;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::trace::Reason;

/// How deep a pattern may nest.
const NEST: u32 = 40;
/// Bytes that one built automaton may have; what [`Checked::states`] allows stays far below.
const NFA_BYTES: usize = 2 << 20;
/// Bytes that the states which a search makes on its way may have.
const SEARCH_BYTES: usize = 256 << 10;

/// What is known of a pattern without building it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked {
    /// How many states its automaton needs, roughly.
    pub(crate) states: usize,
    /// How many groups it has.
    pub(crate) groups: usize,
    /// A plainer question that has the same answer.
    pub(crate) shape: Shape,
}

/// What a pattern asks, where that is no more than a comparison; texts are literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Pattern,
    Contains(String),
    Starts(String),
    Ends(String),
    Is(String),
}

/// What is wrong with a pattern, and how to say it otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// Judges a pattern by its text.
pub(crate) fn check(text: &str, ignore_case: bool) -> Result<Checked, Complaint> {
    let mut parser = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(!text.is_ascii())
        .case_insensitive(ignore_case)
        .nest_limit(NEST)
        .build();
    let hir = parser.parse(text).map_err(|error| complaint(&error))?;
    Ok(Checked {
        states: states(&hir),
        groups: hir.properties().explicit_captures_len(),
        shape: shape(&hir),
    })
}

fn complaint(error: &regex_syntax::Error) -> Complaint {
    let (message, hint) = match error {
        regex_syntax::Error::Parse(error) => match error.kind() {
            ErrorKind::UnsupportedLookAround => (
                "look-around is not supported: patterns are matched in linear time".into(),
                Some(
                    "say it as a second condition: one pattern that must match, and one that must not",
                ),
            ),
            ErrorKind::UnsupportedBackreference => (
                "back-references are not supported: patterns are matched in linear time".into(),
                Some("take both parts out as groups and compare them as texts"),
            ),
            kind => (format!("the pattern does not parse: {kind}"), None),
        },
        regex_syntax::Error::Translate(error) => {
            (format!("the pattern does not parse: {}", error.kind()), None)
        }
        _ => ("the pattern does not parse".into(), None),
    };
    Complaint { message, hint }
}

/// An upper estimate of the automaton's states; the depth of `hir` is bounded by the parser.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() / 8,
        HirKind::Class(Class::Unicode(class)) => 1 + class.ranges().len() * 2,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_add(1).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(1usize, |sum, part| sum.saturating_add(states(part)))
        }
    }
}

fn shape(hir: &Hir) -> Shape {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let is_look = |hir: &Hir, look: Look| matches!(hir.kind(), HirKind::Look(it) if *it == look);
    let (starts, parts) = match parts {
        [first, rest @ ..] if is_look(first, Look::Start) => (true, rest),
        _ => (false, parts),
    };
    let (ends, parts) = match parts {
        [rest @ .., last] if is_look(last, Look::End) => (true, rest),
        _ => (false, parts),
    };
    // What may be absent at an open end does not decide whether the pattern is found.
    let parts = match parts {
        [rest @ .., last] if !ends && is_optional(last) => rest,
        _ => parts,
    };
    let literal = match parts {
        [part] => match part.kind() {
            HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok(),
            _ => None,
        },
        _ => None,
    };
    match (literal, starts, ends) {
        (None, ..) => Shape::Pattern,
        (Some(literal), false, false) => Shape::Contains(literal.into()),
        (Some(literal), true, false) => Shape::Starts(literal.into()),
        (Some(literal), false, true) => Shape::Ends(literal.into()),
        (Some(literal), true, true) => Shape::Is(literal.into()),
    }
}

fn is_optional(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => repetition.min == 0,
        HirKind::Capture(capture) => is_optional(&capture.sub),
        _ => false,
    }
}

/// A pattern to search with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) text: &'a str,
    pub(crate) ignore_case: bool,
    /// Of text and case, see [`hash`].
    pub(crate) hash: u64,
}

/// The same for the same pattern in every program of this process.
pub(crate) fn hash(text: &str, ignore_case: bool) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.write_u8(u8::from(ignore_case));
    hasher.finish()
}

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
}

struct Built {
    hash: u64,
    text: Box<str>,
    ignore_case: bool,
    regex: meta::Regex,
    scratch: meta::Cache,
    bytes: usize,
    searches: u32,
    used: bool,
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

    /// Whether the pattern is found in `text`.
    pub(crate) fn is_match(&mut self, asked: Asked, text: &[u8]) -> Result<bool, Reason> {
        let built = self.get(asked)?;
        let input = Input::new(text).earliest(true);
        Ok(built.regex.search_half_with(&mut built.scratch, &input).is_some())
    }

    /// Where the groups of the first match lie: two slots each, the whole match first.
    pub(crate) fn groups(
        &mut self,
        asked: Asked,
        text: &[u8],
        slots: &mut [Option<NonMaxUsize>],
    ) -> Result<bool, Reason> {
        let built = self.get(asked)?;
        let input = Input::new(text);
        Ok(built.regex.search_slots_with(&mut built.scratch, &input, slots).is_some())
    }

    fn find(&self, asked: Asked) -> Option<usize> {
        let at = *self.known.get(&asked.hash)?;
        // Two patterns of one hash must not stand in for each other.
        let built = self.built.get(at)?;
        (*built.text == *asked.text && built.ignore_case == asked.ignore_case).then_some(at)
    }

    fn get(&mut self, asked: Asked) -> Result<&mut Built, Reason> {
        let at = match self.find(asked) {
            Some(at) => at,
            None => self.build(asked)?,
        };
        let built = self.built.get_mut(at).ok_or(Reason::LargePattern)?;
        built.used = true;
        built.searches = built.searches.wrapping_add(1);
        // Searching makes states: count them at the 1st, 2nd, 4th … time and at every 256th.
        if built.searches.is_power_of_two() || built.searches.is_multiple_of(256) {
            let now = size(&built.regex, &built.scratch);
            self.bytes = self.bytes + now - built.bytes;
            built.bytes = now;
        }
        Ok(built)
    }

    fn build(&mut self, asked: Asked) -> Result<usize, Reason> {
        let regex = build(asked.text, asked.ignore_case)?;
        let scratch = regex.create_cache();
        let bytes = size(&regex, &scratch) + asked.text.len();
        if let Some(at) = self.known.get(&asked.hash).copied() {
            self.remove(at);
        }
        self.make_room(bytes);
        let at = self.built.len();
        self.built.push(Built {
            hash: asked.hash,
            text: asked.text.into(),
            ignore_case: asked.ignore_case,
            regex,
            scratch,
            bytes,
            searches: 0,
            used: true,
        });
        self.known.insert(asked.hash, at);
        self.bytes += bytes;
        self.builds += 1;
        Ok(at)
    }

    fn make_room(&mut self, bytes: usize) {
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

fn size(regex: &meta::Regex, scratch: &meta::Cache) -> usize {
    size_of::<Built>() + regex.memory_usage() + scratch.memory_usage()
}

fn build(text: &str, ignore_case: bool) -> Result<meta::Regex, Reason> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(NFA_BYTES))
        .onepass_size_limit(Some(64 << 10))
        .hybrid_cache_capacity(SEARCH_BYTES);
    let syntax = syntax::Config::new()
        .utf8(false)
        .unicode(!text.is_ascii())
        .case_insensitive(ignore_case)
        .nest_limit(NEST);
    meta::Builder::new().configure(config).syntax(syntax).build(text).map_err(|error| {
        if error.size_limit().is_some() { Reason::LargePattern } else { Reason::BadPattern }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked<'_> {
        Asked { text, ignore_case: false, hash: hash(text, false) }
    }

    #[test]
    fn a_pattern_that_is_a_comparison_is_known_as_one() {
        let shape = |text| check(text, false).unwrap().shape;
        assert_eq!(shape("^/img/"), Shape::Starts("/img/".into()));
        assert_eq!(shape("^/img/.*"), Shape::Starts("/img/".into()));
        assert_eq!(shape("^/img/(.*)"), Shape::Starts("/img/".into()));
        assert_eq!(shape("\\.ts$"), Shape::Ends(".ts".into()));
        assert_eq!(shape("^/a$"), Shape::Is("/a".into()));
        assert_eq!(shape("only-if-cached"), Shape::Contains("only-if-cached".into()));
        for text in [".ts$", "^/img/.+", "a|b", "", "(?m)^a", "^(/)d", "a.*$", "^.*$"] {
            assert_eq!(shape(text), Shape::Pattern, "{text}");
        }
        assert_eq!(check("^/img/", true).unwrap().shape, Shape::Pattern);
    }

    #[test]
    fn what_the_engine_lacks_is_refused_with_a_way_out() {
        for text in ["(?=a)b", "a(?!b)", "(?<=a)b", "(a)\\1"] {
            let complaint = check(text, false).unwrap_err();
            assert!(complaint.message.contains("linear time") && complaint.hint.is_some());
        }
        for text in ["(", "[a", "a{2,1}", "*", "\\", &"(".repeat(1000)] {
            assert!(check(text, false).unwrap_err().message.contains("does not parse"), "{text}");
        }
    }

    #[test]
    fn states_grow_with_what_must_be_built() {
        let states = |text| check(text, false).unwrap().states;
        assert!(states("^/img/[a-z]+\\.png$") < 60);
        assert!(states("(a{50}){50}") > 2_500);
        assert!(states("((a{100}){100}){100}") > 1_000_000);
        assert!(states("\\w{20}é") > 1000);
        assert_eq!(states(&format!("[0-9]{}", "{8}".repeat(30))), usize::MAX);
    }

    #[test]
    fn the_cache_is_bounded_and_never_mistakes_a_pattern() {
        let mut cache = PatternCache::new(200 << 10);
        for round in 0..3 {
            for number in 0..100 {
                let text = format!("^/{number}/[a-z]+/x{round}$");
                let path = format!("/{number}/abc/x{round}");
                assert_eq!(cache.is_match(asked(&text), path.as_bytes()), Ok(true));
                assert!(cache.bytes() <= 200 << 10 || cache.built.len() == 1);
            }
        }
        assert!(cache.builds() > 100 && !cache.built.is_empty());
        let same_hash = Asked { hash: hash("a[b]c?d", false), ..asked("x[y]z") };
        assert_eq!(cache.is_match(asked("a[b]c?d"), b"abd"), Ok(true));
        assert_eq!(cache.is_match(same_hash, b"abd"), Ok(false));
        assert_eq!(cache.is_match(asked("a[b]c?d"), b"abd"), Ok(true));
        let counted: usize = cache.built.iter().map(|built| built.bytes).sum();
        assert_eq!(counted, cache.bytes());
    }

    #[test]
    fn too_large_a_pattern_fails_when_built() {
        let mut cache = PatternCache::new(1 << 20);
        let text = "((a{100}){100}){100}";
        assert_eq!(cache.is_match(asked(text), b"a"), Err(Reason::LargePattern));
        assert_eq!(cache.is_match(asked("("), b"a"), Err(Reason::BadPattern));
    }
}
