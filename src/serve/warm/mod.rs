//! Warming: jobs that fetch lists of URLs, and what sitemaps list, into the cache before clients ask.
//!
//! Each URL in each variant is a request that the node makes itself ([`Inner`]): it takes the same steps
//! as a client's, and is neither logged nor billed as one; what it costs the origin is. An order is
//! checked whole before a job begins (`plan`); jobs run on a thread of their own (`run`), so many at a
//! time, each at its rate; what came of each request is kept for some days (`job`).
//!
//! [`Inner`]: crate::serve::exchange::Inner

mod job;
mod plan;
mod run;
mod settings;
mod sitemap;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::serve::Serve;
use crate::site::Customers;
pub use job::{Done, Job, JobState, Progress, Results};
pub use plan::WarmOrder;
pub use run::{Runner, start};
pub use settings::Settings;

/// Where jobs are ordered and looked at.
pub struct Desk {
    settings: Settings,
    /// The oldest first.
    jobs: Mutex<VecDeque<Arc<Job>>>,
    next: AtomicU64,
    sender: mpsc::UnboundedSender<Arc<Job>>,
    /// What is waiting for the runner to take it.
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Arc<Job>>>>,
}

/// Why no job began.
#[derive(Debug, PartialEq, Eq)]
pub enum WarmError {
    /// The order is wrong: what to write instead.
    Order(String),
    /// There is no place for it now.
    Busy(String),
}

impl Desk {
    /// A desk that has had no order.
    pub fn new(settings: Settings) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let receiver = Mutex::new(Some(receiver));
        Desk { settings, jobs: Mutex::default(), next: AtomicU64::new(1), sender, receiver }
    }

    /// Enters a job, which begins with [`Desk::begin`].
    fn enter(
        &self,
        plan: plan::Plan,
        whose: &Customers,
        now: Timestamp,
    ) -> Result<Arc<Job>, WarmError> {
        let mut jobs = self.jobs.lock();
        self.forget_old(&mut jobs, now);
        let open = jobs.iter().filter(|job| !job.is_over()).count();
        let most = (self.settings.jobs + self.settings.queue) as usize;
        if open >= most {
            let why = format!("{open} jobs run or wait already, the most that `[warm]` allows");
            return Err(WarmError::Busy(why));
        }
        let room = self.settings.memory.0;
        let wanted = plan.memory(&self.settings);
        let mut held: u64 = jobs.iter().map(|job| job.memory()).sum();
        while held + wanted > room {
            let Some(at) = jobs.iter().position(|job| job.is_over()) else {
                let why = "the jobs at hand leave no memory for it: `[warm] memory`";
                return Err(WarmError::Busy(why.into()));
            };
            held -= jobs.remove(at).map_or(0, |job| job.memory());
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let job = Arc::new(Job::new(id, plan, whose.clone(), wanted, now));
        jobs.push_back(Arc::clone(&job));
        Ok(job)
    }

    fn begin(&self, job: Arc<Job>) {
        // The runner is gone only while the node ends.
        let _ = self.sender.send(job);
    }

    fn forget_old(&self, jobs: &mut VecDeque<Arc<Job>>, now: Timestamp) {
        let keep = self.settings.keep.0;
        jobs.retain(|job| job.ended().is_none_or(|ended| now.since(ended) < keep));
    }

    /// The jobs of these customers, the newest first.
    pub fn list(&self, whose: &Customers, now: Timestamp) -> Vec<Arc<Job>> {
        let mut jobs = self.jobs.lock();
        self.forget_old(&mut jobs, now);
        jobs.iter().rev().filter(|job| job.is_of(whose)).cloned().collect()
    }

    /// One of them.
    pub fn find(&self, id: u64, whose: &Customers) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock();
        jobs.iter().find(|job| job.id == id && job.is_of(whose)).cloned()
    }

    /// Ends all jobs.
    fn cancel_all(&self) {
        self.jobs.lock().iter().for_each(|job| job.cancel());
    }
}

impl Serve {
    /// Begins a job; gives its number.
    ///
    /// # Errors
    /// See [`WarmError`]; nothing is fetched then.
    pub fn warm(&self, order: &WarmOrder, whose: &Customers) -> Result<u64, WarmError> {
        let job = self.prepare_warm(order, whose)?;
        let id = job.id;
        self.warm.begin(job);
        Ok(id)
    }

    /// The same up to the moment before it begins.
    pub(in crate::serve) fn prepare_warm(
        &self,
        order: &WarmOrder,
        whose: &Customers,
    ) -> Result<Arc<Job>, WarmError> {
        let plan = plan::Plan::of(self, order, whose).map_err(WarmError::Order)?;
        self.warm.enter(plan, whose, self.clock.now())
    }

    /// Begins what was prepared.
    pub(in crate::serve) fn begin_warm(&self, job: Arc<Job>) {
        self.warm.begin(job);
    }
}
