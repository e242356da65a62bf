//! One disk: its store while it is well, the thread that writes to it, and the threads that read.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use parking_lot::Mutex;

use super::counters::COUNTERS;
use super::device::{Opener, lock};
use super::health::{Health, State};
use super::name::Name;
use super::policy::Policy;
use super::pool::Pool;
use super::queue::{Job, Queue};
use super::read::Miss;
use super::recover;
use super::slot::Slot;
use super::volume::Volume;
use super::writer::Writer;
use super::{DiskFigures, Judge, Now};

/// Segments that are sealed between two snapshots.
const SNAPSHOT_EVERY: u32 = 1024;

/// One disk.
pub(super) struct Disk {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    average: u64,
    pub(super) deadline: Duration,
    opener: Arc<dyn Opener>,
    /// What readers use; nothing while the disk is sick.
    pub(super) volume: ArcSwapOption<Volume>,
    pub(super) health: Health,
    pub(super) queue: Queue,
    pub(super) pool: Arc<Pool>,
    lock: Mutex<Option<File>>,
    policy: Arc<Mutex<Policy>>,
    judge: Arc<OnceLock<Judge>>,
}

/// How to make a [`Disk`].
pub(super) struct Making {
    pub path: PathBuf,
    pub size: u64,
    pub average: u64,
    pub deadline: Duration,
    pub readers: usize,
    pub queue: u64,
    pub opener: Arc<dyn Opener>,
    pub policy: Arc<Mutex<Policy>>,
    pub judge: Arc<OnceLock<Judge>>,
}

