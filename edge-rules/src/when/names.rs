//! The names of conditions and templates, and what to offer for one that is unknown.

use crate::error::{Error, Span};
use crate::field::{FIELDS, HEADERS, Keyed, LISTS};
use crate::functions::{Function, SIGNATURES};
use crate::tree::Kind;

/// Operators by word and sign.
pub(super) const OPERATORS: &[(&str, &str)] = &[
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("in", ""),
    ("contains", ""),
    ("matches", "~"),
    ("wildcard", ""),
    ("strict", ""),
];

fn all() -> impl Iterator<Item = &'static str> {
    let fields = FIELDS.iter().map(|(name, _)| *name);
    fields.chain(HEADERS.iter().map(|(name, _)| *name)).chain(LISTS.iter().map(|(name, _)| *name))
}

pub(super) fn field<'s>(name: &str, span: Span) -> Result<Kind<'s>, Error> {
    if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) {
        return Ok(Kind::Fact(*field));
    }
    if let Some((_, header)) = HEADERS.iter().find(|(known, _)| *known == name) {
        return Ok(Kind::Listed(Keyed::Header, (*header).into()));
    }
    if LISTS.iter().any(|(known, _)| *known == name) {
        return Err(Error::new(span, format!("`{name}` is a list: say which of it"))
            .hint(format!("write {name}[\"name\"]")));
    }
    if functions().any(|known| known == name) {
        return Err(
            Error::new(span, format!("`{name}` is a function")).hint(format!("write {name}(…)"))
        );
    }
    Err(Error::new(span, format!("there is no field `{name}`")).nearest(
        name,
        all(),
        str::to_string,
    ))
}

pub(super) fn list(name: &str, span: Span) -> Result<Keyed, Error> {
    if let Some((_, list)) = LISTS.iter().find(|(known, _)| *known == name) {
        return Ok(*list);
    }
    let lists = LISTS.iter().map(|(name, _)| *name);
    Err(Error::new(span, format!("there is no list `{name}`")).nearest(name, lists, str::to_string))
}

fn functions() -> impl Iterator<Item = &'static str> {
    SIGNATURES.iter().map(|row| row.when).filter(|name| !name.is_empty())
}

pub(super) fn function(name: &str, span: Span) -> Result<Function, Error> {
    let found = SIGNATURES.iter().find(|row| !row.when.is_empty() && row.when == name);
    found.map(|row| row.function).ok_or_else(|| {
        Error::new(span, format!("there is no function `{name}`")).nearest(
            name,
            functions(),
            str::to_string,
        )
    })
}
