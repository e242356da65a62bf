//! Rules as canonical text: what is parsed is written again, so that it parses to the same.

mod blocks;
mod condition;
mod document;
mod dollar;
mod layout;
mod string;

pub use blocks::format_rules;
pub use document::format_document;

pub(crate) use condition::{condition, template};
pub(crate) use document::edited;
pub(crate) use dollar::chunks;
pub(crate) use string::{string, text_string, wide_condition};

/// Columns that a line of a rule should have at most.
const WIDTH: usize = 100;

/// Letters that `key = '` and the closing quote take before and behind a rule's text.
const QUOTING: usize = 9;
