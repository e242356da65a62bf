//! Keeps named records on disks: the disk tier. It knows nothing of HTTP.
//!
//! Each disk is a log of segments that are only appended to, emptied whole and written again:
//!
//! ```text
//! brink.store = superblock x2 | snapshot area x2 | segment 0 | segment 1 | …
//! segment     = header 4 KiB | record | record | … →  free  ← footer | trailer
//! record      = header with checksums | payload up to 1 MiB
//! ```
//!
//! `geometry` says where everything lies, `superblock`, `segment`, `record`, `footer` and `snapshot`
//! draw their part. In memory there are 16 bytes for each record (`slots`). A thread for each disk
//! writes (`writer`) and reclaims (`reclaim`); readers (`read`) ask the page cache first and a
//! bounded pool of threads (`pool`) otherwise.
//!
//! Nothing is synced for a single record. A record's header names the store, the segment's
//! generation, its own offset and its name, and holds checksums of the payload: a write that was
//! lost, torn or misplaced, and a segment that was reclaimed meanwhile, are a miss, never wrong
//! bytes.

mod buffer;
mod counters;
mod device;
mod drive;
mod footer;
mod geometry;
mod ghosts;
mod health;
mod list;
mod look;
mod name;
mod numbers;
mod policy;
mod pool;
mod queue;
mod read;
mod reclaim;
mod record;
mod recover;
mod scan;
mod segment;
mod slot;
mod slots;
mod snapshot;
mod superblock;
#[cfg(test)]
mod tests;
mod volume;
mod walk;
mod worth;
mod writer;

use std::future::Future;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use counters::{COUNTERS, Counters};
pub use device::{Device, Files, Opener};
pub use list::Listed;
pub use look::{Extent, Look};
pub use name::Name;
pub use policy::Class;
pub use walk::{Step, Walk};

use drive::{Disk, Making};
use footer::told;
use geometry::Geometry;
use health::State;
use name::mix;
use policy::{Offer, Policy};
use queue::Job;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A URL's metadata.
    Meta,
    /// A mebibyte of a body.
    Chunk,
}

/// Whether a record may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// The policy decides.
    Ask,
    /// It was decided before: a further record of an object that was admitted.
    Sure(Class),
}

/// A record to be written.
#[derive(Debug)]
pub struct Write {
    /// Its name; an older record of that name is replaced.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Hash of its URL, for the policy.
    pub hash: u64,
    /// How often the object was asked for, for the policy.
    pub hits: u32,
    /// Number of its site, below 2^20.
    pub site: u32,
    /// Unix seconds after which it is useless; 0 is never.
    pub expires: u64,
    /// Number of the last purge before its bytes were asked for.
    pub fill_seq: u64,
    /// Its bytes, at most [`LARGEST`].
    pub payload: Bytes,
    /// Whether it may be written.
    pub class: Admission,
}

/// Most bytes of a payload.
pub const LARGEST: usize = 1 << 20;

/// Most bytes of a payload that should be asked for at a time, where it need not be all.
pub const PIECE: usize = 512 << 10;

/// How the disks are used.
#[derive(Clone, Debug)]
pub struct Options {
    /// The disks. May be empty: then everything is a miss.
    pub disks: Vec<DiskOptions>,
    /// Threads per disk that wait for reads.
    pub readers: usize,
    /// After so long a read is a miss.
    pub deadline: Duration,
    /// Bytes that may wait to be written, per disk.
    pub queue: u64,
    /// Bytes that may be written per 100 bytes that come from origins.
    pub write_budget: u32,
    /// Expected bytes of a record, from which follows the size of the index.
    pub average_record: u64,
}

/// One disk.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// Directory of the store.
    pub path: PathBuf,
    /// Bytes that it may have, 16 MiB or more.
    pub size: u64,
}

/// What a read without waiting came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Now {
    /// The bytes, verified.
    Bytes(Bytes),
    /// There is nothing to be had.
    Gone,
    /// The disk must be asked: use [`Disks::read`].
    Later,
}

/// How one disk is.
#[derive(Clone, Debug)]
pub struct DiskFigures {
    /// Its directory.
    pub path: PathBuf,
    /// `ok`, `sick` or `full`.
    pub state: &'static str,
    /// Bytes of all its segments.
    pub capacity: u64,
    /// Bytes of the records in the index.
    pub live_bytes: u64,
    /// Records in the index.
    pub records: u64,
    /// Segments to be written.
    pub free: u32,
    /// Segments of records that were not asked for again.
    pub new: u32,
    /// Segments of records that were.
    pub proved: u32,
    /// Bytes that wait to be written.
    pub queued: u64,
    /// Bytes of memory that the index takes.
    pub index: u64,
}

