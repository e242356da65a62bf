//! What does an object of 1 KiB cost in memory beyond its bytes, and what does it cost to find it?
//!
//! `cargo bench --bench store [-- COUNT...]`. For each COUNT (10,000, 100,000 and 1,000,000) fills a
//! store with that many objects, as they would come from an origin over HTTP/1.1, and asks for them
//! at random: while they are new, and once they have left the window.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use brink::cache::{self, Policy, Question, Request};
use brink::clock::{Clock, Timestamp};
use brink::header::present::Present;
use brink::quantity::Size;
use brink::store::{Doom, Entry, Incoming, Lookup, Settings, Store};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const BODY: usize = 1024;
const MOST_LOOKUPS: u64 = 1_000_000;

fn main() -> Outcome<()> {
    let mut counts: Vec<u64> =
        std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![10_000, 100_000, 1_000_000];
    }
    for count in counts {
        measure(count)?;
    }
    Ok(())
}

fn measure(count: u64) -> Outcome<()> {
    let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
    let settings = Settings { memory: Size(6 << 30), ..Settings::default() };
    let store =
        Store::new(Settings { window_share: 40, main_share: 50, ..settings }, clock.clone());
    let mut origin = Origin::default();
    let before = resident()?;
    for number in 0..count {
        let text = fill(&store, &mut origin, number, clock.now())?;
        origin.header_bytes += text;
    }
    let bytes = (BODY as u64 * count) + origin.header_bytes;
    let over = |now: u64| (now - before).saturating_sub(bytes) / count;
    println!("{count} objects, {} header bytes each", origin.header_bytes / count);
    println!(
        "  in the window:  {:5} B over, charged {}",
        over(resident()?),
        charged(&store, bytes, count)
    );
    look_up(&store, count)?;
    println!("  asked for:      {:5} B over", over(resident()?));
    clock.advance(Duration::from_secs(61));
    store.sweep();
    std::thread::sleep(Duration::from_millis(400));
    store.sweep();
    println!(
        "  proved:         {:5} B over, charged {}",
        over(resident()?),
        charged(&store, bytes, count)
    );
    look_up(&store, count)?;
    println!("  asked for:      {:5} B over", over(resident()?));
    println!("  {:?}", store.figures());
    Ok(())
}

fn charged(store: &Store, bytes: u64, count: u64) -> u64 {
    store.figures().used.saturating_sub(bytes) / count
}

/// The origin's connection: heads and bodies are slices of what was read in one go.
#[derive(Default)]
struct Origin {
    buffer: BytesMut,
    header_bytes: u64,
}

impl Origin {
    fn answer(&mut self, number: u64) -> Outcome<(HeaderMap, Bytes, u64)> {
        let head = format!(
            "content-type: text/html; charset=utf-8\ncontent-length: {BODY}\n\
             cache-control: public, max-age=86400\nlast-modified: Tue, 24 Nov 2026 10:11:12 GMT\n\
             etag: \"{number:016x}\"\ndate: Wed, 25 Nov 2026 21:00:00 GMT\nserver: origin/1.0\n\
             x-request-cost: {number}\nstrict-transport-security: max-age=63072000"
        );
        if self.buffer.capacity() < head.len() + BODY {
            self.buffer = BytesMut::with_capacity(8192);
        }
        self.buffer.extend_from_slice(head.as_bytes());
        let read = self.buffer.split().freeze();
        self.buffer.resize(BODY, b'x');
        let body = self.buffer.split().freeze();
        let mut headers = HeaderMap::new();
        for line in read.split(|byte| *byte == b'\n') {
            let line = read.slice_ref(line);
            let colon = line.iter().position(|byte| *byte == b':').ok_or("no colon")?;
            let name = HeaderName::from_bytes(&line[..colon])?;
            headers.append(name, HeaderValue::from_maybe_shared(line.slice(colon + 2..))?);
        }
        Ok((headers, body, read.len() as u64))
    }
}

fn fill(store: &Arc<Store>, origin: &mut Origin, number: u64, now: Timestamp) -> Outcome<u64> {
    let (headers, body, text) = origin.answer(number)?;
    let (none, path) = (HeaderMap::new(), path(number));
    let (policy, request) = (Policy::default(), asked(&path, &none));
    let key = cache::key(&policy, 1, &request);
    let storing = cache::storable(&policy, &request, StatusCode::OK, &headers, now, now)
        .map_err(|reason| reason.as_str())?;
    let stored = storing.into_stored(store.new_object_id());
    let (_, mut writer) = store.insert(Incoming {
        key: &key,
        request_headers: &none,
        stored,
        part: None,
        max_variants: 10,
        doom: Doom::default(),
    });
    futures_util::FutureExt::now_or_never(writer.write(body)).ok_or("a write waited")??;
    futures_util::FutureExt::now_or_never(writer.finish()).ok_or("it waited")??;
    Ok(text)
}

fn path(number: u64) -> String {
    format!("/assets/product/{number:07}.html")
}

fn asked<'a>(path: &'a str, headers: &'a HeaderMap) -> Request<'a> {
    let (method, scheme, host) = (&Method::GET, "https", "www.example.com");
    let present = Present::of(headers);
    Request { method, scheme, host, path, query: None, headers, present }
}

fn look_up(store: &Arc<Store>, count: u64) -> Outcome<()> {
    let made = |lookup| match lookup {
        Lookup::Found(entry) => Some(head(entry)),
        _ => None,
    };
    let none = HeaderMap::new();
    let one = question(count / 2);
    timed("make the key", count, question)?;
    timed("make the key, find it", count, |number| store.get(&question(number), &none))?;
    let find = |number| made(store.get(&question(number), &none));
    timed("make the key, find it, make the response's head", count, find)?;
    timed("find the same one again", count, |_| store.get(&one, &none))?;
    timed("and make the response's head", count, |_| made(store.get(&one, &none)))
}

fn question(number: u64) -> Question {
    static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);
    let (none, path) = (HeaderMap::new(), path(number));
    cache::question(&POLICY, 1, &asked(&path, &none))
}

/// What `serve` makes of an entry.
fn head(mut entry: Arc<Entry>) -> (HeaderMap, Option<Bytes>) {
    let mut headers = Entry::take_headers(&mut entry);
    let value = HeaderValue::from_static("7");
    for name in [header::AGE, header::VIA, header::EXPECT, header::FROM] {
        headers.append(name, value.clone());
    }
    (headers, entry.body.whole().cloned())
}

/// Prints the processor time of one call.
fn timed<T>(what: &str, count: u64, mut call: impl FnMut(u64) -> T) -> Outcome<()> {
    let calls = (100 * count).min(MOST_LOOKUPS);
    let mut random = fastrand::Rng::with_seed(7);
    let before = processor_time()?;
    for _ in 0..calls {
        std::hint::black_box(call(random.u64(0..count)));
    }
    println!("  {:>5} ns: {what}", (processor_time()? - before) / calls);
    Ok(())
}

/// Nanoseconds that this thread has run, however busy the machine is with others.
fn processor_time() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no schedstat")?.parse()?)
}

fn resident() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    let kib: u64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
