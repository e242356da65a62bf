//! Load at the rate that a million objects want: an origin that answers by number and counts, and
//! lines to a node that keep several requests under way.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::kit::wire::Stream;

/// Lines that fill or ask for many objects.
const LINES: usize = 32;
/// Requests under way on one of them.
const DEPTH: usize = 16;
/// Tags by which a tenth of all objects is named.
pub const SHARES: u32 = 10;

/// An origin with objects `/o/0`, `/o/1` and so on. Each has a tag that it shares with a tenth of all,
/// and one that it shares with a few.
pub struct Farm {
    address: SocketAddr,
    asked: Arc<Vec<AtomicU32>>,
    task: tokio::task::JoinHandle<()>,
}

impl Farm {
    /// An origin with so many objects.
    pub async fn start(count: u32) -> Farm {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Vec<AtomicU32>> = Arc::new((0..count).map(|_| AtomicU32::new(0)).collect());
        let counts = asked.clone();
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                lines.spawn(serve(stream, counts.clone()));
            }
        });
        Farm { address, asked, task }
    }

    /// A site document for these hosts.
    pub fn site(&self, host: &str) -> String {
        format!("hosts = [{host:?}]\n[origin]\nservers = [\"http://{}\"]\n", self.address)
    }

    /// How often an object was asked of the origin.
    pub fn asked(&self, number: u32) -> u32 {
        self.asked[number as usize].load(Ordering::Relaxed)
    }

    /// The same of several, together.
    pub fn asked_of(&self, numbers: &[u32]) -> u64 {
        numbers.iter().map(|number| u64::from(self.asked(*number))).sum()
    }
}

impl Drop for Farm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, asked: Arc<Vec<AtomicU32>>) {
    let mut line = Line::new(stream);
    while let Some(head) = line.head().await {
        let number = head.strip_prefix("GET /o/").and_then(|it| it.split(' ').next()?.parse().ok());
        let answer =
            match number.and_then(|number: u32| Some((number, asked.get(number as usize)?))) {
                Some((number, count)) => {
                    let version = count.fetch_add(1, Ordering::Relaxed) + 1;
                    let body = format!("{number} of version {version}, {:>60}", "end");
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=86400\r\n\
                     Surrogate-Key: share-{} few-{}\r\n\r\n{body}",
                        body.len(),
                        number % SHARES,
                        number / 100
                    )
                }
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            };
        if !line.write(answer.as_bytes()).await {
            return;
        }
    }
}

/// One connection.
pub struct Line {
    stream: Box<dyn Stream>,
    /// What has come and was not read yet begins at `at`.
    buffer: Vec<u8>,
    at: usize,
}

/// An answer that came in full.
pub struct Got {
    pub status: u16,
    pub hit: bool,
    pub body: String,
}

impl Line {
    fn new(stream: impl Stream + 'static) -> Line {
        Line { stream: Box::new(stream), buffer: Vec::new(), at: 0 }
    }

    /// To a node's front door.
    pub async fn to(node: SocketAddr) -> Line {
        let stream = TcpStream::connect(node).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Line::new(stream)
    }

    /// To a node's admin socket.
    pub async fn to_admin(socket: &Path) -> Line {
        Line::new(UnixStream::connect(socket).await.unwrap())
    }

    async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Reads more; false at the end.
    async fn more(&mut self) -> bool {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
        }
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..))
    }

    /// The next head, with the empty line that ends it.
    async fn head(&mut self) -> Option<String> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") {
                self.at += end + 4;
                return Some(String::from_utf8_lossy(&rest[..end + 4]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn answer(&mut self) -> Got {
        let head = self.head().await.expect("an answer");
        let status = head.get(9..12).and_then(|it| it.parse().ok()).expect("a status");
        let head = head.to_ascii_lowercase();
        let field = |name| {
            let line = head.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim()
        };
        let length: usize = field("content-length:").parse().expect("a length");
        let hit = field("cache-status:").split(';').any(|part| part.trim() == "hit");
        while self.buffer.len() - self.at < length {
            assert!(self.more().await, "cut");
        }
        let body = &self.buffer[self.at..self.at + length];
        self.at += length;
        Got { status, hit, body: String::from_utf8_lossy(body).into_owned() }
    }

    /// Asks for some objects of `a.test` at once. Each answer must be of its object.
    pub async fn ask(&mut self, numbers: &[u32]) -> Vec<Got> {
        let requests: String = numbers
            .iter()
            .map(|number| format!("GET /o/{number} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
            .collect();
        assert!(self.write(requests.as_bytes()).await);
        let mut answers = Vec::with_capacity(numbers.len());
        for number in numbers {
            let got = self.answer().await;
            let right = got.status == 200 && got.body.starts_with(&format!("{number} of version "));
            assert!(right, "/o/{number}: {} {}", got.status, got.body);
            answers.push(got);
        }
        answers
    }

    /// Asks something of the admin listener.
    pub async fn admin(&mut self, method: &str, target: &str, body: &str) -> Got {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert!(self.write(request.as_bytes()).await);
        self.answer().await
    }

    /// Orders a purge, and says after how long it was acknowledged.
    pub async fn purge(&mut self, order: &Value) -> Duration {
        let body = order.to_string();
        let start = Instant::now();
        let got = self.admin("POST", "/v1/purge", &body).await;
        assert_eq!(got.status, 200, "{}", got.body);
        start.elapsed()
    }
}

/// Asks for all of these on many lines; says for each whether it was a hit.
pub async fn ask_all(node: SocketAddr, numbers: &[u32]) -> Vec<bool> {
    let mut tasks = JoinSet::new();
    for (place, share) in numbers.chunks(numbers.len().div_ceil(LINES).max(1)).enumerate() {
        let share = share.to_vec();
        tasks.spawn(async move {
            let mut line = Line::to(node).await;
            let mut hits = Vec::with_capacity(share.len());
            for few in share.chunks(DEPTH) {
                hits.extend(line.ask(few).await.iter().map(|got| got.hit));
            }
            (place, hits)
        });
    }
    let mut hits = tasks.join_all().await;
    hits.sort_unstable_by_key(|(place, _)| *place);
    hits.into_iter().flat_map(|(_, hits)| hits).collect()
}

/// What stands at this place of all, in order: 0.5 is the middle one.
pub fn at<T: Copy + PartialOrd>(mut values: Vec<T>, share: f64) -> T {
    values.sort_by(|left, right| left.partial_cmp(right).expect("numbers"));
    values[((values.len() - 1) as f64 * share).round() as usize]
}
