//! Whether a disk is used. One that fails is left alone and tried again later; nobody waits for it.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::counters::COUNTERS;

/// How a disk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It is read and written.
    Ok,
    /// It is read; the last write found no room.
    Full,
    /// Nothing is asked of it.
    Sick,
    /// The node is done with it.
    Closed,
}

/// The first pause before a disk is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// After so long without a failure, the next pause is the first again.
const PROBATION: Duration = Duration::from_secs(60);
/// So many reads in a row that fail make a disk sick.
const BAD_READS: u32 = 16;

/// Whether a disk is used, and when it is tried again.
#[derive(Debug)]
pub(super) struct Health {
    state: AtomicU8,
    bad_reads: AtomicU32,
    pause: Mutex<Pause>,
}

#[derive(Debug)]
struct Pause {
    length: Duration,
    /// When it began.
    fell: Option<Instant>,
    healed: Option<Instant>,
}

impl Health {
    /// Of a disk that is not opened yet.
    pub(super) fn new() -> Health {
        let pause = Pause { length: FIRST_PAUSE, fell: None, healed: None };
        Health {
            state: AtomicU8::new(State::Sick as u8),
            bad_reads: AtomicU32::new(0),
            pause: Mutex::new(pause),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Ok,
            1 => State::Full,
            2 => State::Sick,
            _ => State::Closed,
        }
    }

    /// The state as one word.
    pub(super) fn word(&self) -> &'static str {
        match self.state() {
            State::Ok => "ok",
            State::Full => "full",
            State::Sick => "sick",
            State::Closed => "closed",
        }
    }

    /// The disk failed at `now`. A lack of room only stops writes.
    pub(super) fn fell(&self, error: &io::Error, now: Instant) -> State {
        let full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let state = if full { State::Full } else { State::Sick };
        if self.state() == State::Closed {
            return State::Closed;
        }
        let mut pause = self.pause.lock();
        let lasted =
            pause.healed.is_none_or(|then| now.saturating_duration_since(then) > PROBATION);
        if pause.fell.is_none() && lasted {
            pause.length = FIRST_PAUSE;
        } else if pause.fell.is_some() || pause.healed.is_some() {
            pause.length = (pause.length * 2).min(LAST_PAUSE);
        }
        pause.fell = Some(now);
        self.state.store(state as u8, Ordering::Release);
        COUNTERS.fell_sick.bump();
        state
    }

    /// Whatever was wrong, nothing can be asked of the disk.
    pub(super) fn sicken(&self) {
        if self.state() == State::Full {
            self.state.store(State::Sick as u8, Ordering::Release);
        }
    }

    /// Whether a pause ends by `now`. Says so once for each pause.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut pause = self.pause.lock();
        let due =
            pause.fell.is_some_and(|then| now.saturating_duration_since(then) >= pause.length);
        if due {
            // Until the trial is over.
            pause.fell = Some(now);
        }
        due && matches!(self.state(), State::Full | State::Sick)
    }

    /// The disk works, at `now`.
    pub(super) fn well(&self, now: Instant) {
        let mut pause = self.pause.lock();
        if pause.fell.take().is_some() {
            pause.healed = Some(now);
            COUNTERS.healed.bump();
        }
        self.bad_reads.store(0, Ordering::Relaxed);
        self.state.store(State::Ok as u8, Ordering::Release);
    }

    /// The node is done with the disk.
    pub(super) fn close(&self) {
        self.state.store(State::Closed as u8, Ordering::Release);
    }

    /// A read succeeded.
    pub(super) fn good_read(&self) {
        if self.bad_reads.load(Ordering::Relaxed) != 0 {
            self.bad_reads.store(0, Ordering::Relaxed);
        }
    }

    /// A read failed; true if it was one too many.
    pub(super) fn bad_read(&self) -> bool {
        self.bad_reads.fetch_add(1, Ordering::Relaxed) + 1 == BAD_READS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_shrink_again() {
        let health = Health::new();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let broken = io::Error::other("broken");
        health.well(at(0));
        assert_eq!(health.fell(&broken, at(1)), State::Sick);
        assert!(!health.is_due(at(5)) && health.is_due(at(6)) && !health.is_due(at(7)));
        health.fell(&broken, at(7));
        assert!(!health.is_due(at(16)) && health.is_due(at(17)));
        health.well(at(18));
        health.fell(&broken, at(20));
        assert!(!health.is_due(at(39)) && health.is_due(at(40)));
        health.well(at(41));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(health.fell(&full, at(141)), State::Full);
        assert!(health.is_due(at(146)));
    }

    #[test]
    fn only_failed_reads_in_a_row_count() {
        let health = Health::new();
        for _ in 0..BAD_READS - 1 {
            assert!(!health.bad_read());
        }
        health.good_read();
        assert_eq!((0..BAD_READS).filter(|_| health.bad_read()).count(), 1);
    }
}
