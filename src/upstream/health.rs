//! Whether a server is fit to be asked, as its failures and the active checks tell.
//!
//! Failures count as in nginx: `max_fails` of them within one `fail_timeout` take the server out for
//! the next `fail_timeout`; then one request is let through, and its success brings the server back.
//! A server that failures took out is still asked if there is no other, for a bad guess must not
//! make a site dark. One that the active checks call bad is not: they were asked for explicitly.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use std::time::Duration;

use crate::clock::{Clock, Timestamp};

/// What is known of one server's health. All times are of the group's clock.
#[derive(Debug)]
pub(crate) struct Health {
    max_fails: u32,
    fail_timeout: Duration,
    fails: AtomicU32,
    /// When the first of `fails` was.
    since: AtomicU64,
    /// Until when nobody is sent there; zero when in use.
    out_until: AtomicU64,
    checked_bad: AtomicBool,
    /// Checks in a row that contradict `checked_bad`.
    contrary: AtomicU8,
}

impl Health {
    /// A server in good health. `max_fails` of 0 means that failures are not counted.
    pub fn new(max_fails: u32, fail_timeout: Duration) -> Self {
        Health {
            max_fails,
            fail_timeout,
            fails: AtomicU32::new(0),
            since: AtomicU64::new(0),
            out_until: AtomicU64::new(0),
            checked_bad: AtomicBool::new(false),
            contrary: AtomicU8::new(0),
        }
    }

    /// Whether failures or checks have taken the server out of use.
    pub fn is_up(&self, clock: &Clock) -> bool {
        let until = self.out_until.load(Ordering::Acquire);
        !self.is_checked_bad() && (until == 0 || clock.now().0 >= until)
    }

    /// Whether active checks have taken it out of use.
    pub fn is_checked_bad(&self) -> bool {
        self.checked_bad.load(Ordering::Acquire)
    }

    /// Notes that a request is being sent there. After an outage the first one is a probe: until
    /// it has succeeded, or another `fail_timeout` has passed, no other follows.
    pub fn chosen(&self, clock: &Clock) {
        let until = self.out_until.load(Ordering::Acquire);
        if until == 0 {
            return;
        }
        let now = clock.now();
        if now.0 >= until {
            self.out_until.store(now.plus(self.fail_timeout).0, Ordering::Release);
        }
    }

    /// Notes a failure; true if it takes the server out of use.
    pub fn failed(&self, now: Timestamp) -> bool {
        if self.max_fails == 0 {
            return false;
        }
        if now.since(Timestamp(self.since.load(Ordering::Acquire))) > self.fail_timeout {
            self.since.store(now.0, Ordering::Release);
            self.fails.store(0, Ordering::Release);
        }
        let was_in_use = self.out_until.load(Ordering::Acquire) == 0;
        let fails = self.fails.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        // A failed probe needs no company.
        if fails >= self.max_fails || !was_in_use {
            self.out_until.store(now.plus(self.fail_timeout).0, Ordering::Release);
        }
        fails >= self.max_fails && was_in_use
    }

    /// Notes a success; true if it brings the server back.
    pub fn succeeded(&self) -> bool {
        // Read before write: in good health nothing is written to the shared line.
        if self.out_until.load(Ordering::Acquire) == 0 {
            return false;
        }
        self.fails.store(0, Ordering::Release);
        self.out_until.swap(0, Ordering::AcqRel) != 0
    }

    /// Notes an active check; true if it changes the verdict. `needed` contrary ones in a row do.
    pub fn checked(&self, good: bool, needed: u8) -> bool {
        if good != self.is_checked_bad() {
            self.contrary.store(0, Ordering::Release);
            return false;
        }
        let contrary = self.contrary.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if contrary < needed {
            return false;
        }
        self.contrary.store(0, Ordering::Release);
        self.checked_bad.store(!good, Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn failures_take_a_server_out_for_a_while_and_one_probe_brings_it_back() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let health = Health::new(2, TIMEOUT);
        assert!(!health.failed(clock.now()));
        assert!(health.is_up(&clock));
        assert!(health.failed(clock.now()));
        assert!(!health.is_up(&clock));
        clock.advance(TIMEOUT);
        assert!(health.is_up(&clock));
        health.chosen(&clock);
        assert!(!health.is_up(&clock), "only one probe at a time");
        assert!(health.succeeded());
        assert!(health.is_up(&clock) && !health.succeeded());
    }

    #[test]
    fn a_failed_probe_keeps_it_out() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let health = Health::new(3, TIMEOUT);
        assert!((0..3).any(|_| health.failed(clock.now())));
        clock.advance(TIMEOUT + TIMEOUT);
        health.chosen(&clock);
        assert!(!health.failed(clock.now()));
        assert!(!health.is_up(&clock));
    }

    #[test]
    fn failures_far_apart_do_not_add_up_and_zero_never_counts() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let (two, never) = (Health::new(2, TIMEOUT), Health::new(0, TIMEOUT));
        for _ in 0..5 {
            two.failed(clock.now());
            never.failed(clock.now());
            assert!(two.is_up(&clock) && never.is_up(&clock));
            clock.advance(Duration::from_secs(11));
        }
    }

    #[test]
    fn checks_in_a_row_turn_the_verdict() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let health = Health::new(1, TIMEOUT);
        assert!(!health.checked(false, 2));
        assert!(!health.checked(true, 1));
        assert!(!health.checked(false, 2));
        assert!(health.checked(false, 2) && !health.is_up(&clock));
        assert!(!health.checked(true, 2));
        assert!(health.checked(true, 2) && health.is_up(&clock));
    }
}
