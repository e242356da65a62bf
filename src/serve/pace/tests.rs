//! Rates, bursts and memory, by a clock that the tests turn; then both protocols over sockets.

use std::future::poll_fn;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::*;
use crate::cache::{self, Policy};
use crate::clock::{Clock, Timestamp};
use crate::header::present::Present;
use crate::listen::{self, Admission, Connection, Drain, Front, Handler, Meters};
use crate::quantity::{Size, Span};
use crate::serve::body::{Body, Multipart};
use crate::store::{self, Doom, Entry, Incoming, Store, Writer};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Runs a play by a clock that leaps to the next timer whenever nothing else is to be done.
fn by_leaping_clock<T>(play: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(play)
}

/// What was sent: when, and how much.
struct Sent(Vec<(Duration, u64)>);

impl Sent {
    /// Sends chunks of these sizes, over and over, for `time`; the client pauses as told before each
    /// piece that it takes.
    async fn watch(pace: Pace, chunks: &[usize], pauses: &[Duration], time: Duration) -> Sent {
        let largest = Bytes::from(vec![0; chunks.iter().copied().max().unwrap()]);
        let mut sizes = chunks.iter().cycle();
        let mut pauses = pauses.iter().cycle();
        let mut paced = Paced::new(Source::Empty, pace);
        let (begin, mut sent) = (Instant::now(), Vec::new());
        loop {
            if let Some(pause) = pauses.next().filter(|pause| !pause.is_zero()) {
                sleep(*pause).await;
            }
            if paced.is_finished() {
                paced.source = Source::Whole(largest.slice(..*sizes.next().unwrap()));
            }
            let frame = poll_fn(|cx| paced.poll_next(cx)).await.unwrap().unwrap();
            if begin.elapsed() > time {
                return Sent(sent);
            }
            sent.push((begin.elapsed(), frame.into_data().unwrap().len() as u64));
        }
    }

    fn total(&self) -> f64 {
        self.0.iter().map(|(_, bytes)| *bytes as f64).sum()
    }

    /// The most by which any stretch of time, however long, saw more than the rate.
    fn largest_burst(&self, rate: u64) -> f64 {
        let (mut sent, mut lowest, mut burst) = (0.0, f64::MAX, 0.0_f64);
        for (at, bytes) in &self.0 {
            let planned = rate as f64 * at.as_secs_f64();
            lowest = lowest.min(sent - planned);
            sent += *bytes as f64;
            burst = burst.max(sent - planned - lowest);
        }
        burst
    }
}

/// Rates from 1 KiB/s to 100 MiB/s, small ones as often as large ones.
fn rates() -> impl Strategy<Value = u64> {
    (0.0..=1.0_f64).prop_map(|share| {
        let (least, most) = ((KIB as f64).ln(), (100.0 * MIB as f64).ln());
        (least + share * (most - least)).exp().round() as u64
    })
}

