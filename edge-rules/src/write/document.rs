//! Rule documents, laid out afresh by `toml_edit`, which keeps comments.

use toml::de::DeTable;
use toml_edit::{DocumentMut, Item, Key, Table, Value as Edited};

use super::{chunks, layout, string, template, text_string, wide_condition};
use crate::budget::Limits;
use crate::document::{self, Reader, Value};
use crate::dollar;
use crate::error::{Error, Span};
use crate::place::Place;
use crate::program::Program;

/// The keys of a rule in the order in which they are written; `stop` and `break` are one.
const ORDER: &[&[&str]] = &[
    &["name"],
    &["state"],
    &["testers"],
    &["phase"],
    &["pattern"],
    &["text"],
    &["when"],
    &["do"],
    &["stop", "break"],
];

/// Lays out a document of `[[rules]]`, as [`Program::from_document`] reads it: what compiles is the
/// same, comments stay. Texts within `do` keep their order, which is that of the actions.
///
/// # Errors
/// What is wrong with the document; such a one is not laid out.
pub fn format_document(source: &str, limits: &Limits) -> Result<String, Vec<Error>> {
    Program::from_document(source, limits)?;
    let mut document = edited(source)?;
    // The places of a document are gone once it can be edited, so `source` is not asked again.
    let writer = Writer { limits };
    let mut is_first = true;
    for (mut key, item) in document.as_table_mut().iter_mut() {
        match item {
            Item::ArrayOfTables(rules) => {
                for rule in rules.iter_mut() {
                    layout::before_header(rule.decor_mut(), is_first);
                    is_first = false;
                    writer.table(rule, Within::Rule);
                    rule.sort_values_by(|a, _, b, _| rank(a).cmp(&rank(b)));
                }
            }
            Item::Value(value) => {
                layout::before_key(key.leaf_decor_mut());
                writer.entry(value, Within::Rules, key.get());
                is_first = false;
            }
            _ => {}
        }
    }
    let trailing = layout::at_end(document.trailing().as_str().unwrap_or_default(), is_first);
    document.set_trailing(trailing);
    let made = document.to_string();
    if made.len() > limits.set_bytes { Err(vec![dollar::set_too_long(limits)]) } else { Ok(made) }
}

/// A document that can be changed and keeps its comments.
///
/// # Errors
/// It is no TOML.
pub(crate) fn edited(source: &str) -> Result<DocumentMut, Vec<Error>> {
    source.parse::<DocumentMut>().map_err(|error| {
        let span = error.span().map_or(Span::default(), |it| Span::new(it.start, it.end));
        vec![Error::new(span, error.message())]
    })
}

fn rank(key: &Key) -> usize {
    ORDER.iter().position(|keys| keys.contains(&key.get())).unwrap_or(ORDER.len())
}

/// Where in a rule an entry stands.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    /// The array of rules.
    Rules,
    Rule,
    /// The actions of a rule.
    Do,
    /// One action, whose strings are templates.
    Action,
    /// `cache` and `limit_rate`, some of whose strings are quantities.
    Quantities,
}

impl Within {
    /// Where the entries of the entry `key` stand.
    fn below(self, key: &str) -> Within {
        match (self, key) {
            (Within::Rules, _) => Within::Rule,
            (Within::Rule, "do") => Within::Do,
            (Within::Do, "cache" | "limit_rate") => Within::Quantities,
            (Within::Do, _) => Within::Action,
            (within, _) => within,
        }
    }
}

struct Writer<'l> {
    limits: &'l Limits,
}

impl Writer<'_> {
    /// A table with a header or dotted keys, whose entries have lines of their own.
    fn table(&self, table: &mut Table, within: Within) {
        for (mut key, item) in table.iter_mut() {
            let name = key.get().to_string();
            match item {
                Item::Table(inner) => {
                    if inner.is_dotted() {
                        key.dotted_decor_mut().clear();
                    } else {
                        key.leaf_decor_mut().clear();
                        key.dotted_decor_mut().clear();
                        layout::before_header(inner.decor_mut(), false);
                    }
                    self.table(inner, within.below(&name));
                }
                Item::Value(value) => {
                    layout::before_key(key.leaf_decor_mut());
                    key.dotted_decor_mut().clear();
                    self.entry(value, within, &name);
                }
                _ => {}
            }
        }
    }

    /// The value of an entry on a line of its own.
    fn entry(&self, value: &mut Edited, within: Within, key: &str) {
        self.value(value, within, key, 0);
        value.decor_mut().set_prefix(" ");
        layout::after(value.decor_mut());
    }

    /// A value, its strings in canonical form; white space around it is left to who holds it.
    fn value(&self, value: &mut Edited, within: Within, key: &str, indent: usize) {
        match value {
            Edited::String(text) => {
                let Ok(made) = self.text(text.value(), within, key).parse::<Edited>() else {
                    return;
                };
                let decor = value.decor().clone();
                *value = made;
                *value.decor_mut() = decor;
            }
            Edited::Array(array) => {
                for value in array.iter_mut() {
                    self.value(value, within, key, indent + 4);
                }
                layout::array(array, indent);
            }
            Edited::InlineTable(table) => {
                let depth = layout::depth(table);
                self.inline(table, within.below(key), indent + depth);
                layout::inline_table(table, indent, depth);
            }
            _ => {}
        }
    }

    /// The values of a table in braces; those of dotted keys stand in tables of their own.
    fn inline(&self, table: &mut toml_edit::InlineTable, within: Within, indent: usize) {
        for (key, value) in table.iter_mut() {
            match value {
                Edited::InlineTable(inner) if inner.is_dotted() => {
                    self.inline(inner, within.below(key.get()), indent);
                }
                value => self.value(value, within, key.get(), indent),
            }
        }
    }

    /// A string in canonical form, by what it stands for.
    fn text(&self, text: &str, within: Within, key: &str) -> String {
        let literal = format!("x = {}", string(text));
        let quantity = match within {
            Within::Do => key == "limit_rate",
            Within::Quantities => !matches!(key, "key" | "tags"),
            _ => false,
        };
        let written = match (within, key) {
            (Within::Rule, "text") => self.dollar(text),
            (Within::Rule, "when") => read(&literal, self.limits, |reader, value| {
                Some(wide_condition(&reader.condition(value).ok()?))
            }),
            (Within::Rule | Within::Rules, _) => None,
            _ if quantity => None,
            _ => read(&literal, self.limits, |reader, value| {
                Some(string(&template(&reader.template(value, "").ok()?)))
            }),
        };
        // A rule just within the bounds may not be once its words are written in full.
        let fits = |made: &String| made.len() <= self.limits.rule_bytes;
        written.filter(fits).unwrap_or_else(|| string(text))
    }

    fn dollar(&self, text: &str) -> Option<String> {
        let parsed = dollar::parse(text, &Place::default(), self.limits.depth).ok()?;
        Some(text_string(&chunks(&parsed.items, parsed.breaks)))
    }
}

/// What becomes of the value of a document `x = …`.
fn read<T>(
    source: &str,
    limits: &Limits,
    with: impl FnOnce(&Reader, &Value) -> Option<T>,
) -> Option<T> {
    let document = document::parse(source).ok()?;
    let table: &DeTable = document.get_ref();
    with(&Reader { source, limits }, table.get("x")?)
}
