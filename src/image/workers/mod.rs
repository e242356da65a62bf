//! Worker processes that decode and encode images, so that a hostile file can hurt nothing else.
//!
//! ```text
//!  serving threads                          keeper threads, one a worker
//!  Pool::run ─► line: whose turn ─► lease        start · greet · wait · kill · reap · back off
//!                                     │                      │
//!        order, images ─► slot ──job──┼──► socket ─► worker: copies out, confined, one job at a time
//!        head, body    ◄─ slot ◄─over─┘
//! ```
//!
//! A worker is this program, executed anew, that has nothing but a socket and the slot: it can open
//! no file and no connection, and has bounds on memory, on time and on what it writes. Whatever goes
//! wrong in it costs one job: the pool kills it and a keeper starts the next. The pool carries opaque
//! bytes and knows nothing of images.
//!
//! A worker that a file takes over still gets the jobs that follow until it is replaced: it can spoil
//! those, and nothing else.

mod confine;
pub mod counters;
mod frame;
mod keeper;
mod lease;
mod line;
mod pool;
mod settings;
mod slot;
mod work;

use std::time::Duration;

use bytes::Bytes;

pub use confine::Threads;
pub use keeper::Launch;
pub use pool::Pool;
pub use settings::{Priority, Settings};
pub use work::work;

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What the handler says of the body, at most 1 MiB.
    pub head: Vec<u8>,
    /// What the handler made.
    pub body: Bytes,
    /// The processor time that it took.
    pub cpu: Duration,
}

/// Why nothing came of a job. Other jobs are not concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerFault {
    /// Too many jobs wait, or this one waited too long, for the node or for the site.
    Busy,
    /// It took too much time, by the clock or of the processor.
    TimedOut,
    /// The worker failed over it, and how.
    Crashed(String),
    /// No worker can be started, and why.
    Unavailable(String),
    /// There is more to read or to write than the settings allow, and what.
    TooLarge(String),
}

impl std::fmt::Display for WorkerFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WorkerFault::Busy => f.write_str("too many images wait to be worked on"),
            WorkerFault::TimedOut => f.write_str("the work on the image took too long"),
            WorkerFault::Crashed(how) => write!(f, "the image's worker failed: {how}"),
            WorkerFault::Unavailable(why) => write!(f, "no image worker can be started: {why}"),
            WorkerFault::TooLarge(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WorkerFault {}
