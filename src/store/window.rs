//! The line in which new objects wait until they have proved themselves: first in, first out, by
//! bytes.
//!
//! moka has no admission window of its own, so that an object which is asked for in bursts would be
//! refused before its second request. Here every new object stays for a while whatever its
//! frequency, and is then offered to moka, which has counted its requests meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Window {
    capacity: u64,
    longest: Duration,
    bytes: AtomicU64,
    count: AtomicU64,
    line: Mutex<VecDeque<Ticket>>,
}

/// A place in the line, good as long as the object stands in the index with the same time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    pub(super) hash: u64,
    pub(super) since: Timestamp,
}

impl Window {
    pub(super) fn new(capacity: u64, longest: Duration) -> Self {
        let (bytes, count) = (AtomicU64::new(0), AtomicU64::new(0));
        Window { capacity, longest, bytes, count, line: Mutex::default() }
    }

    /// Bytes of all objects in the window.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many URLs are in the window.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// A URL of `bytes` comes in, at the end of the line.
    pub(super) fn enter(&self, ticket: Ticket, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.line.lock().push_back(ticket);
    }

    /// A URL changes its size. It keeps its place in the line.
    pub(super) fn resize(&self, before: u64, after: u64) {
        self.bytes.fetch_add(after, Ordering::Relaxed);
        self.bytes.fetch_sub(before, Ordering::Relaxed);
    }

    /// A URL of `bytes` goes, wherever it stood.
    pub(super) fn leave(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Who is next to leave, if the window is too full or they have been in it for too long. The
    /// latter can wait while the disk `is_behind`: what is offered then would be refused.
    pub(super) fn due(&self, now: Timestamp, is_behind: impl FnOnce() -> bool) -> Option<Ticket> {
        let full = self.bytes() > self.capacity;
        let mut line = self.line.lock();
        let late = now.since(line.front()?.since) >= self.longest;
        (full || late && !is_behind()).then(|| line.pop_front())?
    }

    /// Who is next to leave.
    pub(super) fn oldest(&self) -> Option<Ticket> {
        self.line.lock().pop_front()
    }

    /// Drops tickets whose object has gone. Without this, URLs that are purged and fetched again
    /// and again would lengthen the line without filling the window.
    pub(super) fn tidy(&self, is_live: impl Fn(&Ticket) -> bool) {
        let mut held = self.line.lock();
        if held.len() < 1024 || (held.len() as u64) < 2 * self.count() {
            return;
        }
        let mut line = std::mem::take(&mut *held);
        drop(held);
        line.retain(is_live);
        let mut held = self.line.lock();
        line.append(&mut held);
        *held = line;
    }
}
