//! What the origins of all sites share: the resolver, the guard, trust, counters, and the cap on
//! idle connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::bill::Ledger;
use super::fault::FaultKind;
use super::guard::Guard;
use super::node_settings::NodeSettings;
use super::resolve::Resolver;
use super::secure::Trust;
use crate::clock::Clock;
use crate::count::Counter;

/// The node's part of every request to an origin; made once, shared by all groups.
pub struct Shared {
    pub(crate) clock: Clock,
    pub(crate) guard: Guard,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) trust: Trust,
    pub(crate) idle: Arc<IdleCap>,
    pub(crate) max_response_head: usize,
    pub(crate) ledger: OnceLock<Ledger>,
    /// What has happened so far.
    pub counts: Counts,
}

impl Shared {
    /// Makes the shared part from the node's settings, which must have passed
    /// [`NodeSettings::validate`].
    pub fn new(settings: &NodeSettings, clock: Clock) -> Arc<Self> {
        Arc::new(Shared {
            guard: Guard::new(settings.allow_private.clone()),
            resolver: Arc::new(Resolver::new(settings, clock.clone())),
            trust: Trust::new(),
            idle: Arc::new(IdleCap { most: settings.max_idle, now: AtomicU32::new(0) }),
            max_response_head: usize::try_from(settings.max_response_head.0).unwrap_or(usize::MAX),
            ledger: OnceLock::new(),
            counts: Counts::default(),
            clock,
        })
    }

    /// Has each request told to `ledger` at its end. Once only.
    pub fn tell(&self, ledger: Ledger) {
        let _ = self.ledger.set(ledger);
    }

    /// Says which addresses this node listens on; they are refused as origins. An unspecified
    /// address stands for all of this machine.
    pub fn set_own_addresses(&self, own: Vec<SocketAddr>) {
        self.guard.set_own(own);
    }

    /// How many idle connections to origins the node holds now.
    pub fn idle_connections(&self) -> u32 {
        self.idle.now.load(Ordering::Relaxed)
    }
}

/// Counts of what happened with origins since the start.
#[derive(Default)]
pub struct Counts {
    /// Requests that were to be sent to an origin.
    pub requests: Counter,
    /// Connections made.
    pub connects: Counter,
    /// Requests sent over a connection that was there already.
    pub reused: Counter,
    /// Attempts after the first, at another server.
    pub retries: Counter,
    /// Requests sent again because a kept connection turned out to be closed.
    pub stale_connections: Counter,
    /// Retries that the budget forbade.
    pub retries_over_budget: Counter,
    /// Redirects followed.
    pub redirects: Counter,
    /// Failed attempts by [`FaultKind::index`].
    pub faults: [Counter; FaultKind::COUNT],
}

impl Counts {
    pub(crate) fn fault(&self, kind: FaultKind) {
        if let Some(counter) = self.faults.get(kind.index()) {
            counter.bump();
        }
    }
}

/// The most idle connections of the whole node.
pub(crate) struct IdleCap {
    most: u32,
    now: AtomicU32,
}

impl IdleCap {
    /// Room for one more, or `None` if the node holds its most.
    pub fn enter(self: &Arc<Self>) -> Option<IdlePlace> {
        let place = IdlePlace(self.clone());
        // Counted first: the place gives itself back when it is dropped.
        (self.now.fetch_add(1, Ordering::Relaxed) < self.most).then_some(place)
    }
}

/// One idle connection's place under the cap.
pub(crate) struct IdlePlace(Arc<IdleCap>);

impl Drop for IdlePlace {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_places_are_given_back() {
        let cap = Arc::new(IdleCap { most: 2, now: AtomicU32::new(0) });
        let (first, second) = (cap.enter(), cap.enter());
        assert!(first.is_some() && second.is_some() && cap.enter().is_none());
        drop(first);
        assert!(cap.enter().is_some());
        assert_eq!(cap.now.load(Ordering::Relaxed), 1);
    }
}
