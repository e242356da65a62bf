//! Searching with patterns, and the groups that a search leaves.

use std::borrow::Cow;

use regex_automata::util::primitives::NonMaxUsize;
use smallvec::{SmallVec, smallvec};

use super::{Evaluator, Step, Value};
use crate::functions::strings;
use crate::pattern::{self, Asked, Checked};
use crate::pattern_cache::{Place, Ready};
use crate::program::{List, Node, NodeId, PatternShape};
use crate::trace::Reason;

/// Where groups begin and end, two for each; empty if the pattern was not found.
pub(super) type Slots = SmallVec<[Option<NonMaxUsize>; 8]>;

/// A text and the groups that `$CAPTURE` found in it.
pub(super) struct Captured<'a> {
    number: u8,
    text: Cow<'a, [u8]>,
    slots: Slots,
}

/// What a pattern that is made while a rule runs may be: it is parsed and built on the spot.
const MADE_BYTES: usize = 256;
const MADE_STATES: usize = 500;

/// Steps for each state of a pattern that is built on the spot.
const BUILD_STEPS: u32 = 8;

/// Pairs of a state and a byte of the text that backtracking visits for one step.
const VISITS_A_STEP: usize = 4;

/// A pattern as it is asked for: checked at load, or made by the rule.
enum Pattern<'a> {
    Constant(Asked<'a>, PatternShape, usize, usize),
    Made(Cow<'a, [u8]>, bool),
}

impl<'a> Evaluator<'a, '_, '_> {
    /// Whether the pattern is found in the text; in what is missing nothing is found.
    pub(super) fn is_match(
        &mut self,
        text: NodeId,
        pattern: NodeId,
        flag: Option<NodeId>,
    ) -> Step<bool> {
        let text = self.text(text)?;
        let Some(pattern) = self.pattern(pattern, flag)? else { return Ok(false) };
        let Some(text) = text else { return Ok(false) };
        match pattern {
            Pattern::Constant(_, PatternShape::Begins(start), ..)
                if !text.starts_with(self.program.text_of(start).as_bytes()) =>
            {
                Ok(false)
            }
            Pattern::Constant(
                asked,
                PatternShape::Pattern | PatternShape::Begins(_),
                states,
                _,
            ) => {
                let place = self.prepare(asked, states)?;
                self.is_found(place, &text, states)
            }
            Pattern::Constant(_, shape, ..) => {
                self.spend(text.len())?;
                Ok(self.has_shape(&text, shape))
            }
            Pattern::Made(pattern, ignore_case) => {
                let (place, checked) = self.checked(&pattern, ignore_case)?;
                self.is_found(place, &text, checked.states)
            }
        }
    }

    fn has_shape(&self, text: &[u8], shape: PatternShape) -> bool {
        let of = |place| self.program.text_of(place).as_bytes();
        match shape {
            PatternShape::Pattern | PatternShape::Begins(_) => false,
            PatternShape::Contains(part) => strings::contains(text, of(part)),
            PatternShape::Starts(part) => text.starts_with(of(part)),
            PatternShape::Ends(part) => text.ends_with(of(part)),
            PatternShape::Is(part) => text == of(part),
        }
    }

    /// The pattern of an argument; none if it is missing.
    fn pattern(&mut self, id: NodeId, flag: Option<NodeId>) -> Step<Option<Pattern<'a>>> {
        let program = self.program;
        if let Node::Pattern(at) = program.node(id) {
            return Ok(program.pattern(at).map(|pattern| {
                let (states, groups) = (pattern.states as usize, usize::from(pattern.groups));
                Pattern::Constant(program.asked(pattern), pattern.shape, states, groups)
            }));
        }
        let text = self.text(id)?;
        let flag = match flag {
            Some(flag) => self.text(flag)?.is_some_and(|flag| !flag.is_empty()),
            None => false,
        };
        Ok(text.map(|text| Pattern::Made(text, flag)))
    }

    /// Judges a pattern that the rule made, as the load does with constant ones.
    fn checked(&mut self, text: &[u8], ignore_case: bool) -> Step<(Place, Checked)> {
        if text.len() > MADE_BYTES {
            return Err(Reason::LargePattern.into());
        }
        let text = std::str::from_utf8(text).map_err(|_| Reason::BadPattern)?;
        self.spend_steps(text.len() as u32)?;
        let checked = pattern::check(text, ignore_case).map_err(|_| Reason::BadPattern)?;
        if checked.states > MADE_STATES {
            return Err(Reason::LargePattern.into());
        }
        let asked = Asked { text, ignore_case, hash: pattern::hash(text, ignore_case) };
        if !self.env.patterns.is_built(asked) {
            self.spend_build(checked.states)?;
        }
        let (place, _) = self.env.patterns.prepare(asked)?;
        Ok((place, checked))
    }

    /// Builds a pattern of the program on first use. That costs nothing: what all may need is bounded
    /// at load. Where other patterns had to go for it there are too many, and it does.
    fn prepare(&mut self, asked: Asked, states: usize) -> Step<Place> {
        let (place, ready) = self.env.patterns.prepare(asked)?;
        if ready == Ready::Crowded {
            self.spend_build(states)?;
        }
        Ok(place)
    }

    fn spend_build(&mut self, states: usize) -> Step<()> {
        self.spend_steps(BUILD_STEPS.saturating_mul(states as u32))
    }

    /// Whether a pattern that is ready is found.
    fn is_found(&mut self, place: Place, text: &[u8], states: usize) -> Step<bool> {
        self.spend(3 * text.len())?;
        let looked = self.env.patterns.look(place, text);
        self.spend_steps(looked.steps)?;
        match looked.found {
            Some(found) => Ok(found),
            None => {
                self.spend_visits(text.len(), states)?;
                Ok(self.env.patterns.groups(place, text, &mut [])?)
            }
        }
    }

    /// Pays for backtracking at its worst.
    fn spend_visits(&mut self, bytes: usize, states: usize) -> Step<()> {
        let visits = (bytes + 1).saturating_mul(states + 1);
        self.spend_steps(u32::try_from(visits / VISITS_A_STEP).unwrap_or(u32::MAX))
    }

    /// `$CAPTURE`: keeps what the pattern found under a number.
    pub(super) fn capture(&mut self, number: u8, list: List) -> Step<()> {
        let args = self.program.list(list);
        let [text, pattern, rest @ ..] = args else { return Ok(()) };
        for extra in rest.iter().skip(1) {
            self.value(*extra)?;
        }
        let text = self.text(*text)?;
        let pattern = self.pattern(*pattern, rest.first().copied())?;
        if let Some((text, pattern)) = text.zip(pattern) {
            let slots = self.search(&text, pattern)?;
            self.captures.push(Captured { number, text, slots });
        }
        Ok(())
    }

    /// The slots of all groups; the empty pattern takes the whole text.
    fn search(&mut self, text: &[u8], pattern: Pattern) -> Step<Slots> {
        let whole = smallvec![NonMaxUsize::new(0), NonMaxUsize::new(text.len())];
        let (place, states, groups) = match &pattern {
            Pattern::Constant(asked, ..) if asked.text.is_empty() => return Ok(whole),
            Pattern::Constant(asked, _, states, groups) => {
                (self.prepare(*asked, *states)?, *states, *groups)
            }
            Pattern::Made(pattern, _) if pattern.is_empty() => return Ok(whole),
            Pattern::Made(pattern, ignore_case) => {
                let (place, checked) = self.checked(pattern, *ignore_case)?;
                (place, checked.states, checked.groups)
            }
        };
        if self.env.patterns.has_one_pass(place) {
            self.spend(8 * text.len() + groups)?;
        } else if self.is_found(place, text, states)? {
            self.spend_visits(text.len(), states)?;
        } else {
            return Ok(Slots::new());
        }
        let mut slots: Slots = smallvec![None; 2 * (groups + 1)];
        if !self.env.patterns.groups(place, text, &mut slots)? {
            slots.clear();
        }
        Ok(slots)
    }

    /// `$N`: a group of the rule's pattern in the path.
    pub(super) fn group(&mut self, number: usize) -> Step<Value<'a>> {
        let path = self.facts.path();
        if self.groups.is_none() {
            let program = self.program;
            let id = self.rule.and_then(|rule| rule.pattern);
            let Some(pattern) = id.and_then(|id| program.pattern(id)) else {
                return Ok(Value::Missing);
            };
            let (states, groups) = (pattern.states as usize, usize::from(pattern.groups));
            let pattern = Pattern::Constant(program.asked(pattern), pattern.shape, states, groups);
            self.groups = Some(self.search(path.as_bytes(), pattern)?);
        }
        let range = self.groups.as_ref().and_then(|slots| range(slots, number));
        Ok(Value::of(range.and_then(|range| path.as_bytes().get(range))))
    }

    /// `$n.m`: a group of a `$CAPTURE`.
    pub(super) fn captured(&mut self, capture: u8, number: usize) -> Step<Value<'a>> {
        let found = self.captures.iter().rev().find(|it| it.number == capture).and_then(|it| {
            let range = range(&it.slots, number)?;
            part(&it.text, range)
        });
        if let Some(Cow::Owned(part)) = &found {
            self.spend(part.len())?;
        }
        Ok(found.map_or(Value::Missing, Value::Text))
    }

    /// `capture(text, "pattern", n)`: a group of a pattern on the spot.
    pub(super) fn group_of(&mut self, args: &[NodeId]) -> Step<Value<'a>> {
        let [text, pattern, number, ..] = args else { return Ok(Value::Missing) };
        let (text, pattern) = (self.text(*text)?, self.pattern(*pattern, None)?);
        let (Some(text), Some(pattern)) = (text, pattern) else { return Ok(Value::Missing) };
        let number = self.number(*number)?.unwrap_or_default() as usize;
        let slots = self.search(&text, pattern)?;
        let found = range(&slots, number).and_then(|range| part(&text, range));
        Ok(found.map_or(Value::Missing, Value::Text))
    }
}

fn range(slots: &Slots, number: usize) -> Option<std::ops::Range<usize>> {
    let slot = |at: usize| slots.get(at).copied().flatten().map(NonMaxUsize::get);
    Some(slot(2 * number)?..slot(2 * number + 1)?)
}

fn part<'a>(text: &Cow<'a, [u8]>, range: std::ops::Range<usize>) -> Option<Cow<'a, [u8]>> {
    Some(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range)?),
        Cow::Owned(text) => Cow::Owned(text.get(range)?.to_vec()),
    })
}
