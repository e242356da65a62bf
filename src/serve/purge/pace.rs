//! How many purges a site or a customer may order in a second.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// What has been ordered of late.
#[derive(Default)]
pub struct Pace(Mutex<HashMap<Payer, Bucket>>);

/// Whose purges are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// A site's, by requests to it.
    Site(u32),
    /// A customer's, by its tokens.
    Customer(Arc<str>),
}

struct Bucket {
    /// What it may order still, in thousandths.
    left: u64,
    since: u64,
}

/// A payer may order what it has saved in so many seconds at once.
const SAVED: u64 = 10;
/// Payers that are remembered; those that were not heard of for long go first.
const MOST: usize = 10_000;

/// The most that can be ordered at once at a rate.
pub(super) fn most_at_once(rate: u32) -> u64 {
    u64::from(rate) * SAVED
}

impl Pace {
    /// Whether so many more may be ordered now, of `rate` a second; counts them.
    pub(super) fn admits(&self, payer: Payer, rate: u32, count: u64, now: Timestamp) -> bool {
        let full = most_at_once(rate) * 1000;
        let (rate, now) = (u64::from(rate), now.0);
        let mut payers = self.0.lock();
        if payers.len() >= MOST {
            payers.retain(|_, bucket| now.saturating_sub(bucket.since) < SAVED * 1000);
        }
        let bucket = payers.entry(payer).or_insert(Bucket { left: full, since: now });
        let gained = now.saturating_sub(bucket.since) * rate;
        bucket.left = (bucket.left + gained).min(full);
        bucket.since = now.max(bucket.since);
        match bucket.left.checked_sub(count * 1000) {
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
        let admits = |site, count, millis| pace.admits(Payer::Site(site), 5, count, at(millis));
        let count = |site: u32, millis: u64| (0..1000).filter(|_| admits(site, 1, millis)).count();
        assert_eq!(count(1, 0), 50);
        assert_eq!(count(1, 0), 0);
        assert_eq!(count(2, 0), 50, "another site");
        assert_eq!(count(1, 1000), 5);
        assert_eq!(count(1, 1100), 0);
        assert_eq!(count(1, 1200), 1);
        assert_eq!(count(1, 100_000), 50, "no more than was saved");
        assert_eq!(count(1, 0), 0, "a clock that goes back gives nothing");
        assert!(!admits(3, 51, 0) && admits(3, 50, 0) && !admits(3, 1, 0), "all or nothing");
    }
}
