//! Which URLs are asked for most, missed most and sent most: of each thread's requests as many as a
//! table holds.
//!
//! A new URL takes the place of the least asked for of a few, with a chance that falls with how often
//! that one was asked for, and begins with its count (Basat and others, "Randomized Admission Policy for
//! Efficient Top-k and Frequency Estimation", 2017): what is asked for often stays, and one of very many
//! that are asked for once costs nearly nothing. Counts are halved every minute, so that what was hot an
//! hour ago does not hide what is hot now.

use std::hash::BuildHasher;
use std::sync::Arc;

use crossbeam_utils::CachePadded;
use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::mask;
use super::record::{Record, Text};
use super::settings::AccessLogSettings;
use crate::cache::verdict::Verdict;
use crate::clock::Timestamp;
use crate::count::thread_number;

/// How many URLs share their places.
const WAYS: usize = 8;
/// How many such groups a thread's table has.
const GROUPS: usize = 256;
/// After how many seconds counts are halved.
const HALVING: u64 = 60;
/// How much of a URL is kept.
const URL_MOST: usize = 1024;

/// The tables of all threads.
#[derive(Debug)]
pub struct Top {
    tables: Box<[CachePadded<Mutex<Table>>]>,
    secrets: Vec<String>,
}

#[derive(Debug)]
struct Table {
    slots: Vec<Option<Slot>>,
    minute: u64,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    hot: Hot,
}

/// What was asked for, and how often of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hot {
    /// The site.
    pub site: Arc<str>,
    /// Host, path and query, secrets left out.
    pub url: Box<str>,
    /// Requests.
    pub requests: u64,
    /// Those of them that an origin was asked for.
    pub misses: u64,
    /// Bytes of bodies that were sent.
    pub bytes: u64,
}

impl Top {
    /// Empty tables.
    pub fn new(settings: &AccessLogSettings) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let table = |_| CachePadded::new(Mutex::new(Table { slots: Vec::new(), minute: 0 }));
        let secrets = settings.secret_parameters.clone();
        Top { tables: (0..threads).map(table).collect(), secrets }
    }

    /// Counts a request.
    pub fn count(&self, record: &Record) {
        let (Text::Shared(site), Some(host)) = (&record.site, record.host.bytes()) else { return };
        let path = record.target.path_and_query().map_or("/", |it| it.as_str());
        let hash = FixedState::default().hash_one((host, path));
        let Some(table) = self.tables.get(thread_number() % self.tables.len()) else { return };
        let mut table = table.lock();
        table.age(record.time);
        if let Some(slot) = table.place(hash, || self.named(site, host, path)) {
            let outcome = &record.outcome;
            let missed = matches!(outcome.verdict, Some((Verdict::Miss | Verdict::Pass, _)));
            slot.requests += 1;
            slot.misses += u64::from(missed);
            slot.bytes = slot.bytes.saturating_add(outcome.bytes_out);
        }
    }

    /// The first by `order` of those that are wanted, as they count now.
    pub fn first(
        &self,
        now: Timestamp,
        count: usize,
        order: impl Fn(&Hot) -> u64,
        wanted: impl Fn(&Hot) -> bool,
    ) -> Vec<Hot> {
        let mut all = std::collections::HashMap::<u64, Hot>::new();
        for table in &self.tables {
            let mut table = table.lock();
            table.age(now);
            for slot in table.slots.iter().flatten().filter(|slot| wanted(&slot.hot)) {
                match all.get_mut(&slot.hash) {
                    None => drop(all.insert(slot.hash, slot.hot.clone())),
                    Some(hot) => {
                        hot.requests += slot.hot.requests;
                        hot.misses += slot.hot.misses;
                        hot.bytes = hot.bytes.saturating_add(slot.hot.bytes);
                    }
                }
            }
        }
        let mut all: Vec<Hot> = all.into_values().filter(|hot| order(hot) > 0).collect();
        all.sort_by(|one, other| order(other).cmp(&order(one)).then(one.url.cmp(&other.url)));
        all.truncate(count);
        all
    }

    /// A URL that was asked for the first time.
    #[cold]
    fn named(&self, site: &Arc<str>, host: &[u8], path: &str) -> Hot {
        let mut url = String::from_utf8_lossy(host).into_owned();
        match path.split_once('?') {
            None => url.push_str(path),
            Some((path, query)) => {
                url.push_str(path);
                url.push('?');
                url.push_str(&String::from_utf8_lossy(&mask::query(
                    query.as_bytes(),
                    &self.secrets,
                )));
            }
        }
        url.truncate(url.floor_char_boundary(URL_MOST));
        Hot { site: Arc::clone(site), url: url.into(), requests: 0, misses: 0, bytes: 0 }
    }
}

