//! Holds a body back to a rate.
//!
//! A body is sent as it is asked for, so that is where it is held back: what may not go yet is not
//! taken from its source either, and lies on in the store, on disk or at the origin. Nobody else
//! needs to know. The client's connection has all that it was given and waits for us, which `listen`
//! does not hold against the client: its patience runs only while bytes wait for the client. A reader
//! of a stream takes what it sends, piece by piece, and so does not count as stalled in the store;
//! but it is the slowest reader that sets the pace of a body that is not kept.
//!
//! The plan is that every byte goes at its own time: byte `n` at `n / rate` after the first. A piece
//! goes when its first byte may. Who is late may catch up, by one [`GRAIN`] at most.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::{Broken, Source};

/// How fast a body may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Bytes per second; 0 holds nothing back.
    pub rate: u64,
    /// How many bytes go at full speed first.
    pub after: u64,
}

/// The time that one piece stands for, and that can be caught up. Both together are the largest
/// burst: a quarter of a second's worth.
const GRAIN: Duration = Duration::from_millis(125);
/// Grains in a second.
const GRAINS: u64 = 8;

/// A body that is held back.
pub struct Paced {
    source: Source,
    /// What came of the source in one chunk with the piece before, such as a read from disk.
    held: Bytes,
    meter: Meter,
}

impl Paced {
    /// Holds `source` back to `pace`, whose rate must not be 0.
    pub(super) fn new(source: Source, pace: Pace) -> Self {
        Paced { source, held: Bytes::new(), meter: Meter::new(pace) }
    }

    /// The next piece, when it is due.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let most = ready!(self.meter.poll_due(cx));
        if self.held.is_empty() {
            match ready!(self.source.poll_next(cx, most)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.held = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.held.split_to(self.held.len().min(most));
        self.meter.sent(piece.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Whether nothing is left to send.
    pub(super) fn is_finished(&self) -> bool {
        self.held.is_empty() && self.source.is_finished()
    }

    /// How much is left to send, as far as that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        let (mut hint, held) = (self.source.size_hint(), self.held.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(hint.lower().saturating_add(held));
        hint
    }
}

/// Tells when bytes may go.
struct Meter {
    rate: u64,
    /// Bytes that still go at full speed.
    free: u64,
    /// When the plan begins: with the first byte that is held back, or later if that was late.
    since: Option<Instant>,
    /// Bytes sent by the plan.
    sent: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Meter {
    fn new(pace: Pace) -> Self {
        Meter { rate: pace.rate.max(1), free: pace.after, since: None, sent: 0, timer: None }
    }

    /// How many bytes may go now, when some may.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.free > 0 {
            return Poll::Ready(usize::try_from(self.free).unwrap_or(usize::MAX));
        }
        let mut now = Instant::now();
        let due = *self.since.get_or_insert(now) + self.planned();
        if due > now {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            now = Instant::now();
        }
        if let Some(earliest) = now.checked_sub(GRAIN).filter(|earliest| *earliest > due) {
            (self.since, self.sent) = (Some(earliest), 0);
        }
        Poll::Ready(usize::try_from(self.rate / GRAINS).unwrap_or(usize::MAX).max(1))
    }

    /// Notes that `bytes` have gone.
    fn sent(&mut self, bytes: u64) {
        if self.free > 0 {
            self.free = self.free.saturating_sub(bytes);
        } else {
            self.sent += bytes;
        }
    }

    /// The time that the bytes sent take by the plan.
    fn planned(&self) -> Duration {
        let nanos = u128::from(self.sent) * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
