//! A job: what it is to ask for, how far it is, and what came of each request.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use super::plan::Plan;
use crate::clock::Timestamp;
use crate::site::Customers;

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is under way.
    Running,
    /// All was asked for.
    Done,
    /// It was ended before.
    Cancelled,
}

/// What came of one request.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Done {
    /// Counts the job's results from 1.
    pub seq: u64,
    /// The URL, with the form of its picture.
    pub url: String,
    /// Its encoding and range.
    pub variant: String,
    /// The status; 0 if it came to none.
    pub status: u16,
    /// `hit`, `stale`, `miss` or `pass`; empty if the edge itself answered.
    pub cache: &'static str,
    /// Bytes of the body.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a job is.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// The job's number.
    pub id: u64,
    /// How it is.
    pub state: JobState,
    /// Requests that are known of; sitemaps add to it as they are read.
    pub wanted: u64,
    /// Those that are over.
    pub done: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those that found everything there already.
    pub hits: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// When it was ordered, in milliseconds since 1970.
    pub ordered: u64,
    /// When it began.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
}

/// A page of results.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Results {
    /// In the order in which they ended.
    pub results: Vec<Done>,
}

/// A job.
pub struct Job {
    pub(super) id: u64,
    pub(super) plan: Plan,
    pub(super) whose: Customers,
    pub(super) stop: Notify,
    memory: u64,
    cancelled: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    progress: Progress,
    results: Vec<Done>,
}

impl Job {
    pub(super) fn new(id: u64, plan: Plan, whose: Customers, memory: u64, now: Timestamp) -> Self {
        let progress = Progress {
            id,
            state: JobState::Queued,
            wanted: 0,
            done: 0,
            failed: 0,
            hits: 0,
            bytes: 0,
            ordered: now.0,
            started: None,
            ended: None,
        };
        let inner = Mutex::new(Inner { progress, results: Vec::new() });
        let (stop, cancelled) = (Notify::new(), AtomicBool::new(false));
        Job { id, plan, whose, stop, memory, cancelled, inner }
    }

    /// Whether it is one of theirs.
    pub(super) fn is_of(&self, whose: &Customers) -> bool {
        *whose == Customers::All || self.whose == *whose
    }

    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended().is_some()
    }

    pub(super) fn ended(&self) -> Option<Timestamp> {
        self.inner.lock().progress.ended.map(Timestamp)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    pub(super) fn begins(&self, now: Timestamp) {
        let progress = &mut self.inner.lock().progress;
        (progress.state, progress.started) = (JobState::Running, Some(now.0));
    }

    pub(super) fn ends(&self, now: Timestamp) {
        let progress = &mut self.inner.lock().progress;
        let cut = self.is_cancelled() && (progress.done < progress.wanted || progress.wanted == 0);
        progress.state = if cut { JobState::Cancelled } else { JobState::Done };
        progress.ended = Some(now.0);
    }

    /// So many requests more are known of.
    pub(super) fn wants(&self, more: u64) {
        self.inner.lock().progress.wanted += more;
    }

    pub(super) fn wanted(&self) -> u64 {
        self.inner.lock().progress.wanted
    }

    /// Notes what came of a request.
    pub(super) fn is_done(&self, mut done: Done) {
        let mut inner = self.inner.lock();
        let progress = &mut inner.progress;
        progress.done += 1;
        progress.failed += u64::from(done.error.is_some());
        progress.hits += u64::from(done.cache == "hit" && done.error.is_none());
        progress.bytes += done.bytes;
        done.seq = progress.done;
        inner.results.push(done);
    }

    /// Ends it: what was begun is dropped, what it has fetched stays.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        // One that waits for its turn sees it then.
        self.stop.notify_one();
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.inner.lock().progress.clone()
    }

    /// Results behind a number, those that failed alone if they alone are wanted.
    pub fn results(&self, after: u64, limit: usize, failed: bool) -> Results {
        let inner = self.inner.lock();
        let skipped = usize::try_from(after).unwrap_or(usize::MAX).min(inner.results.len());
        let all = inner.results.iter().skip(skipped);
        let wanted = all.filter(|done| !failed || done.error.is_some());
        Results { results: wanted.take(limit).cloned().collect() }
    }
}
