//! What each site uses, for bills: counted in buckets of 5 minutes, kept, told and exported.
//!
//! ```text
//! request settles → meter (a table for each thread) → rollup, once a second → book (redb, rows)
//!                                                                  query ←──┤
//!                                                    spool, until acked  ←──┘
//! ```
//!
//! Everything is counted at its end and in the bucket of its end, so that a bucket that is over never
//! changes. Bytes are those of the access log. A clean stop loses nothing; a killed process loses what
//! it counted since the last flush; nothing is ever counted twice.

mod bandwidth;
mod book;
mod counts;
mod meter;
mod moment;
mod query;
mod rollup;
mod settings;
mod spool;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub use bandwidth::Bandwidth;
pub use book::AckError;
pub use counts::{Counts, How, Protocol, Region, Request, Sent, Tier};
pub use meter::Meter;
pub use moment::{parse as parse_moment, print as print_moment};
pub use query::{Answer, By, Question};
pub use settings::{PushSettings, Settings};
pub use spool::Record;

use crate::clock::{Clock, Timestamp};
use crate::count::Counter;
use book::Book;
use meter::Lanes;
use rollup::Collector;

/// How long a bucket is, in seconds.
pub const BUCKET: u64 = 300;
/// A day, in seconds.
const DAY: u64 = 86_400;
/// Most records that are handed out at once.
pub const MOST_EXPORTED: usize = 10_000;
/// What the counts of one site take in memory, about, with its place in a table.
const ROW_BYTES: usize = 1024;

/// Counts of sites that found no room in memory, and are lost.
pub static LOST: Counter = Counter::new();
/// Transactions that failed; their counts stayed in memory.
pub static FLUSH_FAILURES: Counter = Counter::new();

/// The bucket that a moment is in.
fn bucket(moment: Timestamp) -> u32 {
    u32::try_from(moment.seconds() / BUCKET).unwrap_or(u32::MAX)
}

/// The usage of a node's sites; clones are the same.
#[derive(Clone)]
pub struct Usage(Option<Arc<Running>>);

struct Running {
    node: String,
    lanes: Arc<Lanes>,
    book: Arc<Book>,
    clock: Clock,
    closing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be answered as it is, and why.
    Question(String),
    /// The node does not count usage.
    Off,
    /// The file cannot be read or written now, and why.
    Failed(String),
}

impl Usage {
    /// Opens the file in `folder` and starts the thread that moves counts there. `node` is what the
    /// node is called in records.
    ///
    /// # Errors
    /// One sentence: the file or the thread cannot be had.
    pub fn open(
        settings: &Settings,
        folder: &Path,
        node: &str,
        clock: Clock,
    ) -> Result<Usage, String> {
        if !settings.enabled {
            return Ok(Usage::off());
        }
        let (book, state) = Book::open(folder)?;
        let book = Arc::new(book);
        // Half for what threads hold, half for what waits for the disk.
        let rows = usize::try_from(settings.memory.0).unwrap_or(usize::MAX) / ROW_BYTES / 2;
        let lanes = Lanes::new(clock.clone(), rows);
        let keep = u32::try_from(settings.keep.0.as_secs() / BUCKET).unwrap_or(u32::MAX);
        let both = (Arc::clone(&lanes), Arc::clone(&book));
        let collector = Collector::new(both, state, clock.clone(), keep, rows);
        let closing = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closing);
        let thread = std::thread::Builder::new()
            .name("usage".into())
            .spawn(move || collector.run(&told))
            .map_err(|error| format!("cannot start the thread that keeps usage: {error}"))?;
        lanes.collected_by(thread.thread().clone());
        let (node, thread) = (node.to_owned(), Mutex::new(Some(thread)));
        Ok(Usage(Some(Arc::new(Running { node, lanes, book, clock, closing, thread }))))
    }

    /// Counts nothing.
    pub fn off() -> Usage {
        Usage(None)
    }

    /// What counts.
    pub fn meter(&self) -> Meter {
        let Some(running) = &self.0 else { return Meter::off() };
        Meter::new(Arc::clone(&running.lanes))
    }

    /// Moves everything to disk and closes the file. What is counted later is lost.
    pub fn close(&self) {
        if let Some(running) = &self.0 {
            running.close();
        }
    }

    /// Answers a question from what is on disk: all but the last second. May take a while; not for a
    /// thread that serves.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn answer(&self, question: Question) -> Result<Answer, Trouble> {
        let book = &self.running()?.book;
        let question = question.settled().map_err(Trouble::Question)?;
        book.answer(question).map_err(Trouble::Failed)
    }

    /// The present, in seconds since 1970.
    ///
    /// # Errors
    /// The node does not count usage.
    pub fn now(&self) -> Result<u64, Trouble> {
        Ok(self.running()?.clock.now().seconds())
    }

    /// Up to `limit` records as lines of JSON, from the one after number `after`, or after the last
    /// that was acknowledged, and the number of the last of them.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn export(&self, after: Option<u64>, limit: usize) -> Result<(String, u64), Trouble> {
        let Running { book, node, .. } = self.running()?;
        let (newest, acknowledged) = book.numbers();
        let after = after.unwrap_or(acknowledged);
        if after > newest {
            return Err(no_record(after, newest));
        }
        if after == newest {
            return Ok((String::new(), newest));
        }
        let limit = limit.min(MOST_EXPORTED);
        let records = book.records(after, limit).map_err(Trouble::Failed)?;
        let last = records.last().map_or(after, |record| record.seq);
        Ok((records.iter().map(|record| record.line(node)).collect(), last))
    }

    /// Notes that all records up to number `seq` have arrived.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn acknowledge(&self, seq: u64) -> Result<(), Trouble> {
        self.running()?.book.acknowledge(seq).map_err(|error| match error {
            AckError::Unknown(newest) => no_record(seq, newest),
            AckError::Failed(why) => Trouble::Failed(why),
        })
    }

    /// How many records wait to be acknowledged.
    pub fn waiting(&self) -> u64 {
        let numbers = self.0.as_ref().map(|running| running.book.numbers());
        numbers.map_or(0, |(newest, acknowledged)| newest.saturating_sub(acknowledged))
    }

    /// Does what reads and writes files on a thread that may wait for them.
    ///
    /// # Errors
    /// What `work` has, or it panicked.
    pub async fn behind<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Usage) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let usage = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&usage)).await;
        done.unwrap_or_else(|error| Err(Trouble::Failed(error.to_string())))
    }

    fn running(&self) -> Result<&Running, Trouble> {
        self.0.as_deref().ok_or(Trouble::Off)
    }
}

fn no_record(seq: u64, newest: u64) -> Trouble {
    Trouble::Question(format!("there is no record {seq}; the newest is {newest}"))
}

impl Running {
    fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.closing.store(true, Ordering::Release);
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("the thread that keeps usage panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Question(why) | Trouble::Failed(why) => f.write_str(why),
            Trouble::Off => f.write_str("this node does not count usage: see [usage] in its file"),
        }
    }
}

impl std::error::Error for Trouble {}