/// Called with whether a write is stored.
pub type Done = Box<dyn FnOnce(bool) + Send>;

/// Asked before a record is copied, by name, `fill_seq` and hash: false if it is dead.
pub type Judge = Box<dyn Fn(&Name, u64, u64) -> bool + Send + Sync>;

/// All disks of a node.
pub struct Disks {
    disks: Vec<Arc<Disk>>,
    /// For each disk, a number that chooses it for a share of the names.
    shares: Vec<Share>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    policy: Arc<Mutex<Policy>>,
    judge: Arc<OnceLock<Judge>>,
}

impl Disks {
    /// Opens every disk: a directory, made if need be, in which lie `brink.store` and `lock`. The
    /// index is read before this returns. A disk that another node has locked is an error, a
    /// sentence for the operator, as is one that is too small; one that fails otherwise is sick and
    /// tried again later.
    pub fn open(options: Options, opener: Arc<dyn Opener>) -> Result<Arc<Disks>, String> {
        let mut segments = 0;
        let mut segment = u64::MAX;
        for DiskOptions { path, size } in &options.disks {
            let geometry = Geometry::of(*size, options.average_record)
                .ok_or_else(|| format!("the disk store {} needs 16 MiB or more", path.display()))?;
            segments += geometry.segments;
            segment = segment.min(u64::from(geometry.segment));
        }
        let Options { average_record, write_budget, .. } = options;
        let policy = Policy::new(segments, segment, average_record, write_budget);
        let mut disks = Disks {
            disks: Vec::new(),
            shares: options.disks.iter().map(Share::of).collect(),
            threads: Mutex::default(),
            policy: Arc::new(Mutex::new(policy)),
            judge: Arc::default(),
        };
        let (opened, all_opened) = mpsc::channel();
        for disk in &options.disks {
            let disk = Disk::new(disks.making(disk, &options, &opener))?;
            disks.threads.lock().push(disk.start(opened.clone())?);
            disks.disks.push(disk);
        }
        drop(opened);
        // Nothing is sent: it ends when every thread has dropped its end.
        for () in all_opened {}
        Ok(Arc::new(disks))
    }

    fn making(&self, disk: &DiskOptions, options: &Options, opener: &Arc<dyn Opener>) -> Making {
        Making {
            path: disk.path.clone(),
            size: disk.size,
            average: options.average_record,
            deadline: options.deadline,
            readers: options.readers,
            queue: options.queue,
            opener: opener.clone(),
            policy: self.policy.clone(),
            judge: self.judge.clone(),
        }
    }

    /// Whether and where the policy would write an object of that URL, size and use.
    pub fn admit(&self, hash: u64, bytes: u64, hits: u32) -> Option<Class> {
        let room = self.has_room();
        self.policy.lock().admit(&Offer { hash: told(hash), bytes, hits }, room)
    }

    /// Whether there seems to be such a record; costs no I/O.
    pub fn has(&self, name: Name) -> bool {
        self.disk(name).is_some_and(|disk| disk.has(name))
    }

    /// Bytes `range` of the payload, verified; `0..u32::MAX` is all of it, and a range that goes
    /// beyond its end is cut there. Nothing is a miss: absent, damaged, too slow, sick; each is
    /// counted, and a damaged record is forgotten. Counts as a use. Needs a tokio runtime with time.
    pub async fn read(&self, name: Name, range: Range<u32>) -> Option<Bytes> {
        match self.disk(name) {
            Some(disk) => disk.read(name, range).await,
            None => None,
        }
    }

    /// The same if memory or the page cache has it.
    pub fn read_now(&self, name: Name, range: Range<u32>) -> Now {
        self.disk(name).map_or(Now::Gone, |disk| disk.read_now(name, &range))
    }

    /// Queues a write. False if the queue is full, the policy refuses, the payload is too large, or
    /// the disk is not well: then `done` is dropped without being called. Otherwise `done` is called
    /// once, on the thread of the writer (keep it short), when the record can be read or will never
    /// be. It is dropped without being called only if the disks are dropped first.
    pub fn write(&self, write: Write, done: Option<Done>) -> bool {
        let Some(disk) = self.disk(write.name) else { return false };
        if write.payload.len() > LARGEST || disk.health.state() != State::Ok {
            COUNTERS.unwritable.bump();
            return false;
        }
        let class = match write.class {
            Admission::Sure(class) => class,
            Admission::Ask => {
                match self.admit(write.hash, write.payload.len() as u64, write.hits) {
                    Some(class) => class,
                    None => {
                        COUNTERS.refused.bump();
                        return false;
                    }
                }
            }
        };
        let queued = disk.queue.write(write, class, done);
        if !queued {
            COUNTERS.dropped.bump();
        }
        queued
    }

