//! Counts on their way to disk and out again: failures, kills, clocks that jump, questions, export.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::usage::counts::{Counts, How, Protocol, Request, Tier};
use crate::usage::meter::Meter;
use crate::usage::query::{By, Question};
use crate::usage::spool::Record;
use crate::usage::{AckError, BUCKET, DAY};

/// 2026-01-31T12:00:00Z, where a bucket begins.
const START: u64 = 1_769_860_800;

/// A collector without a thread, on a file in a folder.
struct Stage {
    folder: TempDir,
    clock: Clock,
    lanes: Arc<Lanes>,
    book: Arc<Book>,
    collector: Collector,
}

fn opened(folder: &Path, clock: &Clock, keep: u32) -> (Arc<Lanes>, Arc<Book>, Collector) {
    let (book, state) = Book::open(folder).unwrap();
    let (lanes, book) = (Lanes::new(clock.clone(), 10_000), Arc::new(book));
    let both = (Arc::clone(&lanes), Arc::clone(&book));
    let collector = Collector::new(both, state, clock.clone(), keep, 10_000);
    (lanes, book, collector)
}

fn request(bytes: u64) -> Request {
    Request {
        how: How::Hit,
        tier: Tier::Memory,
        protocol: Protocol::Http11,
        tls: false,
        status: 200,
        region: None,
        bytes,
        saved: 0,
    }
}

impl Stage {
    fn new() -> Stage {
        Stage::keeping(62 * 288)
    }

    fn keeping(buckets: u32) -> Stage {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(START));
        let (lanes, book, collector) = opened(folder.path(), &clock, buckets);
        Stage { folder, clock, lanes, book, collector }
    }

    fn count(&self, site: &str, bytes: u64) {
        let meter = Meter::new(Arc::clone(&self.lanes));
        meter.request(Some(&site.into()), self.clock.now(), &request(bytes));
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sets the clock to another time, for a process that runs.
    fn set(&mut self, seconds: u64) {
        self.clock = Clock::manual(Timestamp::from_seconds(seconds));
        self.collector.clock = self.clock.clone();
    }

    /// Ends without a flush, and begins again.
    fn kill(&mut self) {
        self.book.close();
        let keep = self.collector.keep;
        let (lanes, book, collector) = opened(self.folder.path(), &self.clock, keep);
        (self.lanes, self.book, self.collector) = (lanes, book, collector);
    }

    /// A transaction that is written, though redb says that it failed.
    fn flush_in_doubt(&mut self) {
        self.collector.gather();
        if !self.collector.settle_doubts() {
            return;
        }
        let number = self.collector.waiting.number + 1;
        let next = Batch { number, rows: BTreeMap::new(), ..self.collector.waiting };
        let batch = std::mem::replace(&mut self.collector.waiting, next);
        self.book.commit(&batch).unwrap();
        self.collector.doubtful = Some(batch);
    }

    fn ask(&self, site: Option<&str>, from: u64, to: u64, by: By) -> serde_json::Value {
        let question = Question { site: site.map(str::to_owned), from, to, by };
        self.book.answer(question.settled().unwrap()).unwrap().told()
    }

    /// Requests and bytes of a site over all of time, and of all sites by the sums.
    fn totals(&self, site: Option<&str>) -> (u64, u64) {
        let site = site.map(str::to_owned);
        let (from, to, by) = (START - DAY, START + 40 * DAY, By::Day);
        let question = Question { site, from, to, by }.settled().unwrap();
        let all = self.book.answer(question).unwrap().total().all;
        (all.requests, all.bytes)
    }

    fn records(&self, after: u64) -> Vec<Record> {
        self.book.records(after, usize::MAX).unwrap()
    }
}

/// The bytes of all records, whose numbers have no gaps and whose ids are all different.
fn exported_once(records: &[Record]) -> u64 {
    assert!(records.iter().map(|record| record.seq).eq(1..=records.len() as u64));
    let mut ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), records.len());
    records.iter().map(|record| record.counts.all.bytes).sum()
}

