//! The customer's edge rules: when each phase of them runs, and what comes of what they decide.
//!
//! | phase | when | here |
//! |---|---|---|
//! | `request` | after admission, before the cache is asked | [`on_request`] |
//! | `origin-request` | on what goes to the origin | [`on_origin_request`] |
//! | `cache` | when the origin's head is there, before it is judged what to keep | [`on_head`] |
//! | `response`, then `error` | when an answer is there, whoever made it | [`on_response`] |
//!
//! The language is the crate `edge-rules`: facts in, actions out. `view` tells it what there is to
//! know of a request, `effects` carries out what it decides. A site without rules pays one look at
//! an empty option.

mod bench;
mod counters;
mod effects;
mod settings;
mod told;
mod view;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use edge_rules::{Action, Outcome, Phase, Program};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response, StatusCode};

use crate::cache::Policy;
use crate::fill::OnHead;
use crate::header::present::Present;
use crate::header::request_id::X_REQUEST_ID;
use crate::serve::Serve;
use crate::serve::answer::{self, Refusal};
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::serve::identify::Identity;
use crate::serve::pace::Pace;
use crate::serve::sent::Sent;
use crate::site::{Chosen, Side, Site, TEST_HEADER};
use crate::telemetry::Tier;

pub use bench::Bench;
pub use counters::{COUNTERS, Counters};
pub use settings::Settings;
pub use told::{Explained, RuleTold, explain};
pub use view::{Client, View};

use effects::Effects;
pub use effects::Verdict;
use view::Asking;

/// What rules left for the rest of the request.
pub struct Ruled {
    /// The rules of later phases, and the request as they are to see it.
    later: Option<Arc<Later>>,
    /// What the answer's fields become, in this order.
    edits: Vec<Action>,
    /// How fast the body goes: bytes a second, after so many at full speed.
    pace: Pace,
    /// Where clients go when the origin answers one of these statuses.
    error_pages: Vec<(Box<[u16]>, Box<str>)>,
}

/// The rules of later phases: they may run when the request's own head is long gone.
struct Later {
    program: Arc<Program>,
    site: Arc<str>,
    asking: Asking,
    bench: Arc<Bench>,
    tester: bool,
}

/// The rules that one client gets.
struct Lot<'a> {
    program: Option<&'a Arc<Program>>,
    /// Whether the request has shown that it comes from somebody who tests rules.
    tester: bool,
    /// Keeps what these rules make of the origin's answers from all others.
    apart: Option<Action>,
}

impl<'a> Lot<'a> {
    /// What a client gets of a site's rules. The token of a tester ends here.
    fn draw(
        bench: &Bench,
        site: &'a Site,
        client: IpAddr,
        side: Option<Side>,
        headers: &mut HeaderMap,
    ) -> Lot<'a> {
        let Chosen { program, on_trial } = match side {
            Some(side) => site.rules.on(side),
            None => site.rules.of(client),
        };
        let mut tester = false;
        if site.rules.takes_tokens()
            && let Some(token) = headers.remove(&*TEST_HEADER)
        {
            tester = site.rules.is_tester(token.as_bytes(), bench.clock().now());
        }
        let tests = program.is_some_and(|program| program.acts_in_test(client, tester));
        let apart = (tests || on_trial.is_some()).then(|| {
            let test = if tests { " in test" } else { "" };
            let text = format!("set {}{test}", on_trial.unwrap_or("for all"));
            Action::CacheKey(text.into_bytes().into())
        });
        Lot { program, tester, apart }
    }

    /// Whether nothing is to be done for the client.
    fn is_idle(&self) -> bool {
        self.program.is_none() && self.apart.is_none()
    }

    /// Runs the rules of a phase.
    fn evaluate(&self, bench: &Bench, phase: Phase, view: &View<'_>, explain: bool) -> Outcome {
        let Some(program) = self.program else { return Outcome::default() };
        bench.evaluate(program, phase, view, self.tester, explain)
    }
}

/// How a request goes on after its rules.
pub enum Course {
    /// With this cache policy in place of the site's, if there is one.
    On(Option<Arc<Policy>>),
    /// A rule has answered it.
    Answered(Box<Response<Body>>),
}

/// Whether a site's rules look at the bodies of requests.
pub fn read_bodies(identity: &Identity) -> bool {
    identity.site.rules.read_bodies()
}

/// Runs the rules that come before the cache, and changes the request as they say. Some answer it.
///
/// # Errors
/// A rule refuses the request.
pub fn on_request(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Identity,
    (head, present, sent): (&mut Parts, &mut Present, &mut Sent),
) -> Result<Course, Refusal> {
    let client = Client::of(exchange, &serve.geo);
    let side = exchange.inner.as_ref().map(|inner| inner.side);
    let lot = Lot::draw(&serve.rules, &identity.site, client.address, side, &mut head.headers);
    if lot.is_idle() {
        return Ok(Course::On(None));
    }
    let view = View::of(&client, identity, head, sent.seen());
    let outcome = lot.evaluate(&serve.rules, Phase::Request, &view, false);
    serve.rules.count(&identity.site.name, &outcome);
    let actions = lot.apart.into_iter().chain(outcome.actions);
    let Effects { verdict, edits, pace, error_pages, policy, body, unknown_origin } =
        effects::change(head, &identity.site, actions);
    if unknown_origin.is_some() {
        serve.rules.count_unknown_origin(&identity.site.name);
    }
    *present = Present::of(&head.headers);
    if let Some(body) = body {
        sent.replace(body);
    }
    let has_later = |program: &&Arc<Program>| {
        Phase::ALL.into_iter().any(|it| it != Phase::Request && program.has(it))
    };
    let later = lot.program.filter(has_later).map(|program| {
        let asking = Asking::keep(client, identity, head);
        let (program, bench) = (Arc::clone(program), Arc::clone(&serve.rules));
        let site = Arc::clone(&identity.site.name);
        Arc::new(Later { program, site, asking, bench, tester: lot.tester })
    });
    exchange.ruled = Some(Box::new(Ruled { later, edits, pace, error_pages }));
    match verdict {
        Verdict::GoOn => Ok(Course::On(policy)),
        Verdict::Answer(response) => Ok(Course::Answered(Box::new(signed(exchange, response)))),
        Verdict::Refuse(refusal) => Err(refusal),
    }
}