    /// Whether a disk is behind: more than half of its queue is taken.
    pub fn is_behind(&self) -> bool {
        self.disks.iter().any(|disk| disk.queue.is_behind())
    }

    /// Ends when the disk of that name is not behind.
    pub async fn caught_up(&self, name: Name) {
        if let Some(disk) = self.disk(name) {
            disk.queue.caught_up().await;
        }
    }

    /// Forgets a record, also one that waits to be written. This is not durable: after a crash it may
    /// be there again, as may an older one of its name whose segment was not reclaimed yet. What
    /// must never come back is for the judge, and for whoever reads, to know by its `fill_seq`.
    pub fn remove(&self, name: Name) {
        if let Some(disk) = self.disk(name) {
            disk.remove(name);
        }
    }

    /// Tells the policy that so many bytes came from an origin.
    pub fn fetched(&self, bytes: u64) {
        self.policy.lock().fetched(bytes);
    }

    /// Tells the policy that a URL was asked for and not found.
    pub fn missed(&self, hash: u64) {
        self.policy.lock().missed(told(hash));
    }

    /// Says which records are dead. To be set once, right after opening; another is not heard.
    pub fn set_judge(&self, judge: Judge) {
        drop(self.judge.set(judge));
    }

    /// Ends when everything queued so far is in the file or given up. Nothing is synced.
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        self.each(Job::Flush)
    }

    /// Writes what is queued, makes it durable, and keeps the index for a quick start. Afterwards
    /// everything is a miss, and the store can be opened again.
    pub async fn close(&self) {
        self.each(Job::Close).await;
    }

    /// How each disk is, in the order of the options.
    pub fn figures(&self) -> Vec<DiskFigures> {
        self.disks.iter().map(|disk| disk.figures()).collect()
    }

    /// To be called about once a second: sick disks are tried again.
    pub fn sweep(&self) {
        self.sweep_at(Instant::now());
    }

    fn sweep_at(&self, now: Instant) {
        self.disks.iter().for_each(|disk| disk.sweep(now));
    }

    /// Whether all disks have free segments to spare.
    fn has_room(&self) -> bool {
        self.disks.iter().all(|disk| disk.has_room())
    }

    /// Gives every writer a job that says when it is done, and waits for all.
    fn each(&self, job: fn(oneshot::Sender<()>) -> Job) -> impl Future<Output = ()> + Send + use<> {
        let mut waiting = Vec::new();
        for disk in &self.disks {
            let (sender, receiver) = oneshot::channel();
            disk.queue.push(job(sender));
            waiting.push(receiver);
        }
        async move {
            for receiver in waiting {
                // A writer that has ended has nothing more to do.
                drop(receiver.await);
            }
        }
    }

    /// The disk of a name: the one whose share scores highest, so that a disk that comes or goes
    /// moves only its own names.
    fn disk(&self, name: Name) -> Option<&Arc<Disk>> {
        if let [disk] = &*self.disks {
            return Some(disk);
        }
        let group = name.group();
        let scores = self.shares.iter().map(|share| share.score(group));
        let best = scores.enumerate().max_by(|left, right| left.1.total_cmp(&right.1))?;
        self.disks.get(best.0)
    }
}

impl Drop for Disks {
    /// Ends the threads. What is queued is lost: [`Disks::close`] comes first when a node ends well.
    fn drop(&mut self) {
        for disk in &self.disks {
            disk.queue.stop();
            disk.stop_reading();
        }
        for thread in self.threads.lock().drain(..) {
            // The last owner may be a writer's own thread, by way of what it calls when done.
            if thread.thread().id() != std::thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

/// A disk's share of the names, by weighted rendezvous.
#[derive(Debug)]
struct Share {
    seed: u64,
    weight: f64,
}

impl Share {
    fn of(disk: &DiskOptions) -> Share {
        let path = Name::of_key(disk.path.as_os_str().as_encoded_bytes());
        Share { seed: path.group(), weight: disk.size as f64 }
    }

    fn score(&self, group: u64) -> f64 {
        // A number between 0 and 1, neither included.
        let chance = ((mix(self.seed ^ group) >> 12) as f64 + 0.5) / (1u64 << 52) as f64;
        self.weight / -chance.ln()
    }
}
