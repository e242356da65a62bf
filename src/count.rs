//! Counters that anyone may bump; only `telemetry` knows how they are shown.
//!
//! Each counter is spread over a few cache lines and a thread always bumps the same one, so that a
//! hit never writes a line that another core is writing.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;

/// How many cache lines one counter is spread over.
const LANES: usize = 8;

/// A sum that only grows.
#[derive(Debug)]
pub struct Counter([CachePadded<AtomicU64>; LANES]);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Counter([const { CachePadded::new(AtomicU64::new(0)) }; LANES])
    }

    /// Adds one.
    #[inline]
    pub fn bump(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    #[inline]
    pub fn add(&self, amount: u64) {
        if let Some(lane) = self.0.get(lane() % LANES) {
            lane.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// The sum so far.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|lane| lane.load(Ordering::Relaxed)).sum()
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// A gauge at zero.
    pub const fn new() -> Self {
        Gauge(AtomicI64::new(0))
    }

    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The present value.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The lane of this thread. A constant start value spares every use the check whether there is one.
#[inline]
fn lane() -> usize {
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    match LANE.get() {
        usize::MAX => {
            let lane = next_lane();
            LANE.set(lane);
            lane
        }
        lane => lane,
    }
}

#[cold]
fn next_lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % LANES
}

/// Numbers threads in the order in which they first settle something, so that neighbours get other
/// parts of what is kept in as many parts as there are cores.
pub fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bumps_from_many_threads_add_up() {
        static COUNTER: Counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..1000).for_each(|_| COUNTER.bump()));
            }
        });
        assert_eq!(COUNTER.sum(), 16_000);
    }
}