/// Sizes of chunks, those of a thousandth of a second and those of seconds too.
fn chunks(rate: u64) -> impl Strategy<Value = Vec<usize>> {
    let least = (rate / 1000).max(1) as usize;
    proptest::collection::vec(least..(2 * rate as usize).min(4 << 20).max(least + 1), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ten_seconds_keep_the_rate_within_five_percent(
        (rate, chunks) in rates().prop_flat_map(|rate| (Just(rate), chunks(rate))),
    ) {
        let pace = Pace { rate, after: 0 };
        let time = Duration::from_secs(10);
        let sent = by_leaping_clock(Sent::watch(pace, &chunks, &[Duration::ZERO], time));
        let share = sent.total() / (rate as f64 * 10.0);
        prop_assert!((0.95..=1.05).contains(&share), "{share}");
        prop_assert!(sent.largest_burst(rate) <= rate as f64 / 4.0 + 1.0);
        // Smooth: at all times the next piece is near.
        let mut before = Duration::ZERO;
        for (at, bytes) in sent.0 {
            prop_assert!(at - before <= GRAIN + Duration::from_millis(2), "{:?}", at - before);
            prop_assert!(bytes <= rate / 8);
            before = at;
        }
    }

    #[test]
    fn a_client_that_pauses_gets_no_burst_for_it(
        (rate, chunks) in rates().prop_flat_map(|rate| (Just(rate), chunks(rate))),
        pauses in proptest::collection::vec(0u64..700, 1..20),
    ) {
        let pauses: Vec<Duration> = pauses.into_iter().map(Duration::from_millis).collect();
        let time = Duration::from_secs(4);
        let sent = by_leaping_clock(Sent::watch(Pace { rate, after: 0 }, &chunks, &pauses, time));
        prop_assert!(sent.largest_burst(rate) <= rate as f64 / 4.0 + 1.0);
    }
}

#[test]
fn tiny_chunks_keep_the_rate_too() {
    let time = Duration::from_millis(500);
    for (rate, chunk) in [(100 * MIB, 331), (MIB, 7), (KIB, 1)] {
        let pace = Pace { rate, after: 0 };
        let sent = by_leaping_clock(Sent::watch(pace, &[chunk], &[Duration::ZERO], time));
        let share = sent.total() / (rate as f64 * 0.5);
        assert!((0.99..=1.01).contains(&share), "{rate}: {share}");
    }
}

#[test]
fn what_comes_before_the_limit_goes_at_once_and_to_the_byte() {
    let pace = Pace { rate: 8 * KIB, after: 3 * MIB + 5 };
    let time = Duration::from_secs(2);
    let sent = by_leaping_clock(Sent::watch(pace, &[MIB as usize], &[Duration::ZERO], time));
    let at_once: Vec<_> = sent.0.iter().take_while(|(at, _)| at.is_zero()).collect();
    let bytes: Vec<_> = at_once.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(bytes, [MIB, MIB, MIB, 5, KIB]);
    assert_eq!(sent.total() as u64, 3 * MIB + 5 + 17 * KIB);
}

async fn collect(body: Body) -> (Vec<u8>, Duration) {
    let begin = Instant::now();
    let bytes = body.collect().await.unwrap().to_bytes();
    (bytes.to_vec(), begin.elapsed())
}

#[test]
fn a_body_is_whole_and_knows_its_size_all_the_way() {
    let text: Vec<u8> = (0..10_000_u32).map(|at| (at % 251) as u8).collect();
    by_leaping_clock(async {
        let mut body = Body::whole(text.clone().into());
        body.pace(Pace { rate: 1000, after: 2000 });
        assert!(!body.is_at_hand());
        let mut left = 10_000;
        while !body.is_end_stream() {
            assert_eq!(body.size_hint().exact(), Some(left));
            let frame = body.frame().await.unwrap().unwrap();
            left -= frame.into_data().unwrap().len() as u64;
        }
        assert_eq!(left, 0);
        assert!(body.frame().await.is_none());
        // 2000 at once, then 64 pieces of 125, each an eighth of a second after the one before, and the
        // end when one more would be due.
        let mut body = Body::whole(text.clone().into());
        body.pace(Pace { rate: 1000, after: 2000 });
        let (bytes, time) = collect(body).await;
        assert!(bytes == text && time == GRAIN * 64, "{time:?}");
        // Twice: the slower counts.
        let mut body = Body::whole(text.clone().into());
        body.pace(Pace { rate: 1000, after: 0 });
        body.pace(Pace { rate: 100_000, after: 0 });
        let (bytes, time) = collect(body).await;
        assert!(bytes == text && time == GRAIN * 80, "{time:?}");
    });
}

#[test]
fn what_needs_no_holding_back_costs_nothing() {
    for pace in [Pace { rate: 0, after: 0 }, Pace { rate: 1, after: 5 }] {
        let mut body = Body::whole("hello".into());
        body.pace(pace);
        assert!(body.is_at_hand(), "{pace:?}");
    }
    let mut body = Body::empty();
    body.pace(Pace { rate: 1, after: 0 });
    assert!(body.is_end_stream() && body.is_at_hand());
}

/// A body of `total` bytes that a store of 2 MiB begins to take.
fn growing(total: u64) -> (Arc<Entry>, Writer) {
    let now = Timestamp::from_seconds(1_000_000);
    let settings = store::Settings {
        memory: Size(2 * MIB),
        stream_buffer: Size(8 * KIB),
        stall_timeout: Span::millis(200),
        ..store::Settings::default()
    };
    let none = HeaderMap::new();
    let asked = cache::Request {
        method: &Method::GET,
        scheme: "http",
        host: "a.test",
        path: "/",
        query: None,
        headers: &none,
        present: Present::of(&none),
    };
    let fields =
        HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
    let policy = Policy::default();
    let storing = cache::storable(&policy, &asked, StatusCode::OK, &fields, now, now).unwrap();
    let stored = cache::Stored { total: Some(total), ..storing.into_stored(1) };
    let key = &cache::key(&policy, 1, &asked);
    let doom = Doom::default();
    let incoming =
        Incoming { key, request_headers: &none, stored, part: None, max_variants: 1, doom };
    Store::new(settings, Clock::manual(now)).insert(incoming)
}

#[test]
fn a_stream_waits_at_its_source_and_is_not_cut_for_it() {
    by_leaping_clock(async {
        let total = 2 * MIB;
        let (entry, mut writer) = growing(total);
        let mut body = Body::new(Source::Stored(entry.body.reader(0..u64::MAX)));
        body.pace(Pace { rate: 4 * KIB, after: 16 * KIB });
        let reading = tokio::spawn(collect(body));
        let begin = Instant::now();
        for at in 0..total / (4 * KIB) {
            writer.write(vec![at as u8; 4 * KIB as usize].into()).await.unwrap();
            assert!(entry.body.bytes() <= 8 * KIB, "{}", entry.body.bytes());
            // Room for two chunks, and one that is being sent.
            let planned = Duration::from_secs(at.saturating_sub(16 * KIB / (4 * KIB) + 3));
            assert!(begin.elapsed() >= planned, "chunk {at} after {:?}", begin.elapsed());
        }
        assert!(!writer.finish().await.unwrap(), "is not kept");
        let (bytes, _) = reading.await.unwrap();
        let chunks = bytes.chunks(4 * KIB as usize);
        assert_eq!(bytes.len() as u64, total);
        assert!(chunks.enumerate().all(|(at, chunk)| chunk.iter().all(|it| *it == at as u8)));
    });
}

#[test]
fn several_ranges_are_held_back_as_one_body() {
    by_leaping_clock(async {
        let (entry, mut writer) = growing(1000);
        writer.write(vec![b'x'; 1000].into()).await.unwrap();
        assert!(writer.finish().await.unwrap(), "is kept");
        let parts = [("one ", 0..300), ("two ", 700..1000)];
        let parts = parts.map(|(head, range)| (Bytes::from(head), entry.body.reader(range)));
        let multipart = Multipart::new(parts.into(), "end".into(), 611);
        let mut body = Body::new(Source::Multipart(Box::new(multipart)));
        body.pace(Pace { rate: 100, after: 111 });
        let (bytes, time) = collect(body).await;
        let x = "x".repeat(300);
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("one {x}two {x}end"));
        assert_eq!(time, Duration::from_secs(5));
    });
}

