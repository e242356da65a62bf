//! What came of the rules of all sites.

use edge_rules::{Fate, Outcome};

use crate::count::Counter;

/// Rules by what became of them, and evaluations that a budget ended.
pub struct Counters {
    /// Rules that ran to their end.
    pub matched: Counter,
    /// Rules that answered the request.
    pub answered: Counter,
    /// Rules that failed on the way; the request went on.
    pub failed: Counter,
    /// Evaluations that used up their budget; the rest of the set did not run.
    pub exhausted: Counter,
    /// Steps of all evaluations.
    pub steps: Counter,
}

/// The counters of the process.
pub static COUNTERS: Counters = Counters {
    matched: Counter::new(),
    answered: Counter::new(),
    failed: Counter::new(),
    exhausted: Counter::new(),
    steps: Counter::new(),
};

impl Counters {
    /// Counts one evaluation.
    pub(super) fn count(&self, outcome: &Outcome) {
        self.steps.add(u64::from(outcome.steps));
        if outcome.end.is_exhausted() {
            self.exhausted.bump();
        }
        for event in &outcome.events {
            match event.fate {
                Fate::Matched => self.matched.bump(),
                Fate::Answered => self.answered.bump(),
                Fate::Failed(_) => self.failed.bump(),
                Fate::Unmatched | Fate::InTest | Fate::Disabled => {}
            }
        }
    }
}

/// How many rules failed in one evaluation.
pub(super) fn failures(outcome: &Outcome) -> u64 {
    outcome.events.iter().filter(|event| matches!(event.fate, Fate::Failed(_))).count() as u64
}
