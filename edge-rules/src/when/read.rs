//! Values of a rule document with their places, and what to say when they are of another type.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::budget::Limits;
use crate::error::{Error, Span};
use crate::place::Place;
use crate::tree::Expr;

pub(super) type Value<'d> = Spanned<DeValue<'d>>;
pub(super) type Read<T> = Result<T, Error>;

/// The document that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'d> {
    pub(super) source: &'d str,
    pub(super) limits: &'d Limits,
}

pub(super) fn span<T>(value: &Spanned<T>) -> Span {
    let range = value.span();
    Span::new(range.start, range.end)
}

impl<'d> Reader<'d> {
    pub(super) fn text<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<&'v str> {
        value.get_ref().as_str().ok_or_else(|| other_type(value, wanted))
    }

    pub(super) fn truth(&self, value: &Value<'d>) -> Read<bool> {
        value.get_ref().as_bool().ok_or_else(|| other_type(value, "true or false"))
    }

    pub(super) fn table<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<&'v DeTable<'d>> {
        value.get_ref().as_table().ok_or_else(|| other_type(value, wanted))
    }

    pub(super) fn integer(&self, value: &Value<'d>, wanted: &str) -> Read<f64> {
        let integer = value.get_ref().as_integer().ok_or_else(|| other_type(value, wanted))?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        number.map(|number| number as f64).map_err(|_| other_type(value, wanted))
    }

    /// One value, or each of an array.
    pub(super) fn each<'v>(&self, value: &'v Value<'d>) -> Vec<&'v Value<'d>> {
        match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        }
    }

    /// Where the letters of a string stand in the document.
    pub(super) fn place<T>(&self, value: &Spanned<T>) -> Place {
        let range = value.span();
        Place::of_string(self.source.get(range.clone()).unwrap_or_default(), range.start)
    }

    pub(super) fn template<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<Expr<'v>> {
        let text = self.text(value, wanted)?;
        if text.len() > self.limits.rule_bytes {
            return Err(crate::dollar::too_long(self.limits, span(value)));
        }
        super::template::template(text, &self.place(value), self.limits)
    }

    /// Entries in the order in which they are written.
    pub(super) fn entries<'v>(
        &self,
        table: &'v DeTable<'d>,
    ) -> Vec<(&'v Spanned<std::borrow::Cow<'d, str>>, &'v Value<'d>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }
}

pub(super) fn other_type(value: &Value, wanted: &str) -> Error {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Error::new(span(value), format!("expected {wanted}, found {found}"))
}
