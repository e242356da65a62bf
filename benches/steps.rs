//! What does each step of a hit cost? One benchmark for each part of the story that `serve/mod.rs`
//! tells, made of the functions that a hit calls.
//!
//! `cargo bench --bench steps [-- WORDS]` runs all, or those with WORDS in their name. A line shows
//! the likely time of one call between its bounds, and what changed since the run before. Times are
//! for orientation: a node's caches are less warm than a loop's. A connection looks up a host once;
//! all else happens for each hit.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use brink::cache::{self, Policy, Question, Reason, Stored, Verdict};
use brink::clock::{Clock, Timestamp};
use brink::header::cache_status::CacheStatus;
use brink::header::present::Present;
use brink::header::request_id::X_REQUEST_ID;
use brink::header::{compose, request_id, via};
use brink::quantity::Size;
use brink::site::{self, LastGood, Source, Surroundings};
use brink::store::{self, Doom, Incoming, Store};
use brink::telemetry::access_log::LOST;
use brink::telemetry::{AccessLog, AccessLogSettings, Ended, Outcome, Record, Text, Tier, Watch};
use brink::upstream::{NodeSettings, Shared};
use bytes::Bytes;
use criterion::{BatchSize, Criterion};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SITES: usize = 10_000;
/// How many hosts and stored objects are asked for in turn.
const ASKED: usize = 1000;
const TARGET: &str = "/assets/app.3f9c2a.js?v=12";
static BODY: [u8; 1024] = [b'x'; 1024];

