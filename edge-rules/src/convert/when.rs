//! A rule of the `$` spelling as a condition and actions.

use super::facts::{is_certain, is_fixed, is_safe, is_there};
use super::values::{Capture, Missing, Values, pattern, refused};
use super::{Made, Said, call};
use crate::error::Span;
use crate::field::Field;
use crate::functions::{Function, Type, numbers};
use crate::tree::{Expr, Kind, RuleTree};
use crate::write::{string, template, wide_condition};

/// What a rule comes to, piece by piece.
#[derive(Default)]
struct Parts<'r, 's> {
    values: Values<'r, 's>,
    conditions: Vec<Expr<'s>>,
    actions: Actions,
    /// The parts of the new URL, and how many actions stand before it.
    output: Vec<&'r Expr<'s>>,
    output_at: usize,
    /// Whether an action so far may change what values look up.
    changes: bool,
}

/// Actions by their key; a table of TOML has each key once.
#[derive(Default)]
struct Actions(Vec<(&'static str, Entries)>);

enum Entries {
    One(String),
    /// Keys with one or more values.
    Table(Vec<(String, Vec<String>)>),
    List(Vec<String>),
}

/// The rule in the `when` spelling.
pub(super) fn rule(rule: &RuleTree) -> Said<Made> {
    let mut parts = Parts::default();
    parts.values.pattern = rule.pattern.as_ref().and_then(Expr::constant);
    for item in &rule.items {
        parts.item(item)?;
    }
    parts.rewrite(rule.stop)?;
    let mut made = Vec::new();
    let span = Span::default();
    let condition = match parts.conditions.len() {
        0 => None,
        1 => parts.conditions.pop(),
        _ => Some(call(Function::All, parts.conditions, span)),
    };
    made.extend(condition.map(|condition| ("when", wide_condition(&condition))));
    let actions = parts.actions.write();
    match (actions.is_empty(), rule.stop) {
        (true, false) => return refused(span, "the rule does nothing", ""),
        (true, true) => {}
        (false, _) => made.push(("do", actions)),
    }
    if rule.stop {
        made.push(("stop", "true".into()));
    }
    Ok(Made(made))
}

impl<'r, 's> Parts<'r, 's> {
    fn item(&mut self, item: &'r Expr<'s>) -> Said<()> {
        match &item.kind {
            Kind::Call(Function::When, args) => self.condition(args, item.span),
            Kind::Capture(number, args) => self.capture(*number, args, item.span),
            Kind::Call(function, args) if item.type_() == Type::Nothing => {
                self.later(*function, args, item.span)?;
                self.action(*function, args, item.span)?;
                self.changes = true;
                Ok(())
            }
            _ => {
                if self.output.is_empty() {
                    // Its place is taken at once: no action behind it may join one before it.
                    self.output_at = self.actions.0.len();
                    self.actions.0.push(("rewrite", Entries::One(String::new())));
                } else if self.output_at + 1 != self.actions.0.len() {
                    return refused(
                        item.span,
                        "the new URL is made in pieces between actions",
                        "write it in one piece",
                    );
                }
                self.output.push(item);
                Ok(())
            }
        }
    }

    /// Conditions stand before all that acts, so that nothing is done where they fail.
    fn condition(&mut self, args: &'r [Expr<'s>], span: Span) -> Said<()> {
        if !self.actions.0.is_empty() || !self.output.is_empty() {
            return refused(span, "a condition behind actions", "make two rules of it");
        }
        for arg in args {
            let condition = self.values.truth(arg, Missing::Ends)?;
            self.conditions.append(&mut self.values.asked);
            match condition.kind {
                Kind::Call(Function::All, parts) => self.conditions.extend(parts),
                _ => self.conditions.push(condition),
            }
        }
        Ok(())
    }

    /// The groups are taken out where they are used, so what they are taken from must be the same.
    fn capture(&mut self, number: u8, args: &'r [Expr<'s>], span: Span) -> Said<()> {
        let Some(text) = args.first().filter(|_| args.len() <= 3) else {
            return refused(span, "`$CAPTURE` with more arguments than it takes", "");
        };
        if !is_safe(text) || !is_fixed(text) && !self.actions.0.is_empty() {
            return refused(text.span, "groups of what may fail or change", "");
        }
        self.values.captures.push(Capture { number, text, pattern: pattern(args)? });
        Ok(())
    }

    /// What follows the new URL must not fail, since the new URL would then be none.
    fn later(&self, function: Function, args: &[Expr], span: Span) -> Said<()> {
        let fixed = self.output.iter().all(|part| is_fixed(part));
        if self.output.is_empty() || fixed && is_certain(function, args) {
            return Ok(());
        }
        refused(span, "an action behind the new URL", "write the new URL last")
    }

    /// A text of an action as a template.
    fn text(&mut self, expr: &'r Expr<'s>) -> Said<String> {
        self.unchanged(expr)?;
        let parts = match &expr.kind {
            Kind::Text(text) => {
                return Ok(string(&template(&Expr::text(text.as_ref(), expr.span))));
            }
            Kind::Join(parts) => parts.as_slice(),
            _ => std::slice::from_ref(expr),
        };
        self.parts(parts, expr.span)
    }

    fn parts(&mut self, parts: &'r [Expr<'s>], span: Span) -> Said<String> {
        let mut made = Vec::new();
        for part in self.values.target(parts) {
            made.push(match part {
                Ok(target) => target,
                Err(part) => self.values.value(part, Missing::Fails)?,
            });
        }
        Ok(string(&template(&Expr::new(Kind::Join(made), span))))
    }

    /// Groups were taken before what the actions so far may have changed.
    fn unchanged(&self, expr: &Expr) -> Said<()> {
        let changed = |number: u8| {
            let found = self.values.captures.iter().find(|it| it.number == number);
            found.is_some_and(|it| !is_fixed(it.text))
        };
        if self.changes && names(expr, &changed) {
            return refused(expr.span, "a group of what an action may have changed", "");
        }
        Ok(())
    }

    fn action(&mut self, function: Function, args: &'r [Expr<'s>], span: Span) -> Said<()> {
        let signature = function.signature();
        let most = if signature.repeat { 1 } else { signature.params.len() };
        if args.len() > most {
            return refused(span, "an action with more arguments than it takes", "");
        }
        let one = |parts: &mut Self| match args.first() {
            Some(arg) => parts.text(arg),
            None => refused(span, "an action without its argument", ""),
        };
        match function {
            Function::AddRequestHeader => self.header("add_request_header", args),
            Function::AddResponseHeader => match args.get(2).map_or(Some(""), Expr::constant) {
                Some("") => self.header("add_response_header", args),
                Some(_) => self.header("set_response_header", args),
                None => refused(span, "whether the header is replaced is not plain", ""),
            },
            Function::RemoveRequestHeader => {
                let name = one(self)?;
                self.actions.listed("remove_request_header", name, span)
            }
            Function::RemoveResponseHeader => {
                let name = one(self)?;
                self.actions.listed("remove_response_header", name, span)
            }
            Function::RemoveArgument => {
                let name = one(self)?;
                self.actions.listed("remove_argument", name, span)
            }
            Function::SetMethod => {
                one(self).and_then(|it| self.actions.one("set_method", it, span))
            }
            Function::SetBody => one(self).and_then(|it| self.actions.one("set_body", it, span)),
            Function::ErrorPage => {
                let page = format!("{{ on = [404], to = {} }}", one(self)?);
                self.actions.one("error_page", page, span)
            }
            Function::Redirect => self.redirect(args, span),
            Function::Respond => self.respond(args, span),
            Function::LimitRate => self.rate("rate", args, span),
            Function::LimitRateAfter => self.rate("after", args, span),
            _ => refused(span, "this action has no like in the other spelling", ""),
        }
    }

    fn header(&mut self, key: &'static str, args: &'r [Expr<'s>]) -> Said<()> {
        let [name, value, ..] = args else { return Ok(()) };
        let Some(plain) = name.constant() else {
            return refused(name.span, "the name of a header that the request makes", "");
        };
        let value = self.text(value)?;
        self.actions.entry(key, quoted_key(plain), value, name.span)
    }

    fn redirect(&mut self, args: &'r [Expr<'s>], span: Span) -> Said<()> {
        let Some(to) = args.first() else { return Ok(()) };
        let to = self.text(to)?;
        let status = args.get(1).map_or(Ok(302), |status| plain_status(status))?;
        self.actions.one("redirect", format!("{{ to = {to}, status = {status} }}"), span)
    }

    /// A body that is missing is an empty one, but a joined text fails.
    fn respond(&mut self, args: &'r [Expr<'s>], span: Span) -> Said<()> {
        let status = args.first().map_or(Ok(0), plain_status)?;
        let body = match args.get(1) {
            None => None,
            Some(body) if body.constant() == Some("") => None,
            Some(body) if matches!(body.kind, Kind::Join(_)) || is_there(body) => {
                Some(self.text(body)?)
            }
            Some(body) => {
                self.unchanged(body)?;
                let text = self.values.text(body, Missing::Decides)?;
                let default = call(Function::Default, vec![text, Expr::text("", span)], span);
                Some(string(&template(&Expr::new(Kind::Join(vec![default]), span))))
            }
        };
        let value = match body {
            None => status.to_string(),
            Some(body) => format!("{{ status = {status}, body = {body} }}"),
        };
        self.actions.one("respond", value, span)
    }

    fn rate(&mut self, key: &str, args: &[Expr], span: Span) -> Said<()> {
        let number = args.first().and_then(Expr::constant);
        let number = number.and_then(|text| numbers::read(text.as_bytes()).ok());
        let unit = match args.get(1).and_then(Expr::constant) {
            Some("k" | "K") => 1024.0,
            Some("m" | "M") => 1_048_576.0,
            _ => return refused(span, "a rate that the request makes", ""),
        };
        let bytes =
            number.map(|number| (number * unit).round()).filter(|it| (0.0..=1e15).contains(it));
        let Some(bytes) = bytes.map(|bytes| bytes as u64) else {
            return refused(span, "a rate that the request makes", "");
        };
        let amount = match bytes {
            0 => "0B".into(),
            _ if bytes % 1_048_576 == 0 => format!("{}MiB", bytes / 1_048_576),
            _ if bytes % 1024 == 0 => format!("{}KiB", bytes / 1024),
            _ => format!("{bytes}B"),
        };
        self.actions.entry("limit_rate", key.into(), string(&amount), span)
    }

    /// The new URL, in its place among the actions.
    fn rewrite(&mut self, stops: bool) -> Said<()> {
        let Some(first) = self.output.first() else { return Ok(()) };
        let span = first.span;
        let is_path = matches!(first.kind, Kind::Fact(Field::Path));
        let begins = is_path || first.constant().is_some_and(|text| text.starts_with('/'));
        let last = self.output_at + 1 == self.actions.0.len();
        let harmless = last && !stops && self.output.iter().all(|it| is_there(it));
        if !begins && !harmless {
            return refused(span, "the new URL may be empty", "begin it with `/`");
        }
        let output: Vec<Expr<'s>> = self.output.iter().map(|part| (*part).clone()).collect();
        self.unchanged(&Expr::new(Kind::Join(output), span))?;
        let mut made = Vec::new();
        for part in &self.output {
            made.push(self.values.value(part, Missing::Fails)?);
        }
        let text = string(&template(&Expr::new(Kind::Join(made), span)));
        if let Some((_, entries)) = self.actions.0.get_mut(self.output_at) {
            *entries = Entries::One(text);
        }
        Ok(())
    }
}

