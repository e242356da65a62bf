//! Makes better what was made fast: a picture that proves hot is made once more behind the answers,
//! with more work for fewer bytes and in formats that take long, on a share of one core.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::make::{Job, Workshop};
use crate::cache::Stored;
use crate::serve::answer::Refusal;
use crate::store::Entry;

/// Marks what was made fast, among the fields that only we read.
const DRAFT: HeaderName = HeaderName::from_static("brink-draft");
/// As often a picture is found before it is worth more work.
const HOT: u32 = 3;
/// Most pictures that wait for it; others are looked at again at their next hit.
const WAITING: usize = 256;

/// The pictures that wait to be made better.
#[derive(Default)]
pub struct Better {
    queue: OnceLock<mpsc::Sender<Job>>,
    /// By the hashes of their keys.
    known: Mutex<HashSet<u64>>,
}

/// Marks a picture as made fast.
pub fn mark(stored: &mut Stored) {
    stored.hidden.insert(DRAFT, HeaderValue::from_static("1"));
}

/// Whether a picture was made fast and is hot by now.
pub fn is_due(made: &Entry) -> bool {
    made.hits() >= HOT && made.stored.hidden.contains_key(DRAFT)
}

impl Workshop {
    /// Has a picture made better when its turn comes, if not too many wait.
    pub(super) fn improve(self: &Arc<Self>, job: Job) {
        let name = job.key().hash64();
        if self.background == 0 || !self.better.known.lock().insert(name) {
            return;
        }
        let queue = self.better.queue.get_or_init(|| {
            let (queue, jobs) = mpsc::channel(WAITING);
            tokio::spawn(Arc::clone(self).work_behind(jobs));
            queue
        });
        if queue.try_send(job).is_err() {
            self.better.known.lock().remove(&name);
        }
    }

    /// Makes one after the other, and rests in between as long as its share of a core says.
    async fn work_behind(self: Arc<Self>, mut jobs: mpsc::Receiver<Job>) {
        let share = f64::from(self.background.clamp(1, 100)) / 100.0;
        while let Some(job) = jobs.recv().await {
            let started = Instant::now();
            if let Err(Refusal { message, .. }) = job.run().await {
                tracing::debug!("a picture could not be made better: {message}");
            }
            let worked = started.elapsed();
            self.better.known.lock().remove(&job.key().hash64());
            tokio::time::sleep(worked.mul_f64(1.0 / share - 1.0).min(Duration::from_secs(60)))
                .await;
        }
    }
}

/// The head of a picture that will not be made again.
pub fn settled(made: &Entry) -> Stored {
    let mut stored = made.stored.clone();
    stored.hidden.remove(DRAFT);
    stored
}