const REQUEST: [(&str, &str); 12] = [
    ("host", "www.customer-7.test"),
    ("connection", "keep-alive"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "*/*"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.customer-7.test/start"),
    ("dnt", "1"),
    ("sec-fetch-dest", "script"),
    ("sec-fetch-mode", "no-cors"),
    ("sec-fetch-site", "same-origin"),
    ("priority", "u=2"),
];

const RESPONSE: [(&str, &str); 8] = [
    ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
    ("server", "origin"),
    ("content-type", "text/javascript; charset=utf-8"),
    ("content-length", "1024"),
    ("cache-control", "public, max-age=86400"),
    ("last-modified", "Mon, 13 Nov 2023 10:00:00 GMT"),
    ("etag", "\"6551f0a0-400\""),
    ("accept-ranges", "bytes"),
];

fn main() -> Result<()> {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let hit = Hit::new()?;
    host_lookup(&mut criterion)?;
    key(&mut criterion, &hit);
    lookup(&mut criterion, &hit)?;
    freshness(&mut criterion, &hit);
    header_assembly(&mut criterion, &hit)?;
    access_log_record(&mut criterion, &hit)?;
    watching(&mut criterion, &hit)?;
    criterion.final_summary();
    Ok(())
}

fn host_lookup(criterion: &mut Criterion) -> Result<()> {
    let place = tempfile::tempdir()?;
    let source = sites(place.path())?;
    let sites = source.sites();
    for (name, label) in [("host lookup", "www"), ("host lookup by wildcard", "a.b")] {
        let hosts: Vec<String> = (0..SITES)
            .step_by(SITES / ASKED)
            .map(|n| format!("{label}.customer-{n}.test"))
            .collect();
        for host in &hosts {
            // The first request of a site builds it.
            sites.find(host).ok().flatten().ok_or_else(|| format!("{host} has no site"))?;
        }
        let mut hosts = hosts.iter().cycle();
        criterion.bench_function(name, |bench| {
            bench.iter(|| hosts.next().map(|host| sites.find(host)));
        });
    }
    Ok(())
}

fn key(criterion: &mut Criterion, hit: &Hit) {
    let request = hit.request(hit.target.path());
    criterion
        .bench_function("key", |bench| bench.iter(|| cache::question(&hit.policy, 7, &request)));
}

fn lookup(criterion: &mut Criterion, hit: &Hit) -> Result<()> {
    let clock = Clock::manual(hit.now);
    let settings = store::Settings::default();
    let window_time = settings.window_time.0;
    let store = Store::new(settings, clock.clone());
    let main = hit.keys("main");
    fill(&store, hit, &main)?;
    clock.advance(window_time);
    store.sweep();
    let window = hit.keys("window");
    fill(&store, hit, &window)?;
    let held = store.figures();
    if (held.window_objects, held.main_objects) != (ASKED as u64, ASKED as u64) {
        return Err(format!("not where it should be: {held:?}").into());
    }
    let absent = hit.keys("absent");
    for (name, keys) in [
        ("lookup in the main area", main),
        ("lookup in the window", window),
        ("lookup in vain", absent),
    ] {
        let mut keys = keys.iter().cycle();
        criterion.bench_function(name, |bench| {
            bench.iter(|| keys.next().map(|key| store.get(key, &hit.fields)));
        });
    }
    Ok(())
}

fn freshness(criterion: &mut Criterion, hit: &Hit) {
    let request = hit.request(hit.target.path());
    criterion.bench_function("freshness", |bench| {
        bench.iter(|| cache::judge(&hit.policy, &request, &hit.stored, hit.now));
    });
}

/// What `serve/deliver.rs` does with the fields of an object that is sent whole. The look-up has
/// made them already.
fn header_assembly(criterion: &mut Criterion, hit: &Hit) -> Result<()> {
    let request = hit.request(hit.target.path());
    let judgement = cache::judge(&hit.policy, &request, &hit.stored, hit.now);
    let via = via::value(Version::HTTP_11, "brink").ok_or("no Via")?;
    criterion.bench_function("header assembly", |bench| {
        let unpacked = || hit.stored.headers.clone();
        let deliver = |mut headers: HeaderMap| {
            headers.insert(header::AGE, compose::number(judgement.age.as_secs()));
            let ttl = Some(judgement.ttl);
            CacheStatus { cache: "brink", ttl, ..CacheStatus::default() }.append(&mut headers);
            headers.append(header::VIA, via.clone());
            headers.insert(X_REQUEST_ID, request_id::fresh());
            headers
        };
        bench.iter_batched(unpacked, deliver, BatchSize::SmallInput);
    });
    Ok(())
}

fn access_log_record(criterion: &mut Criterion, hit: &Hit) -> Result<()> {
    let log = AccessLog::open(&AccessLogSettings {
        path: "/dev/null".into(),
        // A loop is faster than any client, and the writer may have to wait for the processor.
        queue: Size::mib(256),
        ..AccessLogSettings::default()
    })?;
    let record = hit.record();
    criterion.bench_function("access-log record", |bench| bench.iter(|| log.write(&record)));
    log.close();
    // A line that is lost costs less than one that is kept.
    match LOST.sum() {
        0 => {}
        lost => println!("{lost} lines were lost: the writer had too little of the processor"),
    }
    Ok(())
}

/// Counting for `brink top`, while nobody follows: URLs that have their place, and mostly others.
fn watching(criterion: &mut Criterion, hit: &Hit) -> Result<()> {
    for (name, urls) in [("watching", ASKED), ("watching many URLs", 50 * ASKED)] {
        let watch = Watch::new(&AccessLogSettings::default());
        let record = |n: usize| -> Result<Record> {
            let (site, target) = (Arc::<str>::from("customer-7").into(), format!("/{n}").parse()?);
            Ok(Record { site, target, ..hit.record() })
        };
        let records = (0..urls).map(record).collect::<Result<Vec<_>>>()?;
        let mut records = records.iter().cycle();
        criterion.bench_function(name, |bench| {
            bench.iter(|| records.next().map(|record| watch.see(record)));
        });
    }
    Ok(())
}

/// A request as a browser sends it, and the response that is stored for it.
struct Hit {
    policy: Policy,
    target: Uri,
    fields: HeaderMap,
    stored: Stored,
    now: Timestamp,
}

impl Hit {
    fn new() -> Result<Self> {
        let (policy, target) = (Policy::default(), Uri::from_static(TARGET));
        let (fields, response) = (headers(&REQUEST), headers(&RESPONSE));
        let then = Timestamp::from_seconds(1_700_000_000);
        let asked = request(&target, target.path(), &fields);
        let storing = cache::storable(&policy, &asked, StatusCode::OK, &response, then, then)
            .map_err(|reason| reason.as_str())?;
        let (stored, now) = (storing.into_stored(1), then.plus(Duration::from_secs(100)));
        Ok(Hit { policy, target, fields, stored, now })
    }

    fn request<'a>(&'a self, path: &'a str) -> cache::Request<'a> {
        request(&self.target, path, &self.fields)
    }

    fn keys(&self, folder: &str) -> Vec<Question> {
        (0..ASKED)
            .map(|n| cache::question(&self.policy, 7, &self.request(&format!("/{folder}/{n}"))))
            .collect()
    }

    fn record(&self) -> Record {
        Record {
            outcome: Outcome {
                verdict: Some((Verdict::Hit, Reason::Fresh)),
                tier: Tier::Memory,
                bytes_out: BODY.len() as u64,
                first_byte: Some(Duration::from_micros(40)),
                duration: Duration::from_micros(60),
                ended: Ended::Whole,
                ..Outcome::default()
            },
            time: self.now,
            request_id: request_id::fresh().into(),
            site: Text::Static("customer-7"),
            client: [192, 0, 2, 7].into(),
            host: self.fields.get(header::HOST).into(),
            target: self.target.clone(),
            key: Some(cache::key(&self.policy, 7, &self.request(self.target.path())).hash64()),
            user_agent: self.fields.get(header::USER_AGENT).into(),
            referer: self.fields.get(header::REFERER).into(),
            ..Record::default()
        }
    }
}

fn request<'a>(target: &'a Uri, path: &'a str, fields: &'a HeaderMap) -> cache::Request<'a> {
    cache::Request {
        method: &Method::GET,
        scheme: "https",
        host: "www.customer-7.test",
        path,
        query: target.query(),
        headers: fields,
        present: Present::of(fields),
    }
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let field = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    fields.iter().copied().map(field).collect()
}