/// What may happen to a node.
#[derive(Clone, Debug)]
enum Event {
    Count(u8, u64),
    Wait(u64),
    Flush,
    FailBefore,
    FailAfter,
    Stop,
    Kill,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0u8..3, 0u64..1 << 30).prop_map(|(site, bytes)| Event::Count(site, bytes)),
        2 => (0u64..400).prop_map(Event::Wait),
        4 => Just(Event::Flush),
        1 => Just(Event::FailBefore),
        1 => Just(Event::FailAfter),
        1 => Just(Event::Stop),
        1 => Just(Event::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens, what is on disk is what was counted, but for what was not written when the
    /// process was killed, and what is exported is what is on disk.
    #[test]
    fn nothing_is_lost_but_by_kills_and_nothing_is_counted_twice(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut stage = Stage::new();
        // By site: what must be on disk, and what is in memory.
        let (mut disk, mut memory) = (BTreeMap::new(), BTreeMap::<String, (u64, u64)>::new());
        let land = |disk: &mut BTreeMap<String, (u64, u64)>,
                    memory: &mut BTreeMap<String, (u64, u64)>| {
            for (site, (requests, bytes)) in std::mem::take(memory) {
                let so_far = disk.entry(site).or_insert((0, 0));
                *so_far = (so_far.0 + requests, so_far.1 + bytes);
            }
        };
        for event in events {
            match event {
                Event::Count(site, bytes) => {
                    let site = format!("site-{site}");
                    stage.count(&site, bytes);
                    let so_far = memory.entry(site).or_insert((0, 0));
                    *so_far = (so_far.0 + 1, so_far.1 + bytes);
                }
                Event::Wait(seconds) => stage.wait(seconds),
                Event::Flush => {
                    prop_assert!(stage.collector.flush());
                    land(&mut disk, &mut memory);
                }
                Event::FailBefore => {
                    stage.book.close();
                    // With nothing to write nothing fails, and a doubt opens the file again.
                    if stage.collector.flush() {
                        land(&mut disk, &mut memory);
                    }
                    if stage.book.database().is_err() {
                        prop_assert!(stage.book.reopen().is_ok());
                    }
                }
                Event::FailAfter => {
                    stage.flush_in_doubt();
                    land(&mut disk, &mut memory);
                }
                Event::Stop => {
                    prop_assert!(stage.collector.flush());
                    land(&mut disk, &mut memory);
                    stage.kill();
                }
                Event::Kill => {
                    stage.kill();
                    memory.clear();
                }
            }
        }
        prop_assert!(stage.collector.flush());
        land(&mut disk, &mut memory);
        let mut all = (0, 0);
        for (site, expected) in &disk {
            prop_assert_eq!(stage.totals(Some(site)), *expected, "{}", site);
            all = (all.0 + expected.0, all.1 + expected.1);
        }
        prop_assert_eq!(stage.totals(None), all);
        stage.wait(BUCKET);
        prop_assert!(stage.collector.flush());
        prop_assert_eq!(exported_once(&stage.records(0)), all.1);
    }

    /// Records come in pieces of any size, from any number on.
    #[test]
    fn any_page_is_a_part_of_the_whole(
        buckets in prop::collection::vec(1usize..5, 1..6),
        after in 0u64..30,
        limit in 1usize..12,
    ) {
        let mut stage = Stage::new();
        for sites in buckets {
            for site in 0..sites {
                stage.count(&format!("site-{site}"), 1);
            }
            stage.collector.flush();
            stage.wait(BUCKET);
            stage.collector.flush();
        }
        let all = stage.records(0);
        let page = stage.book.records(after, limit).unwrap();
        let expected: Vec<Record> =
            all.into_iter().filter(|record| record.seq > after).take(limit).collect();
        prop_assert_eq!(page, expected);
    }
}

#[test]
fn a_failed_transaction_keeps_its_counts_until_the_file_is_back() {
    let mut stage = Stage::new();
    stage.count("a", 10);
    stage.book.close();
    let before = FLUSH_FAILURES.sum();
    assert!(!stage.collector.flush());
    assert!(FLUSH_FAILURES.sum() > before);
    // Somebody who still reads keeps the file from being opened again.
    let (other, _) = Book::open(stage.folder.path()).unwrap();
    stage.count("a", 5);
    assert!(!stage.collector.flush());
    drop(other);
    assert!(stage.collector.flush());
    assert_eq!(stage.totals(Some("a")), (2, 15));
}

#[test]
fn a_transaction_that_was_written_after_all_is_not_added_again() {
    let mut stage = Stage::new();
    stage.count("a", 10);
    stage.flush_in_doubt();
    stage.count("a", 5);
    assert!(stage.collector.flush());
    assert_eq!(stage.totals(Some("a")), (2, 15));
}

