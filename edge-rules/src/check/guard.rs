//! Finds the condition that a rule begins with, if it is simple enough to be judged first.

use super::Compiler;
use crate::field::{Field, Guard};
use crate::functions::Function;
use crate::program::{List, Node, NodeId, PatternShape};
use crate::text::Str;

/// The guard of a rule with these items: what must hold for its first `$WHEN` to be true.
pub(super) fn of(compiler: &Compiler, items: &[NodeId]) -> Guard {
    let first = items.first().and_then(|id| node(compiler, *id));
    match first {
        Some(Node::Call(Function::When, list)) => begins_with(compiler, list, 0),
        _ => Guard::None,
    }
}

/// Conditions nest no deeper than the parser allows; this looks at the first few.
const DEPTH: usize = 4;

fn begins_with(compiler: &Compiler, list: List, depth: usize) -> Guard {
    let argument = |at: usize| {
        let id = compiler.lists.get(list.start as usize + at)?;
        node(compiler, *id)
    };
    if list.len == 0 {
        return Guard::None;
    }
    match argument(0) {
        Some(Node::Call(Function::All, inner)) if depth < DEPTH => {
            begins_with(compiler, inner, depth + 1)
        }
        Some(Node::Call(function, inner)) => comparison(compiler, function, inner),
        _ => Guard::None,
    }
}

fn comparison(compiler: &Compiler, function: Function, list: List) -> Guard {
    let argument = |at: usize| {
        let id = compiler.lists.get(list.start as usize + at)?;
        node(compiler, *id)
    };
    if list.len < 2 {
        return Guard::None;
    }
    let (Some(Node::Fact(field)), Some(right)) = (argument(0), argument(1)) else {
        return Guard::None;
    };
    let is = |text: Str| match field {
        Field::Host => Guard::HostIs(text),
        Field::Path => Guard::PathIs(text),
        _ => Guard::None,
    };
    let starts = |text: Str| match field {
        Field::Path => Guard::PathStarts(text),
        _ => Guard::None,
    };
    match (function, right) {
        (Function::Equal, Node::Text(text)) => is(text),
        (Function::StartsWith, Node::Text(text)) => starts(text),
        (Function::Match, Node::Pattern(id)) => {
            match compiler.patterns.get(id as usize).map(|pattern| pattern.shape) {
                Some(PatternShape::Is(text)) => is(text),
                Some(PatternShape::Starts(text) | PatternShape::Begins(text)) => starts(text),
                _ => Guard::None,
            }
        }
        _ => Guard::None,
    }
}

fn node(compiler: &Compiler, id: NodeId) -> Option<Node> {
    compiler.nodes.get(id as usize).copied()
}
