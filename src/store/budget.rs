//! One hard bound on the bytes that the store holds in memory.
//!
//! Every chunk of every body, in flight or complete, and every entry's metadata owns a [`Charge`]. A
//! charge is taken *before* the bytes are kept and given back when the last holder of those bytes
//! lets go, be that the store, a running fill or a slow client's socket. So the sum can never pass
//! the limit, and bytes that were evicted but are still being sent go on counting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bound and what is used of it; shared by `Arc`.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// Bytes reserved from a [`Budget`]; dropping it gives them back.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of `limit` bytes, none of them used.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Budget { limit, used: AtomicU64::new(0) })
    }

    /// The bound in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes reserved at present; never above [`Budget::limit`].
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves `bytes`, or nothing when there is not room for all of them.
    pub fn try_charge(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        self.take(bytes).then(|| Charge { budget: self.clone(), bytes })
    }

    /// A charge of no bytes, for what is not kept.
    pub fn nothing(self: &Arc<Self>) -> Charge {
        Charge { budget: self.clone(), bytes: 0 }
    }

    fn take(&self, bytes: u64) -> bool {
        self.used
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }
}

impl Charge {
    /// Bytes that this charge holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Moves up to `bytes` of this charge into a new one.
    pub fn split(&mut self, bytes: u64) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge { budget: self.budget.clone(), bytes }
    }

    /// Adds another charge of the same budget to this one.
    pub fn absorb(&mut self, mut other: Charge) {
        debug_assert!(Arc::ptr_eq(&self.budget, &other.budget));
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Gives everything back at once.
    pub fn release(&mut self) {
        drop(self.split(self.bytes));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn many_threads_cannot_take_more_than_there_is() {
        let budget = Budget::new(1000);
        let held = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| {
                    scope
                        .spawn(|| (0..100).filter_map(|_| budget.try_charge(7)).collect::<Vec<_>>())
                })
                .collect();
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(held.len(), 142);
        assert_eq!(budget.used(), 994);
        drop(held);
        assert_eq!(budget.used(), 0);
    }

    proptest! {
        #[test]
        fn the_sum_of_charges_is_what_is_used(steps in proptest::collection::vec((0u8..5, 0u64..400), 0..200)) {
            let budget = Budget::new(2000);
            let mut held: Vec<Charge> = Vec::new();
            for (what, bytes) in steps {
                match what {
                    0 | 1 => held.extend(budget.try_charge(bytes)),
                    2 => drop(held.pop()),
                    3 => {
                        let part = held.last_mut().map(|last| last.split(bytes));
                        held.extend(part);
                    }
                    _ => {
                        if let (Some(last), true) = (held.pop(), held.len() > 1) {
                            held[0].absorb(last);
                        }
                    }
                }
                prop_assert!(budget.used() <= budget.limit());
                prop_assert_eq!(budget.used(), held.iter().map(Charge::bytes).sum::<u64>());
            }
        }
    }
}
