//! An origin that plays a part, and clients that ask for it.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::RANGE;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, Method};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::*;
use crate::cache::{self, Policy, Request};
use crate::clock::Timestamp;
use crate::quantity::Size;
use crate::store::{self, Cut, Lookup};
use crate::upstream::{self, Group, NodeSettings, Outbound, Scheme, Shared, Upload};

/// These bytes of every body.
pub fn bytes(range: std::ops::Range<usize>) -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let byte = |at: usize| (at.wrapping_mul(31) >> 3) as u8;
    &PATTERN.get_or_init(|| (0..9_000_000).map(byte).collect())[range]
}

/// One request at the origin; the connection closes when it is dropped.
pub struct Scene {
    /// How many requests came before.
    pub number: usize,
    /// The request head.
    pub head: String,
    stream: TcpStream,
}

impl Scene {
    /// Sends a response head: status line and fields, parted by `|`.
    pub async fn head(&mut self, text: &str) {
        let text = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", text.replace('|', "\r\n"));
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends this as it is.
    pub async fn raw(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends body bytes; false when the other side has gone.
    pub async fn body(&mut self, range: std::ops::Range<usize>) -> bool {
        self.stream.write_all(bytes(range)).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Whether the request has this line, whatever the case of its letters.
    pub fn says(&self, line: &str) -> bool {
        self.head.lines().any(|said| said.eq_ignore_ascii_case(line))
    }
}

pub struct Stage {
    pub flights: Arc<Flights>,
    pub store: Arc<Store>,
    pub clock: Clock,
    pub policy: Arc<Policy>,
    group: Arc<Group>,
    scenes: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What a client asks for.
#[derive(Clone, Default)]
pub struct Client {
    pub path: &'static str,
    pub headers: HeaderMap,
    pub base: Option<Arc<Entry>>,
}

pub fn client(path: &'static str) -> Client {
    Client { path, ..Client::default() }
}

impl Client {
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        self
    }

    pub fn having(mut self, base: Arc<Entry>) -> Self {
        self.base = Some(base);
        self
    }
}

pub async fn stage<F, P>(play: F) -> Arc<Stage>
where
    F: Fn(Scene) -> P + Send + Sync + 'static,
    P: Future<Output = ()> + Send,
{
    stage_with(Settings::default(), play).await
}

pub async fn stage_with<F, P>(settings: Settings, play: F) -> Arc<Stage>
where
    F: Fn(Scene) -> P + Send + Sync + 'static,
    P: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (scenes, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, said, play) = (scenes.clone(), heads.clone(), Arc::new(play));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (count, said, play) = (count.clone(), said.clone(), play.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let head = String::from_utf8(head).unwrap();
                said.lock().push(head.clone());
                let number = count.fetch_add(1, Ordering::SeqCst);
                play(Scene { number, head, stream }).await;
            });
        }
    });
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000_000));
    let store = Store::new(
        store::Settings {
            memory: Size::mib(32),
            stream_buffer: Size::kib(64),
            ..store::Settings::default()
        },
        clock.clone(),
    );
    Arc::new(Stage {
        flights: Flights::new(settings, store.clone(), clock.clone()),
        store,
        policy: Arc::new(Policy::default()),
        group: group(address, &clock),
        clock,
        scenes,
        heads,
    })
}

fn group(address: SocketAddr, clock: &Clock) -> Arc<Group> {
    let node: NodeSettings = toml::from_str("allow_private = [\"127.0.0.0/8\"]").unwrap();
    let settings = format!("servers = [\"http://{address}\"]");
    let shared = Shared::new(&node, clock.clone());
    let settings: upstream::Settings = toml::from_str(&settings).unwrap();
    Group::new((1, &"a".into()), &settings, &shared).unwrap()
}

impl Stage {
    /// How many requests the origin has had.
    pub fn fetches(&self) -> usize {
        self.scenes.load(Ordering::SeqCst)
    }

    /// The request heads that the origin has had.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }

    pub fn key(&self, path: &str) -> Key {
        let headers = HeaderMap::new();
        cache::key(&self.policy, 1, &request(path, &headers))
    }

