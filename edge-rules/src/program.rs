//! A checked rule set in a flat form: nodes that name each other by number, all text in one buffer.

use std::net::IpAddr;

use http::HeaderName;

use crate::action::Header;
use crate::address::{self, Network};
use crate::error::Error;
use crate::facts::Phase;
use crate::field::{Field, Guard, Keyed};
use crate::functions::Function;
use crate::pattern::Asked;
use crate::text::Str;
use crate::tree::{Spelling, State};

/// The number of a node.
pub(crate) type NodeId = u32;

/// Nodes in a row: a part of the program's lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) start: u32,
    pub(crate) len: u16,
}

/// One step of an expression.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    Text(Str),
    Number(u32),
    Truth(bool),
    Fact(Field),
    Listed(Keyed, Str),
    /// A request header by its name.
    RequestHeader(u32),
    /// A response header by its name.
    ResponseHeader(u32),
    /// The name of a header that an action names.
    Name(u32),
    /// A whole line, in place of the name of a header whose value is constant too.
    Line(u32),
    Label(u8),
    Random(u8),
    Group(u8),
    Captured(u8, u8),
    Join(List),
    Call(Function, List),
    /// Keeps the groups of a match under a number.
    Capture(u8, List),
    In(NodeId, u32),
    Pattern(u32),
}

/// A checked pattern; `shape` is the plainer question that has the same answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) text: Str,
    pub(crate) hash: u64,
    pub(crate) states: u32,
    pub(crate) groups: u16,
    pub(crate) ignore_case: bool,
    pub(crate) shape: PatternShape,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PatternShape {
    Pattern,
    Begins(Str),
    Contains(Str),
    Starts(Str),
    Ends(Str),
    Is(Str),
}

/// The members of one `in`.
#[derive(Debug, PartialEq)]
pub(crate) enum Set {
    /// Sorted.
    Texts(Box<[Str]>),
    /// Ranges, sorted by their start.
    Numbers(Box<[(f64, f64)]>),
    Networks(Box<[Network]>),
}

#[derive(Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: Str,
    /// Its number in the set.
    pub(crate) number: u32,
    pub(crate) guard: Guard,
    pub(crate) items: List,
    pub(crate) pattern: Option<u32>,
    pub(crate) testers: Option<u32>,
    pub(crate) spelling: Spelling,
    pub(crate) state: State,
    pub(crate) stop: bool,
}

/// A rule set, ready to be evaluated; see [`Program::evaluate`].
#[derive(Debug, Default, PartialEq)]
pub struct Program {
    pub(crate) text: Box<str>,
    pub(crate) nodes: Box<[Node]>,
    pub(crate) lists: Box<[NodeId]>,
    pub(crate) numbers: Box<[f64]>,
    pub(crate) patterns: Box<[Pattern]>,
    pub(crate) sets: Box<[Set]>,
    /// Names of headers, each once.
    pub(crate) names: Box<[HeaderName]>,
    /// Constant header lines.
    pub(crate) lines: Box<[Header]>,
    /// In the order of their phases, and within one in the order of the set.
    pub(crate) rules: Box<[Rule]>,
    /// Where each phase's rules end.
    pub(crate) phases: [u32; 5],
}

/// A program, or everything that is wrong with the text, in the order of the text.
pub type Compiled = Result<Program, Vec<Error>>;

impl Program {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a phase has any rule: if not, there is no need to evaluate it.
    pub fn has(&self, phase: Phase) -> bool {
        !self.rules_of(phase).is_empty()
    }

    /// Whether any rule calls this function.
    pub fn calls(&self, function: Function) -> bool {
        self.nodes.iter().any(|node| matches!(node, Node::Call(called, _) if *called == function))
    }

