//! Bodies that are read while they are written, and the store around them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::cache::{self, Policy};
use crate::quantity::{Size, Span};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

fn settings(memory: u64) -> Settings {
    Settings {
        memory: Size(memory),
        max_object: Size(memory),
        stream_buffer: Size(8 * KIB),
        stall_timeout: Span::millis(200),
        ..Settings::default()
    }
}

fn store_of(memory: u64) -> (Arc<Store>, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    (Store::new(settings(memory), clock.clone()), clock)
}

fn incoming<'a>(key: &'a Key, headers: &'a HeaderMap, stored: Stored) -> Incoming<'a> {
    let doom = Doom::default();
    Incoming { key, request_headers: headers, stored, part: None, max_variants: 4, doom }
}

/// Byte `at` of every body in these tests.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(31) >> 3) as u8
}

fn bytes(range: Range<u64>) -> Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..8 * MIB).map(byte).collect());
    pattern.slice(range.start as usize..range.end as usize)
}

/// Runs a write that must not wait.
fn write(writer: &mut Writer, bytes: Bytes) -> Result<(), Cut> {
    let mut write = Box::pin(writer.write(bytes));
    match write.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a kept body never waits"),
    }
}

fn fill(store: &Arc<Store>, key: &Key, size: u64) -> Arc<Entry> {
    let headers = HeaderMap::new();
    let (entry, mut writer) = store.insert(incoming(key, &headers, stored(Some(size))));
    write(&mut writer, bytes(0..size)).unwrap();
    assert!(writer.finish().unwrap());
    entry
}

fn found(store: &Store, key: &Key) -> Option<Arc<Entry>> {
    match store.get(key, &HeaderMap::new()) {
        Lookup::Found(entry) => Some(entry),
        _ => None,
    }
}

/// Reads until the reader would wait.
fn read_ready(reader: &mut Reader) -> (Vec<u8>, Option<Result<(), Cut>>) {
    let mut read = Vec::new();
    loop {
        match reader.poll_chunk(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(chunk))) => read.extend_from_slice(&chunk),
            Poll::Ready(Some(Err(cut))) => return (read, Some(Err(cut))),
            Poll::Ready(None) => return (read, Some(Ok(()))),
            Poll::Pending => return (read, None),
        }
    }
}

async fn read_all(mut reader: Reader) -> (u64, Result<(), Cut>) {
    let mut at = 0;
    loop {
        match poll_fn(|context| reader.poll_chunk(context)).await {
            Some(Ok(chunk)) => {
                assert_eq!(chunk, bytes(at..at + chunk.len() as u64));
                at += chunk.len() as u64;
            }
            Some(Err(cut)) => return (at, Err(cut)),
            None => return (at, Ok(())),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64),
    Open(u64, Option<u64>),
    Read(usize),
    Leave,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![1u64..40, 1u64..20_000].prop_map(Step::Write),
        2 => (0u64..30_000, proptest::option::of(0u64..60_000)).prop_map(|(a, b)| Step::Open(a, b)),
        4 => (0usize..8).prop_map(Step::Read),
        1 => Just(Step::Leave),
    ]
}

/// A reader in the model: what it asked for, and how far it has come.
struct Followed {
    reader: Reader,
    from: u64,
    to: u64,
    read: u64,
    ended: Option<Result<(), Cut>>,
}

impl Followed {
    fn follow(&mut self) {
        let (read, ended) = read_ready(&mut self.reader);
        let at = self.from + self.read;
        assert_eq!(read, bytes(at..at + read.len() as u64));
        self.read += read.len() as u64;
        self.ended = ended;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is written and read in whatever order: bytes read are bytes written, a body that is
    /// cut never ends cleanly for a reader that wanted more, and the budget holds.
    #[test]
    fn readers_see_what_was_written_or_a_cut(
        steps in proptest::collection::vec(step(), 1..120),
        ends_well in any::<bool>(),
        length_known in any::<bool>(),
    ) {
        let (store, _) = store_of(16 * MIB);
        let key = key("/model");
        let total: u64 = steps.iter().map(|step| if let Step::Write(n) = step { *n } else { 0 }).sum();
        let headers = HeaderMap::new();
        let announced = length_known.then_some(total);
        let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(announced)));
        let mut readers: VecDeque<Followed> = VecDeque::new();
        let mut written = 0;
        for step in steps {
            match step {
                Step::Write(n) => {
                    write(&mut writer, bytes(written..written + n)).unwrap();
                    written += n;
                }
                Step::Open(from, to) => {
                    let to = to.map_or(u64::MAX, |to| to.max(from));
                    let reader = entry.body.reader(from..to);
                    readers.push_back(Followed { reader, from, to, read: 0, ended: None });
                }
                Step::Read(which) => if let Some(reader) = readers.get_mut(which) { reader.follow() },
                Step::Leave => drop(readers.pop_front()),
            }
            prop_assert!(store.budget.used() <= store.budget.limit());
        }
        if ends_well { prop_assert!(writer.finish().unwrap()); } else { writer.cut(Cut::Origin, false); }
        for reader in &mut readers {
            reader.follow();
            let wanted = reader.to.min(total).saturating_sub(reader.from);
            let beyond = reader.to > total.max(reader.from) && !(length_known && reader.from >= total);
            let whole = Some(Ok(()));
            if ends_well {
                prop_assert_eq!(reader.read, wanted);
                prop_assert_eq!(reader.ended, whole);
            } else if length_known || !beyond {
                // All that was asked for came before the cut.
                prop_assert_eq!(reader.read, wanted);
            } else {
                prop_assert_eq!(reader.ended, Some(Err(Cut::Origin)));
            }
        }
        prop_assert_eq!(found(&store, &key).is_some(), ends_well);
        drop((readers, entry));
        store.remove(&key);
        prop_assert_eq!(store.budget.used(), 0);
    }
}

