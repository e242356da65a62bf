//! A rule of the `when` spelling as a text of calls.

mod conditions;
mod values;

use super::facts::{is_certain, is_fixed, is_safe, is_there, reads_headers};
use super::values::refused;
use super::{Made, Said, call};
use crate::error::Span;
use crate::facts::Phase;
use crate::field::Field;
use crate::functions::Function;
use crate::tree::{Expr, Kind, RuleTree};
use crate::write::{chunks, text_string};

/// The captures that a rule needs, which stand before all else.
#[derive(Default)]
struct Captures<'s> {
    calls: Vec<Expr<'s>>,
    /// Whether the rule changes what a text may be taken from.
    changes: bool,
}

/// The rule in the `$` spelling.
pub(super) fn rule(rule: &RuleTree) -> Said<Made> {
    let span = Span::default();
    if rule.phase != Phase::Request {
        let phase = rule.phase.word();
        return refused(span, &format!("the `$` spelling has no {phase} phase"), "");
    }
    let acts =
        |item: &&Expr| !matches!(item.kind, Kind::Call(Function::When | Function::Rewrite, _));
    let mut captures =
        Captures { calls: Vec::new(), changes: rule.items.iter().filter(acts).count() > 0 };
    let mut items = Vec::new();
    let mut output = None;
    for (number, item) in rule.items.iter().enumerate() {
        let Kind::Call(function, args) = &item.kind else { continue };
        match (function, args.as_slice()) {
            (Function::When, [condition]) => {
                let conditions = match &condition.kind {
                    Kind::Call(Function::All, parts) => parts.as_slice(),
                    _ => std::slice::from_ref(condition),
                };
                let said: Said<Vec<Expr>> =
                    conditions.iter().map(|it| captures.truth(it)).collect();
                items.push(call(Function::When, said?, item.span));
            }
            (Function::Rewrite, [target]) => {
                let later = rule.items.get(number + 1..).unwrap_or_default();
                output = Some(captures.target(target, later)?);
            }
            _ => captures.action(*function, args, item.span, &mut items)?,
        }
    }
    match output.map(|output| output.kind) {
        Some(Kind::Join(parts)) => items.extend(parts),
        Some(kind) => items.push(Expr::new(kind, span)),
        None => {}
    }
    let all: Vec<Expr> = captures.calls.into_iter().chain(items).collect();
    Ok(Made(vec![("text", text_string(&chunks(&all, rule.stop)))]))
}

impl<'s> Captures<'s> {
    /// The new URL, which stands at the end.
    fn target(&mut self, target: &Expr<'s>, later: &[Expr]) -> Said<Expr<'s>> {
        let made = self.value(target)?;
        let first = match &made.kind {
            Kind::Join(parts) => parts.first(),
            _ => Some(&made),
        };
        let begins = first.is_some_and(|it| match &it.kind {
            Kind::Text(text) => text.starts_with('/'),
            kind => matches!(kind, Kind::Fact(Field::Path)),
        });
        if !begins {
            return refused(target.span, "the new URL may be empty", "begin it with `/`");
        }
        let certain = |expr: &Expr| match &expr.kind {
            Kind::Call(function, args) => is_certain(*function, args),
            _ => false,
        };
        // Here it is made last, and not at all if something fails before.
        let same = is_fixed(target) && is_there(target) && is_safe(target);
        let harmless = same && later.iter().all(certain);
        if !later.is_empty() && !harmless {
            return refused(target.span, "actions behind the new URL", "write the rewrite last");
        }
        Ok(made)
    }

    fn action(
        &mut self,
        function: Function,
        args: &[Expr<'s>],
        span: Span,
        items: &mut Vec<Expr<'s>>,
    ) -> Said<()> {
        let mut made = Vec::new();
        for arg in args {
            made.push(self.value(arg)?);
        }
        match (function, args) {
            (Function::SetRequestHeader, [name, value]) => {
                let whole = std::slice::from_ref(value);
                let parts = if let Kind::Join(parts) = &value.kind { parts } else { whole };
                if reads_headers(value) || !parts.iter().all(is_safe) {
                    return refused(span, "a request header is replaced by what may fail", "");
                }
                let parts = match &made.get(1).map(|it| &it.kind) {
                    Some(Kind::Join(parts)) => parts.clone(),
                    _ => made.get(1).cloned().into_iter().collect(),
                };
                let missing: Vec<Expr<'s>> = parts.into_iter().filter(|it| !is_there(it)).collect();
                if !missing.is_empty() {
                    items.push(call(Function::When, missing, span));
                }
                items.push(call(Function::RemoveRequestHeader, vec![name.clone()], span));
                items.push(call(Function::AddRequestHeader, made, span));
                return Ok(());
            }
            (Function::SetResponseHeader, _) => {
                made.push(Expr::text("1", span));
                items.push(call(Function::AddResponseHeader, made, span));
                return Ok(());
            }
            (Function::Respond, [_, _, _]) => {
                return refused(span, "`$EXIT` names no content type", "");
            }
            (Function::Respond, [_, body]) if body.constant() == Some("") => {
                made.truncate(1);
            }
            (Function::Respond, [_, _]) => {
                // A body that is missing would be an empty one.
                let body = made.pop();
                let parts = std::iter::once(Expr::text("", span)).chain(body);
                made.push(Expr::new(Kind::Join(flat(parts)), span));
            }
            (Function::ErrorPage, [_, statuses @ ..]) => {
                let known = |it: &Expr| matches!(it.kind, Kind::Number(404.0));
                if statuses.len() != 1 || !statuses.iter().all(known) {
                    return refused(span, "`$REDIRECT404` knows 404 only", "");
                }
                made.truncate(1);
            }
            _ if function.signature().dollar.is_empty() => {
                return refused(span, "this action has no like in the `$` spelling", "");
            }
            _ => {}
        }
        items.push(call(function, made, span));
        Ok(())
    }
}

fn flat<'s>(parts: impl Iterator<Item = Expr<'s>>) -> Vec<Expr<'s>> {
    let mut made = Vec::new();
    for part in parts {
        match part.kind {
            // A text beside another would be one with it.
            Kind::Text(text) if made.is_empty() && text.is_empty() => {
                made.push(Expr::text("", part.span))
            }
            Kind::Join(inner) => made.extend(inner),
            kind => made.push(Expr::new(kind, part.span)),
        }
    }
    made
}
