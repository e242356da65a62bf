//! Counts on the request's path, without anything that all threads share.
//!
//! As with the access log, a thread always uses the same one of several lanes, whose lock only the
//! collector ever contends, for the moment that it takes to exchange the lane's table for an empty
//! one. A request of a site that the table has adds to plain integers and allocates nothing.
//!
//! What is counted belongs to the bucket in which it ended. A lane knows the bucket that it is at and
//! never goes back: what ended before and comes late is counted with what is open.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::counts::{Counts, Request};
use super::{LOST, bucket};
use crate::clock::{Clock, Timestamp};
use crate::count::thread_number;

/// The counts of some sites.
type Sites = HashMap<Arc<str>, Counts, foldhash::fast::RandomState>;

/// Counts what sites use; clones are the same meter.
#[derive(Clone)]
pub struct Meter(Option<Arc<Lanes>>);

/// Where threads count until the collector comes.
pub(super) struct Lanes {
    clock: Clock,
    lanes: Box<[CachePadded<Mutex<Lane>>]>,
    /// Most sites in one lane.
    room: usize,
    /// The name of what no site has.
    nobody: Arc<str>,
    collector: OnceLock<Thread>,
}

struct Lane {
    bucket: u32,
    open: Sites,
    /// What was counted in buckets before, since the collector came last.
    past: Vec<(u32, Sites)>,
}

impl Meter {
    /// A meter that counts nothing.
    pub fn off() -> Meter {
        Meter(None)
    }

    pub(super) fn new(lanes: Arc<Lanes>) -> Meter {
        Meter(Some(lanes))
    }

    /// Counts a request that has ended at `end`; without a name, no site has its host.
    #[inline]
    pub fn request(&self, site: Option<&Arc<str>>, end: Timestamp, request: &Request) {
        if let Some(lanes) = &self.0 {
            lanes.count(site.unwrap_or(&lanes.nobody), end, |counts| counts.request(request));
        }
    }

    /// Counts a request to a site's origin, and the bytes of the body that came back.
    pub fn origin(&self, site: &Arc<str>, bytes: u64) {
        self.now(site, |counts| {
            counts.origin.requests += 1;
            counts.origin.bytes = counts.origin.bytes.saturating_add(bytes);
        });
    }

    /// Counts a piece of work on an image, and its processor time.
    pub fn image(&self, site: &Arc<str>, micros: u64) {
        self.now(site, |counts| {
            counts.images += 1;
            counts.image_micros = counts.image_micros.saturating_add(micros);
        });
    }

    /// Counts rules that failed.
    pub fn rule_failures(&self, site: &Arc<str>, failures: u64) {
        if failures > 0 {
            self.now(site, |counts| counts.rule_failures += failures);
        }
    }

    fn now(&self, site: &Arc<str>, add: impl FnOnce(&mut Counts)) {
        if let Some(lanes) = &self.0 {
            lanes.count(site, lanes.clock.now(), add);
        }
    }
}

impl Lanes {
    /// Lanes with room for so many sites in all of them.
    pub(super) fn new(clock: Clock, sites: usize) -> Arc<Lanes> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let now = bucket(clock.now());
        let lane = |_| Lane { bucket: now, open: Sites::default(), past: Vec::new() };
        Arc::new(Lanes {
            lanes: (0..count).map(lane).map(|lane| CachePadded::new(Mutex::new(lane))).collect(),
            room: sites.div_ceil(count),
            nobody: Arc::from(""),
            collector: OnceLock::new(),
            clock,
        })
    }

    /// Says whom to wake.
    pub(super) fn collected_by(&self, collector: Thread) {
        let _ = self.collector.set(collector);
    }

    /// Wakes the collector.
    pub(super) fn wake(&self) {
        if let Some(collector) = self.collector.get() {
            collector.unpark();
        }
    }

    fn count(&self, site: &Arc<str>, end: Timestamp, add: impl FnOnce(&mut Counts)) {
        let Some(lane) = self.lanes.get(thread_number() % self.lanes.len()) else { return };
        let half_full = {
            let mut lane = lane.lock();
            lane.turn(bucket(end));
            if let Some(counts) = lane.open.get_mut(&**site) {
                return add(counts);
            }
            let held = lane.held();
            if held >= self.room {
                LOST.bump();
                return;
            }
            add(lane.open.entry(Arc::clone(site)).or_default());
            held == self.room / 2
        };
        if half_full {
            self.wake();
        }
    }

    /// Takes all that was counted, and opens the bucket `now` in every lane.
    pub(super) fn sweep(&self, now: u32, mut take: impl FnMut(u32, Arc<str>, Counts)) {
        let mut spare = Sites::default();
        for lane in &self.lanes {
            let (at, past) = {
                let mut lane = lane.lock();
                std::mem::swap(&mut lane.open, &mut spare);
                let at = std::mem::replace(&mut lane.bucket, now);
                (at, std::mem::take(&mut lane.past))
            };
            for (at, sites) in past {
                sites.into_iter().for_each(|(site, counts)| take(at, site, counts));
            }
            // Its memory goes to the next lane.
            spare.drain().for_each(|(site, counts)| take(at, site, counts));
        }
    }
}

