//! Conditions as calls that are true or false.

use super::Captures;
use super::values::plain;
use crate::address::Network;
use crate::convert::facts::is_random;
use crate::convert::values::refused;
use crate::convert::{Said, call};
use crate::error::Span;
use crate::field::Field;
use crate::functions::{Function, Type};
use crate::tree::{Expr, Kind, Members};

/// The most members of an `in` that are asked one by one.
const MOST_MEMBERS: usize = 50;

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

impl<'s> Captures<'s> {
    pub(super) fn truth(&mut self, expr: &Expr<'s>) -> Said<Expr<'s>> {
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
