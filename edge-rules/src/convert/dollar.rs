//! A rule of the `when` spelling as a text of calls.

use super::facts::{is_fixed, is_random, is_safe, is_there, reads_headers};
use super::values::refused;
use super::{Made, Said, call};
use crate::address::Network;
use crate::error::Span;
use crate::facts::Phase;
use crate::field::{Field, Keyed, VARIABLES};
use crate::functions::{Function, Type, numbers};
use crate::tree::{Expr, Kind, Members, RuleTree};
use crate::write::{chunks, text_string};

/// The most members of an `in` that are asked one by one.
const MOST_MEMBERS: usize = 50;

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

fn escaped(text: &Expr, before: &str, after: &str) -> Said<String> {
    match text.constant().filter(|text| text.is_ascii()) {
        Some(text) => Ok(format!("{before}{}{after}", regex_syntax::escape(text))),
        None => refused(text.span, "a comparison with a part that is not plain ASCII", ""),
    }
}

/// A shape with stars as a pattern; `\*` and `\\` are a star and a backslash.
fn wildcard(shape: &Expr) -> Said<String> {
    escaped(shape, "", "")?;
    let mut made = String::from("^(?s:");
    let mut letters = shape.constant().unwrap_or_default().chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some(next @ ('*' | '\\'))) => {
                made.push_str(&regex_syntax::escape(&next.to_string()));
                letters.next();
            }
            ('*', _) => made.push_str(".*"),
            _ => made.push_str(&regex_syntax::escape(&letter.to_string())),
        }
    }
    Ok(made + ")$")
}

/// Whether the name can stand behind `$_GET_` and its like.
fn is_key(list: Keyed, key: &str) -> bool {
    let fits = |byte: u8| match list {
        Keyed::Header => byte.is_ascii_alphanumeric() || byte == b'-',
        _ => byte.is_ascii_alphanumeric() || byte == b'_',
    };
    !key.is_empty() && key.bytes().all(fits)
}