    /// What rules give this function for its first argument, where that is a constant text.
    pub fn constants(&self, function: Function) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(move |node| {
            let Node::Call(called, list) = node else { return None };
            let first = self.list(*list).first().filter(|_| *called == function)?;
            match self.node(*first) {
                Node::Text(text) => Some(self.text_of(text)),
                _ => None,
            }
        })
    }

    /// Whether any rule in state `test` acts for this client: one of its testers, or any client that
    /// has shown that it is a `tester`.
    pub fn acts_in_test(&self, client: IpAddr, tester: bool) -> bool {
        let names = |set: u32| match self.sets.get(set as usize) {
            Some(Set::Networks(networks)) => address::holds(networks, client),
            _ => false,
        };
        let mut in_test = self.rules.iter().filter(|rule| rule.state == State::Test);
        in_test.any(|rule| tester || rule.testers.is_some_and(names))
    }

    /// Whether any rule looks at the body of the request.
    pub fn reads_body(&self) -> bool {
        self.nodes.iter().any(|node| {
            matches!(node, Node::Fact(Field::Body) | Node::Listed(Keyed::FormArgument, _))
        })
    }

    /// The name of the rule with this number, from 0; empty if it has none.
    pub fn rule_name(&self, number: u32) -> &str {
        let rule = self.rules.iter().find(|rule| rule.number == number);
        rule.map_or("", |rule| rule.name.of(&self.text))
    }

    /// The name of a rule, or its number from 1 if it has none.
    pub fn rule_label(&self, number: u32) -> String {
        match self.rule_name(number) {
            "" => (number + 1).to_string(),
            name => name.to_owned(),
        }
    }

    /// Bytes that the program holds, apart from what a [`PatternCache`](crate::PatternCache) builds.
    pub fn bytes(&self) -> usize {
        let members = |set: &Set| match set {
            Set::Texts(texts) => size_of_val::<[Str]>(texts),
            Set::Numbers(numbers) => size_of_val::<[(f64, f64)]>(numbers),
            Set::Networks(networks) => size_of_val::<[Network]>(networks),
        };
        size_of::<Program>()
            + self.text.len()
            + size_of_val::<[Node]>(&self.nodes)
            + size_of_val::<[NodeId]>(&self.lists)
            + size_of_val::<[f64]>(&self.numbers)
            + size_of_val::<[Pattern]>(&self.patterns)
            + size_of_val::<[Set]>(&self.sets)
            + size_of_val::<[HeaderName]>(&self.names)
            + size_of_val::<[Header]>(&self.lines)
            + self.lines.iter().map(|line| line.value.len()).sum::<usize>()
            + self.sets.iter().map(members).sum::<usize>()
            + size_of_val::<[Rule]>(&self.rules)
    }

    pub(crate) fn rules_of(&self, phase: Phase) -> &[Rule] {
        let at = phase as usize;
        let end_of = |at: usize| self.phases.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end_of);
        self.rules.get(start..end_of(at)).unwrap_or_default()
    }

    pub(crate) fn text_of(&self, place: Str) -> &str {
        place.of(&self.text)
    }

    pub(crate) fn node(&self, id: NodeId) -> Node {
        self.nodes.get(id as usize).copied().unwrap_or(Node::Truth(false))
    }

    pub(crate) fn list(&self, list: List) -> &[NodeId] {
        let start = list.start as usize;
        self.lists.get(start..start + usize::from(list.len)).unwrap_or_default()
    }

    pub(crate) fn pattern(&self, id: u32) -> Option<&Pattern> {
        self.patterns.get(id as usize)
    }

    pub(crate) fn asked(&self, pattern: &Pattern) -> Asked<'_> {
        Asked {
            text: self.text_of(pattern.text),
            ignore_case: pattern.ignore_case,
            hash: pattern.hash,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_program_are_small() {
        assert_eq!(size_of::<Node>(), 12);
        assert!(size_of::<Rule>() <= 64, "{}", size_of::<Rule>());
        assert!(size_of::<Pattern>() <= 40, "{}", size_of::<Pattern>());
    }
}
