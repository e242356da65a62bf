//! The customer's edge rules: when each phase of them runs, and what comes of what they decide.
//!
//! | phase | when | here |
//! |---|---|---|
//! | `request` | after admission, before the cache is asked | [`on_request`] |
//! | `response`, `error` | when an answer is there, whoever made it | [`on_response`] |
//!
//! The language is the crate `edge-rules`: facts in, actions out. `view` tells it what there is to
//! know of a request, `effects` carries out what it decides. A site without rules pays one look at
//! an empty option.

mod counters;
mod effects;
mod settings;
mod view;

use std::cell::RefCell;
use std::sync::Arc;

use edge_rules::{Action, DEFAULT_ZONE, Environment, Fate, Outcome, PatternCache, Phase, Program};
use http::request::Parts;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::header::present::Present;
use crate::header::request_id::X_REQUEST_ID;
use crate::serve::Serve;
use crate::serve::answer::{self, Refusal};
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::serve::identify::Identity;
use crate::serve::pace::Pace;
use crate::telemetry::Tier;

pub use counters::{COUNTERS, Counters};
pub use settings::Settings;
pub use view::{Client, View};

pub use effects::Verdict;
use view::Asking;

thread_local! {
    /// The patterns that this thread's requests have needed so far, of all sites.
    static PATTERNS: RefCell<Option<PatternCache>> = const { RefCell::new(None) };
}

/// What rules left for the rest of the request.
#[derive(Default)]
pub struct Ruled {
    /// The rules that look at the answer, and the request as they are to see it.
    later: Option<(Arc<Program>, Asking)>,
    /// What the answer's fields become, in this order.
    response: Vec<Action>,
    /// How fast the body goes: bytes a second, after so many at full speed.
    pace: Pace,
    /// Where clients go when the origin answers one of these statuses.
    error_pages: Vec<(Box<[u16]>, Box<str>)>,
}

/// Runs the rules that come before the cache, and changes the request as they say. Some answer it.
///
/// # Errors
/// A rule refuses the request.
pub fn on_request(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Identity,
    head: &mut Parts,
    present: &mut Present,
) -> Result<Option<Response<Body>>, Refusal> {
    let Some(program) = &identity.site.rules else { return Ok(None) };
    let client = Client::of(exchange, &serve.geo);
    let mut ruled = Ruled::default();
    let outcome = run(serve, program, Phase::Request, &View::of(&client, identity, head), false);
    if program.has(Phase::Response) || program.has(Phase::Error) {
        ruled.later = Some((Arc::clone(program), Asking::keep(client, identity, head)));
    }
    let verdict = effects::change(head, &mut ruled, outcome.actions);
    *present = Present::of(&head.headers);
    exchange.ruled = Some(Box::new(ruled));
    match verdict {
        Verdict::GoOn => Ok(None),
        Verdict::Answer(response) => Ok(Some(signed(exchange, response))),
        Verdict::Refuse(refusal) => Err(refusal),
    }
}

/// An answer of a rule, with what every answer of ours has.
fn signed(exchange: &mut Exchange, mut response: Response<Body>) -> Response<Body> {
    exchange.record.outcome.tier = Tier::Edge;
    response.headers_mut().insert(X_REQUEST_ID, exchange.request_id.clone());
    response
}

/// Runs the rules that look at the answer, and changes it as all rules say.
pub fn on_response(
    serve: &Serve,
    exchange: &mut Exchange,
    mut response: Response<Body>,
) -> Response<Body> {
    let Some(ruled) = exchange.ruled.take() else { return response };
    let Ruled { later, response: edits, pace, error_pages } = *ruled;
    if let Some(location) = page_for(&error_pages, response.status(), exchange) {
        response = signed(exchange, effects::redirect(302, location));
    }
    // What was decided before the answer was there only changes fields.
    let _ = effects::change_answer(response.headers_mut(), &mut Pace::default(), edits);
    let Some((program, asking)) = later else {
        response.body_mut().pace(pace);
        return response;
    };
    let mut pace = pace;
    let phases: &[Phase] = match response.status().as_u16() {
        400.. => &[Phase::Error, Phase::Response],
        _ => &[Phase::Response],
    };
    for phase in phases.iter().filter(|phase| program.has(**phase)) {
        let view = asking.view(response.status(), response.headers());
        let outcome = run(serve, &program, *phase, &view, false);
        match effects::change_answer(response.headers_mut(), &mut pace, outcome.actions) {
            Verdict::GoOn => {}
            Verdict::Answer(other) => response = signed(exchange, other),
            Verdict::Refuse(refusal) => response = answer::answer(&serve.name, exchange, refusal),
        }
    }
    response.body_mut().pace(pace);
    response
}