#[test]
fn a_small_complete_body_is_one_chunk_however_it_came() {
    let (store, _) = store_of(64 * MIB);
    let (key, headers) = (key("/small"), HeaderMap::new());
    let (_, mut writer) = store.insert(incoming(&key, &headers, stored(None)));
    for at in 0..10_000 {
        write(&mut writer, bytes(at..at + 1)).unwrap();
    }
    assert!(writer.entry().body.chunks() < 64, "{}", writer.entry().body.chunks());
    assert!(writer.finish().unwrap());
    let entry = found(&store, &key).unwrap();
    assert_eq!(entry.body.whole().unwrap(), &bytes(0..10_000));
    assert_eq!((entry.body.total(), entry.is_whole()), (Some(10_000), true));
    let mut reader = entry.body.reader(10..20);
    assert_eq!(read_ready(&mut reader), (bytes(10..20).to_vec(), Some(Ok(()))));
}

#[test]
fn a_large_body_is_a_few_slabs() {
    let (store, _) = store_of(64 * MIB);
    let (key, headers) = (key("/large"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(5 * MIB))));
    for at in (0..5 * MIB).step_by(16 << 10) {
        write(&mut writer, bytes(at..at + 16 * KIB)).unwrap();
    }
    assert!(writer.finish().unwrap());
    assert_eq!(entry.body.chunks(), 5);
    let used = store.figures().used;
    assert!((5 * MIB..5 * MIB + 4 * KIB).contains(&used), "{used}");
}

#[test]
fn a_body_shorter_than_announced_is_cut_and_not_stored() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/short"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(100))));
    write(&mut writer, bytes(0..60)).unwrap();
    let mut reader = entry.body.reader(0..u64::MAX);
    assert_eq!(writer.finish(), Err(Cut::Length));
    assert_eq!(read_ready(&mut reader), (bytes(0..60).to_vec(), Some(Err(Cut::Length))));
    assert_eq!(read_ready(&mut reader), (Vec::new(), Some(Err(Cut::Length))), "again and again");
    assert!(matches!(store.get(&key, &headers), Lookup::Absent));
}

#[test]
fn a_body_longer_than_announced_is_refused_and_a_dropped_writer_cuts() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/long"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(10))));
    assert_eq!(write(&mut writer, bytes(0..11)), Err(Cut::Length));
    drop(writer);
    assert_eq!(entry.body.end(), End::Cut(Cut::Abandoned));
}

#[test]
fn a_new_object_is_found_in_the_window_and_later_in_moka() {
    let (store, clock) = store_of(16 * MIB);
    let key = key("/a");
    fill(&store, &key, 1000);
    assert_eq!(found(&store, &key).unwrap().hits(), 1);
    assert_eq!((store.figures().window_objects, store.figures().main_objects), (1, 0));
    clock.advance(Duration::from_secs(61));
    store.sweep();
    let figures = store.figures();
    assert_eq!((figures.window_objects, figures.window_bytes, figures.main_objects), (0, 0, 1));
    assert_eq!(found(&store, &key).unwrap().hits(), 2);
}

#[test]
fn what_is_asked_for_outlives_a_flood_of_what_is_not() {
    let (store, _) = store_of(4 * MIB);
    let popular: Vec<Key> = (0..20).map(|n| key(&format!("/popular/{n}"))).collect();
    for popular in &popular {
        fill(&store, popular, 4000);
    }
    for n in 0..4000 {
        fill(&store, &key(&format!("/flood/{n}")), 4000);
        found(&store, &popular[n % 20]);
        assert!(store.budget.used() <= store.budget.limit());
    }
    let alive = popular.iter().filter(|key| found(&store, key).is_some()).count();
    assert!(alive >= 18, "{alive} of 20 alive: {store:?}");
}

