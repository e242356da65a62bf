//! What the workers did, and what became of them.

use std::time::Duration;

use super::{Done, WorkerFault};
use crate::count::{Counter, Gauge};

/// Jobs by how they went, and workers by how they ended.
pub struct Counters {
    /// Jobs that were done.
    pub done: Counter,
    /// Jobs refused because too many wait.
    pub busy: Counter,
    /// Jobs that took too long.
    pub timed_out: Counter,
    /// Jobs whose worker failed.
    pub crashed: Counter,
    /// Jobs that came when no worker could be started.
    pub unavailable: Counter,
    /// Jobs with too much to read or to write.
    pub too_large: Counter,
    /// Worker processes started.
    pub started: Counter,
    /// Workers that had done their number of jobs.
    pub worn: Counter,
    /// Workers that failed, or were killed because they took too long or nobody wanted their work.
    pub lost: Counter,
    /// Processor time of all jobs, in microseconds.
    pub cpu_micros: Counter,
    /// Jobs that wait for a worker now.
    pub waiting: Gauge,
}

/// The counters of the process.
pub static COUNTERS: Counters = Counters {
    done: Counter::new(),
    busy: Counter::new(),
    timed_out: Counter::new(),
    crashed: Counter::new(),
    unavailable: Counter::new(),
    too_large: Counter::new(),
    started: Counter::new(),
    worn: Counter::new(),
    lost: Counter::new(),
    cpu_micros: Counter::new(),
    waiting: Gauge::new(),
};

impl Counters {
    /// Counts one job.
    pub(super) fn count(&self, result: &Result<Done, WorkerFault>) {
        match result {
            Ok(_) => self.done.bump(),
            Err(WorkerFault::Busy) => self.busy.bump(),
            Err(WorkerFault::TimedOut) => self.timed_out.bump(),
            Err(WorkerFault::Crashed(_)) => self.crashed.bump(),
            Err(WorkerFault::Unavailable(_)) => self.unavailable.bump(),
            Err(WorkerFault::TooLarge(_)) => self.too_large.bump(),
        }
    }

    /// Counts processor time.
    pub(super) fn spent(&self, time: Duration) {
        self.cpu_micros.add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}
