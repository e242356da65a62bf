//! Lays what came of a test's request beside what was expected.

use super::report::Mismatch;
use super::settle::Settled;
use super::{Expect, Label, Wanted};
use crate::action::Action;
use crate::program::Program;

/// Collects what differs.
struct Comparison(Vec<Mismatch>);

impl Comparison {
    fn differ(&mut self, what: impl Into<String>, expected: String, got: String) {
        self.0.push(Mismatch { what: what.into(), expected, got });
    }

    fn text(&mut self, what: &str, wanted: Option<&str>, found: Option<&str>) {
        if let Some(wanted) = wanted.filter(|wanted| Some(*wanted) != found) {
            self.differ(what, quoted(wanted), found.map_or(nothing(), quoted));
        }
    }

    fn headers(&mut self, side: &str, wanted: &[(String, Wanted)], found: &[(String, Vec<u8>)]) {
        for (name, wanted) in wanted {
            let lines = found.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            let lines: Vec<String> =
                lines.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
            let holds = match wanted {
                Wanted::Present(present) => *present != lines.is_empty(),
                Wanted::Lines(wanted) => *wanted == lines,
            };
            let expected = match wanted {
                Wanted::Present(true) => "any value".into(),
                Wanted::Present(false) => nothing(),
                Wanted::Lines(wanted) => listed(wanted.iter().map(|line| quoted(line))),
            };
            if !holds {
                let got = listed(lines.iter().map(|line| quoted(line)));
                self.differ(format!("{side} {name}"), expected, got);
            }
        }
    }

    fn rules(&mut self, what: &str, wanted: Option<&[Label]>, found: &[u32], program: &Program) {
        let Some(wanted) = wanted else { return };
        let is = |(label, number): (&Label, &u32)| match label {
            Label::Name(name) => name == program.rule_name(*number),
            Label::Number(wanted) => *wanted == number + 1,
        };
        if wanted.len() != found.len() || !wanted.iter().zip(found).all(is) {
            let label = |label: &Label| match label {
                Label::Name(name) => quoted(name),
                Label::Number(number) => number.to_string(),
            };
            let got = found.iter().map(|number| called(program, *number));
            self.differ(what, listed(wanted.iter().map(label)), listed(got));
        }
    }

    fn actions(&mut self, wanted: Option<&[String]>, found: &[Action]) {
        let Some(wanted) = wanted else { return };
        let is = |(wanted, action): (&String, &Action)| {
            wanted == action.word() || *wanted == action.to_string()
        };
        if wanted.len() != found.len() || !wanted.iter().zip(found).all(is) {
            let got = found.iter().map(|action| quoted(&action.to_string()));
            self.differ("actions", listed(wanted.iter().map(|it| quoted(it))), listed(got));
        }
    }
}

impl Expect {
    /// Everything that is not as expected.
    pub(super) fn compare(&self, settled: &Settled, program: &Program) -> Vec<Mismatch> {
        let mut it = Comparison(Vec::new());
        let request = &settled.request;
        it.text("verdict", self.verdict.as_deref(), Some(settled.verdict));
        if let Some(wanted) = &self.url {
            let target = settled.target();
            let whole = format!("{}://{}{target}", request.scheme, request.host);
            let found = if wanted.starts_with('/') { target } else { whole };
            it.text("url", Some(wanted), Some(&found));
        }
        it.text("method", self.method.as_deref(), Some(&request.method));
        let status = settled.status.or(request.status);
        if let Some(wanted) = self.status.filter(|wanted| Some(*wanted) != status) {
            let got = status.map_or(nothing(), |status| status.to_string());
            it.differ("status", wanted.to_string(), got);
        }
        it.text("location", self.location.as_deref(), settled.location.as_deref());
        let body = if settled.verdict == "pass" { &request.body } else { &settled.answer };
        let body = body.as_ref().map(|body| String::from_utf8_lossy(body));
        it.text("body", self.body.as_deref(), body.as_deref());
        it.headers("request header", &self.request_headers, &request.headers);
        it.headers("response header", &self.response_headers, &request.response_headers);
        it.actions(self.actions.as_deref(), &settled.actions);
        it.rules("matched", self.matched.as_deref(), &settled.matched, program);
        let failed: Vec<u32> = settled.failed.iter().map(|(rule, _)| *rule).collect();
        it.rules("failed", self.failed.as_deref(), &failed, program);
        it.0
    }
}

fn nothing() -> String {
    "nothing".into()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", crate::error::plain(text))
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let joined = parts.collect::<Vec<_>>().join(", ");
    if joined.is_empty() { nothing() } else { joined }
}

/// A rule by its name, or by its number from 1 if it has none.
pub(super) fn called(program: &Program, number: u32) -> String {
    match program.rule_name(number) {
        "" => (number + 1).to_string(),
        name => quoted(name),
    }
}
