//! Values and conditions of the `$` spelling as the `when` spelling says them.

use super::facts::{is_query_behind, is_random, is_safe, is_there};
use super::{Said, call};
use crate::address::Network;
use crate::error::{Error, Span};
use crate::field::Field;
use crate::functions::{Function, Param, Type, numbers};
use crate::tree::{Expr, Kind, Members};

/// What a missing part of a joined text does, which fails in the `$` spelling only.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Missing {
    /// It fails here too, since an action is made of it.
    Fails,
    /// The rule ends with it, so a condition before can ask for it.
    Ends,
    /// It decides something: both spellings would differ.
    Decides,
}

/// A `$CAPTURE` that values may name.
pub(super) struct Capture<'r, 's> {
    pub(super) number: u8,
    pub(super) text: &'r Expr<'s>,
    pub(super) pattern: String,
}

/// Says the expressions of one rule otherwise.
#[derive(Default)]
pub(super) struct Values<'r, 's> {
    pub(super) pattern: Option<&'r str>,
    pub(super) captures: Vec<Capture<'r, 's>>,
    /// What has to be there for the condition in hand.
    pub(super) asked: Vec<Expr<'s>>,
}

pub(super) fn refused<T>(span: Span, message: &str, hint: &str) -> Said<T> {
    let error = Error::new(span, message);
    Err(if hint.is_empty() { error } else { error.hint(hint) })
}

/// A constant pattern with its flag; the other spelling has the flag in the pattern.
pub(super) fn pattern(args: &[Expr]) -> Said<String> {
    let at = args.get(1).map_or(Span::default(), |it| it.span);
    let flag = args.get(2).map_or(Some(""), Expr::constant);
    match (args.get(1).and_then(Expr::constant), flag) {
        (Some(text), Some("")) => Ok(text.into()),
        (Some(text), Some(_)) => Ok(format!("(?i){text}")),
        _ => refused(at, "a pattern that the request makes", "`matches` takes a plain text"),
    }
}