#[test]
fn the_budget_is_never_passed_and_large_bodies_find_room() {
    let (store, _) = store_of(8 * MIB);
    let mut kept = 0;
    for n in 0..400u64 {
        let size = (n * 7919) % (2 * MIB);
        let (url, headers) = (key(&format!("/{n}")), HeaderMap::new());
        let (_, mut writer) = store.insert(incoming(&url, &headers, stored(Some(size))));
        assert!(store.budget.used() <= store.budget.limit());
        if writer.keeps() {
            write(&mut writer, bytes(0..size)).unwrap();
            kept += u64::from(writer.finish().unwrap());
        }
    }
    assert!(kept > 380, "{kept} of 400 kept");
    for n in 0..400u64 {
        store.remove(&key(&format!("/{n}")));
    }
    store.sweep();
    assert_eq!(store.figures().window_objects + store.figures().main_objects, 0);
}

#[test]
fn a_body_held_by_a_slow_client_goes_on_counting() {
    let (store, _) = store_of(4 * MIB);
    let key = key("/held");
    let entry = fill(&store, &key, MIB);
    let chunk = entry.body.whole().unwrap().clone();
    drop(entry);
    store.remove(&key);
    // It was too large for the window; moka frees what it let go of a moment later.
    (0..8).for_each(|_| store.sweep());
    assert_eq!(store.figures().used, MIB);
    drop(chunk);
    assert_eq!(store.figures().used, 0);
}

#[test]
fn variants_are_told_apart_and_capped() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/v");
    let request = |kind: &str| {
        HeaderMap::from_iter([(HeaderName::from_static("x-kind"), kind.parse().unwrap())])
    };
    for (n, kind) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        let headers = request(kind);
        assert!(!matches!(store.get(&key, &headers), Lookup::Found(_)));
        let stored = stored_with_vary(n as u64 + 1);
        let (_, mut writer) = store.insert(incoming(&key, &headers, stored));
        write(&mut writer, bytes(0..n as u64 + 1)).unwrap();
        assert!(writer.finish().unwrap());
    }
    assert_eq!(store.variants(&key).len(), 4);
    assert!(matches!(store.get(&key, &request("a")), Lookup::VaryMiss), "the oldest went");
    let Lookup::Found(c) = store.get(&key, &request("c")) else { panic!("c is there") };
    assert_eq!(c.body.total(), Some(3));
    store.remove(&key);
    assert!(matches!(store.get(&key, &request("c")), Lookup::Absent));
}

#[test]
fn a_variant_is_found_by_the_language_it_is_in() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/l");
    let wants = |languages: &'static str| {
        HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static(languages))])
    };
    let german = response(&[("vary", "accept-language"), ("content-language", "de")], Some(3));
    let headers = wants("fr;q=0.5, de");
    let (_, mut writer) = store.insert(incoming(&key, &headers, german));
    write(&mut writer, bytes(0..3)).unwrap();
    assert!(writer.finish().unwrap());
    assert!(matches!(store.get(&key, &wants("fr;q=0.5, de")), Lookup::Found(_)));
    assert!(matches!(store.get(&key, &wants("de, en;q=0.1")), Lookup::Found(_)));
    assert!(matches!(store.get(&key, &wants("fr")), Lookup::VaryMiss));
}

#[test]
fn an_update_shares_the_body_and_spares_other_variants() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/u");
    let entry = fill(&store, &key, 10);
    found(&store, &key);
    let updated = store.update(&key, &entry, stored(Some(10)));
    assert!(Arc::ptr_eq(&updated.body, &entry.body));
    let again = found(&store, &key).unwrap();
    assert!(Arc::ptr_eq(&again, &updated));
    assert_eq!(again.hits(), 2);
    store.remove(&key);
    store.update(&key, &again, stored(Some(10)));
    assert!(found(&store, &key).is_none(), "what was purged does not come back");
}

#[test]
fn a_doomed_fill_is_read_but_not_stored() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/d"), HeaderMap::new());
    let arriving = incoming(&key, &headers, stored(Some(5)));
    let doom = arriving.doom.clone();
    let (entry, mut writer) = store.insert(arriving);
    doom.set();
    store.remove(&key);
    write(&mut writer, bytes(0..5)).unwrap();
    assert!(!writer.finish().unwrap());
    assert_eq!(read_ready(&mut entry.body.reader(0..5)).1, Some(Ok(())));
    assert!(found(&store, &key).is_none());
}