impl Disk {
    /// Takes the lock, which another node may have: then it is an error, a sentence. The store is
    /// opened by [`Disk::start`].
    pub(super) fn new(making: Making) -> Result<Arc<Disk>, String> {
        let Making { path, size, average, deadline, readers, queue, opener, policy, judge } =
            making;
        let pool = Pool::start(readers, "brink-disk-read")
            .map_err(|error| format!("cannot start the threads that read a disk: {error}"))?;
        let disk = Disk {
            path,
            size,
            average,
            deadline,
            opener,
            volume: ArcSwapOption::empty(),
            health: Health::new(),
            queue: Queue::new(queue),
            pool,
            lock: Mutex::new(None),
            policy,
            judge,
        };
        match disk.take_lock() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let path = disk.path.display();
                Err(format!("the disk store {path} is in use by another node"))
            }
            // Whatever else is wrong: the disk is sick, and `start` will find that out.
            Ok(()) | Err(_) => Ok(Arc::new(disk)),
        }
    }

    /// Starts the thread that opens the store and then writes. It says when it is done opening.
    pub(super) fn start(
        self: &Arc<Disk>,
        opened: mpsc::Sender<()>,
    ) -> Result<thread::JoinHandle<()>, String> {
        let disk = self.clone();
        let run = move || {
            let writer = disk.open();
            drop(opened);
            disk.run(writer);
        };
        let thread = thread::Builder::new().name("brink-disk-write".into()).spawn(run);
        thread.map_err(|error| format!("cannot start the thread that writes to a disk: {error}"))
    }

    /// Whether there seems to be such a record.
    pub(super) fn has(&self, name: Name) -> bool {
        let volume = self.volume.load();
        let volume = volume.as_ref().filter(|_| self.is_readable());
        volume.is_some_and(|volume| volume.slots.find(name).is_some())
    }

    /// Bytes of a record without waiting.
    pub(super) fn read_now(&self, name: Name, range: &Range<u32>) -> Now {
        // Borrowed: a count of owners would be written by every core.
        let volume = self.volume.load();
        let Some(volume) = volume.as_ref().filter(|_| self.is_readable()) else {
            COUNTERS.sick.bump();
            return Now::Gone;
        };
        let Some((slot, generation)) = volume.slots.find(name) else {
            COUNTERS.absent.bump();
            return Now::Gone;
        };
        match volume.read(name, (&slot, generation), range, false) {
            Err(Miss::Later) => Now::Later,
            result => match self.conclude(volume, name, &slot, result) {
                Some(bytes) => Now::Bytes(bytes),
                None => Now::Gone,
            },
        }
    }

    /// Bytes of a record; waits for the disk until the deadline.
    pub(super) async fn read(self: &Arc<Disk>, name: Name, range: Range<u32>) -> Option<Bytes> {
        match self.read_now(name, &range) {
            Now::Bytes(bytes) => return Some(bytes),
            Now::Gone => return None,
            Now::Later => {}
        }
        let disk = self.clone();
        let job = move || disk.read_waiting(name, &range);
        let result = self.pool.run(self.deadline, job).await;
        if result.is_none() {
            COUNTERS.slow.bump();
        }
        result.flatten()
    }

    fn read_waiting(&self, name: Name, range: &Range<u32>) -> Option<Bytes> {
        let volume = self.readable()?;
        // Looked up again: it may have waited for a thread.
        let Some((slot, generation)) = volume.slots.find(name) else {
            COUNTERS.absent.bump();
            return None;
        };
        let result = volume.read(name, (&slot, generation), range, true);
        self.conclude(&volume, name, &slot, result)
    }

    /// Counts what a read came to, and forgets a record that is damaged.
    fn conclude(
        &self,
        volume: &Volume,
        name: Name,
        slot: &Slot,
        result: Result<Bytes, Miss>,
    ) -> Option<Bytes> {
        let damage = match result {
            Ok(bytes) => {
                volume.slots.touch(name, slot);
                self.health.good_read();
                COUNTERS.hits.bump();
                COUNTERS.read_bytes.add(bytes.len() as u64);
                return Some(bytes);
            }
            Err(Miss::Failed(error)) => {
                COUNTERS.failed.bump();
                self.failed(&error);
                return None;
            }
            Err(Miss::Checksum) => &COUNTERS.checksum_failures,
            Err(Miss::Mismatch | Miss::Later) => &COUNTERS.mismatches,
        };
        if volume.slots.remove(name, slot) {
            damage.bump();
            COUNTERS.damaged.bump();
        } else {
            // It was reclaimed or replaced while it was read.
            COUNTERS.absent.bump();
        }
        None
    }

    /// Notes that a read failed: the disk may be sick.
    pub(super) fn failed(&self, error: &io::Error) {
        COUNTERS.read_errors.bump();
        if self.health.bad_read() {
            self.fell(error);
            // The writer lets go of the store when it sees the state.
            self.queue.push(Job::Wake);
        }
    }

    /// Forgets a record.
    pub(super) fn remove(&self, name: Name) {
        self.queue.remove(name);
        if let Some(volume) = self.volume.load_full()
            && let Some((slot, _)) = volume.slots.find(name)
        {
            volume.slots.remove(name, &slot);
        }
    }

    /// How the disk is.
    pub(super) fn figures(&self) -> DiskFigures {
        let mut figures = DiskFigures {
            path: self.path.clone(),
            state: self.health.word(),
            capacity: 0,
            live_bytes: 0,
            records: 0,
            free: 0,
            new: 0,
            proved: 0,
            queued: self.queue.bytes(),
            index: 0,
        };
        if let Some(volume) = self.volume.load_full() {
            let geometry = volume.geometry();
            figures.capacity = u64::from(geometry.segment) * u64::from(geometry.segments);
            (figures.records, figures.live_bytes) = volume.slots.held_by_all();
            figures.free = volume.counts.free.load(Ordering::Relaxed);
            figures.new = volume.counts.new.load(Ordering::Relaxed);
            figures.proved = volume.counts.proved.load(Ordering::Relaxed);
            figures.index = volume.slots.memory();
        }
        figures
    }

    /// Whether there are free segments to spare.
    pub(super) fn has_room(&self) -> bool {
        self.volume.load().as_ref().is_some_and(|volume| {
            volume.counts.free.load(Ordering::Relaxed) > 2 * volume.geometry().reserve()
        })
    }

    /// Tries a sick disk again when its pause is over.
    pub(super) fn sweep(&self, now: Instant) {
        if self.health.is_due(now) {
            self.queue.push(Job::Heal);
        }
    }

    /// Lets the threads that read end.
    pub(super) fn stop_reading(&self) {
        self.pool.close();
    }

    /// The store, unless nothing may be asked of it.
    pub(super) fn readable(&self) -> Option<Arc<Volume>> {
        if self.is_readable() { self.volume.load_full() } else { None }
    }

    fn is_readable(&self) -> bool {
        matches!(self.health.state(), State::Ok | State::Full)
    }

    fn take_lock(&self) -> io::Result<()> {
        let mut held = self.lock.lock();
        if held.is_none() {
            fs::create_dir_all(&self.path)?;
            *held = Some(lock(&self.path)?);
        }
        Ok(())
    }
}