impl Table {
    fn age(&mut self, now: Timestamp) {
        let minute = now.seconds() / HALVING;
        if minute == self.minute {
            return;
        }
        let halvings =
            if self.minute == 0 { 0 } else { minute.saturating_sub(self.minute).min(63) };
        self.minute = minute;
        for slot in &mut self.slots {
            if let Some(Slot { hot, .. }) = slot {
                hot.requests >>= halvings;
                hot.misses >>= halvings;
                hot.bytes >>= halvings;
            }
            slot.take_if(|slot| slot.hot.requests == 0);
        }
    }

    /// Where a URL is counted; nowhere, if it has to wait for a place.
    fn place(&mut self, hash: u64, named: impl FnOnce() -> Hot) -> Option<&mut Hot> {
        if self.slots.is_empty() {
            self.slots.resize_with(GROUPS * WAYS, || None);
        }
        let start = (hash as usize % GROUPS) * WAYS;
        let group = self.slots.get_mut(start..start + WAYS)?;
        let known = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.hash == hash);
        let at = match group.iter().position(known) {
            Some(at) => at,
            None => {
                let asked = |slot: &Option<Slot>| slot.as_ref().map_or(0, |it| it.hot.requests);
                let (at, least) = group.iter().map(asked).enumerate().min_by_key(|it| it.1)?;
                if least > 0 && fastrand::u64(..=least) > 0 {
                    return None;
                }
                let hot = Hot { requests: least, ..named() };
                *group.get_mut(at)? = Some(Slot { hash, hot });
                at
            }
        };
        group.get_mut(at)?.as_mut().map(|slot| &mut slot.hot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::verdict::Reason;

    fn record(path: &str, at: u64) -> Record {
        let mut record = crate::telemetry::line::tests::record();
        record.site = Text::Shared("a".into());
        record.host = "a.test".into();
        record.target = path.parse().unwrap();
        record.time = Timestamp::from_seconds(at);
        record.outcome.bytes_out = 10;
        record.outcome.verdict = Some((Verdict::Miss, Reason::ALL[0]));
        record
    }

    #[test]
    fn what_is_asked_for_often_is_found_among_very_many() {
        let top = Top::new(&AccessLogSettings::default());
        for round in 0..200_000u64 {
            top.count(&record(&format!("/rare/{round}"), 600));
            if round % 10 == 0 {
                for hot in 0..5 {
                    top.count(&record(&format!("/hot/{hot}?token=secret"), 600));
                }
            }
        }
        let now = Timestamp::from_seconds(600);
        let first = top.first(now, 5, |hot| hot.requests, |_| true);
        let mut urls: Vec<_> = first.iter().map(|hot| &*hot.url).collect();
        urls.sort_unstable();
        let expected: Vec<_> = (0..5).map(|hot| format!("a.test/hot/{hot}?token=***")).collect();
        assert_eq!(urls, expected);
        for hot in &first {
            assert!((15_000..=20_100).contains(&hot.requests), "{hot:?}");
        }
        assert!(top.first(now, 5, |hot| hot.requests, |hot| &*hot.site == "b").is_empty());
    }

    #[test]
    fn what_was_hot_fades() {
        let top = Top::new(&AccessLogSettings::default());
        (0..64).for_each(|_| top.count(&record("/old", 600)));
        (0..10).for_each(|_| top.count(&record("/new", 600 + 3 * HALVING)));
        let counts = |minute| -> Vec<_> {
            let now = Timestamp::from_seconds(600 + minute * HALVING);
            let first = top.first(now, 9, |hot| hot.misses, |_| true);
            first.iter().map(|hot| (hot.url.to_string(), hot.misses, hot.bytes)).collect()
        };
        let expected = |new, old| {
            [("a.test/new".to_owned(), new, 10 * new), ("a.test/old".to_owned(), old, 10 * old)]
        };
        assert_eq!(counts(3), expected(10, 8));
        // With time alone as with requests.
        assert_eq!(counts(4), expected(5, 4));
        assert!(counts(9).is_empty());
    }
}