#[test]
fn ranges_combine_and_what_is_missing_is_never_a_clean_end() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/r"), HeaderMap::new());
    let arriving = |range: Range<u64>, onto: Option<Arc<Entry>>| {
        let part = Some(Part { range, onto });
        Incoming { part, ..incoming(&key, &headers, stored(Some(100))) }
    };
    let (_, mut writer) = store.insert(arriving(60..100, None));
    write(&mut writer, bytes(60..100)).unwrap();
    assert!(writer.finish().unwrap());
    let part = found(&store, &key).unwrap();
    assert!(!part.is_whole() && part.body.has(70..90));
    assert_eq!(part.body.missing(0..100), vec![0..60]);
    assert_eq!(read_ready(&mut part.body.reader(0..100)).1, Some(Err(Cut::Missing)));
    // The second part overlaps the first.
    let (_, mut writer) = store.insert(arriving(0..70, Some(part)));
    write(&mut writer, bytes(0..70)).unwrap();
    assert!(writer.finish().unwrap());
    let whole = found(&store, &key).unwrap();
    assert_eq!(whole.body.whole().unwrap(), &bytes(0..100));
}

#[test]
fn a_cut_body_may_be_kept_as_a_part() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/c"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(100))));
    write(&mut writer, bytes(0..30)).unwrap();
    writer.cut(Cut::Origin, true);
    assert_eq!(read_ready(&mut entry.body.reader(0..100)).1, Some(Err(Cut::Origin)));
    let part = found(&store, &key).unwrap();
    assert_eq!(part.body.present(), vec![0..30]);
    assert_eq!(read_ready(&mut part.body.reader(0..30)), (bytes(0..30).to_vec(), Some(Ok(()))));
}

#[test]
fn marks_expire_and_are_bounded() {
    let clock = Clock::manual(Timestamp::from_seconds(1000));
    let store = Store::new(Settings { max_markers: 64, ..settings(MIB) }, clock.clone());
    let until = clock.now().plus(Duration::from_secs(120));
    for n in 0..1000 {
        store.mark(&key(&format!("/{n}")), until);
    }
    assert!(store.figures().markers <= 64);
    let (last, headers) = (key("/999"), HeaderMap::new());
    assert!(matches!(store.get(&last, &headers), Lookup::Marker(t) if t == until));
    clock.advance(Duration::from_secs(120));
    assert!(matches!(store.get(&last, &headers), Lookup::Absent));
}

#[tokio::test]
async fn a_body_too_large_to_keep_streams_through_a_small_buffer() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(None)));
    let readers: Vec<_> =
        (0..3).map(|_| tokio::spawn(read_all(entry.body.reader(0..u64::MAX)))).collect();
    for at in (0..8 * MIB).step_by(4096) {
        writer.write(bytes(at..at + 4096)).await.unwrap();
        assert!(store.budget.used() <= store.budget.limit());
    }
    assert!(!writer.keeps());
    assert!(entry.body.bytes() <= 8 * KIB, "{}", entry.body.bytes());
    assert!(!writer.finish().unwrap());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (8 * MIB, Ok(())));
    }
    assert!(matches!(store.get(&key, &headers), Lookup::Absent));
}

#[tokio::test]
async fn a_reader_that_stalls_a_stream_is_cut_and_the_others_go_on() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(2 * MIB))));
    assert!(!writer.keeps());
    let mut stalled = entry.body.reader(0..u64::MAX);
    let reader = tokio::spawn(read_all(entry.body.reader(0..u64::MAX)));
    for at in (0..2 * MIB).step_by(4096) {
        writer.write(bytes(at..at + 4096)).await.unwrap();
    }
    assert!(!writer.finish().unwrap());
    assert_eq!(reader.await.unwrap(), (2 * MIB, Ok(())));
    assert_eq!(read_ready(&mut stalled).1, Some(Err(Cut::Slow)));
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_abandoned() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (_entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(2 * MIB))));
    let mut at = 0;
    let result = loop {
        match writer.write(bytes(at..at + 4096)).await {
            Ok(()) => at += 4096,
            Err(cut) => break cut,
        }
    };
    assert_eq!((result, at), (Cut::Abandoned, 8 * KIB));
}

fn key(path: &str) -> Key {
    let headers = HeaderMap::new();
    cache::key(&Policy::default(), 1, &request(path, &headers))
}

fn request<'a>(path: &'a str, headers: &'a HeaderMap) -> cache::Request<'a> {
    let method = &http::Method::GET;
    cache::Request { method, scheme: "http", host: "h", path, query: None, headers }
}

/// A response with these fields.
fn response(fields: &[(&'static str, &'static str)], total: Option<u64>) -> Stored {
    let mut headers =
        HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let none = HeaderMap::new();
    let asked = request("/", &none);
    let now = Timestamp::from_seconds(1_000_000);
    let storing =
        cache::storable(&Policy::default(), &asked, StatusCode::OK, &headers, now, now).unwrap();
    Stored { total, ..storing.into_stored(1) }
}

fn stored(total: Option<u64>) -> Stored {
    response(&[], total)
}

fn stored_with_vary(total: u64) -> Stored {
    response(&[("vary", "x-kind")], Some(total))
}
