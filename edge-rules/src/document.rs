//! Values of a TOML document with their places, and what to say when they are of another type.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::budget::Limits;
use crate::error::{Error, Span};
use crate::facts::Phase;
use crate::place::Place;
use crate::tree::State;

pub(crate) type Value<'d> = Spanned<DeValue<'d>>;
pub(crate) type Read<T> = Result<T, Error>;

/// The document that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'d> {
    pub(crate) source: &'d str,
    pub(crate) limits: &'d Limits,
}

/// A document as a table.
///
/// # Errors
/// It is no TOML.
pub(crate) fn parse(source: &str) -> Read<Spanned<DeTable<'_>>> {
    DeTable::parse(source).map_err(|error| {
        let span = error.span().map_or(Span::default(), |it| Span::new(it.start, it.end));
        Error::new(span, error.message())
    })
}

pub(crate) fn span<T>(value: &Spanned<T>) -> Span {
    let range = value.span();
    Span::new(range.start, range.end)
}

impl<'d> Reader<'d> {
    pub(crate) fn text<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<&'v str> {
        value.get_ref().as_str().ok_or_else(|| other_type(value, wanted))
    }

    pub(crate) fn truth(&self, value: &Value<'d>) -> Read<bool> {
        value.get_ref().as_bool().ok_or_else(|| other_type(value, "true or false"))
    }

    pub(crate) fn table<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<&'v DeTable<'d>> {
        value.get_ref().as_table().ok_or_else(|| other_type(value, wanted))
    }

    pub(crate) fn integer(&self, value: &Value<'d>, wanted: &str) -> Read<f64> {
        self.whole(value, wanted).map(|number| number as f64)
    }

    pub(crate) fn whole(&self, value: &Value<'d>, wanted: &str) -> Read<i64> {
        let integer = value.get_ref().as_integer().ok_or_else(|| other_type(value, wanted))?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix());
        number.map_err(|_| other_type(value, wanted))
    }

    pub(crate) fn phase(&self, value: &Value<'d>) -> Read<Phase> {
        let word = self.text(value, "a phase")?;
        Phase::ALL.into_iter().find(|phase| phase.word() == word).ok_or_else(|| {
            Error::new(span(value), format!("there is no phase `{word}`"))
                .hint(format!("phases are {}", Phase::ALL.map(Phase::word).join(", ")))
        })
    }

    /// One value, or each of an array.
    pub(crate) fn each<'v>(&self, value: &'v Value<'d>) -> Vec<&'v Value<'d>> {
        match value.get_ref() {
            DeValue::Array(values) => values.iter().collect(),
            _ => vec![value],
        }
    }

    /// Where the letters of a string stand in the document.
    pub(crate) fn place<T>(&self, value: &Spanned<T>) -> Place {
        let range = value.span();
        Place::of_string(self.source.get(range.clone()).unwrap_or_default(), range.start)
    }

    /// Entries in the order in which they are written.
    pub(crate) fn entries<'v>(
        &self,
        table: &'v DeTable<'d>,
    ) -> Vec<(&'v Spanned<std::borrow::Cow<'d, str>>, &'v Value<'d>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
    }
}

pub(crate) fn other_type(value: &Value, wanted: &str) -> Error {
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

/// A key that is not among the known ones.
pub(crate) fn unknown(key: &str, at: Span, known: &[&str]) -> Error {
    let error = Error::new(at, format!("there is no key `{key}` here"));
    let named = error.clone().nearest(key, known.iter().copied(), str::to_string);
    if named.hint.is_some() { named } else { error.hint(format!("keys are {}", known.join(", "))) }
}

/// A key that has to be there is not.
pub(crate) fn missing(value: &Value, key: &str) -> Error {
    Error::new(span(value), format!("the key `{key}` is missing"))
}

/// The state of a rule by its word.
pub(crate) fn state(word: &str, at: Span) -> Read<State> {
    match word {
        "enabled" => Ok(State::Enabled),
        "disabled" => Ok(State::Disabled),
        "test" => Ok(State::Test),
        other => Err(Error::new(at, format!("there is no state `{other}`"))
            .hint("states are enabled, disabled and test")),
    }
}
