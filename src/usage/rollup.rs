//! Moves what was counted to disk, once a second.
//!
//! What a thread has counted is taken out of its lane, added up by site and bucket, and added to the
//! rows on disk in one transaction. Killed, the process loses what was counted since the last. If the
//! transaction fails, the counts stay in memory and the file is opened again: whether it has them after
//! all is asked before they are added to anything else.
//!
//! A bucket is closed as soon as the clock has left it and all that was counted in it is on disk. If
//! the clock is set back, so that it comes to a bucket again, the rows of that bucket are closed and
//! further ones begun, of the next revision: a closed row never changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::book::{Batch, Book, State};
use super::meter::Lanes;
use super::{FLUSH_FAILURES, LOST, bucket};
use crate::clock::Clock;

/// How long counts stay in memory.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the last flush is tried, if the disk does not take it.
const LAST_TRIES: u32 = 3;

/// Whoever moves the counts.
pub(super) struct Collector {
    lanes: Arc<Lanes>,
    book: Arc<Book>,
    clock: Clock,
    /// Buckets that are kept.
    keep: u32,
    /// Most rows that may wait.
    most: usize,
    /// What waits for the next transaction.
    waiting: Batch,
    /// What the last transaction was to add, if it failed: it may be on disk.
    doubtful: Option<Batch>,
    /// Whether there is something to write beside rows.
    due: bool,
}

impl Collector {
    /// A collector that goes on where the file ends.
    pub fn new(
        (lanes, book): (Arc<Lanes>, Arc<Book>),
        state: State,
        clock: Clock,
        keep: u32,
        most: usize,
    ) -> Self {
        let now = bucket(clock.now());
        let back = u32::from(now < state.floor);
        let waiting = Batch {
            number: state.flushed + 1,
            revision: state.revision + back,
            floor: now,
            ..Batch::default()
        };
        Collector { lanes, book, clock, keep, most, waiting, doubtful: None, due: true }
    }

    /// Flushes once a second, or when a lane fills up, until `closing`, and then once more.
    pub fn run(mut self, closing: &AtomicBool) {
        loop {
            let last = closing.load(Ordering::Acquire);
            let mut done = self.flush();
            if last {
                for _ in 1..LAST_TRIES {
                    if done {
                        break;
                    }
                    thread::sleep(PAUSE);
                    done = self.flush();
                }
                if !done {
                    tracing::error!("usage that was not on disk yet is lost");
                }
                return self.book.close();
            }
            thread::park_timeout(PAUSE);
        }
    }

    /// Moves everything to disk; whether that went well.
    pub fn flush(&mut self) -> bool {
        self.gather();
        if !self.settle_doubts() {
            return false;
        }
        if self.waiting.rows.is_empty() && !self.due {
            return true;
        }
        let next =
            Batch { number: self.waiting.number + 1, rows: Default::default(), ..self.waiting };
        let batch = std::mem::replace(&mut self.waiting, next);
        match self.book.commit(&batch) {
            Ok(more) => {
                self.due = more;
                true
            }
            Err(error) => {
                FLUSH_FAILURES.bump();
                tracing::error!(%error, "usage could not be written; it stays in memory");
                self.doubtful = Some(batch);
                false
            }
        }
    }

    /// Takes what was counted out of the lanes.
    fn gather(&mut self) {
        let now = bucket(self.clock.now());
        let (rows, revision, most) = (&mut self.waiting.rows, self.waiting.revision, self.most);
        let held = self.doubtful.as_ref().map_or(0, |batch| batch.rows.len());
        self.lanes.sweep(now, |bucket, site, counts| {
            let key = (bucket, site, revision);
            if let Some(row) = rows.get_mut(&key) {
                row.add(&counts);
            } else if held + rows.len() < most {
                rows.insert(key, counts);
            } else {
                LOST.bump();
            }
        });
        if now < self.waiting.floor {
            tracing::warn!("the clock was set back: usage goes on in records of its own");
            self.waiting.revision += 1;
        }
        self.due |= now != self.waiting.floor;
        self.waiting.floor = now;
        self.waiting.oldest = now.saturating_sub(self.keep);
    }

    /// After a failure: opens the file again and sees whether it has what could not be written for
    /// sure. False if that cannot be told yet.
    fn settle_doubts(&mut self) -> bool {
        let Some(doubtful) = &self.doubtful else { return true };
        let state = match self.book.reopen() {
            Ok(state) => state,
            Err(error) => {
                FLUSH_FAILURES.bump();
                tracing::error!(%error, "usage cannot be written; it stays in memory");
                return false;
            }
        };
        let written = state.flushed == doubtful.number;
        if let Some(doubtful) = self.doubtful.take().filter(|_| !written) {
            for (key, counts) in doubtful.rows {
                self.waiting.rows.entry(key).or_default().add(&counts);
            }
        }
        self.waiting.number = state.flushed + 1;
        self.due = true;
        true
    }
}

#[cfg(test)]
#[path = "rollup_tests.rs"]
mod tests;
