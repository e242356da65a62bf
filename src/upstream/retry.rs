//! The budget of retries: an origin in trouble must not get more work for it.

use std::sync::atomic::{AtomicU32, Ordering};

/// A token is a hundred parts; each request earns as many parts as the budget has percent.
const TOKEN: u32 = 100;

/// Retries that may be saved up.
const BURST: u32 = 10;

/// A token bucket that requests fill and retries empty.
#[derive(Debug)]
pub(crate) struct Budget {
    parts: AtomicU32,
    percent: u32,
}

impl Budget {
    /// A budget of `percent` retries per hundred requests, with the burst saved up already.
    pub fn new(percent: u8) -> Self {
        let percent = u32::from(percent);
        let full = if percent == 0 { 0 } else { BURST * TOKEN };
        Budget { parts: AtomicU32::new(full), percent }
    }

    /// Notes one request.
    pub fn earn(&self) {
        let parts = self.parts.load(Ordering::Relaxed);
        if self.percent > 0 && parts < BURST * TOKEN {
            // An update lost to another thread loses a tenth of a retry: cheaper than a loop.
            self.parts.store((parts + self.percent).min(BURST * TOKEN), Ordering::Relaxed);
        }
    }

    /// Spends one retry, if there is one.
    pub fn spend(&self) -> bool {
        self.parts
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |parts| parts.checked_sub(TOKEN))
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_requests_beyond_the_burst_may_be_retried() {
        let budget = Budget::new(10);
        let mut retried = 0;
        for _ in 0..1000 {
            budget.earn();
            retried += u32::from(budget.spend());
        }
        assert!((108..=110).contains(&retried), "{retried}");
    }

    #[test]
    fn a_budget_of_zero_allows_none() {
        let budget = Budget::new(0);
        budget.earn();
        assert!(!budget.spend());
    }
}
