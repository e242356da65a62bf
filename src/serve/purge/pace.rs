//! How many purges a site may order in a second.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// What sites have ordered of late.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<u32, Bucket>>);

struct Bucket {
    /// What it may order still, in thousandths.
    left: u64,
    since: u64,
}

/// A site may order what it has saved in so many seconds at once.
const SAVED: u64 = 10;
/// Sites that are remembered; those that were not heard of for long go first.
const MOST: usize = 10_000;

impl Pace {
    /// Whether a site may order one more now, of `rate` a second; counts it.
    pub fn admits(&self, site: u32, rate: u32, now: Timestamp) -> bool {
        let (rate, now) = (u64::from(rate), now.0);
        let full = rate * SAVED * 1000;
        let mut sites = self.0.lock();
        if sites.len() >= MOST {
            sites.retain(|_, bucket| now.saturating_sub(bucket.since) < SAVED * 1000);
        }
        let bucket = sites.entry(site).or_insert(Bucket { left: full, since: now });
        let gained = now.saturating_sub(bucket.since) * rate;
        bucket.left = (bucket.left + gained).min(full);
        bucket.since = now.max(bucket.since);
        match bucket.left.checked_sub(1000) {
            Some(left) => bucket.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_its_rate_and_what_it_saved() {
        let pace = Pace::default();
        let at = |millis: u64| Timestamp(1_000_000 + millis);
        let count =
            |site: u32, millis: u64| (0..1000).filter(|_| pace.admits(site, 5, at(millis))).count();
        assert_eq!(count(1, 0), 50);
        assert_eq!(count(1, 0), 0);
        assert_eq!(count(2, 0), 50, "another site");
        assert_eq!(count(1, 1000), 5);
        assert_eq!(count(1, 1100), 0);
        assert_eq!(count(1, 1200), 1);
        assert_eq!(count(1, 100_000), 50, "no more than was saved");
        assert_eq!(count(1, 0), 0, "a clock that goes back gives nothing");
    }
}