fn fill(store: &Arc<Store>, hit: &Hit, keys: &[Question]) -> Result<()> {
    for key in keys {
        let (_, mut writer) = store.insert(Incoming {
            key: &key.to_key(),
            request_headers: &hit.fields,
            stored: hit.stored.clone(),
            part: None,
            max_variants: hit.policy.max_variants,
            doom: Doom::default(),
        });
        let written = writer.write(Bytes::from_static(&BODY)).now_or_never();
        written.ok_or("a body that is kept never waits")??;
        writer.finish().now_or_never().ok_or("it is kept in memory")??;
    }
    Ok(())
}

fn sites(place: &Path) -> Result<Source> {
    let folder = place.join("sites");
    std::fs::create_dir(&folder)?;
    for n in 0..SITES {
        let text = format!(
            "hosts = [\"www.customer-{n}.test\", \"*.customer-{n}.test\"]\n\
             [origin]\nservers = [\"https://origin.customer-{n}.test\"]\n"
        );
        std::fs::write(folder.join(format!("customer-{n}.toml")), text)?;
    }
    let clock = Clock::system();
    let surroundings = Surroundings {
        folder: folder.clone(),
        upstream: Shared::new(&NodeSettings::default(), clock.clone()),
        listeners: Vec::new(),
        checks: None,
        state: Arc::new(LastGood::open(&place.join("state"))?),
        clock,
    };
    let settings = site::Settings { folder, ..site::Settings::default() };
    let (source, _) = Source::start(settings, surroundings)?;
    Ok(source)
}