/// What the thread of the writer does.
impl Disk {
    fn run(self: &Arc<Disk>, mut writer: Option<Writer>) {
        loop {
            let Some(job) = self.queue.pop() else {
                self.attempt(&mut writer, Writer::write_out_all);
                self.queue.wait();
                continue;
            };
            if self.health.state() == State::Sick {
                self.let_go(&mut writer);
            }
            match job {
                Job::Write(write, class, done) => {
                    let stored = self.attempt(&mut writer, |writer| writer.write(write, class));
                    if stored.is_none() {
                        COUNTERS.unwritable.bump();
                    }
                    if let Some(done) = done {
                        let told = catch_unwind(AssertUnwindSafe(|| done(stored == Some(true))));
                        if told.is_err() {
                            tracing::error!("whoever waited for a write to disk panicked");
                        }
                    }
                    self.keep_index(&mut writer);
                }
                Job::Flush(told) => {
                    self.attempt(&mut writer, Writer::write_out_all);
                    // Whoever asked may have gone.
                    told.send(()).ok();
                }
                Job::Heal => self.heal(&mut writer),
                Job::Wake => {}
                Job::Close(told) => {
                    self.attempt(&mut writer, Writer::close);
                    self.health.close();
                    self.let_go(&mut writer);
                    *self.lock.lock() = None;
                    told.send(()).ok();
                }
                Job::Stop => return,
            }
        }
    }

    /// Opens the store; the disk is sick if that fails.
    fn open(&self) -> Option<Writer> {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            self.take_lock()?;
            recover::open(&self.path, self.size, self.average, &*self.opener)
        }));
        let opened = opened.unwrap_or_else(|_| Err(io::Error::other("opening the store panicked")));
        match opened {
            Ok((volume, books)) => {
                let (records, _) = volume.slots.held_by_all();
                let path = self.path.display();
                tracing::info!(%path, records, free = books.free.len(), "the disk store is open");
                self.volume.store(Some(volume.clone()));
                self.health.well(Instant::now());
                Some(Writer::new(volume, books, self.policy.clone(), self.judge.clone()))
            }
            Err(error) => {
                self.fell(&error);
                // Without a store there is nothing that a merely full disk could be read for.
                self.health.sicken();
                None
            }
        }
    }

    fn heal(&self, writer: &mut Option<Writer>) {
        match self.health.state() {
            State::Sick => {
                self.let_go(writer);
                *writer = self.open();
            }
            // The next write tells.
            State::Full => self.health.well(Instant::now()),
            State::Ok | State::Closed => {}
        }
    }

    /// Does something with the store; nothing if there is none, or if the disk fails at it.
    fn attempt<T>(
        &self,
        writer: &mut Option<Writer>,
        work: impl FnOnce(&mut Writer) -> io::Result<T>,
    ) -> Option<T> {
        if self.health.state() != State::Ok {
            return None;
        }
        let working = writer.as_mut()?;
        let result = catch_unwind(AssertUnwindSafe(|| work(working)));
        match result.unwrap_or_else(|_| Err(io::Error::other("the writer panicked"))) {
            Ok(value) => Some(value),
            Err(error) => {
                COUNTERS.write_errors.bump();
                if self.fell(&error) != State::Full {
                    self.let_go(writer);
                }
                None
            }
        }
    }

    fn fell(&self, error: &io::Error) -> State {
        let state = self.health.fell(error, Instant::now());
        let path = self.path.display();
        tracing::error!(%error, %path, state = self.health.word(), "the disk failed");
        state
    }

    /// Lets go of a store that is not used any more, and of the memory of its index.
    fn let_go(&self, writer: &mut Option<Writer>) {
        *writer = None;
        self.volume.store(None);
    }

    /// Writes a snapshot now and then, on a thread of its own: it may take seconds.
    fn keep_index(&self, writer: &mut Option<Writer>) {
        let Some(writer) = writer.as_mut() else { return };
        if !writer.sealed_at_least(SNAPSHOT_EVERY) {
            return;
        }
        let volume = writer.volume.clone();
        let work = move || {
            if let Err(error) = volume.write_snapshot() {
                COUNTERS.write_errors.bump();
                tracing::warn!(%error, "the index cannot be written; a start will take longer");
            }
        };
        if let Err(error) = thread::Builder::new().name("brink-disk-index".into()).spawn(work) {
            tracing::warn!(%error, "no thread to write the index");
        }
    }
}
