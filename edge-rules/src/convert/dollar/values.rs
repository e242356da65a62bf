//! Values as variables and calls.

use super::Captures;
use crate::convert::facts::{is_fixed, is_random, is_safe, is_there};
use crate::convert::values::refused;
use crate::convert::{Said, call};
use crate::error::Span;
use crate::field::{Field, Keyed, VARIABLES};
use crate::functions::{Function, Type, numbers};
use crate::tree::{Expr, Kind};
use crate::write::chunks;

/// Whether the name can stand behind `$_GET_` and its like.
fn is_key(list: Keyed, key: &str) -> bool {
    let fits = |byte: u8| match list {
        Keyed::Header => byte.is_ascii_alphanumeric() || byte == b'-',
        _ => byte.is_ascii_alphanumeric() || byte == b'_',
    };
    !key.is_empty() && key.bytes().all(fits)
}

impl<'s> Captures<'s> {
    pub(super) fn number(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
        match &expr.kind {
            Kind::Number(number) => plain(*number, expr.span),
            Kind::Call(Function::ToNumber, args) => match args.as_slice() {
                [text] => self.value(text),
                _ => refused(expr.span, "`number` takes one text", ""),
            },
            _ => self.value(expr),
        }
    }

    pub(super) fn value(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
        let span = expr.span;
        match &expr.kind {
            Kind::Text(_) => Ok(expr.clone()),
            Kind::Number(number) => plain(*number, span),
            Kind::Fact(Field::Target) => Ok(Expr::new(Kind::Join(target(span)), span)),
            Kind::Fact(Field::Url) => {
                let fact = |field| Expr::new(Kind::Fact(field), span);
                let mut parts =
                    vec![fact(Field::Scheme), Expr::text("://", span), fact(Field::Host)];
                parts.extend(target(span));
                Ok(Expr::new(Kind::Join(parts), span))
            }
            Kind::Fact(field) if VARIABLES.iter().any(|(_, known)| known == field) => {
                Ok(expr.clone())
            }
            Kind::Listed(Keyed::ResponseHeader, _) | Kind::Fact(_) => {
                refused(span, "the `$` spelling has no such variable", "")
            }
            Kind::Listed(list, key) if is_key(*list, key) => {
                let key =
                    if list.is_header() { key.to_ascii_lowercase().into() } else { key.clone() };
                Ok(Expr::new(Kind::Listed(*list, key), span))
            }
            Kind::Listed(..) => refused(span, "the name does not fit a variable", ""),
            Kind::Join(parts) => Ok(Expr::new(Kind::Join(self.spliced(parts)?), span)),
            Kind::Call(function, args) => self.called(*function, args, span),
            _ => refused(span, "this has no value in the `$` spelling", ""),
        }
    }

