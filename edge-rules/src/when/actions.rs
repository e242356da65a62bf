//! The `do` of a rule: each key becomes calls of the functions that act.

use super::quantity;
use crate::document::{Read, Reader, Value, missing, other_type, span, unknown};
use crate::error::{Error, Span};
use crate::functions::Function;
use crate::tree::{Expr, Kind};

/// The actions, as customers spell them.
pub(super) const ACTIONS: &[&str] = &[
    "set_request_header",
    "add_request_header",
    "remove_request_header",
    "set_response_header",
    "add_response_header",
    "remove_response_header",
    "remove_argument",
    "set_method",
    "set_body",
    "rewrite",
    "redirect",
    "respond",
    "cache",
    "origin",
    "limit_rate",
    "error_page",
];

type Exprs<'v> = Vec<Expr<'v>>;

fn call<'v>(function: Function, args: Exprs<'v>, span: Span) -> Expr<'v> {
    Expr::new(Kind::Call(function, args), span)
}

fn number<'v>(number: f64, span: Span) -> Expr<'v> {
    Expr::new(Kind::Number(number), span)
}

impl<'d> Reader<'d> {
    /// The calls that one entry of `do` stands for.
    pub(super) fn action<'v>(&self, key: &str, at: Span, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        match key {
            "set_request_header" => self.headers(Function::SetRequestHeader, value),
            "add_request_header" => self.headers(Function::AddRequestHeader, value),
            "set_response_header" => self.headers(Function::SetResponseHeader, value),
            "add_response_header" => self.headers(Function::AddResponseHeader, value),
            "remove_request_header" => self.texts(Function::RemoveRequestHeader, value),
            "remove_response_header" => self.texts(Function::RemoveResponseHeader, value),
            "remove_argument" => self.texts(Function::RemoveArgument, value),
            "set_method" => self.one(Function::SetMethod, value, "a method"),
            "set_body" => self.one(Function::SetBody, value, "a text"),
            "rewrite" => self.one(Function::Rewrite, value, "a path"),
            "origin" => self.one(Function::Origin, value, "the name of an origin"),
            "redirect" => self.redirect(value),
            "respond" => self.respond(value),
            "cache" => self.cache(value),
            "limit_rate" => self.limit_rate(value),
            "error_page" => self.error_page(value),
            _ => Err(Error::new(at, format!("there is no action `{key}`")).nearest(
                key,
                ACTIONS.iter().copied(),
                str::to_string,
            )),
        }
    }

    fn one<'v>(&self, function: Function, value: &'v Value<'d>, wanted: &str) -> Read<Exprs<'v>> {
        Ok(vec![call(function, vec![self.template(value, wanted)?], span(value))])
    }

    /// `{ Name = "value", … }`; an array gives several lines of one name.
    fn headers<'v>(&self, function: Function, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        let mut calls = Vec::new();
        for (name, value) in self.entries(self.table(value, "a table of headers")?) {
            for value in self.each(value) {
                let name = Expr::text(name.get_ref().as_ref(), span(name));
                calls.push(call(
                    function,
                    vec![name, self.template(value, "a text")?],
                    span(value),
                ));
            }
        }
        Ok(calls)
    }

    fn texts<'v>(&self, function: Function, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        let mut calls = Vec::new();
        for value in self.each(value) {
            calls.extend(self.one(function, value, "a name or an array of names")?);
        }
        Ok(calls)
    }

    fn redirect<'v>(&self, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        const WANTED: &str = "a URL or { to = \"…\", status = 301 }";
        if value.get_ref().is_str() {
            return self.one(Function::Redirect, value, WANTED);
        }
        let (mut to, mut status) = (None, number(302.0, span(value)));
        for (key, value) in self.entries(self.table(value, WANTED)?) {
            match key.get_ref().as_ref() {
                "to" => to = Some(self.template(value, "a URL")?),
                "status" => status = number(self.integer(value, "a status")?, span(value)),
                other => return Err(unknown(other, span(key), &["to", "status"])),
            }
        }
        let to = to.ok_or_else(|| missing(value, "to"))?;
        Ok(vec![call(Function::Redirect, vec![to, status], span(value))])
    }

    fn respond<'v>(&self, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        const WANTED: &str = "a status or { status = 403, body = \"…\" }";
        if value.get_ref().is_integer() {
            let status = number(self.integer(value, WANTED)?, span(value));
            return Ok(vec![call(Function::Respond, vec![status], span(value))]);
        }
        let (mut status, mut body, mut content_type) = (None, None, None);
        for (key, value) in self.entries(self.table(value, WANTED)?) {
            match key.get_ref().as_ref() {
                "status" => status = Some(number(self.integer(value, "a status")?, span(value))),
                "body" => body = Some(self.template(value, "a text")?),
                "content_type" => content_type = Some(self.template(value, "a media type")?),
                other => {
                    return Err(unknown(other, span(key), &["status", "body", "content_type"]));
                }
            }
        }
        let status = status.ok_or_else(|| missing(value, "status"))?;
        let mut args = vec![status, body.unwrap_or_else(|| Expr::text("", span(value)))];
        args.extend(content_type);
        Ok(vec![call(Function::Respond, args, span(value))])
    }

    fn cache<'v>(&self, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        const KEYS: &[&str] = &["ttl", "stale", "key", "tags", "bypass"];
        let mut calls = Vec::new();
        for (key, value) in self.entries(self.table(value, "a table such as { ttl = \"10m\" }")?) {
            match key.get_ref().as_ref() {
                "ttl" => calls.push(self.seconds(Function::CacheTtl, value)?),
                "stale" => calls.push(self.seconds(Function::CacheStale, value)?),
                "key" => calls.extend(self.texts(Function::CacheKey, value)?),
                "tags" => calls.extend(self.texts(Function::CacheTag, value)?),
                "bypass" if self.truth(value)? => {
                    calls.push(call(Function::CacheBypass, Vec::new(), span(value)));
                }
                "bypass" => {}
                other => return Err(unknown(other, span(key), KEYS)),
            }
        }
        Ok(calls)
    }

    fn seconds<'v>(&self, function: Function, value: &Value<'d>) -> Read<Expr<'v>> {
        let wanted = "a time with its unit, as \"30s\" or \"10m\"";
        let seconds = quantity::seconds(self.text(value, wanted)?)
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
            .ok_or_else(|| other_unit(value, wanted))?;
        Ok(call(function, vec![number(seconds as f64, span(value))], span(value)))
    }

    fn limit_rate<'v>(&self, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        const WANTED: &str =
            "a rate such as \"800KiB\" or { rate = \"800KiB\", after = \"20MiB\" }";
        if value.get_ref().is_str() {
            return Ok(vec![self.amount(Function::LimitRate, value, 1)?]);
        }
        let mut calls = Vec::new();
        for (key, value) in self.entries(self.table(value, WANTED)?) {
            match key.get_ref().as_ref() {
                "rate" => calls.push(self.amount(Function::LimitRate, value, 1)?),
                "after" => calls.push(self.amount(Function::LimitRateAfter, value, 0)?),
                other => return Err(unknown(other, span(key), &["rate", "after"])),
            }
        }
        Ok(calls)
    }

    fn amount<'v>(&self, function: Function, value: &Value<'d>, least: u64) -> Read<Expr<'v>> {
        let wanted = "a size with its unit, as \"800KiB\" or \"20MB\"";
        let bytes = quantity::bytes(self.text(value, wanted)?)
            .filter(|bytes| (least..=1 << 50).contains(bytes))
            .ok_or_else(|| other_unit(value, wanted))?;
        // The function counts in KiB.
        let amount = number(bytes as f64 / 1024.0, span(value));
        Ok(call(function, vec![amount, Expr::text("k", span(value))], span(value)))
    }

    fn error_page<'v>(&self, value: &'v Value<'d>) -> Read<Exprs<'v>> {
        const WANTED: &str = "{ on = [404], to = \"…\" }";
        let (mut to, mut statuses) = (None, Vec::new());
        for (key, value) in self.entries(self.table(value, WANTED)?) {
            match key.get_ref().as_ref() {
                "to" => to = Some(self.template(value, "a URL")?),
                "on" => {
                    for status in self.each(value) {
                        statuses.push(number(self.integer(status, "a status")?, span(status)));
                    }
                }
                other => return Err(unknown(other, span(key), &["on", "to"])),
            }
        }
        if statuses.is_empty() {
            return Err(missing(value, "on"));
        }
        let mut args = vec![to.ok_or_else(|| missing(value, "to"))?];
        args.extend(statuses);
        Ok(vec![call(Function::ErrorPage, args, span(value))])
    }
}

fn other_unit(value: &Value, wanted: &str) -> Error {
    match value.get_ref().as_str() {
        Some(text) => {
            let text: String = text.chars().take(40).collect();
            Error::new(span(value), format!("expected {wanted}, found `{text}`"))
        }
        None => other_type(value, wanted),
    }
}
