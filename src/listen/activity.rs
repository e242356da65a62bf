//! What one connection is doing, as its I/O, its requests and its driver tell each other.
//!
//! All of them run in the connection's own task, save that requests may be dropped elsewhere; plain
//! relaxed atomics carry the news, and what only that task counts needs no locked addition.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::Connection;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests begun so far.
    begun: AtomicU32,
    /// Requests whose response is not yet whole.
    active: AtomicU32,
    /// Requests given up by the client before the handler had an answer.
    cancelled: AtomicU32,
    /// Reads that brought bytes, and how many there had been when the last request began.
    reads: AtomicU32,
    reads_at_request: AtomicU32,
    /// HTTP/1: hyper has bytes of a response that are not yet all written.
    unflushed: AtomicBool,
    /// The connection should end after the running response.
    closing: AtomicBool,
    /// Bytes of a request may still arrive that nobody will read as such.
    leftover: AtomicBool,
    /// A response was cut whose end only the connection's end tells: it is reset, not closed.
    cut: Arc<AtomicBool>,
    /// The connection has become a tunnel (RFC 9110 section 7.8), which ends by its own rules.
    tunnel: AtomicBool,
}

impl Activity {
    /// The state of a connection whose socket looks at `cut` when it ends.
    pub(super) fn new(cut: Arc<AtomicBool>) -> Self {
        Activity { cut, ..Activity::default() }
    }

    /// A response broke off.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    fn begin(&self) {
        self.begun.store(self.begun().wrapping_add(1), Relaxed);
        self.active.fetch_add(1, Relaxed);
        self.reads_at_request.store(self.reads(), Relaxed);
    }

    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    pub(super) fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    pub(super) fn cancelled(&self) -> u32 {
        self.cancelled.load(Relaxed)
    }

    pub(super) fn note_read(&self) {
        self.reads.store(self.reads().wrapping_add(1), Relaxed);
    }

    pub(super) fn reads(&self) -> u32 {
        self.reads.load(Relaxed)
    }

    pub(super) fn set_unflushed(&self, unflushed: bool) {
        self.unflushed.store(unflushed, Relaxed);
    }

    pub(super) fn unflushed(&self) -> bool {
        self.unflushed.load(Relaxed)
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
    }

    pub(super) fn closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    pub(super) fn set_leftover(&self, leftover: bool) {
        self.leftover.store(leftover, Relaxed);
    }

    pub(super) fn become_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether the client may still be sending what will not be read: then closing at once would
    /// reset the connection and could destroy the response on its way (RFC 9112 section 9.6).
    pub(super) fn lingers(&self) -> bool {
        let unread = self.reads.load(Relaxed) != self.reads_at_request.load(Relaxed);
        !self.tunnel.load(Relaxed) && (unread || self.leftover.load(Relaxed) || self.closing())
    }
}

/// One running request; over when its response is whole or given up.
#[derive(Debug)]
pub(super) struct Running {
    connection: Arc<Connection>,
    answered: bool,
}

impl Running {
    /// A request of `connection` begins.
    pub(super) fn new(connection: &Arc<Connection>) -> Running {
        connection.activity.begin();
        Running { connection: connection.clone(), answered: false }
    }

    /// The connection that it came by.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The response broke off, and the client could not tell by its framing.
    pub(super) fn cut(&self) {
        self.connection.activity.cut();
    }

    /// The handler has an answer, which will now be sent.
    pub(super) fn answered(mut self) -> Running {
        self.answered = true;
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let activity = &self.connection.activity;
        activity.active.fetch_sub(1, Relaxed);
        if !self.answered {
            activity.cancelled.fetch_add(1, Relaxed);
        }
    }
}
