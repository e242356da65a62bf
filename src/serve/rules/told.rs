//! Tells what rules would do, for `explain`: nothing is counted, sent or changed.

use std::sync::Arc;

use edge_rules::{Fate, Outcome, Phase};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::effects::{self, Verdict};
use super::view::{Asking, Client, View};
use super::{Bench, Lot};
use crate::cache::Policy;
use crate::serve::Serve;
use crate::serve::identify::Identity;

/// What became of one rule.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RuleTold {
    /// When it runs.
    pub phase: &'static str,
    /// Its name, or its number in the set, from 1.
    pub name: String,
    /// `matched`, `unmatched`, `answered`, `failed (reason)`, `in test` or `disabled`.
    pub fate: String,
    /// What it decided, by the words for it.
    pub actions: Vec<String>,
}

/// What the rules of the request phase come to, and what it takes to tell of the later ones.
pub struct Explained<'a> {
    /// Whether they answer.
    pub verdict: Verdict,
    /// The cache policy in place of the site's.
    pub policy: Option<Arc<Policy>>,
    lot: Lot<'a>,
    asking: Asking,
    bench: &'a Bench,
}

/// Runs the rules that come before the cache as for a request, and tells of each.
pub fn explain<'a>(
    serve: &'a Serve,
    client: &Client,
    identity: &'a Identity,
    head: &mut Parts,
    told: &mut Vec<RuleTold>,
) -> Explained<'a> {
    let (bench, site) = (&*serve.rules, &identity.site);
    let mut lot = Lot::draw(bench, site, client.address, None, &mut head.headers);
    let outcome =
        lot.evaluate(bench, Phase::Request, &View::of(client, identity, head, None), true);
    tell(&lot, Phase::Request, &outcome, told);
    let actions = lot.apart.take().into_iter().chain(outcome.actions);
    let effects = effects::change(head, site, actions);
    if let Some(origin) = effects.unknown_origin {
        let fate = format!("no origin `{origin}`, so the site's first is asked");
        told.push(RuleTold::of_the_set(Phase::Request, fate));
    }
    let asking = Asking::keep(client.clone(), identity, head);
    Explained { verdict: effects.verdict, policy: effects.policy, lot, asking, bench }
}

impl Explained<'_> {
    /// Tells of the rules for a request that goes to the origin.
    pub fn on_origin_request(&self, headers: &HeaderMap, told: &mut Vec<RuleTold>) {
        self.go_on(Phase::OriginRequest, &self.asking.going_out(headers), told);
    }

    /// Tells of the rules that look at an answer.
    pub fn on_response(&self, status: StatusCode, headers: &HeaderMap, told: &mut Vec<RuleTold>) {
        let view = self.asking.answered(status, headers);
        self.go_on(Phase::Response, &view, told);
        if status.as_u16() >= 400 {
            self.go_on(Phase::Error, &view, told);
        }
    }

    fn go_on(&self, phase: Phase, view: &View<'_>, told: &mut Vec<RuleTold>) {
        let outcome = self.lot.evaluate(self.bench, phase, view, true);
        tell(&self.lot, phase, &outcome, told);
    }
}

impl RuleTold {
    /// What is to be said of no rule in particular.
    fn of_the_set(phase: Phase, fate: String) -> RuleTold {
        RuleTold { phase: phase.word(), name: "-".into(), fate, actions: Vec::new() }
    }
}

fn tell(lot: &Lot<'_>, phase: Phase, outcome: &Outcome, told: &mut Vec<RuleTold>) {
    let Some(program) = lot.program else { return };
    for (event, actions) in outcome.by_rule().0 {
        told.push(RuleTold {
            phase: phase.word(),
            name: program.rule_label(event.rule),
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
        told.push(RuleTold::of_the_set(phase, fate));
    }
}
