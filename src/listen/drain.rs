//! The end of a node or of one listener, in three stages: serving, draining, aborting.
//!
//! While a drain runs, listeners accept what the kernel has queued and close; HTTP/1 connections
//! answer with `Connection: close`, HTTP/2 ones say GOAWAY; a resting connection may bring one more
//! request for a moment, since it could be on its way. What still runs at the end is cut off.

use std::time::Duration;

use tokio::sync::watch;

use super::meters::Admission;

/// How far a drain has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No drain.
    Serving,
    /// Nothing new is accepted, what runs may end.
    Draining,
    /// What still runs is cut off.
    Aborting,
}

/// Starts and ends a drain of everything that watches it. Stages only advance.
#[derive(Debug)]
pub struct Drain(watch::Sender<Stage>);

/// Sees how far a drain has got; cheap to clone.
#[derive(Clone, Debug)]
pub struct DrainWatch(watch::Receiver<Stage>);

impl Default for Drain {
    fn default() -> Self {
        Drain(watch::Sender::new(Stage::Serving))
    }
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Drain {
        Drain::default()
    }

    /// A watch for a listener.
    pub fn watch(&self) -> DrainWatch {
        let mut receiver = self.0.subscribe();
        if *self.0.borrow() > Stage::Serving {
            receiver.mark_changed();
        }
        DrainWatch(receiver)
    }

    /// Advances to `stage`; never back.
    pub fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|now| {
            let later = stage > *now;
            *now = stage.max(*now);
            later
        });
    }

    /// Drains whatever counts its connections in `admission`: waits `delay`, stops accepting, waits
    /// up to `timeout` for what runs, and cuts off the rest. Returns how many connections were left
    /// then; 0 is a clean end.
    pub async fn run(&self, admission: &Admission, delay: Duration, timeout: Duration) -> usize {
        tokio::time::sleep(delay).await;
        self.advance(Stage::Draining);
        let deadline = tokio::time::Instant::now() + timeout;
        // The accept loops close their queues first; a count of 0 before that means nothing.
        tokio::time::sleep(SETTLE.min(timeout)).await;
        while admission.taken() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        let left = admission.taken();
        self.advance(Stage::Aborting);
        left
    }
}

/// How long accept loops get to empty their queues before connections are counted.
const SETTLE: Duration = Duration::from_millis(50);
/// How often connections are counted while a drain waits for them.
const POLL: Duration = Duration::from_millis(20);

impl DrainWatch {
    /// How far the drain has got.
    pub fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until the drain has got to `stage`; for ever, if whoever held the [`Drain`] is gone.
    pub async fn reached(&mut self, stage: Stage) {
        if self.0.wait_for(|now| *now >= stage).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a drain has begun; takes no lock, so it may be asked for each request.
    pub(super) fn begun(&self) -> bool {
        self.0.has_changed().unwrap_or_else(|_| self.stage() > Stage::Serving)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_the_last_connection_and_cuts_off_what_stays() {
        let admission = Admission::new(2);
        let short = admission.take();
        let _stays = admission.take();
        let drain = Drain::new();
        let mut watch = drain.watch();
        tokio::spawn(async move {
            watch.reached(Stage::Draining).await;
            drop(short);
        });
        let watch = drain.watch();
        let left =
            drain.run(&admission, Duration::from_millis(10), Duration::from_millis(100)).await;
        assert_eq!(left, 1);
        assert_eq!(watch.stage(), Stage::Aborting);
        drain.advance(Stage::Serving);
        assert_eq!(watch.stage(), Stage::Aborting);
    }
}