/// Whether it names a group for which `changed` holds.
fn names(expr: &Expr, changed: &dyn Fn(u8) -> bool) -> bool {
    match &expr.kind {
        Kind::Captured(number, _) => changed(*number),
        Kind::Join(parts) | Kind::Call(_, parts) => parts.iter().any(|part| names(part, changed)),
        _ => false,
    }
}

/// A key of TOML, between quotes where it must be.
fn quoted_key(text: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.bytes().all(is_bare) { text.into() } else { string(text) }
}

fn plain_status(expr: &Expr) -> Said<u16> {
    let number = expr.constant().and_then(|text| numbers::read(text.as_bytes()).ok());
    match number.filter(|number| number.fract() == 0.0 && (0.0..1000.0).contains(number)) {
        Some(number) => Ok(number as u16),
        None => refused(expr.span, "a status that the request makes", ""),
    }
}

impl Actions {
    /// The entries of a key; they are those of the last action, or new ones.
    fn at(&mut self, key: &'static str, new: Entries, span: Span) -> Said<Option<&mut Entries>> {
        if self.0.iter().rev().skip(1).any(|(known, _)| *known == key) {
            return refused(
                span,
                "the same action again behind another one",
                "make two rules of it",
            );
        }
        if self.0.last().is_none_or(|(known, _)| *known != key) {
            self.0.push((key, new));
        }
        Ok(self.0.last_mut().map(|(_, entries)| entries))
    }

