//! What may be looked at while it happens: which URLs are asked for most, and each request as it ends.
//!
//! Both see the record that the access log is written from, whatever of it the log leaves out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::line::{LastSecond, Line};
use super::record::Record;
use super::settings::{AccessLogSettings, Format};
use super::top::Top;
use crate::count::Counter;

/// Lines that whoever follows was too slow to take.
pub static MISSED: Counter = Counter::new();

/// How many may follow at a time.
pub const FOLLOWERS: usize = 16;
/// How many lines wait for each of them.
const WAITING: usize = 4096;

/// What looks on; clones are the same.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    line: Line,
    top: Top,
    /// How many follow, so that a request need not lock anything to find that nobody does.
    count: AtomicUsize,
    followers: Mutex<Vec<mpsc::Sender<Arc<[u8]>>>>,
}

impl Watch {
    /// Looks on with these settings of the access log: what is masked there is masked here.
    pub fn new(settings: &AccessLogSettings) -> Self {
        let settings = AccessLogSettings { format: Format::Json, ..settings.clone() };
        Watch(Arc::new(Shared {
            line: Line::new(&settings),
            top: Top::new(&settings),
            count: AtomicUsize::new(0),
            followers: Mutex::default(),
        }))
    }

    /// Sees a request that has ended.
    #[inline]
    pub fn see(&self, record: &Record) {
        self.0.top.count(record);
        if self.0.count.load(Ordering::Relaxed) > 0 {
            self.0.tell(record);
        }
    }

    /// Which URLs are asked for most.
    pub fn top(&self) -> &Top {
        &self.0.top
    }

    /// Follows the requests from now on, each as a line of JSON; `None` if too many do.
    pub fn follow(&self) -> Option<mpsc::Receiver<Arc<[u8]>>> {
        let mut followers = self.0.followers.lock();
        followers.retain(|follower| !follower.is_closed());
        if followers.len() >= FOLLOWERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        followers.push(sender);
        self.0.count.store(followers.len(), Ordering::Relaxed);
        Some(receiver)
    }
}

impl Shared {
    #[cold]
    fn tell(&self, record: &Record) {
        let mut line = Vec::with_capacity(512);
        self.line.append(&mut line, &mut LastSecond::default(), record);
        let line: Arc<[u8]> = line.into();
        let mut followers = self.followers.lock();
        followers.retain(|follower| match follower.try_send(Arc::clone(&line)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                MISSED.bump();
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        self.count.store(followers.len(), Ordering::Relaxed);
    }
}
