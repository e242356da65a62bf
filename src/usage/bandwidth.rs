//! Bandwidth as bills take it, from the bytes of 5-minute points.
//!
//! A point's bandwidth is its bytes times 8 by 300 seconds, and a point without traffic is zero. The
//! 95th percentile of n points: they are sorted, the highest 5 in 100 (n × 5 ÷ 100, rounded down) are
//! dropped, and the highest that is left counts. The fourth peak: of each day the highest point, and
//! of these the fourth highest; a day is 24 hours from the beginning of the range, and a day without
//! traffic has the peak zero.

use serde::Serialize;

use super::{BUCKET, DAY};

/// Points in a day.
const POINTS_OF_DAY: usize = (DAY / BUCKET) as usize;

/// Bandwidth over a range, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    /// All bytes by all of the time.
    pub mean: u64,
    /// The highest point.
    pub peak: u64,
    /// The highest point but for the highest 5 in 100.
    pub percentile_95: u64,
    /// The fourth highest of the days' peaks; absent where the range has no four days.
    pub fourth_daily_peak: Option<u64>,
}

impl Bandwidth {
    /// Of the bytes of each point of a range.
    pub fn of(points: &[u64]) -> Bandwidth {
        let all = points.iter().fold(0u64, |all, bytes| all.saturating_add(*bytes));
        let mut sorted = points.to_vec();
        sorted.sort_unstable_by(|one, other| other.cmp(one));
        let at = |place: usize| sorted.get(place).copied().unwrap_or(0);
        let mut peaks: Vec<u64> = points
            .chunks(POINTS_OF_DAY)
            .map(|day| day.iter().copied().max().unwrap_or(0))
            .collect();
        peaks.sort_unstable_by(|one, other| other.cmp(one));
        Bandwidth {
            mean: rate(all, points.len() as u64),
            peak: rate(at(0), 1),
            percentile_95: rate(at(points.len() * 5 / 100), 1),
            fourth_daily_peak: peaks.get(3).map(|bytes| rate(*bytes, 1)),
        }
    }
}

/// Bits per second of so many bytes in so many points.
pub(super) fn rate(bytes: u64, points: u64) -> u64 {
    bytes.saturating_mul(8) / (BUCKET * points.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The percentile word by word: the highest point goes as long as what has gone is at most 5 in
    /// 100 of all.
    fn naive_95(points: &[u64]) -> u64 {
        let mut left = points.to_vec();
        while (points.len() - left.len() + 1) * 100 <= points.len() * 5 {
            let highest = *left.iter().max().unwrap();
            let place = left.iter().position(|point| *point == highest).unwrap();
            left.remove(place);
        }
        left.iter().copied().max().unwrap_or(0) * 8 / 300
    }

    fn naive_fourth(points: &[u64]) -> Option<u64> {
        let mut peaks = Vec::new();
        for day in 0..points.len().div_ceil(288) {
            let of_day = points.iter().enumerate().filter(|(place, _)| place / 288 == day);
            peaks.push(of_day.map(|(_, bytes)| *bytes).max().unwrap());
        }
        for _ in 0..3 {
            let highest = *peaks.iter().max()?;
            let place = peaks.iter().position(|peak| *peak == highest)?;
            peaks.remove(place);
        }
        peaks.iter().max().map(|bytes| bytes * 8 / 300)
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition_word_by_word(
            points in prop::collection::vec(prop_oneof![Just(0), 0u64..1 << 40], 0..400),
            days in 1usize..5,
        ) {
            let points = points.repeat(days);
            let found = Bandwidth::of(&points);
            prop_assert_eq!(found.percentile_95, naive_95(&points));
            prop_assert_eq!(found.fourth_daily_peak, naive_fourth(&points));
            prop_assert_eq!(found.peak, points.iter().max().copied().unwrap_or(0) * 8 / 300);
        }
    }

    #[test]
    fn a_month_drops_36_hours_and_counts_empty_points() {
        let mut month = vec![0; 30 * POINTS_OF_DAY];
        // 432 points are 5 in 100 of 8640: as many may be as high as they like.
        month[..432].fill(300 << 30);
        assert_eq!(Bandwidth::of(&month).percentile_95, 0);
        month[432] = 300;
        assert_eq!(Bandwidth::of(&month).percentile_95, 8);
        assert_eq!(Bandwidth::of(&month).peak, 8 << 30);
    }

    #[test]
    fn the_fourth_peak_is_of_days_and_not_of_points() {
        let mut points = vec![0; 5 * POINTS_OF_DAY];
        points[..10].fill(3_000_000);
        for (day, bytes) in [(1, 3000), (2, 300), (4, 600)] {
            points[day * POINTS_OF_DAY + 7] = bytes;
        }
        assert_eq!(Bandwidth::of(&points).fourth_daily_peak, Some(8));
        assert_eq!(Bandwidth::of(&points[..3 * POINTS_OF_DAY]).fourth_daily_peak, None);
    }

    #[test]
    fn no_points_are_no_bandwidth() {
        let none = Bandwidth { mean: 0, peak: 0, percentile_95: 0, fourth_daily_peak: None };
        assert_eq!(Bandwidth::of(&[]), none);
    }
}