    fn one(&mut self, key: &'static str, value: String, span: Span) -> Said<()> {
        if self.0.iter().any(|(known, _)| *known == key) {
            return refused(span, "the same action twice", "make two rules of it");
        }
        self.at(key, Entries::One(value), span).map(drop)
    }

    fn listed(&mut self, key: &'static str, value: String, span: Span) -> Said<()> {
        if let Some(Entries::List(list)) = self.at(key, Entries::List(Vec::new()), span)? {
            list.push(value);
        }
        Ok(())
    }

    fn entry(&mut self, key: &'static str, name: String, value: String, span: Span) -> Said<()> {
        let Some(Entries::Table(table)) = self.at(key, Entries::Table(Vec::new()), span)? else {
            return Ok(());
        };
        let last = table.len();
        match table.iter_mut().position(|(known, _)| *known == name) {
            Some(at) if at + 1 == last && key != "limit_rate" => {
                table.iter_mut().skip(at).for_each(|(_, values)| values.push(value.clone()));
                Ok(())
            }
            Some(_) => {
                refused(span, "the same action again behind another one", "make two rules of it")
            }
            None => {
                table.push((name, vec![value]));
                Ok(())
            }
        }
    }

    /// The table of all, as TOML; empty if there is none.
    fn write(&self) -> String {
        let list = |values: &[String]| match values {
            [only] => only.clone(),
            _ => format!("[{}]", values.join(", ")),
        };
        let written = self.0.iter().map(|(key, entries)| {
            let value = match entries {
                Entries::One(value) => value.clone(),
                Entries::List(values) => list(values),
                Entries::Table(table) => {
                    let entries =
                        table.iter().map(|(name, values)| format!("{name} = {}", list(values)));
                    format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
                }
            };
            format!("{key} = {value}")
        });
        let written: Vec<String> = written.collect();
        if written.is_empty() { String::new() } else { format!("{{ {} }}", written.join(", ")) }
    }
}
