//! A few threads that wait for a disk's reads, so that nobody else does.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

/// Reads that may wait for a thread.
const MOST_WAITING: usize = 1024;

/// A few threads, and what waits for them.
pub(super) struct Pool {
    jobs: Mutex<Jobs>,
    filled: Condvar,
    threads: usize,
    /// Reads that are still running though nobody waits for them any more.
    overdue: AtomicUsize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Box<dyn FnOnce() + Send>>,
    closed: bool,
}

/// What became of a job, as its asker and its thread tell each other.
const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const GIVEN_UP: u8 = 2;
const FINISHED: u8 = 3;

impl Pool {
    /// Starts the threads.
    pub(super) fn start(threads: usize, name: &str) -> io::Result<Arc<Pool>> {
        let (jobs, filled, overdue) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        let pool = Arc::new(Pool { jobs, filled, threads: threads.max(1), overdue });
        for _ in 0..pool.threads {
            let worker = pool.clone();
            thread::Builder::new().name(name.into()).spawn(move || worker.work())?;
        }
        Ok(pool)
    }

    /// Runs `job` on one of the threads; nothing if that takes longer than `deadline`, or if so many
    /// jobs are overdue that it would. The job then goes on, if it was begun, and is forgotten.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Pool>,
        deadline: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if self.overdue.load(Ordering::Relaxed) >= self.threads {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let (pool, stage) = (self.clone(), Arc::new(AtomicU8::new(WAITING)));
        let seen = stage.clone();
        let whole = move || {
            let begun =
                seen.compare_exchange(WAITING, RUNNING, Ordering::AcqRel, Ordering::Acquire);
            if begun.is_err() || sender.is_closed() {
                return;
            }
            let result = job();
            if seen.swap(FINISHED, Ordering::AcqRel) == GIVEN_UP {
                pool.overdue.fetch_sub(1, Ordering::Relaxed);
            }
            // Nobody waits for it any more: then it is dropped.
            sender.send(result).ok();
        };
        if !self.submit(Box::new(whole)) {
            return None;
        }
        match tokio::time::timeout(deadline, receiver).await {
            Ok(result) => result.ok(),
            Err(_) => {
                // Counted first: the thread may take it off at once.
                self.overdue.fetch_add(1, Ordering::Relaxed);
                if stage.swap(GIVEN_UP, Ordering::AcqRel) != RUNNING {
                    self.overdue.fetch_sub(1, Ordering::Relaxed);
                }
                None
            }
        }
    }

    /// Whether jobs wait for a thread.
    pub(super) fn is_busy(&self) -> bool {
        !self.jobs.lock().waiting.is_empty()
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        let mut jobs = self.jobs.lock();
        jobs.closed = true;
        jobs.waiting.clear();
        self.filled.notify_all();
    }

    fn submit(&self, job: Box<dyn FnOnce() + Send>) -> bool {
        let mut jobs = self.jobs.lock();
        if jobs.closed || jobs.waiting.len() >= MOST_WAITING {
            return false;
        }
        jobs.waiting.push_back(job);
        self.filled.notify_one();
        true
    }

    fn work(&self) {
        loop {
            let mut jobs = self.jobs.lock();
            let job = loop {
                if let Some(job) = jobs.waiting.pop_front() {
                    break job;
                }
                if jobs.closed {
                    return;
                }
                self.filled.wait(&mut jobs);
            };
            drop(jobs);
            job();
        }
    }
}
