//! How long a peer may keep us waiting.
//!
//! Patience is a stock of time. Waiting uses it up, bytes that arrive fill it again, one second for
//! each `rate` bytes, never above where it began. So a peer may pause for the whole stock at once,
//! and in the long run has to keep up the rate: one byte now and then does not help it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The stock of time that one peer has left. Costs nothing while the peer keeps up.
#[derive(Debug)]
pub(super) struct Patience {
    left: Duration,
    full: Duration,
    rate: u64,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Patience for `full` of waiting, filled up by `rate` bytes per second; with a rate of 0 any
    /// byte fills it whole.
    pub(super) fn new(full: Duration, rate: u64) -> Patience {
        Patience { left: full, full, rate, waiting_since: None, timer: None }
    }

    /// The peer moved `bytes`, and is no longer waited for.
    pub(super) fn progress(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        if self.left < self.full {
            let millis = (bytes as u64).saturating_mul(1000).checked_div(self.rate);
            let earned = millis.map_or(self.full, Duration::from_millis);
            self.left = self.full.min(self.left.saturating_add(earned));
        }
    }

    /// The peer is waited for; ready when patience has run out.
    pub(super) fn poll_exhausted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + self.left;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // A timer that is set too early is left to fire once for nothing: cheaper than moving it at
        // each pause.
        if timer.deadline() > deadline || timer.is_elapsed() {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn a_pause_is_borne_once_and_earned_back_by_bytes() {
        let mut patience = Patience::new(Duration::from_millis(200), 10_000);
        let begin = Instant::now();
        let half = tokio::time::timeout(
            Duration::from_millis(120),
            poll_fn(|cx| patience.poll_exhausted(cx)),
        );
        assert!(half.await.is_err());
        patience.progress(1000);
        // 80 ms were left, 100 ms were earned.
        poll_fn(|cx| patience.poll_exhausted(cx)).await;
        let waited = begin.elapsed().as_millis();
        assert!((290..=600).contains(&waited), "{waited} ms");
        patience.progress(1 << 30);
        assert_eq!(patience.left, patience.full);
    }
}
