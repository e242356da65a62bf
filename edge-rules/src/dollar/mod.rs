//! The `$` spelling: `$WHEN($EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI, 301)`.

pub(crate) mod blocks;
mod lex;
mod parse;

pub(crate) use parse::parse;

use crate::budget::Limits;
use crate::check::Compiler;
use crate::error::{Error, Span};
use crate::facts::Phase;
use crate::field::VARIABLES;
use crate::place::Place;
use crate::program::{Compiled, Program};
use crate::tree::{Expr, RuleTree, Spelling, State};

/// Names that the error for an unknown variable offers.
fn variable_names() -> impl Iterator<Item = &'static str> {
    const KEYED: [&str; 5] = ["_GET_name", "_POST_name", "_HEADER_name", "_COOKIE_name", "_RANDOM"];
    VARIABLES.iter().map(|(name, _)| *name).chain(KEYED)
}

/// One rule of the `$` spelling as it is stored: its text and what belongs to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DollarRule<'s> {
    /// The rule.
    pub text: &'s str,
    /// The pattern that the path is matched against, for `$1`, `$2` …; empty: none.
    pub pattern: &'s str,
    /// Whether later rules are skipped when this one took effect, as `$$` at the end says.
    pub breaks: bool,
    /// Whether it acts.
    pub state: State,
}

impl Program {
    /// Compiles rules of the `$` spelling that stand each by itself.
    ///
    /// # Errors
    /// What is wrong with each rule, the rule's number first; places are bytes of its text, or of its
    /// pattern where the pattern is wrong.
    pub fn from_dollar(
        rules: &[DollarRule],
        limits: &Limits,
    ) -> Result<Program, Vec<(usize, Error)>> {
        if rules.len() > limits.rules {
            return Err(vec![(0, too_many(rules.len(), limits, Span::default()))]);
        }
        let bytes: usize = rules.iter().map(|rule| rule.text.len() + rule.pattern.len()).sum();
        if bytes > limits.set_bytes {
            return Err(vec![(0, set_too_long(limits))]);
        }
        let mut compiler = Compiler::new(limits);
        let mut errors = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            if let Err(error) = one(&mut compiler, rule, limits) {
                errors.push((number, error));
            }
        }
        if errors.is_empty() { Ok(compiler.finish()) } else { Err(errors) }
    }

    /// Compiles one rule text without a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_dollar_text(text: &str, limits: &Limits) -> Compiled {
        Program::from_dollar(&[DollarRule { text, ..DollarRule::default() }], limits)
            .map_err(|errors| errors.into_iter().map(|(_, error)| error).collect())
    }
}

fn one(compiler: &mut Compiler, rule: &DollarRule, limits: &Limits) -> Result<(), Error> {
    if rule.text.len() > limits.rule_bytes {
        return Err(too_long(limits, Span::default()));
    }
    let parsed = parse(rule.text, &Place::default(), limits.depth)?;
    let pattern = (!rule.pattern.is_empty())
        .then(|| Expr::text(rule.pattern, Span::new(0, rule.pattern.len())));
    compiler.rule(&RuleTree {
        name: "".into(),
        spelling: Spelling::Dollar,
        phase: Phase::Request,
        state: rule.state,
        stop: rule.breaks || parsed.breaks,
        testers: Vec::new(),
        pattern,
        items: parsed.items,
    })
}

/// A rule's text is longer than the limits allow.
pub(crate) fn too_long(limits: &Limits, span: Span) -> Error {
    let most = limits.rule_bytes;
    Error::new(span, format!("the rule has more than {most} bytes"))
        .hint("split it into several rules")
}

/// A set has more rules than the limits allow.
pub(crate) fn too_many(rules: usize, limits: &Limits, span: Span) -> Error {
    Error::new(span, format!("there are {rules} rules, at most {} can be", limits.rules))
}

/// A set has more text than the limits allow.
pub(crate) fn set_too_long(limits: &Limits) -> Error {
    let most = limits.set_bytes;
    Error::new(Span::default(), format!("the set has more than {most} bytes"))
}
