//! Carries out what rules decide on a request that is written down.

use super::Test;
use crate::action::{Action, Header, query_without};
use crate::budget::Budget;
use crate::eval::{DEFAULT_ZONE, Environment, Outcome};
use crate::facts::Phase;
use crate::pattern_cache::PatternCache;
use crate::program::Program;
use crate::sample::Sample;
use crate::trace::{Failure, Fate};

/// What a request comes to.
#[derive(Debug)]
pub(super) struct Settled {
    /// The request as it goes on; its response headers are those that the client gets.
    pub(super) request: Sample,
    pub(super) verdict: &'static str,
    /// Of a rule's answer.
    pub(super) status: Option<u16>,
    pub(super) location: Option<String>,
    pub(super) answer: Option<Vec<u8>>,
    pub(super) actions: Vec<Action>,
    pub(super) matched: Vec<u32>,
    pub(super) failed: Vec<(u32, Failure)>,
    /// How each phase that the budget ended did so.
    pub(super) exhausted: Vec<&'static str>,
    /// Changes of the response that wait for it.
    waiting: Vec<Action>,
    pages: Vec<(Box<[u16]>, Box<str>)>,
}

impl Test {
    /// Runs the phases of the test's request.
    pub(super) fn settle(&self, program: &Program, patterns: &mut PatternCache) -> Settled {
        let mut settled = Settled {
            request: self.request.clone(),
            verdict: "pass",
            status: None,
            location: None,
            answer: None,
            actions: Vec::new(),
            matched: Vec::new(),
            failed: Vec::new(),
            exhausted: Vec::new(),
            waiting: Vec::new(),
            pages: Vec::new(),
        };
        let mut run = |settled: &mut Settled, phase| {
            let outcome = self.evaluate(program, phase, &settled.request, patterns);
            settled.take(phase, outcome);
        };
        if let Some(phase) = self.phase {
            run(&mut settled, phase);
            settled.answer_leaves();
            return settled;
        }
        run(&mut settled, Phase::Request);
        if settled.goes_on() {
            run(&mut settled, Phase::OriginRequest);
        }
        if let Some(status) = self.request.status.filter(|_| settled.goes_on()) {
            run(&mut settled, Phase::Cache);
            settled.show_page(status);
            settled.answer_leaves();
            if settled.goes_on() {
                run(&mut settled, Phase::Response);
            }
            if settled.goes_on() && status >= 400 {
                run(&mut settled, Phase::Error);
            }
        }
        settled.answer_leaves();
        settled
    }

    fn evaluate(
        &self,
        program: &Program,
        phase: Phase,
        request: &Sample,
        patterns: &mut PatternCache,
    ) -> Outcome {
        // The place of the number between all that 64 bits can be.
        let bits = (self.random * 2f64.powi(64)) as u64;
        program.evaluate(
            phase,
            request,
            &mut Environment {
                now: self.now,
                random: &mut || bits,
                patterns,
                budget: &Budget::default(),
                zone: DEFAULT_ZONE,
                tester: self.tester,
                explain: false,
            },
        )
    }
}

impl Settled {
    fn goes_on(&self) -> bool {
        self.verdict == "pass"
    }

    fn take(&mut self, phase: Phase, outcome: Outcome) {
        for event in &outcome.events {
            match event.fate {
                Fate::Failed(failure) => self.failed.push((event.rule, failure)),
                _ => self.matched.push(event.rule),
            }
        }
        if outcome.end.is_exhausted() {
            self.exhausted.push(outcome.end.word());
        }
        for action in &outcome.actions {
            self.apply(phase, action);
        }
        self.actions.extend(outcome.actions);
    }

    fn apply(&mut self, phase: Phase, action: &Action) {
        match action {
            Action::AddRequestHeader(_)
            | Action::SetRequestHeader(_)
            | Action::RemoveRequestHeader(_) => change(&mut self.request.headers, action),
            Action::AddResponseHeader(_)
            | Action::SetResponseHeader(_)
            | Action::RemoveResponseHeader(_) => match phase {
                Phase::Request | Phase::OriginRequest => self.waiting.push(action.clone()),
                _ => change(&mut self.request.response_headers, action),
            },
            Action::RemoveArgument(name) => self.remove_argument(name),
            Action::SetMethod(method) => self.request.method = (*method).into(),
            Action::SetBody(body) => self.request.body = Some(body.to_vec()),
            Action::Rewrite(target) => self.rewrite(target),
            Action::Redirect { status, location } => {
                self.redirect(*status, location);
            }
            Action::Respond { status, body, content_type } => {
                self.verdict = "respond";
                self.status = Some(*status);
                self.answer = Some(body.to_vec());
                let line = |kind: &str| ("content-type".into(), kind.as_bytes().to_vec());
                self.request.response_headers =
                    content_type.as_deref().map(line).into_iter().collect();
            }
            Action::ErrorPage { statuses, location } => {
                self.pages.push((statuses.clone(), location.clone()));
            }
            _ => {}
        }
    }

    fn redirect(&mut self, status: u16, location: &str) {
        self.verdict = "redirect";
        self.status = Some(status);
        self.location = Some(location.into());
        self.request.response_headers.clear();
    }

    /// The page that a rule has put in the place of the origin's error; the last one counts.
    fn show_page(&mut self, status: u16) {
        let page = self.pages.iter().rev().find(|(statuses, _)| statuses.contains(&status));
        if let Some(location) = page.map(|(_, location)| location.clone()) {
            self.redirect(302, &location);
        }
    }

    /// The response is there: what waits for it is done.
    fn answer_leaves(&mut self) {
        for action in std::mem::take(&mut self.waiting) {
            change(&mut self.request.response_headers, &action);
        }
    }

    fn rewrite(&mut self, target: &str) {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_string())),
            None => (target, None),
        };
        self.request.path = path.into();
        self.request.query = query;
    }

    fn remove_argument(&mut self, name: &[u8]) {
        let Some(query) = &self.request.query else { return };
        self.request.query = query_without(query, [name]);
    }

    /// Path and query of the request that goes on.
    pub(super) fn target(&self) -> String {
        match &self.request.query {
            Some(query) => format!("{}?{query}", self.request.path),
            None => self.request.path.clone(),
        }
    }
}

/// Changes the lines of a message as an action on its headers says.
fn change(lines: &mut Vec<(String, Vec<u8>)>, action: &Action) {
    let mut remove = |name: &str| lines.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    let line = |header: &Header| (header.name.to_string(), header.value.as_bytes().to_vec());
    match action {
        Action::SetRequestHeader(header) | Action::SetResponseHeader(header) => {
            remove(header.name.as_str());
            lines.push(line(header));
        }
        Action::AddRequestHeader(header) | Action::AddResponseHeader(header) => {
            lines.push(line(header));
        }
        Action::RemoveRequestHeader(name) | Action::RemoveResponseHeader(name) => {
            remove(name.as_str())
        }
        _ => {}
    }
}