    /// Parts of a text; a text within is as many parts.
    fn spliced(&mut self, parts: &[Expr<'s>]) -> Said<Vec<Expr<'s>>> {
        let mut made = Vec::new();
        for part in parts {
            match self.value(part)? {
                Expr { kind: Kind::Join(inner), .. } => made.extend(inner),
                other => made.push(other),
            }
        }
        Ok(made)
    }

    fn called(&mut self, function: Function, args: &[Expr<'s>], span: Span) -> Said<Expr<'s>> {
        let counted = |arg: &Expr| match arg.kind {
            Kind::Number(number) if number.fract() == 0.0 => Some(number),
            _ => None,
        };
        match (function, args) {
            (Function::Concat, _) => return self.concat(args, span),
            (Function::Default, [value, other]) => {
                return Ok(call(Function::Or, vec![self.value(value)?, self.value(other)?], span));
            }
            (Function::ToNumber, [text]) => {
                return Ok(call(
                    Function::Add,
                    vec![self.value(text)?, Expr::text("0", span)],
                    span,
                ));
            }
            (Function::RandomText, [count]) => {
                if let Some(count @ 1.0..=32.0) = counted(count) {
                    return Ok(Expr::new(Kind::Random(count as u8), span));
                }
            }
            (Function::HostLabel, [count]) => {
                if let Some(count @ 1.0..=127.0) = counted(count) {
                    return Ok(Expr::new(Kind::Label(count as u8), span));
                }
            }
            (Function::Substring, [text, from, rest @ ..]) => {
                let to = rest.first().map_or(Some(f64::INFINITY), counted);
                if let Some((from, to)) = counted(from).zip(to) {
                    return self.part(text, from, to, span);
                }
            }
            (Function::Group, [text, pattern, group]) => {
                if let Some(group @ 0.0..=99.0) = counted(group) {
                    return self.group(text, pattern, group as u8, span);
                }
            }
            _ => {}
        }
        let signature = function.signature();
        if signature.dollar.is_empty() || signature.when.is_empty() {
            let name = function.name();
            return refused(span, &format!("`{name}` has no like in the `$` spelling"), "");
        }
        let mut made = Vec::new();
        for (arg, param) in args.iter().zip(signature.params) {
            let number = param.type_() == Type::Number;
            made.push(if number { self.number(arg)? } else { self.value(arg)? });
        }
        Ok(call(function, made, span))
    }

    /// A joined text fails where a part is missing; `concat` is missing then.
    fn concat(&mut self, args: &[Expr<'s>], span: Span) -> Said<Expr<'s>> {
        let parts = self.spliced(args)?;
        let missing: Vec<Expr<'s>> = parts.iter().filter(|part| !is_there(part)).cloned().collect();
        let joined = Expr::new(Kind::Join(parts), span);
        if missing.is_empty() {
            return Ok(joined);
        }
        if missing.iter().any(is_random) {
            return refused(span, "a part of the text is another each time", "");
        }
        let (condition, nothing) = match missing.as_slice() {
            [only] => (only.clone(), only.clone()),
            _ => {
                let never = call(Function::All, Vec::new(), span);
                (call(Function::All, missing, span), call(Function::Or, vec![never], span))
            }
        };
        Ok(call(Function::Select, vec![condition, joined, nothing], span))
    }

    /// `substring` counts from 0 and leaves the last byte out.
    fn part(&mut self, text: &Expr<'s>, from: f64, to: f64, span: Span) -> Said<Expr<'s>> {
        let from = if from >= 0.0 { from + 1.0 } else { from };
        let to = match to {
            f64::INFINITY => -1.0,
            to if to < 0.0 => to - 1.0,
            to => to,
        };
        Ok(call(Function::Sub, vec![self.value(text)?, plain(from, span)?, plain(to, span)?], span))
    }

    fn group(
        &mut self,
        text: &Expr<'s>,
        pattern: &Expr<'s>,
        group: u8,
        span: Span,
    ) -> Said<Expr<'s>> {
        if !is_safe(text) || self.changes && !is_fixed(text) {
            return refused(text.span, "groups of what may fail or change", "");
        }
        if pattern.constant() == Some("") {
            return refused(pattern.span, "an empty pattern takes the whole text there", "");
        }
        let args = vec![self.value(text)?, pattern.clone()];
        let written = |call: &Expr| chunks(std::slice::from_ref(call), false);
        let made = Expr::new(Kind::Capture(0, args), span);
        let known = self.calls.iter().position(|known| written(known) == written(&made));
        let at = known.unwrap_or(self.calls.len());
        if known.is_none() {
            self.calls.push(made);
        }
        match u8::try_from(at + 1) {
            Ok(number @ 1..=99) => Ok(Expr::new(Kind::Captured(number, group), span)),
            _ => refused(span, "the rule takes out too many groups", ""),
        }
    }
}

/// Path and query, as one text.
fn target<'s>(span: Span) -> Vec<Expr<'s>> {
    let fact = |field| Expr::new(Kind::Fact(field), span);
    let query = Expr::new(Kind::Join(vec![Expr::text("?", span), fact(Field::Query)]), span);
    vec![fact(Field::Path), call(Function::Pcall, vec![query], span)]
}

/// A number that its numeral stands for exactly.
pub(super) fn plain<'s>(number: f64, span: Span) -> Said<Expr<'s>> {
    let text = numbers::write(number);
    match numbers::read(text.as_bytes()) {
        Ok(read) if read == number => Ok(Expr::text(text, span)),
        _ => refused(span, "a number with more digits than a text has", ""),
    }
}
