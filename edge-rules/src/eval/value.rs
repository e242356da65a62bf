//! Values while a rule runs: borrowed from the request or the program wherever that can be.

use std::borrow::Cow;

use core::net::IpAddr;

use crate::functions::numbers;
use crate::trace::Reason;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// There is no such thing in this request.
    Missing,
    Truth(bool),
    Number(f64),
    Address(IpAddr),
    Text(Cow<'a, [u8]>),
}

/// What an action returns.
pub(crate) const NOTHING: Value<'static> = Value::Text(Cow::Borrowed(b""));

impl<'a> Value<'a> {
    pub(crate) fn borrowed(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Value::Text(Cow::Borrowed(text.as_ref()))
    }

    pub(crate) fn of(text: Option<&'a (impl AsRef<[u8]> + ?Sized)>) -> Self {
        text.map_or(Value::Missing, Value::borrowed)
    }

    /// False and missing are false, all else is true, the empty text and 0 too.
    pub(crate) fn is_true(&self) -> bool {
        !matches!(self, Value::Missing | Value::Truth(false))
    }

    /// The value as text; none if it is missing.
    pub(crate) fn into_text(self) -> Result<Option<Cow<'a, [u8]>>, Reason> {
        Ok(Some(match self {
            Value::Missing => return Ok(None),
            Value::Truth(_) => return Err(Reason::NotText),
            Value::Number(number) => Cow::Owned(numbers::write(number).into_bytes()),
            Value::Address(address) => Cow::Owned(address.to_string().into_bytes()),
            Value::Text(text) => text,
        }))
    }

    /// The value as a number; none if it is missing.
    pub(crate) fn into_number(self) -> Result<Option<f64>, Reason> {
        match self {
            Value::Missing => Ok(None),
            Value::Number(number) => Ok(Some(number)),
            Value::Text(text) => numbers::read(&text).map(Some),
            Value::Truth(_) | Value::Address(_) => Err(Reason::NotANumber),
        }
    }

    /// Whether both are the same; what is missing is the same as nothing.
    pub(crate) fn equals(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Text(a), Value::Text(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::Truth(a), Value::Truth(b)) => a == b,
            (Value::Address(a), Value::Address(b)) => a == b,
            (Value::Number(number), Value::Text(text))
            | (Value::Text(text), Value::Number(number)) => {
                **text == *numbers::write(*number).as_bytes()
            }
            (Value::Address(address), Value::Text(text))
            | (Value::Text(text), Value::Address(address)) => {
                let text = std::str::from_utf8(text).ok();
                text.and_then(|text| text.parse::<IpAddr>().ok()) == Some(*address)
            }
            _ => false,
        }
    }
}
