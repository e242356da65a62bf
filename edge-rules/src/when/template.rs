//! Texts with `{expressions}` in them: `https://{http.host}{http.request.uri}`.

use std::borrow::Cow;

use super::parse::Parser;
use crate::budget::Limits;
use crate::document::{Read, Reader, Value, span};
use crate::error::Error;
use crate::place::Place;
use crate::tree::{Expr, Kind};

impl<'d> Reader<'d> {
    /// The template that a value is.
    pub(crate) fn template<'v>(&self, value: &'v Value<'d>, wanted: &str) -> Read<Expr<'v>> {
        let text = self.text(value, wanted)?;
        if text.len() > self.limits.rule_bytes {
            return Err(crate::dollar::too_long(self.limits, span(value)));
        }
        template(text, &self.place(value), self.limits)
    }
}

/// Parses a text, which lies at `place`; a brace as text is written twice.
pub(super) fn template<'s>(
    text: &'s str,
    place: &Place,
    limits: &Limits,
) -> Result<Expr<'s>, Error> {
    let whole = place.span(0, text.len());
    if !text.contains(['{', '}']) {
        return Ok(Expr::text(text, whole));
    }
    let mut parts: Vec<Expr<'s>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find(['{', '}']).unwrap_or(rest.len());
        if length > 0 {
            push(&mut parts, rest.get(..length).unwrap_or_default(), place, at);
            at += length;
        } else if rest.starts_with("{{") || rest.starts_with("}}") {
            push(&mut parts, rest.get(..1).unwrap_or_default(), place, at);
            at += 2;
        } else if rest.starts_with('{') {
            let (expr, end) = Parser::new(text, at + 1, place, limits)?.embedded()?;
            parts.push(expr);
            at = end;
        } else {
            return Err(Error::new(place.span(at, at + 1), "this `}` closes nothing")
                .hint("for a brace as text write `}}`"));
        }
    }
    Ok(match (parts.len(), parts.pop()) {
        (1, Some(Expr { kind: Kind::Text(text), .. })) => Expr::text(text, whole),
        (_, Some(last)) => {
            parts.push(last);
            Expr::new(Kind::Join(parts), whole)
        }
        (_, None) => Expr::text("", whole),
    })
}

/// Texts side by side become one.
fn push<'s>(parts: &mut Vec<Expr<'s>>, text: &'s str, place: &Place, at: usize) {
    match parts.last_mut() {
        Some(Expr { kind: Kind::Text(before), .. }) => before.to_mut().push_str(text),
        _ => parts.push(Expr::text(Cow::Borrowed(text), place.span(at, at + text.len()))),
    }
}