/// Where the client goes instead, if the origin's answer is one that a page was named for.
fn page_for<'a>(
    pages: &'a [(Box<[u16]>, Box<str>)],
    status: StatusCode,
    exchange: &Exchange,
) -> Option<&'a str> {
    // Not for an answer that the edge made of its own accord, a refusal say.
    let from_origin = exchange.record.code.is_none();
    pages
        .iter()
        .rev()
        .find(|(statuses, _)| from_origin && statuses.contains(&status.as_u16()))
        .map(|(_, location)| &**location)
}

/// What became of one rule, for `explain`.
#[derive(Clone, Debug, Serialize)]
pub struct RuleTold {
    /// Its name, or its number in the set, from 1.
    pub name: String,
    /// `matched`, `unmatched`, `answered`, `failed (reason)`, `in test` or `disabled`.
    pub fate: String,
    /// What it decided, by the words for it.
    pub actions: Vec<String>,
}

/// Runs the rules that come before the cache as for a request, and tells of each.
pub fn explain(
    serve: &Serve,
    client: &Client,
    identity: &Identity,
    head: &mut Parts,
    told: &mut Vec<RuleTold>,
) -> Verdict {
    let Some(program) = &identity.site.rules else { return Verdict::GoOn };
    let outcome = run(serve, program, Phase::Request, &View::of(client, identity, head), true);
    let mut done = 0;
    for event in &outcome.events {
        let actions = outcome.actions.get(done..event.actions as usize).unwrap_or_default();
        done = event.actions as usize;
        let name = program.rule_name(event.rule);
        told.push(RuleTold {
            name: if name.is_empty() { (event.rule + 1).to_string() } else { name.to_owned() },
            fate: match event.fate {
                Fate::Matched => "matched".into(),
                Fate::Unmatched => "unmatched".into(),
                Fate::Answered => "answered".into(),
                Fate::InTest => "in test".into(),
                Fate::Disabled => "disabled".into(),
                Fate::Failed(failure) => format!("failed ({failure})"),
            },
            actions: actions.iter().map(|action| action.word().to_owned()).collect(),
        });
    }
    if outcome.end.is_exhausted() {
        let fate = format!("the rest did not run ({})", outcome.end.word());
        told.push(RuleTold { name: "-".into(), fate, actions: Vec::new() });
    }
    effects::change(head, &mut Ruled::default(), outcome.actions)
}

/// Runs one phase of a program and counts what came of it.
pub fn run(
    serve: &Serve,
    program: &Program,
    phase: Phase,
    view: &View<'_>,
    explain: bool,
) -> Outcome {
    let outcome = PATTERNS.with_borrow_mut(|patterns| {
        let room = usize::try_from(serve.rules.pattern_cache.0).unwrap_or(usize::MAX);
        let mut env = Environment {
            now: i64::try_from(serve.clock.now().seconds()).unwrap_or(i64::MAX),
            random: &mut || fastrand::u64(..),
            patterns: patterns.get_or_insert_with(|| PatternCache::new(room)),
            budget: &serve.rules.budget(),
            zone: DEFAULT_ZONE,
            tester: false,
            explain,
        };
        program.evaluate(phase, view, &mut env)
    });
    if !explain {
        COUNTERS.count(&outcome);
    }
    outcome
}