#[test]
fn a_bucket_is_closed_when_it_is_over_and_goes_on_after_a_restart_when_it_is_not() {
    let mut stage = Stage::new();
    stage.count("b", 1);
    stage.count("a", 2);
    stage.collector.flush();
    assert_eq!(stage.records(0), []);
    stage.wait(100);
    stage.kill();
    stage.count("a", 3);
    stage.collector.flush();
    assert_eq!(stage.records(0), []);
    stage.wait(200);
    // It ends in the next bucket, and the first is not touched by it.
    stage.count("a", 100);
    stage.collector.flush();
    let records = stage.records(0);
    let told: Vec<_> =
        records.iter().map(|it| (it.seq, &*it.site, it.start, it.counts.all.bytes)).collect();
    assert_eq!(told, [(1, "a", START, 5), (2, "b", START, 1)]);
    assert_eq!(records[0].id, format!("{:016x}-{START}-0-a", stage.book.id));
    stage.wait(BUCKET);
    stage.kill();
    stage.collector.flush();
    assert_eq!(stage.records(0)[..2], records);
    assert_eq!(stage.records(2).len(), 1);
    let line = records[0].line("edge-1");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["start"], "2026-01-31T12:00:00Z");
    assert_eq!((&line["node"], &line["seconds"]), (&"edge-1".into(), &300.into()));
    assert_eq!(line["results"]["hit"]["bytes"], 5);
}

#[test]
fn a_clock_that_is_set_back_begins_records_of_another_revision() {
    let mut stage = Stage::new();
    stage.count("a", 1);
    stage.collector.flush();
    stage.wait(BUCKET);
    stage.count("a", 2);
    stage.collector.flush();
    let closed = stage.records(0);
    assert_eq!(closed.len(), 1);
    // While it runs, and while it does not.
    stage.set(START);
    stage.collector.flush();
    stage.count("a", 4);
    stage.collector.flush();
    stage.set(START - DAY);
    stage.kill();
    stage.count("a", 8);
    stage.collector.flush();
    stage.set(START + DAY);
    stage.collector.flush();
    assert_eq!(stage.totals(Some("a")), (4, 15));
    let records = stage.records(0);
    assert_eq!(records[..1], closed);
    let told: Vec<_> =
        records.iter().map(|it| (it.start, it.revision, it.counts.all.bytes)).collect();
    let second = START + BUCKET;
    assert_eq!(told, [(START, 0, 1), (second, 0, 2), (START, 1, 4), (START - DAY, 2, 8)]);
}

#[test]
fn acknowledged_is_what_was_there_and_stays_so() {
    let mut stage = Stage::new();
    stage.count("a", 1);
    stage.count("b", 1);
    stage.collector.flush();
    stage.wait(BUCKET);
    stage.collector.flush();
    assert_eq!(stage.book.numbers(), (2, 0));
    assert_eq!(stage.book.acknowledge(3), Err(AckError::Unknown(2)));
    assert_eq!(stage.book.acknowledge(2), Ok(()));
    assert_eq!(stage.book.acknowledge(1), Ok(()));
    assert_eq!(stage.book.numbers(), (2, 2));
    stage.kill();
    assert_eq!(stage.book.numbers(), (2, 2));
    // Whoever lost them may have them again.
    assert_eq!(stage.records(0).len(), 2);
}

#[test]
fn what_is_too_old_goes_and_its_records_with_it() {
    let mut stage = Stage::keeping(288);
    stage.count("a", 1);
    stage.count("b", 1);
    stage.collector.flush();
    stage.wait(DAY / 2);
    stage.count("a", 10);
    stage.collector.flush();
    stage.wait(DAY / 2 + BUCKET);
    stage.count("a", 100);
    while stage.collector.flush() && stage.collector.due {}
    assert_eq!(stage.totals(None), (2, 110));
    assert_eq!(stage.totals(Some("b")), (0, 0));
    let seqs: Vec<u64> = stage.records(0).iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [3]);
    // Nothing was counted since, and the time goes on.
    stage.wait(2 * DAY);
    while stage.collector.flush() && stage.collector.due {}
    assert_eq!(stage.totals(None), (0, 0));
    assert_eq!((stage.records(0), stage.book.numbers().0), (vec![], 4));
}

#[test]
fn what_waits_for_the_disk_is_bounded() {
    let mut stage = Stage::new();
    stage.collector.most = 2;
    stage.book.close();
    for site in ["a", "b"] {
        stage.count(site, 1);
    }
    assert!(!stage.collector.flush());
    let (other, _) = Book::open(stage.folder.path()).unwrap();
    stage.count("c", 1);
    assert!(!stage.collector.flush());
    assert_eq!(stage.collector.waiting.rows.len(), 0);
    drop(other);
    assert!(stage.collector.flush());
    assert_eq!(stage.totals(None), (2, 2));
}

