//! The only source of time.
//!
//! Caching compares ages with dates, so it needs wall time; timers must not move when an operator sets
//! the clock. [`Clock`] therefore tells *steady* wall time: the wall clock read once, carried on by
//! the monotonic clock, and re-anchored only when the two drift apart by more than a second. Tests
//! hold a [`Clock::manual`] and turn it by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since the Unix epoch, the resolution of HTTP dates.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The timestamp `seconds` after the Unix epoch.
    pub fn from_seconds(seconds: u64) -> Self {
        Timestamp(seconds.saturating_mul(1000))
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time plus `duration`, saturating.
    pub fn plus(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_add(duration.as_millis().min(u128::from(u64::MAX)) as u64))
    }

    /// Year, month and day of the Gregorian calendar, in UTC. Years are taken to begin in March, so
    /// that the leap day is the last; an era is the 400 years after which the calendar repeats.
    pub fn date(self) -> (u64, u64, u64) {
        const DAYS_PER_ERA: u64 = 146_097;
        // 0000-03-01 is this many days before 1970-01-01.
        const EPOCH: u64 = 719_468;
        let days = self.seconds() / 86_400 + EPOCH;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (era * 400 + year_of_era + u64::from(month <= 2), month, day)
    }

    /// Hour, minute and second of the day, in UTC.
    pub fn time_of_day(self) -> (u64, u64, u64) {
        let second = self.seconds() % 86_400;
        (second / 3600, second / 60 % 60, second % 60)
    }

    /// The moment in UTC with its milliseconds, as in `2026-01-31T12:00:00.250Z` (RFC 3339).
    pub fn rfc3339(self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date(), self.time_of_day());
        let millis = self.0 % 1000;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }

    /// The same moment as the standard library tells it.
    pub fn system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

/// Tells the time; cheap to clone, shared by everything in a node.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    Steady { started: Instant, offset_ms: AtomicI64 },
    Manual(AtomicU64),
}

/// How far the wall clock may drift from the carried one before it is followed.
const DRIFT_MS: i64 = 1000;

impl Clock {
    /// A clock that follows the machine's.
    pub fn system() -> Self {
        let clock = Clock(Arc::new(Source::Steady {
            started: Instant::now(),
            offset_ms: AtomicI64::new(wall_ms()),
        }));
        clock.anchor();
        clock
    }

    /// A clock that stands still at `now` until [`Clock::advance`] turns it.
    pub fn manual(now: Timestamp) -> Self {
        Clock(Arc::new(Source::Manual(AtomicU64::new(now.0))))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The time at `moment`, for who has looked at the machine's clock already.
    pub fn at(&self, moment: Instant) -> Timestamp {
        match &*self.0 {
            Source::Steady { started, offset_ms } => {
                let elapsed = moment.saturating_duration_since(*started).as_millis() as i64;
                Timestamp((offset_ms.load(Ordering::Relaxed) + elapsed).max(0) as u64)
            }
            Source::Manual(now) => Timestamp(now.load(Ordering::Relaxed)),
        }
    }

    /// Turns a manual clock forward; a system clock ignores it.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(now) = &*self.0 {
            now.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Follows the wall clock again if it was set. The node calls this about once a second.
    pub fn anchor(&self) {
        if let Source::Steady { started, offset_ms } = &*self.0 {
            let offset = wall_ms() - started.elapsed().as_millis() as i64;
            if (offset - offset_ms.load(Ordering::Relaxed)).abs() > DRIFT_MS {
                offset_ms.store(offset, Ordering::Relaxed);
            }
        }
    }
}

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::from_seconds(100));
        assert_eq!(clock.now().seconds(), 100);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().seconds(), 105);
        assert_eq!(clock.now().since(Timestamp::from_seconds(200)), Duration::ZERO);
    }

    #[test]
    fn a_moment_is_printed_to_the_millisecond() {
        assert_eq!(Timestamp(1_769_860_800_042).rfc3339(), "2026-01-31T12:00:00.042Z");
    }

    #[test]
    fn the_system_clock_agrees_with_the_wall() {
        let wall = wall_ms() as u64;
        let now = Clock::system().now().0;
        assert!(now.abs_diff(wall) < 2000, "{now} against {wall}");
    }
}