    pub async fn obtain(&self, client: &Client) -> Outcome {
        let key = self.key(client.path);
        let inquiry = self.inquiry(&key, client);
        self.flights.obtain(inquiry, || self.order(client)).await
    }

    pub fn refresh(&self, client: &Client) {
        let key = self.key(client.path);
        self.flights.refresh(self.inquiry(&key, client), || self.order(client));
    }

    pub fn inquiry<'a>(&'a self, key: &'a Key, client: &'a Client) -> Inquiry<'a> {
        Inquiry {
            key,
            policy: &self.policy,
            request: request(client.path, &client.headers),
            range: client.headers.get(RANGE),
            base: client.base.as_ref(),
        }
    }

    pub fn order(&self, client: &Client) -> Order {
        let outbound = Outbound {
            method: Method::GET,
            scheme: Scheme::Http,
            host: Authority::from_static("www.example"),
            path: PathAndQuery::from_static(client.path),
            headers: client.headers.clone(),
            body: Upload::Empty,
            body_limit: 0,
            on_interim: None,
            upgrade: None,
        };
        Order { policy: self.policy.clone(), group: self.group.clone(), outbound, on_head: None }
    }

    /// What is stored for a path, if a plain request finds it.
    pub fn stored(&self, path: &str) -> Option<Arc<Entry>> {
        match self.store.peek(&self.key(path), &HeaderMap::new()) {
            Lookup::Found(entry) => Some(entry),
            _ => None,
        }
    }

    /// Runs `many` such clients at once.
    pub async fn crowd(self: &Arc<Self>, many: usize, client: &Client) -> Vec<Outcome> {
        let tasks: Vec<_> = (0..many)
            .map(|_| {
                let (stage, client) = (self.clone(), client.clone());
                tokio::spawn(async move { stage.obtain(&client).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }
}

fn request<'a>(path: &'a str, headers: &'a HeaderMap) -> Request<'a> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    Request {
        method: &Method::GET,
        scheme: "http",
        host: "www.example",
        path,
        query,
        headers,
        present: crate::header::present::Present::of(headers),
    }
}

/// The entry of a shared response, whoever fetched it.
pub fn entry(outcome: &Outcome) -> Arc<Entry> {
    match outcome {
        Outcome::Entry { entry, .. } | Outcome::Revalidated { entry, .. } => entry.clone(),
        other => panic!("no entry but {}", word(other)),
    }
}

/// One word for an outcome.
pub fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Entry { how: How::Led(_), .. } => "led",
        Outcome::Entry { how: How::Collapsed, .. } => "collapsed",
        Outcome::Entry { how: How::Stored, .. } => "stored",
        Outcome::Revalidated { .. } => "revalidated",
        Outcome::Uncacheable { inbound: Some(_), .. } => "alone",
        Outcome::Uncacheable { inbound: None, .. } => "released",
        Outcome::Erroring { .. } => "erroring",
        Outcome::Failed(_) => "failed",
        Outcome::Crowded => "crowded",
    }
}

/// How many outcomes have this word.
pub fn count(outcomes: &[Outcome], wanted: &str) -> usize {
    outcomes.iter().filter(|outcome| word(outcome) == wanted).count()
}

/// Reads a body to its end, checks each byte, and says how many there were.
pub async fn read(entry: &Arc<Entry>) -> Result<usize, (usize, Cut)> {
    read_on(&mut entry.body.reader(0..u64::MAX), 0).await
}

pub async fn read_on(reader: &mut store::Reader, mut at: usize) -> Result<usize, (usize, Cut)> {
    loop {
        match poll_fn(|context| reader.poll_chunk(context)).await {
            None => return Ok(at),
            Some(Err(cut)) => return Err((at, cut)),
            Some(Ok(chunk)) => {
                assert_eq!(chunk, bytes(at..at + chunk.len()));
                at += chunk.len();
            }
        }
    }
}

/// Waits until `done`, for two seconds at most.
pub async fn until(done: impl Fn() -> bool) {
    for _ in 0..400 {
        if done() {
            return;
        }
        pause(5).await;
    }
    panic!("it never came to pass");
}

pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}
