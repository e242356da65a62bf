//! One built pattern. Whether it is found is told by a lazy automaton, which makes its states as texts
//! ask for them; where its groups lie by a one-pass automaton, or else by backtracking that visits no
//! place of the text twice in the same state.
//!
//! What a search costs depends on the text as much as on the pattern: a lazy automaton that knows its
//! way takes a nanosecond for a byte, one that makes a new state for each byte a thousand times that.
//! So each search tells what it cost in steps, and gives up rather than throw its states away.

use regex_automata::dfa::onepass;
use regex_automata::hybrid::dfa as lazy;
use regex_automata::nfa::thompson::backtrack::{self, BoundedBacktracker};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use crate::trace::Reason;

/// How deep a pattern may nest.
pub(crate) const NEST: u32 = 40;
/// Bytes that the states of one pattern may have; what the check at load allows stays far below.
const NFA_BYTES: usize = 2 << 20;
/// Bytes that the states may have which searches make on their way.
const LAZY_BYTES: usize = 128 << 10;
const ONEPASS_BYTES: usize = 64 << 10;
/// Bytes of new states that cost a step, and those that cost none: hardly a pattern needs more.
const BYTES_A_STEP: usize = 4;
const FREE_BYTES: usize = 4 << 10;

/// A pattern to search with.
pub(crate) struct Automaton {
    lazy: lazy::DFA,
    states: lazy::Cache,
    /// Bytes of states that are still free.
    free: usize,
    /// Bytes of `states` after the last search.
    held: usize,
    /// Bytes of it all.
    bytes: usize,
    backtracker: BoundedBacktracker,
    /// Made when groups are first asked for; none within where the pattern is not of that kind.
    onepass: Option<Option<Box<(onepass::DFA, onepass::Cache)>>>,
}

/// What a search by the lazy automaton came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Looked {
    /// None if it gave up.
    pub(crate) found: Option<bool>,
    pub(crate) steps: u32,
}

/// What backtracking needs, for any pattern.
pub(crate) type Scratch = backtrack::Cache;

impl Automaton {
    /// Builds a pattern.
    ///
    /// # Errors
    /// It does not parse, or is too large.
    pub(crate) fn build(text: &str, ignore_case: bool) -> Result<Automaton, Reason> {
        let syntax = syntax::Config::new()
            .utf8(false)
            .unicode(!text.is_ascii())
            .case_insensitive(ignore_case)
            .nest_limit(NEST);
        let nfa = thompson::Compiler::new()
            .syntax(syntax)
            .configure(thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES)))
            .build(text)
            .map_err(|error| match error.size_limit() {
                Some(_) => Reason::LargePattern,
                None => Reason::BadPattern,
            })?;
        let config = lazy::Config::new()
            .unicode_word_boundary(true)
            .cache_capacity(LAZY_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(0));
        let lazy = lazy::Builder::new()
            .configure(config)
            .build_from_nfa(nfa.clone())
            .map_err(|_| Reason::LargePattern)?;
        let backtracker =
            BoundedBacktracker::builder().build_from_nfa(nfa).map_err(|_| Reason::BadPattern)?;
        let states = lazy.create_cache();
        let held = states.memory_usage();
        let bytes = lazy.get_nfa().memory_usage() + held;
        let free = FREE_BYTES;
        Ok(Automaton { lazy, states, free, held, bytes, backtracker, onepass: None })
    }

    /// From now on every new state costs.
    pub(crate) fn charge_all(&mut self) {
        self.free = 0;
    }

    /// Bytes of it all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the pattern is found in `text`.
    pub(crate) fn look(&mut self, text: &[u8]) -> Looked {
        let input = Input::new(text).earliest(true);
        let found = self.lazy.try_search_fwd(&mut self.states, &input);
        let grown = self.states.memory_usage().saturating_sub(self.held);
        let free = self.free.min(grown);
        self.free -= free;
        let found = match found {
            Ok(found) => Some(found.is_some()),
            Err(_) => {
                self.states.reset(&self.lazy);
                None
            }
        };
        if grown > 0 {
            let held = self.states.memory_usage();
            (self.bytes, self.held) = (self.bytes + held - self.held, held);
        }
        Looked { found, steps: ((grown - free) / BYTES_A_STEP) as u32 }
    }

    /// Whether groups are found in one pass, so that the time is that of the text alone.
    pub(crate) fn has_one_pass(&mut self) -> bool {
        if self.onepass.is_none() {
            let built = self.one_pass();
            self.bytes += built.as_ref().map_or(0, |it| it.0.memory_usage() + it.1.memory_usage());
            self.onepass = Some(built.map(Box::new));
        }
        matches!(self.onepass, Some(Some(_)))
    }

    fn one_pass(&self) -> Option<(onepass::DFA, onepass::Cache)> {
        if !self.nfa().is_always_start_anchored() {
            return None;
        }
        let config = onepass::Config::new().size_limit(Some(ONEPASS_BYTES));
        let built = onepass::Builder::new().configure(config).build_from_nfa(self.nfa().clone());
        let built = built.ok()?;
        let cache = built.create_cache();
        Some((built, cache))
    }

    /// Where the groups of the first match lie: two slots each, the whole match first.
    ///
    /// # Errors
    /// The text is too long to be searched in this way.
    pub(crate) fn groups(
        &mut self,
        text: &[u8],
        slots: &mut [Option<NonMaxUsize>],
        scratch: &mut Scratch,
    ) -> Result<bool, Reason> {
        let input = Input::new(text);
        let found = if let Some(Some(onepass)) = &mut self.onepass {
            let (built, cache) = &mut **onepass;
            built.try_search_slots(cache, &input.anchored(Anchored::Yes), slots)
        } else {
            scratch.reset(&self.backtracker);
            self.backtracker.try_search_slots(scratch, &input, slots)
        };
        found.map(|found| found.is_some()).map_err(|_| Reason::LongText)
    }

    /// An empty place to backtrack in.
    pub(crate) fn scratch(&self) -> Scratch {
        self.backtracker.create_cache()
    }

    fn nfa(&self) -> &NFA {
        self.lazy.get_nfa()
    }
}
