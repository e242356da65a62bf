//! The rule language of an edge cache: text in, a checked program out, actions for one request.
//!
//! There are two spellings and one engine. The `$` spelling is a template that acts:
//! `$WHEN($EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI, 301)`. The `when` spelling is a document
//! of typed conditions and named actions. Both are parsed, judged and laid down as a [`Program`],
//! which asks a request's [`Facts`] and answers with [`Action`]s:
//!
//! ```
//! use edge_rules::{Action, Budget, Environment, Limits, PatternCache, Phase, Program, Sample};
//!
//! let rule = "$WHEN($EQ($_SCHEME, http))$REDIRECT(https://$_HOST$_URI, 301)";
//! let program = Program::from_dollar_text(rule, &Limits::default()).map_err(|it| it[0].clone())?;
//! let mut patterns = PatternCache::new(1 << 20);
//! let mut env = Environment {
//!     now: 1_700_000_000,
//!     random: &mut || 4,
//!     patterns: &mut patterns,
//!     budget: &Budget::default(),
//!     zone: edge_rules::DEFAULT_ZONE,
//!     tester: false,
//!     explain: false,
//! };
//! let request = Sample::get("http://a.example/x");
//! let outcome = program.evaluate(Phase::Request, &request, &mut env);
//! let location = "https://a.example/x".into();
//! assert_eq!(outcome.actions, [Action::Redirect { status: 301, location }]);
//! # Ok::<(), edge_rules::Error>(())
//! ```
//!
//! Beside that, rule sets are tested by tables ([`Tests`]), laid out ([`format_document`],
//! [`format_rules`]) and written in the other spelling ([`convert_document`], [`convert_rules`]).
//!
//! The crate does no I/O and asks no clock: time, random bits and built patterns are handed in.
//! Nothing loops, everything is bounded ([`Limits`], [`Budget`]), and nothing panics.

mod accept;
mod action;
mod address;
mod automaton;
mod budget;
mod check;
mod convert;
mod document;
mod dollar;
mod error;
mod eval;
mod facts;
mod field;
mod functions;
mod pattern;
mod pattern_cache;
mod place;
mod program;
mod sample;
mod table;
mod text;
mod trace;
mod tree;
mod when;
mod write;

pub use action::{Action, Header, query_without};
pub use budget::{Budget, Limits};
pub use convert::{Converted, Notation, convert_document, convert_rules};
pub use dollar::DollarRule;
pub use error::{Error, Shown, Span};
pub use eval::{DEFAULT_ZONE, Environment, Outcome};
pub use facts::{Facts, Phase};
pub use functions::Function;
pub use pattern_cache::PatternCache;
pub use program::{Compiled, Program};
pub use sample::Sample;
pub use table::{Mismatch, Report, TestResult, Tests};
pub use trace::{End, Event, Failure, Fate, Reason};
pub use tree::State;
pub use write::{format_document, format_rules};
