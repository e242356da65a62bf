//! What both spellings parse into: expressions with their places, not yet judged.

use std::borrow::Cow;

use crate::address::Network;
use crate::error::Span;
use crate::facts::Phase;
use crate::field::{Field, Keyed};
use crate::functions::{Function, Type};

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Expr<'s> {
    pub(crate) kind: Kind<'s>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind<'s> {
    Text(Cow<'s, str>),
    Number(f64),
    Truth(bool),
    Network(Network),
    Fact(Field),
    Listed(Keyed, Cow<'s, str>),
    /// The label of the host with this number.
    Label(u8),
    /// So many random letters.
    Random(u8),
    /// A group of the rule's pattern.
    Group(u8),
    /// A group of a `$CAPTURE`, which is counted from 1.
    Captured(u8, u8),
    Join(Vec<Expr<'s>>),
    Call(Function, Vec<Expr<'s>>),
    /// A `$CAPTURE` and its number.
    Capture(u8, Vec<Expr<'s>>),
    In(Box<Expr<'s>>, Members<'s>),
}

/// What stands between `{` and `}`.
#[derive(Clone, Debug)]
pub(crate) enum Members<'s> {
    Texts(Vec<Cow<'s, str>>),
    /// Ranges, both bounds included.
    Numbers(Vec<(f64, f64)>),
    Networks(Vec<Network>),
}

impl<'s> Expr<'s> {
    pub(crate) fn new(kind: Kind<'s>, span: Span) -> Self {
        Expr { kind, span }
    }

    /// A text without a place of its own.
    pub(crate) fn text(text: impl Into<Cow<'s, str>>, span: Span) -> Self {
        Expr { kind: Kind::Text(text.into()), span }
    }

    /// The text, if it is a constant one; several constants side by side are one text already.
    pub(crate) fn constant(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            Kind::Join(parts) if parts.is_empty() => Some(""),
            _ => None,
        }
    }

    pub(crate) fn type_(&self) -> Type {
        match &self.kind {
            Kind::Number(_) => Type::Number,
            Kind::Truth(_) | Kind::In(..) => Type::Truth,
            Kind::Network(_) => Type::Address,
            Kind::Fact(field) => field.type_(),
            Kind::Call(function, _) => function.signature().result,
            Kind::Capture(..) => Type::Nothing,
            _ => Type::Text,
        }
    }
}

/// Which of the two spellings a rule is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Values have no declared type; texts of digits are numbers.
    Dollar,
    /// Types are judged at load.
    When,
}

/// Whether a rule acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// For every request.
    #[default]
    Enabled,
    /// For none.
    Disabled,
    /// For the requests of its testers.
    Test,
}

/// A rule before it is judged.
#[derive(Debug)]
pub(crate) struct RuleTree<'s> {
    pub(crate) name: Cow<'s, str>,
    pub(crate) spelling: Spelling,
    pub(crate) phase: Phase,
    pub(crate) state: State,
    pub(crate) stop: bool,
    pub(crate) testers: Vec<Network>,
    pub(crate) pattern: Option<Expr<'s>>,
    pub(crate) items: Vec<Expr<'s>>,
}
