//! Looking up facts, with what earlier actions changed.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, header};

use super::{Evaluator, Step, Value};
use crate::action::{Action, query_without};
use crate::field::{Field, Keyed};
use crate::functions::strings;

/// How much longer taking a list of names and values apart takes for a byte than looking at it.
const LIST_WEIGHT: usize = 4;
/// What looking at an action costs, as bytes that are looked at.
const ACTION_WEIGHT: usize = 8;

impl<'a> Evaluator<'a, '_, '_> {
    pub(super) fn fact(&mut self, field: Field) -> Step<Value<'a>> {
        let facts = self.facts;
        Ok(match field {
            Field::Scheme => Value::borrowed(facts.scheme()),
            Field::Tls => Value::Truth(facts.scheme() == "https"),
            Field::Method => Value::borrowed(self.method()),
            Field::Host => Value::borrowed(facts.host()),
            Field::Path => Value::borrowed(facts.path()),
            Field::Query => self.query()?.map_or(Value::Missing, Value::Text),
            Field::Target => return self.target(String::new()),
            Field::Url => return self.target(format!("{}://{}", facts.scheme(), facts.host())),
            Field::Extension => {
                self.spend(facts.path().len())?;
                extension(facts.path()).map_or(Value::Missing, Value::Text)
            }
            Field::Body => self.body()?.map_or(Value::Missing, Value::Text),
            Field::HttpVersion => Value::borrowed(facts.http_version()),
            Field::TlsVersion => Value::of(facts.tls_version()),
            Field::Client => Value::Address(facts.client()),
            Field::Country => Value::of(facts.country()),
            Field::Asn => facts.asn().map_or(Value::Missing, |asn| Value::Number(f64::from(asn))),
            Field::Time => Value::Number(self.env.now as f64),
            Field::Status => {
                facts.status().map_or(Value::Missing, |status| Value::Number(f64::from(status)))
            }
        })
    }

    pub(super) fn listed(&mut self, list: Keyed, key: &str) -> Step<Value<'a>> {
        let found = match list {
            Keyed::Argument => {
                let query = self.query()?;
                self.spend(LIST_WEIGHT * query.as_deref().map_or(0, <[u8]>::len))?;
                query
                    .and_then(|query| narrow(query, |text| strings::argument(text, key.as_bytes())))
            }
            Keyed::FormArgument => self.form_argument(key)?,
            Keyed::Cookie => self.cookie(key)?,
            // What is no name of a header is none.
            Keyed::Header | Keyed::ResponseHeader => None,
        };
        Ok(found.map_or(Value::Missing, Value::Text))
    }

    pub(super) fn label(&self, number: usize) -> Value<'a> {
        let label = number.checked_sub(1).and_then(|at| self.facts.host().split('.').nth(at));
        Value::of(label.filter(|label| !label.is_empty()))
    }

    pub(super) fn random_text(&mut self, letters: usize) -> Value<'a> {
        let random = &mut *self.env.random;
        Value::Text((0..letters).map(|_| strings::random_letter(random())).collect())
    }

    pub(super) fn method(&self) -> &'a str {
        let set = self.changed.method.then(|| {
            self.actions.iter().rev().find_map(|action| match action {
                Action::SetMethod(method) => Some(*method),
                _ => None,
            })
        });
        set.flatten().unwrap_or(self.facts.method())
    }

    /// The query without the arguments that were removed; none if there is none.
    pub(super) fn query(&mut self) -> Step<Option<Cow<'a, [u8]>>> {
        let Some(query) = self.facts.query() else { return Ok(None) };
        if !self.changed.arguments {
            return Ok(Some(Cow::Borrowed(query.as_bytes())));
        }
        // Each name is looked for among those that were removed.
        self.spend(128 * (query.len() + self.actions.len()))?;
        Ok(self.kept_query(query))
    }

    /// What is left of the query.
    pub(super) fn kept_query(&self, query: &str) -> Option<Cow<'a, [u8]>> {
        let removed = self.actions.iter().filter_map(|action| match action {
            Action::RemoveArgument(name) => Some(&**name),
            _ => None,
        });
        query_without(query, removed).map(|kept| Cow::Owned(kept.into_bytes()))
    }

    pub(super) fn body(&mut self) -> Step<Option<Cow<'a, [u8]>>> {
        if self.changed.body {
            let set = self.actions.iter().rev().find_map(|action| match action {
                Action::SetBody(body) => Some(body.to_vec()),
                _ => None,
            });
            if let Some(body) = set {
                self.spend(body.len())?;
                return Ok(Some(Cow::Owned(body)));
            }
        }
        Ok(self.facts.body().map(Cow::Borrowed))
    }

    pub(super) fn request_header(&mut self, at: u32) -> Step<Value<'a>> {
        let Some(name) = self.program.names.get(at as usize) else { return Ok(Value::Missing) };
        Ok(self.header(name)?.map_or(Value::Missing, Value::Text))
    }

    /// The first value of a request header.
    fn header(&mut self, name: &HeaderName) -> Step<Option<Cow<'a, [u8]>>> {
        let sent = self.facts.header(name, 0).map(Cow::Borrowed);
        if !self.changed.request_headers {
            return Ok(sent);
        }
        self.spend(ACTION_WEIGHT * self.actions.len())?;
        let value = self.actions.iter().fold(sent, |value, action| match action {
            Action::SetRequestHeader(it) if it.name == *name => Some(owned(&it.value)),
            Action::AddRequestHeader(it) if it.name == *name => {
                value.or_else(|| Some(owned(&it.value)))
            }
            Action::RemoveRequestHeader(it) if it == name => None,
            _ => value,
        });
        Ok(value)
    }

    /// The first value of a response header.
    pub(super) fn response_header(&mut self, at: u32) -> Step<Value<'a>> {
        let Some(name) = self.program.names.get(at as usize) else { return Ok(Value::Missing) };
        let sent = self.facts.response_header(name, 0).map(Cow::Borrowed);
        if !self.changed.response_headers {
            return Ok(sent.map_or(Value::Missing, Value::Text));
        }
        self.spend(ACTION_WEIGHT * self.actions.len())?;
        let value = self.actions.iter().fold(sent, |value, action| match action {
            Action::SetResponseHeader(it) if it.name == *name => Some(owned(&it.value)),
            Action::AddResponseHeader(it) if it.name == *name => {
                value.or_else(|| Some(owned(&it.value)))
            }
            Action::RemoveResponseHeader(it) if it == name => None,
            _ => value,
        });
        Ok(value.map_or(Value::Missing, Value::Text))
    }

    fn cookie(&mut self, name: &str) -> Step<Option<Cow<'a, [u8]>>> {
        let facts = self.facts;
        if self.changed.request_headers {
            let line = self.header(&header::COOKIE)?;
            self.spend(LIST_WEIGHT * line.as_deref().map_or(0, <[u8]>::len))?;
            return Ok(
                line.and_then(|line| narrow(line, |text| strings::cookie(text, name.as_bytes())))
            );
        }
        let mut nth = 0;
        while let Some(line) = facts.header(&header::COOKIE, nth) {
            self.spend(LIST_WEIGHT * line.len())?;
            if let Some(value) = strings::cookie(line, name.as_bytes()) {
                return Ok(Some(Cow::Borrowed(value)));
            }
            nth += 1;
        }
        Ok(None)
    }

    /// An argument of a form that came as the body.
    fn form_argument(&mut self, name: &str) -> Step<Option<Cow<'a, [u8]>>> {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        let is_form = self.header(&header::CONTENT_TYPE)?.is_some_and(|value| {
            value.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
        });
        let Some(body) = self.body()?.filter(|_| is_form) else { return Ok(None) };
        self.spend(LIST_WEIGHT * body.len())?;
        Ok(narrow(body, |text| strings::argument(text, name.as_bytes())))
    }

    /// Path and query behind `start`.
    fn target(&mut self, start: String) -> Step<Value<'a>> {
        let (path, query) = (self.facts.path(), self.query()?);
        if start.is_empty() && query.is_none() {
            return Ok(Value::borrowed(path));
        }
        let mut made = start.into_bytes();
        made.extend_from_slice(path.as_bytes());
        if let Some(query) = query {
            made.push(b'?');
            made.extend_from_slice(&query);
        }
        self.made(made)
    }
}

fn owned<'a>(value: &HeaderValue) -> Cow<'a, [u8]> {
    Cow::Owned(value.as_bytes().to_vec())
}

/// A part of a text, borrowed where the text is.
fn narrow<'a>(text: Cow<'a, [u8]>, find: impl Fn(&[u8]) -> Option<&[u8]>) -> Option<Cow<'a, [u8]>> {
    match text {
        Cow::Borrowed(text) => find(text).map(Cow::Borrowed),
        Cow::Owned(text) => find(&text).map(|part| Cow::Owned(part.to_vec())),
    }
}

/// What stands behind the last dot of the last segment, in lower case.
fn extension(path: &str) -> Option<Cow<'_, [u8]>> {
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    (!extension.is_empty()).then(|| strings::lower(Cow::Borrowed(extension.as_bytes())))
}