impl Lane {
    /// Goes on to a bucket, if it is a later one.
    fn turn(&mut self, bucket: u32) {
        if bucket <= self.bucket {
            return;
        }
        if !self.open.is_empty() {
            self.past.push((self.bucket, std::mem::take(&mut self.open)));
        }
        self.bucket = bucket;
    }

    fn held(&self) -> usize {
        self.open.len() + self.past.iter().map(|(_, sites)| sites.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::BUCKET;
    use super::super::counts::tests::{request, sorted};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const START: u64 = 1_769_860_800;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(START + seconds)
    }

    fn lanes(sites: usize) -> Arc<Lanes> {
        Lanes::new(Clock::manual(at(0)), sites)
    }

    type Taken = BTreeMap<(u32, String), Counts>;

    fn sweep(lanes: &Lanes, now: u32, taken: &mut Taken) {
        lanes.sweep(now, |bucket, site, counts| {
            taken.entry((bucket, site.to_string())).or_default().add(&counts);
        });
    }

    proptest! {
        /// Requests on several threads, and a collector that comes at any time between them.
        #[test]
        fn whatever_the_interleaving_nothing_is_lost_or_counted_twice(
            work in prop::collection::vec(
                prop::collection::vec((request(), 0u8..3, 0u64..3), 0..40),
                1..4,
            ),
            sweeps in 0usize..20,
        ) {
            let lanes = lanes(1000);
            let meter = Meter::new(Arc::clone(&lanes));
            let mut taken = Taken::new();
            std::thread::scope(|scope| {
                for requests in &work {
                    let meter = &meter;
                    scope.spawn(move || {
                        for (request, site, _) in requests {
                            let site: Arc<str> = format!("site-{site}").into();
                            meter.request(Some(&site), at(0), request);
                            std::thread::yield_now();
                        }
                    });
                }
                for _ in 0..sweeps {
                    sweep(&lanes, bucket(at(0)), &mut taken);
                    std::thread::yield_now();
                }
            });
            sweep(&lanes, bucket(at(0)), &mut taken);
            let mut expected = Taken::new();
            for (request, site, _) in work.iter().flatten() {
                let place = (bucket(at(0)), format!("site-{site}"));
                expected.entry(place).or_default().request(request);
            }
            prop_assert_eq!(taken.len(), expected.len());
            for ((place, taken), (wanted, expected)) in taken.into_iter().zip(expected) {
                prop_assert_eq!(place, wanted);
                prop_assert_eq!(sorted(taken), sorted(expected));
            }
        }
    }

    #[test]
    fn a_request_is_counted_in_the_bucket_of_its_end_and_never_in_a_closed_one() {
        let lanes = lanes(1000);
        let first = bucket(at(0));
        let count = |seconds: u64| {
            lanes.count(&Arc::from("a"), at(seconds), |counts| counts.images += 1);
        };
        count(0);
        count(299);
        count(300);
        // It ended before, but the bucket of its end has been left.
        count(299);
        let mut taken = Taken::new();
        sweep(&lanes, first + 1, &mut taken);
        let place = |bucket: u32| (bucket, "a".to_owned());
        let images = |taken: &Taken, bucket: u32| taken.get(&place(bucket)).map(|it| it.images);
        assert_eq!((images(&taken, first), images(&taken, first + 1)), (Some(2), Some(2)));
        // A sweep of a later bucket closes those before, in lanes that had nothing too.
        let mut taken = Taken::new();
        sweep(&lanes, first + 2, &mut taken);
        count(0);
        count(BUCKET + 10);
        sweep(&lanes, first + 2, &mut taken);
        assert_eq!(taken.keys().cloned().collect::<Vec<_>>(), [place(first + 2)]);
    }

    #[test]
    fn sites_beyond_the_room_are_counted_as_lost_and_those_within_go_on() {
        let clock = Clock::manual(at(0));
        let count = thread::available_parallelism().map_or(1, usize::from);
        let lanes = Lanes::new(clock.clone(), 4 * count);
        let meter = Meter::new(Arc::clone(&lanes));
        let lost = LOST.sum();
        for site in 0..6 {
            meter.image(&format!("{site}").into(), 1);
        }
        meter.image(&"0".into(), 1);
        // A new bucket makes no new room.
        clock.advance(Duration::from_secs(BUCKET));
        meter.image(&"0".into(), 1);
        // Others may lose some at the same time.
        assert!(LOST.sum() - lost >= 3);
        let mut taken = Taken::new();
        sweep(&lanes, bucket(clock.now()), &mut taken);
        assert_eq!(taken.len(), 4);
        assert_eq!(taken.values().map(|counts| counts.images).sum::<u64>(), 5);
        let mut taken = Taken::new();
        meter.image(&"9".into(), 1);
        sweep(&lanes, bucket(clock.now()), &mut taken);
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn a_meter_that_is_off_counts_nothing() {
        Meter::off().image(&"a".into(), 1);
        let lanes = lanes(10);
        let mut taken = Taken::new();
        sweep(&lanes, 1, &mut taken);
        assert!(taken.is_empty());
    }
}
