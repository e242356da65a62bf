//! Rules in the other spelling, where it can say the same.
//!
//! What is converted does the same to every request: the same actions but for their order where it
//! does not matter, and the same rules stop the set. Where a rule would have failed for want of a
//! value it may instead not match, which does as little. What the other spelling cannot say stays
//! as it is, since a document may mix both.

mod dollar;
mod facts;
mod values;
mod when;

use toml_edit::{Array, Item, Table, TableLike, Value as Edited};

use crate::budget::Limits;
use crate::document::{self, Reader};
use crate::dollar::blocks::blocks;
use crate::error::{Error, Span};
use crate::program::Program;
use crate::tree::{Expr, Kind, RuleTree, Spelling, State};
use crate::write::{edited, format_document};

/// The two ways to write a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// A condition in `when` and actions in `do`.
    When,
    /// A text of calls, `$WHEN(…)$REDIRECT(…)`.
    Dollar,
}

/// A rule set whose rules were converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The document of `[[rules]]`, laid out.
    pub text: String,
    /// Why a rule stays as it was, one for each that does; places are bytes of the source.
    pub kept: Vec<Error>,
}

/// A part of a rule in the other spelling, or why there is none.
type Said<T> = Result<T, Error>;

/// The keys of a rule that belong to one of the spellings.
const KEYS: &[&str] = &["pattern", "text", "when", "do", "stop", "break"];

/// Converts the rules of a document that [`Program::from_document`] reads.
///
/// # Errors
/// What is wrong with the document.
pub fn convert_document(
    source: &str,
    to: Notation,
    limits: &Limits,
) -> Result<Converted, Vec<Error>> {
    Program::from_document(source, limits)?;
    let parsed = document::parse(source).map_err(|error| vec![error])?;
    let reader = Reader { source, limits };
    let rules = parsed.get_ref().get("rules").and_then(|rules| rules.get_ref().as_array());
    let mut said = Vec::new();
    let mut kept = Vec::new();
    for value in rules.into_iter().flat_map(|rules| rules.iter()) {
        let rule = reader.rule(value).map_err(|error| vec![error])?;
        match converted(&rule, to, limits) {
            Ok(made) => said.push(made),
            Err(error) => {
                let span =
                    if error.span == Span::default() { document::span(value) } else { error.span };
                kept.push(Error { span, ..error });
                said.push(None);
            }
        }
    }
    let mut document = edited(source)?;
    let tables: Vec<&mut dyn TableLike> = match document.get_mut("rules") {
        Some(Item::ArrayOfTables(rules)) => rules.iter_mut().map(|it| it as _).collect(),
        Some(Item::Value(Edited::Array(rules))) => {
            rules.iter_mut().filter_map(|it| it.as_inline_table_mut().map(|it| it as _)).collect()
        }
        _ => Vec::new(),
    };
    for (table, made) in tables.into_iter().zip(said) {
        if let Some(made) = made {
            made.replace(table);
        }
    }
    finish(document.to_string(), kept, limits)
}

/// Converts a file of rules that [`Program::from_rules`] reads to a document of `when` and `do`.
///
/// # Errors
/// What is wrong with the file.
pub fn convert_rules(source: &str, limits: &Limits) -> Result<Converted, Vec<Error>> {
    Program::from_rules(source, limits)?;
    let mut kept = Vec::new();
    let mut text = String::new();
    for block in blocks(source).map_err(|error| vec![error])? {
        text.extend(block.comments.iter().map(|line| format!("{line}\n")));
        if block.text.is_empty() {
            text.push('\n');
            continue;
        }
        let rule = block.tree(limits).map_err(|error| vec![error])?;
        let mut table = Table::new();
        match converted(&rule, Notation::When, limits) {
            Ok(Some(made)) => made.replace(&mut table),
            Ok(None) => {}
            Err(error) => {
                let own = Span::new(block.start, block.start + block.text.len());
                let span = if error.span == Span::default() { own } else { error.span };
                kept.push(Error { span, ..error });
                table.insert("text", toml_edit::value(block.text));
                if let Some(pattern) = rule.pattern.as_ref().and_then(Expr::constant) {
                    table.insert("pattern", toml_edit::value(pattern));
                }
            }
        }
        describe(&rule, &mut table);
        text.push_str(&format!("[[rules]]\n{table}\n"));
    }
    finish(text, kept, limits)
}

/// What a rule of a file has beside its text.
fn describe(rule: &RuleTree, table: &mut Table) {
    if !rule.name.is_empty() {
        table.insert("name", toml_edit::value(rule.name.as_ref()));
    }
    let state = match rule.state {
        State::Enabled => return,
        State::Disabled => "disabled",
        State::Test => "test",
    };
    table.insert("state", toml_edit::value(state));
    if !rule.testers.is_empty() {
        let testers: Array = rule.testers.iter().map(ToString::to_string).collect();
        table.insert("testers", toml_edit::value(testers));
    }
}

fn finish(text: String, kept: Vec<Error>, limits: &Limits) -> Result<Converted, Vec<Error>> {
    Ok(Converted { text: format_document(&text, limits)?, kept })
}

/// A rule in the other spelling: its keys and their values, as TOML.
struct Made(Vec<(&'static str, String)>);

impl Made {
    /// Puts the rule in the place of what was there; the comments before that stay.
    fn replace(&self, table: &mut dyn TableLike) {
        let mut comments = String::new();
        for key in KEYS {
            if let Some(before) = table.key(key).and_then(|key| key.leaf_decor().prefix()) {
                comments.push_str(before.as_str().unwrap_or_default());
            }
            table.remove(key);
        }
        for (key, value) in &self.0 {
            if let Ok(value) = value.parse::<Edited>() {
                table.insert(key, Item::Value(value));
            }
        }
        let first = self.0.first().and_then(|(key, _)| table.key_mut(key));
        if let Some(mut key) = first.filter(|_| comments.contains('#')) {
            key.leaf_decor_mut().set_prefix(comments);
        }
    }

    /// The rule as a document of its own.
    fn document(&self) -> String {
        let lines = self.0.iter().map(|(key, value)| format!("{key} = {value}\n"));
        format!("[[rules]]\n{}", lines.collect::<String>())
    }
}

/// A rule in the other spelling; none if it is in that one.
fn converted(rule: &RuleTree, to: Notation, limits: &Limits) -> Said<Option<Made>> {
    let made = match (rule.spelling, to) {
        (Spelling::Dollar, Notation::When) => when::rule(rule)?,
        (Spelling::When, Notation::Dollar) => dollar::rule(rule)?,
        _ => return Ok(None),
    };
    // The other spelling may take more of what the limits allow.
    match Program::from_document(&made.document(), limits) {
        Ok(_) => Ok(Some(made)),
        Err(errors) => {
            let why = errors.first().map_or("", |error| error.message.as_str());
            Err(Error::new(Span::default(), format!("in the other spelling {why}")))
        }
    }
}

fn call<'s>(function: crate::functions::Function, args: Vec<Expr<'s>>, span: Span) -> Expr<'s> {
    Expr::new(Kind::Call(function, args), span)
}