impl<'r, 's> Values<'r, 's> {
    /// What is true or false in a `$WHEN`.
    pub(super) fn truth(&mut self, expr: &'r Expr<'s>, missing: Missing) -> Said<Expr<'s>> {
        let span = expr.span;
        let Kind::Call(function, args) = &expr.kind else {
            return match &expr.kind {
                Kind::Text(_) => Ok(Expr::new(Kind::Truth(true), span)),
                Kind::Join(_) => {
                    refused(span, "a joined text is true or fails", "ask for its parts")
                }
                _ => Ok(call(Function::Exists, vec![self.value(expr, missing)?], span)),
            };
        };
        match (function, args.as_slice()) {
            (Function::All | Function::Any | Function::Or, []) => {
                Ok(Expr::new(Kind::Truth(false), span))
            }
            (Function::All | Function::Any | Function::Or, args) => {
                let mut parts = self.truths(args, missing)?;
                let function =
                    if *function == Function::All { Function::All } else { Function::Any };
                match (parts.len(), parts.pop()) {
                    (1, Some(only)) => Ok(only),
                    (_, last) => {
                        parts.extend(last);
                        Ok(call(function, parts, span))
                    }
                }
            }
            (Function::Not, [inner]) => {
                Ok(call(Function::Not, vec![self.truth(inner, missing)?], span))
            }
            (Function::Select, [condition, yes, no]) => {
                self.selected(condition, yes, no, missing, span)
            }
            (Function::Equal, [left, right]) => self.equal(left, right, missing, span),
            (Function::Greater | Function::GreaterEqual, [left, right]) => {
                let sides = vec![self.number(left, missing)?, self.number(right, missing)?];
                Ok(call(*function, sides, span))
            }
            (Function::Match, [text, ..]) if args.len() <= 3 => {
                let pattern = pattern(args)?;
                let text = self.text(text, missing)?;
                Ok(call(Function::Match, vec![text, Expr::text(pattern, span)], span))
            }
            _ if matches!(expr.type_(), Type::Text | Type::Number) => {
                Ok(call(Function::Exists, vec![self.value(expr, missing)?], span))
            }
            _ => refused(
                span,
                "this cannot be asked in a condition",
                "make rules of their own of it",
            ),
        }
    }

    /// Only the first is looked at whatever the others are.
    fn truths(&mut self, args: &'r [Expr<'s>], missing: Missing) -> Said<Vec<Expr<'s>>> {
        let later = if missing == Missing::Ends { Missing::Decides } else { missing };
        let each = |(number, arg)| self.truth(arg, if number == 0 { missing } else { later });
        args.iter().enumerate().map(each).collect()
    }

    fn selected(
        &mut self,
        condition: &'r Expr<'s>,
        yes: &'r Expr<'s>,
        no: &'r Expr<'s>,
        missing: Missing,
        span: Span,
    ) -> Said<Expr<'s>> {
        if is_random(condition) {
            return refused(span, "the condition is another each time", "");
        }
        let later = if missing == Missing::Ends { Missing::Decides } else { missing };
        let holds = self.truth(condition, missing)?;
        let fails = call(Function::Not, vec![holds.clone()], span);
        let yes = call(Function::All, vec![holds, self.truth(yes, later)?], span);
        let no = call(Function::All, vec![fails, self.truth(no, later)?], span);
        Ok(call(Function::Any, vec![yes, no], span))
    }

    /// Both sides are of one type, or one is a constant that can be.
    fn equal(
        &mut self,
        left: &'r Expr<'s>,
        right: &'r Expr<'s>,
        missing: Missing,
        span: Span,
    ) -> Said<Expr<'s>> {
        let (left, right) = match (left.constant(), right.constant()) {
            (Some(_), None) => (right, left),
            _ => (left, right),
        };
        let value = self.value(left, missing)?;
        let never = || Ok(Expr::new(Kind::Truth(false), span));
        match (value.type_(), right.constant()) {
            (Type::Address, Some(text)) => {
                match Network::parse(text).filter(|_| !text.contains('/')) {
                    Some(network) => {
                        let members = Members::Networks(vec![network]);
                        Ok(Expr::new(Kind::In(Box::new(value), members), span))
                    }
                    None => never(),
                }
            }
            (Type::Number, Some(text)) => match numbers::read(text.as_bytes()) {
                // The texts are compared, so another numeral of the same number is another text.
                Ok(number) if numbers::write(number) == text && number.fract() == 0.0 => {
                    let number = Expr::new(Kind::Number(number), right.span);
                    Ok(call(Function::Equal, vec![value, number], span))
                }
                _ => refused(right.span, "a number is compared with this text", ""),
            },
            (wanted, _) => {
                let other = self.value(right, missing)?;
                if wanted != other.type_() || !matches!(wanted, Type::Text | Type::Number) {
                    return refused(span, "values of two kinds are compared as texts", "");
                }
                Ok(call(Function::Equal, vec![value, other], span))
            }
        }
    }

    /// A value whose type the other spelling knows.
    pub(super) fn value(&mut self, expr: &'r Expr<'s>, missing: Missing) -> Said<Expr<'s>> {
        let span = expr.span;
        let number = |number: u8| Expr::new(Kind::Number(f64::from(number)), span);
        match &expr.kind {
            Kind::Text(_) | Kind::Fact(_) | Kind::Listed(..) => Ok(expr.clone()),
            Kind::Label(label) => Ok(call(Function::HostLabel, vec![number(*label)], span)),
            Kind::Random(letters) => Ok(call(Function::RandomText, vec![number(*letters)], span)),
            Kind::Group(group) => {
                let path = Expr::new(Kind::Fact(Field::Path), span);
                let pattern = Expr::text(self.pattern.unwrap_or_default().to_string(), span);
                Ok(call(Function::Group, vec![path, pattern, number(*group)], span))
            }
            Kind::Captured(capture, group) => self.captured(*capture, *group, span),
            Kind::Join(parts) => self.joined(parts, missing, span),
            Kind::Call(function, args) => self.called(*function, args, missing, span),
            _ => refused(span, "this has no value in the other spelling", ""),
        }
    }

    fn captured(&mut self, capture: u8, group: u8, span: Span) -> Said<Expr<'s>> {
        let found = self.captures.iter().find(|it| it.number == capture);
        let Some(Capture { text, pattern, .. }) = found else {
            return refused(span, "this group is always missing", "");
        };
        let (text, pattern) = (*text, pattern.clone());
        let text = self.text(text, Missing::Decides)?;
        if pattern.is_empty() {
            return if group == 0 {
                Ok(text)
            } else {
                refused(span, "this group is always missing", "")
            };
        }
        let group = Expr::new(Kind::Number(f64::from(group)), span);
        Ok(call(Function::Group, vec![text, Expr::text(pattern, span), group], span))
    }

    /// Texts side by side as one; `concat` is missing where a part is, and the text here fails.
    fn joined(&mut self, parts: &'r [Expr<'s>], missing: Missing, span: Span) -> Said<Expr<'s>> {
        let mut texts = Vec::new();
        for part in self.target(parts) {
            let part = match part {
                Ok(target) => target,
                Err(part) => {
                    let text = self.text(part, missing)?;
                    if !is_there(part) {
                        self.ask(text.clone(), missing, part.span)?;
                    }
                    text
                }
            };
            texts.push(part);
        }
        match (texts.len(), texts.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => {
                texts.extend(last);
                Ok(call(Function::Concat, texts, span))
            }
        }
    }

    fn ask(&mut self, part: Expr<'s>, missing: Missing, span: Span) -> Said<()> {
        match missing {
            Missing::Fails => Ok(()),
            Missing::Ends => {
                self.asked.push(call(Function::Exists, vec![part], span));
                Ok(())
            }
            Missing::Decides => refused(
                span,
                "where this is missing the joined text fails here, and is missing there",
                "ask for it in the `$WHEN` first",
            ),
        }
    }

    /// Parts of a text, where a path and `$PCALL(?$_QUERY)` are one.
    pub(super) fn target(&self, parts: &'r [Expr<'s>]) -> Vec<Result<Expr<'s>, &'r Expr<'s>>> {
        let mut made: Vec<Result<Expr<'s>, &'r Expr<'s>>> = Vec::new();
        for part in parts {
            let before = made.last().and_then(|it| it.as_ref().err().copied());
            if is_query_behind(before, part) {
                made.pop();
                made.push(Ok(Expr::new(Kind::Fact(Field::Target), part.span)));
            } else {
                made.push(Err(part));
            }
        }
        made
    }

    /// A value that is a text in both spellings.
    pub(super) fn text(&mut self, expr: &'r Expr<'s>, missing: Missing) -> Said<Expr<'s>> {
        let value = self.value(expr, missing)?;
        match value.type_() {
            Type::Text => Ok(value),
            Type::Address => {
                refused(expr.span, "an address as text", "compare it: `ip.src in {192.0.2.0/24}`")
            }
            _ => refused(expr.span, "a number as text within another call", ""),
        }
    }

    /// A value that is a number; a text becomes one as `number(…)` makes it.
    fn number(&mut self, expr: &'r Expr<'s>, missing: Missing) -> Said<Expr<'s>> {
        if let Some(text) = expr.constant() {
            return match numbers::read(text.as_bytes()) {
                Ok(number) if number.abs() <= 9e15 => {
                    Ok(Expr::new(Kind::Number(number), expr.span))
                }
                _ => refused(expr.span, "a number beyond 9e15", ""),
            };
        }
        let value = self.value(expr, missing)?;
        match value.type_() {
            Type::Number => Ok(value),
            Type::Text => Ok(call(Function::ToNumber, vec![value], expr.span)),
            _ => refused(expr.span, "an address is no number", ""),
        }
    }

    fn called(
        &mut self,
        function: Function,
        args: &'r [Expr<'s>],
        missing: Missing,
        span: Span,
    ) -> Said<Expr<'s>> {
        let signature = function.signature();
        match (function, args) {
            (Function::Or, _) => return self.first_there(args, span),
            (Function::Pcall, [inner]) if is_protected(inner) => {
                let inner = self.text(inner, Missing::Fails)?;
                return Ok(call(Function::Default, vec![inner, Expr::text("", span)], span));
            }
            (Function::Sub, [text, from, to]) => return self.part(text, from, to, missing, span),
            _ => {}
        }
        if signature.when.is_empty() || args.len() > signature.params.len() {
            let name = function.name();
            return refused(span, &format!("`{name}` has no like in the other spelling"), "");
        }
        let mut made = Vec::new();
        for (number, (arg, param)) in args.iter().zip(signature.params).enumerate() {
            let optional = number >= usize::from(signature.required);
            if optional && arg.constant() == Some("") {
                continue;
            }
            let missing = if optional { Missing::Decides } else { missing };
            made.push(match param {
                Param::Number => self.number(arg, missing)?,
                _ => self.text(arg, missing)?,
            });
        }
        Ok(call(function, made, span))
    }

    /// The first of texts that is there; true and false are no texts.
    fn first_there(&mut self, args: &'r [Expr<'s>], span: Span) -> Said<Expr<'s>> {
        let mut texts = Vec::new();
        for arg in args {
            texts.push(self.text(arg, Missing::Decides)?);
        }
        let last = texts.pop().unwrap_or_else(|| Expr::text("", span));
        let join = |later, text| call(Function::Default, vec![text, later], span);
        Ok(texts.into_iter().rev().fold(last, join))
    }

    /// `$SUB` counts from 1 and takes the last byte too.
    fn part(
        &mut self,
        text: &'r Expr<'s>,
        from: &'r Expr<'s>,
        to: &'r Expr<'s>,
        missing: Missing,
        span: Span,
    ) -> Said<Expr<'s>> {
        let constant = |expr: &Expr| {
            let number = expr.constant().and_then(|text| numbers::read(text.as_bytes()).ok());
            number.map(f64::trunc).filter(|number| number.abs() <= 1e9)
        };
        let (Some(from), Some(to)) = (constant(from), constant(to)) else {
            return refused(span, "`$SUB` with places that the request makes", "");
        };
        let number = |number: f64| Expr::new(Kind::Number(number), span);
        let mut args = vec![self.text(text, missing)?];
        args.push(number(if from >= 1.0 { from - 1.0 } else { from }));
        if to >= 0.0 {
            args.push(number(to));
        } else if to < -1.0 {
            args.push(number(to + 1.0));
        }
        Ok(call(Function::Substring, args, span))
    }
}

/// Whether `$PCALL` guards against nothing but a missing value.
fn is_protected(inner: &Expr) -> bool {
    match &inner.kind {
        Kind::Join(parts) => parts.iter().all(is_safe),
        _ => is_safe(inner) && inner.type_() == Type::Text,
    }
}
