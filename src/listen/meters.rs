//! What one serving thread counts of its connections, and the cap on all threads' together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::count::{Counter, Gauge};

/// Counts of one serving thread. How `accepted` compares between threads tells how evenly the kernel
/// spreads connections.
#[derive(Debug, Default)]
pub struct Meters {
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open now, tunnels included.
    pub open: Gauge,
    /// Times that accepting failed, mostly for want of file descriptors.
    pub accept_errors: Counter,
    /// Connections closed for a missing or malformed PROXY header.
    pub proxy_refused: Counter,
    /// TLS handshakes completed.
    pub handshakes: Counter,
    /// TLS handshakes that resumed a session.
    pub resumed: Counter,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: Counter,
    /// HTTP/1 connections.
    pub http1: Counter,
    /// HTTP/2 connections.
    pub http2: Counter,
    /// Connections closed because a request head took too long.
    pub head_timeouts: Counter,
    /// Connections closed after resting for too long.
    pub idle_closed: Counter,
    /// Requests that were no valid HTTP and never reached the handler.
    pub malformed: Counter,
    /// Connections closed, or HTTP/2 streams reset, because the client took too little for too long.
    pub stalled: Counter,
    /// Request bodies cut off because the client sent too little for too long.
    pub slow_bodies: Counter,
    /// HTTP/2 connections closed because most of their requests were cancelled at once.
    pub abused: Counter,
    /// Connections cut off at the end of a drain.
    pub aborted: Counter,
}

/// The cap on client connections of the whole node; cheap to clone, shared by all threads.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Places>);

#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    most: AtomicUsize,
    freed: Notify,
}

impl Admission {
    /// Admits up to `most` connections at once.
    pub fn new(most: usize) -> Admission {
        Admission(Arc::new(Places {
            taken: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            freed: Notify::new(),
        }))
    }

    /// Changes the cap; connections already open stay.
    pub fn resize(&self, most: usize) {
        self.0.most.store(most, Ordering::Relaxed);
        self.0.freed.notify_waiters();
    }

    /// How many places are taken: connections open on the whole node.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Waits until there is a free place. It is not reserved: as many as there are listeners may
    /// find the last one free at once, and the cap is exceeded by so many.
    pub(super) async fn room(&self) {
        loop {
            let freed = self.0.freed.notified();
            if self.taken() < self.0.most.load(Ordering::Relaxed) {
                return;
            }
            freed.await;
        }
    }

    /// Takes a place, free or not: the connection is there already.
    pub(super) fn take(&self) -> Place {
        self.0.taken.fetch_add(1, Ordering::AcqRel);
        Place(self.clone())
    }
}

/// One connection's place under the cap, given back on drop.
#[derive(Debug)]
pub(super) struct Place(Admission);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_given_back_is_room_for_the_next() {
        let admission = Admission::new(1);
        admission.room().await;
        let first = admission.take();
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.room().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
        assert_eq!(admission.taken(), 0);
    }
}
