//! What rules run with: the clock, what they may cost, and what threads keep between requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use edge_rules::{Action, DEFAULT_ZONE, Environment, Outcome, PatternCache, Phase, Program};

use super::counters::COUNTERS;
use super::settings::Settings;
use super::view::View;
use crate::cache::Policy;
use crate::clock::Clock;
use crate::usage::Meter;

/// Most policies that a thread keeps; when there are more it begins anew.
const MOST_POLICIES: usize = 256;

thread_local! {
    /// The patterns that this thread's requests have needed so far, of all sites.
    static PATTERNS: RefCell<Option<PatternCache>> = const { RefCell::new(None) };
    /// The policies that rules have made of a site's.
    static POLICIES: RefCell<HashMap<Made, Arc<Policy>, foldhash::fast::RandomState>> =
        RefCell::default();
}

/// What a policy was made of. It holds the site's, so no other can come to lie in its place.
struct Made {
    site: Arc<Policy>,
    actions: Box<[Action]>,
}

/// What rules run with.
pub struct Bench {
    settings: Settings,
    clock: Clock,
    meter: Meter,
}

impl Bench {
    /// With these settings and this clock; failures go on the sites' bills by `meter`.
    pub fn new(settings: Settings, clock: Clock, meter: Meter) -> Arc<Bench> {
        Arc::new(Bench { settings, clock, meter })
    }

    /// Counts what came of an evaluation of a site's rules.
    pub(super) fn count(&self, site: &Arc<str>, outcome: &Outcome) {
        self.meter.rule_failures(site, COUNTERS.count(outcome));
    }

    /// Counts a rule that named an origin which its site has not.
    pub(super) fn count_unknown_origin(&self, site: &Arc<str>) {
        COUNTERS.failed.bump();
        self.meter.rule_failures(site, 1);
    }

    /// The node's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Runs one phase of a program.
    pub(super) fn evaluate(
        &self,
        program: &Program,
        phase: Phase,
        view: &View<'_>,
        tester: bool,
        explain: bool,
    ) -> Outcome {
        PATTERNS.with_borrow_mut(|patterns| {
            let room = usize::try_from(self.settings.pattern_cache.0).unwrap_or(usize::MAX);
            let mut env = Environment {
                now: i64::try_from(self.clock.now().seconds()).unwrap_or(i64::MAX),
                random: &mut || fastrand::u64(..),
                patterns: patterns.get_or_insert_with(|| PatternCache::new(room)),
                budget: &self.settings.budget(),
                zone: DEFAULT_ZONE,
                tester,
                explain,
            };
            program.evaluate(phase, view, &mut env)
        })
    }
}

/// The policy that these actions make of a site's: made once, for most requests of a site come to the
/// same.
pub(super) fn policy(
    site: &Arc<Policy>,
    actions: Vec<Action>,
    make: impl FnOnce(&[Action]) -> Policy,
) -> Arc<Policy> {
    POLICIES.with_borrow_mut(|known| {
        let wanted = Made { site: Arc::clone(site), actions: actions.into() };
        if let Some(policy) = known.get(&wanted) {
            return Arc::clone(policy);
        }
        if known.len() >= MOST_POLICIES {
            known.clear();
        }
        let policy = Arc::new(make(&wanted.actions));
        known.insert(wanted, Arc::clone(&policy));
        policy
    })
}

impl PartialEq for Made {
    fn eq(&self, other: &Made) -> bool {
        Arc::ptr_eq(&self.site, &other.site) && self.actions == other.actions
    }
}

impl Eq for Made {}

impl std::hash::Hash for Made {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.site).hash(state);
        self.actions.hash(state);
    }
}