/// Leaves for what the edge itself asks of an origin the rules of the site's own set that come after
/// the request's; they see a request of nobody in particular, so that what comes is for everybody.
pub fn leave_for_own(serve: &Serve, exchange: &mut Exchange, identity: &Identity, head: &Parts) {
    let client = Client::at(Ipv4Addr::UNSPECIFIED.into(), identity.scheme, None, &serve.geo);
    let later = identity.site.rules.own().program.clone().map(|program| {
        let (asking, bench) = (Asking::keep(client, identity, head), Arc::clone(&serve.rules));
        let site = Arc::clone(&identity.site.name);
        Arc::new(Later { program, site, asking, bench, tester: false })
    });
    let (edits, error_pages) = (Vec::new(), Vec::new());
    let ruled =
        later.is_some().then_some(Ruled { later, edits, pace: Pace::default(), error_pages });
    exchange.ruled = ruled.map(Box::new);
}

/// Runs the rules of the request that goes to the origin, and changes it as they say.
pub fn on_origin_request(exchange: &Exchange, target: &mut PathAndQuery, headers: &mut HeaderMap) {
    let Some(later) = later(exchange, Phase::OriginRequest) else { return };
    let outcome = later.run(Phase::OriginRequest, &later.asking.going_out(headers));
    effects::change_outbound(target, headers, outcome.actions);
}

/// What runs the rules of the cache phase when the origin's head has come.
pub fn on_head(exchange: &Exchange) -> Option<OnHead> {
    let later = Arc::clone(later(exchange, Phase::Cache)?);
    Some(Arc::new(move |status, headers, policy| {
        let view = later.asking.answered(status, headers);
        let outcome = later.run(Phase::Cache, &view);
        effects::change_stored(headers, policy, outcome.actions)
    }))
}

/// The rules of a later phase, if the request's site has any.
fn later(exchange: &Exchange, phase: Phase) -> Option<&Arc<Later>> {
    let later = exchange.ruled.as_ref()?.later.as_ref()?;
    later.program.has(phase).then_some(later)
}

/// Runs the rules that look at the answer, and changes it as all rules say.
pub fn on_response(
    serve: &Serve,
    exchange: &mut Exchange,
    mut response: Response<Body>,
) -> Response<Body> {
    let Some(ruled) = exchange.ruled.take() else { return response };
    let Ruled { later, mut edits, mut pace, error_pages } = *ruled;
    if let Some(location) = page_for(&error_pages, response.status(), exchange) {
        response = signed(exchange, effects::redirect(302, location));
    }
    let failed = response.status().as_u16() >= 400;
    let is_due = |later: &Arc<Later>| {
        later.program.has(Phase::Response) || failed && later.program.has(Phase::Error)
    };
    let Some(later) = later.filter(is_due) else {
        effects::edit(response.headers_mut(), edits);
        hold_back(exchange, &mut response, pace);
        return response;
    };
    effects::edit(response.headers_mut(), edits.iter().cloned());
    let phases = [Phase::Response, Phase::Error];
    for phase in phases.into_iter().take(if failed { 2 } else { 1 }) {
        let view = later.asking.answered(response.status(), response.headers());
        let outcome = later.run(phase, &view);
        let (verdict, more) = effects::split(outcome.actions, &mut pace);
        effects::edit(response.headers_mut(), more.iter().cloned());
        edits.extend(more);
        response = match verdict {
            Verdict::GoOn => continue,
            Verdict::Answer(other) => signed(exchange, other),
            Verdict::Refuse(refusal) => answer::answer(&serve.name, exchange, refusal),
        };
        // What rules do to the fields of answers holds for their own too.
        effects::edit(response.headers_mut(), edits);
        break;
    }
    hold_back(exchange, &mut response, pace);
    response
}

/// Holds the body back to a rate; what the node asks itself goes as fast as it can.
fn hold_back(exchange: &Exchange, response: &mut Response<Body>, pace: Pace) {
    if exchange.inner.is_none() {
        response.body_mut().pace(pace);
    }
}

/// An answer of a rule, with what every answer of ours has.
fn signed(exchange: &mut Exchange, mut response: Response<Body>) -> Response<Body> {
    exchange.record.outcome.tier = Tier::Edge;
    exchange.wish.final_words = true;
    response.headers_mut().insert(X_REQUEST_ID, exchange.request_id.clone());
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

impl Later {
    /// Runs the rules of a phase and counts what came of it.
    fn run(&self, phase: Phase, view: &View<'_>) -> Outcome {
        let outcome = self.bench.evaluate(&self.program, phase, view, self.tester, false);
        self.bench.count(&self.site, &outcome);
        outcome
    }
}