/// Answers each request with the same body at the same pace.
struct Play;

const LENGTH: usize = 12 << 10;
const PACE: Pace = Pace { rate: 8 * KIB, after: KIB };

fn text() -> Vec<u8> {
    (0..LENGTH).map(|at| b'a' + (at % 23) as u8).collect()
}

impl Handler for Play {
    type Body = Body;
    type Memory = ();

    fn greet(&self) {}

    async fn handle(
        &self,
        _connection: &Arc<Connection>,
        _memory: &Arc<()>,
        _request: Request<listen::Body>,
    ) -> Response<Body> {
        let mut body = Body::whole(text().into());
        body.pace(PACE);
        Response::new(body)
    }
}

/// A listener that bears 300 ms of waiting for a client, over the whole life of its connection. The
/// body takes longer than that by far.
fn start() -> (std::net::SocketAddr, Arc<Meters>, Drain) {
    let settings = listen::Settings {
        h2c: true,
        write_timeout: Span::millis(300),
        minimum_rate: Size(1 << 40),
        ..listen::Settings::default()
    };
    let drain = Drain::new();
    let front = Front {
        handler: Arc::new(Play),
        tls: None,
        admission: Admission::new(8),
        meters: Arc::default(),
        drain: drain.watch(),
        settings: Arc::new(ArcSwap::from_pointee(settings)),
    };
    let listener = listen::bind("127.0.0.1:0".parse().unwrap(), &front.settings.load()).unwrap();
    let (address, meters) = (listener.local_addr().unwrap(), front.meters.clone());
    tokio::spawn(listen::serve_listener(listener, front));
    (address, meters, drain)
}

#[tokio::test]
async fn http1_does_not_take_a_held_back_response_for_a_stalled_client() {
    let (address, meters, _drain) = start();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&text()), "{} bytes", answer.len());
    assert_eq!(meters.stalled.sum(), 0);
}

#[tokio::test]
async fn http2_neither_yet_it_cuts_a_client_that_does_stall() {
    let (address, meters, _drain) = start();
    let stream = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    // Room for one whole body, and for half of one on each stream that is not given more.
    builder.initial_window_size(LENGTH as u32 / 2);
    let (sender, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let mut ask = || {
        let request = Request::get("http://a.test/").body(()).unwrap();
        sender.send_request(request, true).unwrap().0
    };
    let (taking, stalling) = (ask(), ask());
    let (mut taking, mut stalling) =
        (taking.await.unwrap().into_body(), stalling.await.unwrap().into_body());
    let mut taken = Vec::new();
    while let Some(data) = taking.data().await {
        let data = data.unwrap();
        taking.flow_control().release_capacity(data.len()).unwrap();
        taken.extend_from_slice(&data);
    }
    assert!(taken == text(), "{} bytes", taken.len());
    let mut stalled = 0;
    let error = loop {
        match stalling.data().await.unwrap() {
            Ok(data) => stalled += data.len(),
            Err(error) => break error,
        }
    };
    assert!(error.is_reset() && stalled == LENGTH / 2, "{error} after {stalled} bytes");
    assert_eq!(meters.stalled.sum(), 1);
}