impl<'s> Captures<'s> {
    fn truth(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
        let span = expr.span;
        let matches = |text, pattern: String, flag: &'static str| {
            let mut args = vec![text, Expr::text(pattern, span)];
            args.extend((!flag.is_empty()).then(|| Expr::text(flag, span)));
            call(Function::Match, args, span)
        };
        let (function, args) = match &expr.kind {
            Kind::Truth(true) => return Ok(Expr::text("1", span)),
            Kind::Truth(false) => return Ok(call(Function::All, Vec::new(), span)),
            Kind::Fact(Field::Tls) => return Ok(secure(span)),
            Kind::In(value, members) => return self.member(value, members, span),
            Kind::Call(function, args) => (*function, args.as_slice()),
            _ => return refused(span, "this cannot be asked in the `$` spelling", ""),
        };
        Ok(match (function, args) {
            (Function::All | Function::Any | Function::Not, _) => {
                let said: Said<Vec<Expr>> = args.iter().map(|it| self.truth(it)).collect();
                call(function, said?, span)
            }
            (Function::Equal, [left, right]) => self.equal(left, right, span)?,
            (Function::Greater | Function::GreaterEqual, [left, right]) => {
                call(function, vec![self.number(left)?, self.number(right)?], span)
            }
            (Function::Less, [left, right]) => {
                call(Function::Greater, vec![self.number(right)?, self.number(left)?], span)
            }
            (Function::LessEqual, [left, right]) => {
                call(Function::GreaterEqual, vec![self.number(right)?, self.number(left)?], span)
            }
            (Function::Match, [text, pattern]) => {
                call(function, vec![self.value(text)?, pattern.clone()], span)
            }
            (Function::Contains, [text, part]) => {
                matches(self.value(text)?, escaped(part, "", "")?, "")
            }
            (Function::StartsWith, [text, part]) => {
                matches(self.value(text)?, escaped(part, "^", "")?, "")
            }
            (Function::EndsWith, [text, part]) => {
                matches(self.value(text)?, escaped(part, "", "$")?, "")
            }
            (Function::Wildcard, [text, shape]) => {
                matches(self.value(text)?, wildcard(shape)?, "1")
            }
            (Function::StrictWildcard, [text, shape]) => {
                matches(self.value(text)?, wildcard(shape)?, "")
            }
            (Function::Exists, [value]) if matches!(value.type_(), Type::Text | Type::Number) => {
                self.value(value)?
            }
            (Function::IpIn, [value, networks @ ..]) => {
                let parsed = |it: &Expr| match it.kind {
                    Kind::Network(network) => Some(network),
                    _ => it.constant().and_then(Network::parse),
                };
                let members = Members::Networks(networks.iter().filter_map(parsed).collect());
                self.member(value, &members, span)?
            }
            _ => return refused(span, "this cannot be asked in the `$` spelling", ""),
        })
    }

    fn equal(&mut self, left: &Expr<'s>, right: &Expr<'s>, span: Span) -> Said<Expr<'s>> {
        let constant = match (&left.kind, &right.kind) {
            (_, Kind::Truth(truth)) => Some((left, *truth)),
            (Kind::Truth(truth), _) => Some((right, *truth)),
            _ => None,
        };
        if let Some((asked, truth)) = constant {
            let asked = self.truth(asked)?;
            return Ok(if truth { asked } else { call(Function::Not, vec![asked], span) });
        }
        if left.type_() == Type::Truth {
            return refused(span, "two conditions are compared", "");
        }
        let extension = |it: &Expr| matches!(it.kind, Kind::Fact(Field::Extension));
        match (left.constant(), right.constant()) {
            (_, Some(text)) if extension(left) => return extension_in(&[text], span),
            (Some(text), _) if extension(right) => return extension_in(&[text], span),
            _ => {}
        }
        let sides = [left, right].map(|side| match side.kind {
            Kind::Number(number) => whole(number, side.span),
            _ => self.value(side),
        });
        let [left, right] = sides;
        Ok(call(Function::Equal, vec![left?, right?], span))
    }

    /// Members are asked one by one.
    fn member(&mut self, value: &Expr<'s>, members: &Members, span: Span) -> Said<Expr<'s>> {
        let made: Vec<Expr<'s>> = match members {
            Members::Texts(texts) if matches!(value.kind, Kind::Fact(Field::Extension)) => {
                let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
                return extension_in(&texts, span);
            }
            Members::Texts(texts) => {
                let value = self.value(value)?;
                let one = |text: &std::borrow::Cow<str>| {
                    let text = Expr::text(text.to_string(), span);
                    call(Function::Equal, vec![value.clone(), text], span)
                };
                texts.iter().map(one).collect()
            }
            Members::Numbers(ranges) => {
                let value = self.number(value)?;
                let one = |(first, last): &(f64, f64)| {
                    let sides = |a, b| call(Function::GreaterEqual, vec![a, b], span);
                    if first == last {
                        return Ok(call(
                            Function::Equal,
                            vec![value.clone(), whole(*first, span)?],
                            span,
                        ));
                    }
                    let low = sides(value.clone(), whole(*first, span)?);
                    let high = sides(whole(*last, span)?, value.clone());
                    Ok(call(Function::All, vec![low, high], span))
                };
                ranges.iter().map(one).collect::<Said<_>>()?
            }
            Members::Networks(networks) => {
                let one = |network: &Network| match network.to_string() {
                    address if !address.contains('/') => {
                        let value = Expr::new(Kind::Fact(Field::Client), span);
                        Ok(call(Function::Equal, vec![value, Expr::text(address, span)], span))
                    }
                    _ => refused(
                        span,
                        "the `$` spelling compares no networks",
                        "name single addresses",
                    ),
                };
                networks.iter().map(one).collect::<Said<_>>()?
            }
        };
        if made.len() > MOST_MEMBERS || is_random(value) {
            return refused(span, "these members cannot be asked one by one", "");
        }
        let only = made.len() == 1;
        Ok(made
            .first()
            .filter(|_| only)
            .cloned()
            .unwrap_or_else(|| call(Function::Any, made, span)))
    }

    fn number(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
        match &expr.kind {
            Kind::Number(number) => plain(*number, expr.span),
            Kind::Call(Function::ToNumber, args) => match args.as_slice() {
                [text] => self.value(text),
                _ => refused(expr.span, "`number` takes one text", ""),
            },
            _ => self.value(expr),
        }
    }

    fn value(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
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
        let constant = |expr: &Expr| match &expr.kind {
            Kind::Call(_, args) => {
                args.iter().all(|arg| matches!(arg.kind, Kind::Text(_) | Kind::Number(_)))
            }
            _ => false,
        };
        if !later.is_empty() && !(is_fixed(target) && later.iter().all(constant)) {
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

/// Path and query, as one text.
fn target<'s>(span: Span) -> Vec<Expr<'s>> {
    let fact = |field| Expr::new(Kind::Fact(field), span);
    let query = Expr::new(Kind::Join(vec![Expr::text("?", span), fact(Field::Query)]), span);
    vec![fact(Field::Path), call(Function::Pcall, vec![query], span)]
}

fn secure<'s>(span: Span) -> Expr<'s> {
    let scheme = Expr::new(Kind::Fact(Field::Scheme), span);
    call(Function::Equal, vec![scheme, Expr::text("https", span)], span)
}

/// Extensions are compared in lower case, and hold neither dots nor slashes.
fn extension_in<'s>(texts: &[&str], span: Span) -> Said<Expr<'s>> {
    if !texts.iter().all(|text| text.is_ascii()) {
        return refused(span, "an extension that is not plain ASCII", "");
    }
    let can_be = |text: &&&str| {
        !text.is_empty() && !text.contains(['.', '/']) && **text == text.to_ascii_lowercase()
    };
    let known: Vec<String> =
        texts.iter().filter(can_be).map(|it| regex_syntax::escape(it)).collect();
    if known.is_empty() {
        return Ok(call(Function::All, Vec::new(), span));
    }
    let path = Expr::new(Kind::Fact(Field::Path), span);
    let pattern = Expr::text(format!("\\.({})$", known.join("|")), span);
    Ok(call(Function::Match, vec![path, pattern, Expr::text("1", span)], span))
}

/// A number that its own numeral is compared with.
fn whole<'s>(number: f64, span: Span) -> Said<Expr<'s>> {
    if number.fract() != 0.0 || number.abs() >= 1e15 {
        return refused(span, "a number that is not whole is compared", "");
    }
    plain(number, span)
}

/// A number that its numeral stands for exactly.
fn plain<'s>(number: f64, span: Span) -> Said<Expr<'s>> {
    let text = numbers::write(number);
    match numbers::read(text.as_bytes()) {
        Ok(read) if read == number => Ok(Expr::text(text, span)),
        _ => refused(span, "a number with more digits than a text has", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_become_patterns() {
        let shape = |text: &str| wildcard(&Expr::text(text.to_string(), Span::default())).unwrap();
        assert_eq!(shape("/a.b/*"), "^(?s:/a\\.b/.*)$");
        assert_eq!(shape("\\*\\\\\\"), "^(?s:\\*\\\\\\\\)$");
    }
}