#[test]
fn questions_are_answered_by_site_and_by_step() {
    let mut stage = Stage::new();
    for hour in 0..30 {
        stage.count("a", 3000);
        stage.count("b", 300);
        stage.collector.flush();
        if hour == 0 {
            stage.wait(BUCKET);
            stage.count("a", 6000);
            stage.collector.flush();
            stage.wait(3600 - BUCKET);
        } else {
            stage.wait(3600);
        }
    }
    let day = stage.ask(Some("a"), START, START + 2 * DAY, By::Day);
    let requests = |answer: &serde_json::Value| -> Vec<u64> {
        let points = answer["points"].as_array().unwrap();
        points.iter().map(|point| point["requests"].as_u64().unwrap()).collect()
    };
    assert_eq!(requests(&day), [25, 6]);
    assert_eq!(day["total"]["bytes"], 30 * 3000 + 6000);
    assert_eq!(day["bandwidth"]["peak"], 160);
    assert_eq!(day["bandwidth"]["mean"], 96_000 * 8 / (2 * DAY));
    // 31 of 576 points have traffic; 28 of them are dropped.
    assert_eq!(day["bandwidth"]["percentile_95"], 80);
    assert_eq!(day["bandwidth"]["fourth_daily_peak"], serde_json::Value::Null);
    let hours = stage.ask(None, START, START + 2 * 3600, By::Hour);
    assert_eq!(requests(&hours), [3, 2]);
    assert_eq!(hours["points"][0]["bits_per_second"], 9300 * 8 / 3600);
    assert_eq!(hours["points"][0]["start"], "2026-01-31T12:00:00Z");
    let fine = stage.ask(None, START + 1, START + 2 * BUCKET - 1, By::Bucket);
    assert_eq!(requests(&fine), [2, 1]);
    assert_eq!(
        (&fine["from"], &fine["to"]),
        (&hours["points"][0]["start"], &"2026-01-31T12:10:00Z".into())
    );
    assert_eq!(requests(&stage.ask(Some("c"), START, START + DAY, By::Hour)), Vec::<u64>::new());
}

#[test]
fn ranges_that_make_no_sense_are_refused() {
    let ask = |from: u64, to: u64, by| {
        Question { site: None, from, to, by }.settled().map(|it| (it.from, it.to))
    };
    assert_eq!(ask(START + 299, START + 301, By::Bucket), Ok((START, START + 600)));
    assert!(ask(START, START, By::Bucket).is_err());
    assert!(ask(START, START - 1, By::Day).is_err());
    assert!(ask(START, START + 31 * DAY, By::Bucket).is_ok());
    assert!(ask(START, START + 31 * DAY + 1, By::Bucket).unwrap_err().contains("31 days"));
    assert!(ask(START, START + 400 * DAY, By::Day).is_ok());
    assert!(ask(0, u64::MAX, By::Day).is_err());
}

#[test]
fn a_file_that_cannot_be_read_is_put_aside() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("usage.redb"), b"no database at all").unwrap();
    let (book, state) = Book::open(folder.path()).unwrap();
    assert_eq!((book.numbers(), state), ((0, 0), State::default()));
    let aside = std::fs::read(folder.path().join("usage.damaged")).unwrap();
    assert_eq!(aside, b"no database at all");
    assert!(Book::open(folder.path()).is_err());
}

#[test]
fn counts_are_the_same_after_they_were_written() {
    let mut stage = Stage::new();
    let mut counts = Counts::default();
    let meter = Meter::new(Arc::clone(&stage.lanes));
    let site: Arc<str> = "a".into();
    for (place, code) in [*b"CN", *b"DE", *b"US", *b"FR", *b"BR", *b"JP"].into_iter().enumerate() {
        let bytes = 1000 * place as u64;
        let request = Request { region: Some(code), tls: true, status: 404, ..request(bytes) };
        counts.request(&request);
        meter.request(Some(&site), stage.clock.now(), &request);
    }
    meter.origin(&site, 77);
    meter.image(&site, 1234);
    meter.rule_failures(&site, 2);
    meter.rule_failures(&site, 0);
    stage.collector.flush();
    let expected = Counts {
        origin: crate::usage::Sent { requests: 1, bytes: 77 },
        images: 1,
        image_micros: 1234,
        rule_failures: 2,
        ..counts
    };
    let told = stage.ask(Some("a"), START, START + BUCKET, By::Day);
    assert_eq!(told["total"], serde_json::Value::Object(expected.told(true)));
    assert_eq!(told["total"], stage.ask(None, START, START + BUCKET, By::Day)["total"]);
}
