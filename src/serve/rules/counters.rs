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
    /// Counts one evaluation; gives how many rules failed in it.
    pub(super) fn count(&self, outcome: &Outcome) -> u64 {
        self.steps.add(u64::from(outcome.steps));
        if outcome.end.is_exhausted() {
            self.exhausted.bump();
        }
        let mut failures = 0;
        for event in &outcome.events {
            match event.fate {
                Fate::Matched => self.matched.bump(),
                Fate::Answered => self.answered.bump(),
                Fate::Failed(_) => failures += 1,
                Fate::Unmatched | Fate::InTest | Fate::Disabled => {}
            }
        }
        if failures > 0 {
            self.failed.add(failures);
        }
        failures
    }
}
