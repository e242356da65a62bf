//! The pool: takes jobs from serving threads, gives each to a worker in its turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::counters::COUNTERS;
use super::frame::{LONGEST_ORDER, MOST_INPUTS};
use super::keeper::{self, Launch};
use super::lease::Worker;
use super::line::{Bounds, Entered, Line};
use super::{Done, Settings, WorkerFault};

/// Stack of a thread that keeps a worker.
const KEEPER_STACK: usize = 256 << 10;

/// A job that takes longer is a long one: whoever asks for another picture would feel it.
const LONG: Duration = Duration::from_millis(250);

/// The workers of a node. Dropping it ends and reaps all of them.
pub struct Pool {
    shared: Arc<Shared>,
    keepers: Vec<JoinHandle<()>>,
}

/// What jobs and keepers share.
pub(super) struct Shared {
    settings: Settings,
    line: Mutex<Line<Worker>>,
    health: Mutex<Health>,
    /// Whether a job has come yet; before, no worker is started.
    wanted: AtomicBool,
    closed: AtomicBool,
}

/// How the keepers fare.
#[derive(Default)]
struct Health {
    /// Workers that are there.
    live: usize,
    /// Why the last attempt to start one failed, until one succeeds.
    trouble: Option<String>,
}

impl Pool {
    /// A pool whose workers `launch` starts when the first job comes.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn new(settings: &Settings, launch: Launch) -> io::Result<Pool> {
        let workers = settings.worker_count();
        let queue = usize::try_from(settings.queue).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            line: Mutex::new(Line::new(Bounds::new(workers, queue, settings.site_share))),
            health: Mutex::default(),
            wanted: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let mut pool = Pool { shared, keepers: Vec::with_capacity(workers) };
        let launch = Arc::new(launch);
        for _ in 0..workers {
            let (shared, launch) = (Arc::clone(&pool.shared), Arc::clone(&launch));
            let thread = std::thread::Builder::new().name("image-keeper".into());
            let keep = move || keeper::keep(&shared, &launch);
            pool.keepers.push(thread.stack_size(KEEPER_STACK).spawn(keep)?);
        }
        Ok(pool)
    }

    /// Has `order` carried out on `inputs`, at most 16, for a site. May be called on any tokio runtime
    /// with I/O and time. Whoever drops the future gives the job up; the worker that was at it is
    /// killed and replaced.
    ///
    /// # Errors
    /// See [`WorkerFault`]; each is the end of this job alone.
    pub async fn run(
        &self,
        site: u32,
        order: &[u8],
        inputs: &[Bytes],
    ) -> Result<Done, WorkerFault> {
        let result = self.attempt(site, order, inputs).await;
        COUNTERS.count(&result);
        result
    }

    async fn attempt(
        &self,
        site: u32,
        order: &[u8],
        inputs: &[Bytes],
    ) -> Result<Done, WorkerFault> {
        let shared = &*self.shared;
        shared.measure(order, inputs)?;
        if !shared.wanted.swap(true, Ordering::SeqCst) {
            self.wake_keepers();
        }
        let deadline = Instant::now() + shared.settings.queue_wait.0;
        loop {
            let mut lease = shared.lease(site, deadline).await?;
            let Some(worker) = lease.worker.take() else { continue };
            if worker.is_idle() {
                let (result, worker) = worker.job(order, inputs, &shared.settings).await;
                lease.worker = worker;
                return result;
            }
            // It died while it was free, which costs nobody a job.
            worker.bury();
        }
    }

    fn wake_keepers(&self) {
        for keeper in &self.keepers {
            keeper.thread().unpark();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        let free = self.shared.line.lock().clear();
        drop(free);
        self.wake_keepers();
        for keeper in self.keepers.drain(..) {
            // It has nothing to say.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// A worker is ready.
    pub(super) fn arrived(&self, worker: Worker) {
        {
            let mut health = self.health.lock();
            health.live += 1;
            health.trouble = None;
        }
        let mut line = self.line.lock();
        // Looked at under the lock, so that none is added after all were taken.
        if !self.is_closed() {
            line.give(worker);
            show(&line);
        }
    }

    /// A worker is gone.
    pub(super) fn left(&self) {
        self.health.lock().live -= 1;
    }

    /// A worker could not be started.
    pub(super) fn has_trouble(&self, why: String) {
        if self.is_closed() {
            return;
        }
        tracing::error!("no image worker: {why}");
        let mut health = self.health.lock();
        health.trouble = Some(why);
        if health.live == 0 {
            self.line.lock().refuse_all();
        }
    }

    /// Refuses what no worker could take.
    fn measure(&self, order: &[u8], inputs: &[Bytes]) -> Result<(), WorkerFault> {
        let most = self.settings.largest_input;
        let size = inputs.iter().map(|it| it.len() as u64).sum::<u64>();
        if size > most.0 {
            let what = format!("the images have {size} bytes, at most {most}");
            return Err(WorkerFault::TooLarge(what));
        }
        if order.len() > LONGEST_ORDER || inputs.len() > MOST_INPUTS {
            let (order, images) = (order.len(), inputs.len());
            let what = format!("an order of {order} bytes for {images} images is too long");
            return Err(WorkerFault::TooLarge(what));
        }
        Ok(())
    }

    /// Waits for a worker.
    async fn lease(&self, site: u32, deadline: Instant) -> Result<Lease<'_>, WorkerFault> {
        if let Some(fault) = self.trouble() {
            return Err(fault);
        }
        let entered = {
            let mut line = self.line.lock();
            let entered = line.enter(site);
            show(&line);
            entered
        };
        let (number, worker) = match entered {
            Entered::Now(worker) => {
                return Ok(Lease::new(self, site, worker));
            }
            Entered::Wait(number, worker) => (number, worker),
            Entered::Full => return Err(WorkerFault::Busy),
        };
        let mut place = Place { shared: self, site, number, worker };
        match tokio::time::timeout_at(deadline, &mut place.worker).await {
            Ok(Ok(worker)) => Ok(Lease::new(self, site, worker)),
            _ => Err(self.trouble().unwrap_or(WorkerFault::Busy)),
        }
    }

    /// Why no worker will come, if that is so.
    fn trouble(&self) -> Option<WorkerFault> {
        let health = self.health.lock();
        let why = health.trouble.clone().filter(|_| health.live == 0)?;
        Some(WorkerFault::Unavailable(why))
    }

    fn done(&self, site: u32, worker: Option<Worker>) {
        let mut line = self.line.lock();
        line.done(site, worker);
        show(&line);
    }
}

fn show(line: &Line<Worker>) {
    COUNTERS.waiting.set(i64::try_from(line.waiting()).unwrap_or(i64::MAX));
}

/// A place in the line, given up when dropped.
struct Place<'a> {
    shared: &'a Shared,
    site: u32,
    number: u64,
    worker: tokio::sync::oneshot::Receiver<Worker>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.worker.close();
        match self.worker.try_recv() {
            // It came when nobody looked any more.
            Ok(worker) => self.shared.done(self.site, Some(worker)),
            Err(_) => {
                let mut line = self.shared.line.lock();
                line.leave(self.site, self.number);
                show(&line);
            }
        }
    }
}

/// A job's hold on a worker. When dropped, the worker goes to the next job, if it is still there.
struct Lease<'a> {
    shared: &'a Shared,
    site: u32,
    worker: Option<Worker>,
    since: Instant,
}

impl<'a> Lease<'a> {
    fn new(shared: &'a Shared, site: u32, worker: Worker) -> Self {
        Lease { shared, site, worker: Some(worker), since: Instant::now() }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.shared.line.lock().took(self.site, self.since.elapsed() >= LONG);
        self.shared.done(self.site, self.worker.take());
    }
}
