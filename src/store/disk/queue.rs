//! What waits for a disk's writer, bounded by bytes.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use super::name::Name;
use super::policy::Class;
use super::{Done, Write};

/// What a writer has to do.
pub(super) enum Job {
    /// Write a record.
    Write(Write, Class, Option<Done>),
    /// Write out what waits, and say so.
    Flush(oneshot::Sender<()>),
    /// Try the disk again.
    Heal,
    /// See that the disk is sick.
    Wake,
    /// Make everything durable, let go of the disk, and say so.
    Close(oneshot::Sender<()>),
    /// End.
    Stop,
}

/// What waits for a writer.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    /// Tells those who wait for room that there is some.
    emptied: Notify,
    most: u64,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: u64,
}

/// What a record takes in the queue beside its payload.
const OVERHEAD: u64 = 256;

impl Queue {
    /// A queue of at most that many bytes.
    pub(super) fn new(most: u64) -> Queue {
        Queue { waiting: Mutex::default(), filled: Condvar::new(), emptied: Notify::new(), most }
    }

    /// Adds a record; false if there is no room.
    pub(super) fn write(&self, write: Write, class: Class, done: Option<Done>) -> bool {
        let mut waiting = self.waiting.lock();
        let bytes = write.payload.len() as u64 + OVERHEAD;
        // One record fits always, so that a small bound does not stop everything.
        if waiting.bytes > 0 && waiting.bytes + bytes > self.most {
            return false;
        }
        waiting.bytes += bytes;
        waiting.jobs.push_back(Job::Write(write, class, done));
        self.filled.notify_one();
        true
    }

    /// Adds a job that carries no bytes.
    pub(super) fn push(&self, job: Job) {
        self.waiting.lock().jobs.push_back(job);
        self.filled.notify_one();
    }

    /// Ends the writer before anything else is done.
    pub(super) fn stop(&self) {
        let mut waiting = self.waiting.lock();
        let given_up = std::mem::take(&mut *waiting);
        waiting.jobs.push_back(Job::Stop);
        self.filled.notify_one();
        // Whatever it runs when it is dropped may want this lock.
        drop(waiting);
        drop(given_up);
    }

    /// The next job, if there is one.
    pub(super) fn pop(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        let job = waiting.jobs.pop_front()?;
        if let Job::Write(write, ..) = &job {
            waiting.bytes -= write.payload.len() as u64 + OVERHEAD;
            if waiting.bytes <= self.most / 2 {
                self.emptied.notify_waiters();
            }
        }
        Some(job)
    }

    /// Whether more than half of the room is taken.
    pub(super) fn is_behind(&self) -> bool {
        self.bytes() > self.most / 2
    }

    /// Ends when it is not behind.
    pub(super) async fn caught_up(&self) {
        loop {
            let emptied = self.emptied.notified();
            if !self.is_behind() {
                return;
            }
            emptied.await;
        }
    }

    /// Waits until there is a job.
    pub(super) fn wait(&self) {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            self.filled.wait(&mut waiting);
        }
    }

    /// Takes out the records of that name.
    pub(super) fn remove(&self, name: Name) {
        let mut removed = Vec::new();
        let mut waiting = self.waiting.lock();
        if waiting.bytes == 0 {
            return;
        }
        let mut bytes = 0;
        waiting.jobs.retain_mut(|job| match job {
            Job::Write(write, _, done) if write.name == name => {
                bytes += write.payload.len() as u64 + OVERHEAD;
                removed.push(done.take());
                false
            }
            _ => true,
        });
        waiting.bytes -= bytes;
        drop(waiting);
        removed.into_iter().flatten().for_each(|done| done(false));
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.waiting.lock().bytes
    }
}
