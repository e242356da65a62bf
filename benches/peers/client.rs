//! The load that wrk and h2load cannot make; `run.py` starts it. Each form prints one line of JSON.
//!
//! ```text
//! client fill ADDRESS PREFIX FIRST END              PREFIX and each number, END not included
//! client paced ADDRESS PATH RATE SECONDS            at even distances, whatever comes back
//! client full ADDRESS CERTIFICATE PATH SECONDS      a connection and a handshake per request
//! client resumed ADDRESS CERTIFICATE PATH SECONDS   the same with the ticket of the one before
//! ```

use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use serde_json::{Value, json};

type Failure = Box<dyn Error + Send + Sync>;

/// Connections at once: of the fill, of the paced load, of the handshakes.
const FILLING: usize = 64;
const PACED: usize = 32;
const SHAKING: usize = 32;
/// A paced run that falls so far behind measures no latency any more.
const BEHIND: Duration = Duration::from_secs(1);
/// Of one answer, head and body.
const LARGEST_ANSWER: usize = (1 << 20) + (64 << 10);

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = match words[..] {
        ["fill", address, prefix, first, end] => {
            fill(address.parse()?, prefix, first.parse()?..end.parse()?)?
        }
        ["paced", address, path, rate, seconds] => {
            paced(address.parse()?, path, rate.parse()?, seconds.parse()?)?
        }
        [kind @ ("full" | "resumed"), address, certificate, path, seconds] => {
            let certificate = CertificateDer::from_pem_file(certificate)?;
            let length = Duration::from_secs(seconds.parse()?);
            let resume = kind == "resumed";
            handshakes(&Target { address: address.parse()?, certificate, path }, resume, length)?
        }
        _ => return Err("see the head of client.rs for its arguments".into()),
    };
    println!("{report}");
    Ok(())
}

/// Every number once, over as many connections as keep the server busy.
fn fill(address: SocketAddr, prefix: &str, numbers: Range<u64>) -> Result<Value, Failure> {
    let next = AtomicU64::new(numbers.start);
    in_threads(FILLING, || {
        let mut stream = connect(address)?;
        let mut answers = Answers::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return Ok(());
            }
            stream.write_all(request(&format!("{prefix}{number}"), "").as_bytes())?;
            while !answers.step(&mut stream)? {}
        }
    })?;
    Ok(json!({ "requests": numbers.end - numbers.start }))
}

/// One connection of the paced load, and when its request should have been sent.
struct Lane {
    stream: TcpStream,
    answers: Answers,
    due: Duration,
}

/// An open loop: latency counts from when a request was due, not from when it could be sent. It
/// polls without rest, because the timers of an event loop are coarser than what it measures.
fn paced(address: SocketAddr, path: &str, rate: u32, seconds: u32) -> Result<Value, Failure> {
    let request = request(path, "");
    let mut idle = VecDeque::new();
    for _ in 0..PACED {
        let stream = connect(address)?;
        stream.set_nonblocking(true)?;
        idle.push_back(Lane { stream, answers: Answers::default(), due: Duration::ZERO });
    }
    let mut busy: Vec<Lane> = Vec::new();
    let mut latencies = Vec::new();
    let (start, total) = (Instant::now(), rate * seconds);
    let mut sent = 0;
    while sent < total || !busy.is_empty() {
        let due = Duration::from_secs(1) * sent / rate;
        let now = start.elapsed();
        if now > due + BEHIND {
            return Err("the server does not keep up with this rate".into());
        }
        if sent < total
            && now >= due
            && let Some(mut lane) = idle.pop_front()
        {
            lane.due = due;
            lane.stream.write_all(request.as_bytes())?;
            busy.push(lane);
            sent += 1;
        }
        let mut index = 0;
        while let Some(lane) = busy.get_mut(index) {
            if lane.answers.step(&mut lane.stream)? {
                let lane = busy.swap_remove(index);
                latencies.push(start.elapsed() - lane.due);
                idle.push_back(lane);
            } else {
                index += 1;
            }
        }
    }
    Ok(report(latencies, start.elapsed()))
}

/// Whom the handshakes are made with, and what is asked for after each.
struct Target<'a> {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    path: &'a str,
}

/// A new connection for each request, with or without the ticket of the one before.
fn handshakes(target: &Target<'_>, resume: bool, length: Duration) -> Result<Value, Failure> {
    let start = Instant::now();
    let found = in_threads(SHAKING, || {
        let config = Arc::new(config(target, resume)?);
        let (mut latencies, mut resumed) = (Vec::new(), 0);
        while start.elapsed() < length {
            let begin = Instant::now();
            if handshake(target, config.clone())? == HandshakeKind::Resumed {
                resumed += 1;
            }
            latencies.push(begin.elapsed());
        }
        Ok((latencies, resumed))
    })?;
    let resumed: u64 = found.iter().map(|(_, resumed)| resumed).sum();
    let latencies = found.into_iter().flat_map(|(latencies, _)| latencies).collect();
    let mut report = report(latencies, start.elapsed());
    report["resumed"] = json!(resumed);
    Ok(report)
}

/// TLS 1.3 and X25519 with every server, so that all do the same work.
fn config(target: &Target<'_>, resume: bool) -> Result<ClientConfig, Failure> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let mut roots = RootCertStore::empty();
    roots.add(target.certificate.clone())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A store for each thread: a ticket is used once.
    config.resumption =
        if resume { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
    Ok(config)
}

fn handshake(target: &Target<'_>, config: Arc<ClientConfig>) -> Result<HandshakeKind, Failure> {
    let connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(connection, connect(target.address)?);
    stream.write_all(request(target.path, "Connection: close\r\n").as_bytes())?;
    let mut answers = Answers::default();
    while !answers.step(&mut stream)? {}
    // The server closes; some do so without saying goodbye in TLS.
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        Ok(_) => return Err("more than an answer".into()),
        Err(error) => return Err(error.into()),
    }
    stream.conn.handshake_kind().ok_or_else(|| "no handshake".into())
}

/// Takes the answers of one connection apart, one after another.
struct Answers {
    buffer: Vec<u8>,
    held: usize,
}

impl Default for Answers {
    fn default() -> Self {
        Self { buffer: vec![0; LARGEST_ANSWER], held: 0 }
    }
}

impl Answers {
    /// Reads once, and says whether an answer is complete.
    fn step(&mut self, stream: &mut impl Read) -> Result<bool, Failure> {
        let count = match stream.read(&mut self.buffer[self.held..]) {
            Ok(0) => return Err("the server closed before its answer was complete".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.held += count;
        let Some(end) = memmem::find(&self.buffer[..self.held], b"\r\n\r\n") else {
            return Ok(false);
        };
        let head = std::str::from_utf8(&self.buffer[..end])?;
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("not the answer that was wanted: {head}").into());
        }
        let complete = self.held >= end + 4 + content_length(head)?;
        if complete {
            self.held = 0;
        }
        Ok(complete)
    }
}

fn content_length(head: &str) -> Result<usize, Failure> {
    let value = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map(|(_, value)| value.trim());
    Ok(value.ok_or("an answer without Content-Length")?.parse()?)
}

fn request(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// Runs the same in so many threads; the first failure is that of all.
fn in_threads<T: Send>(
    count: usize,
    work: impl Fn() -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().map(|it| it.join().map_err(|_| "a thread broke")?).collect()
    })
}

/// Counts and latencies, in seconds and microseconds.
fn report(mut latencies: Vec<Duration>, elapsed: Duration) -> Value {
    latencies.sort_unstable();
    let percent = |share: usize| {
        let found = latencies.get(latencies.len() * share / 100);
        found.map(|it| it.as_nanos() as f64 / 1e3)
    };
    json!({
        "requests": latencies.len(),
        "seconds": elapsed.as_secs_f64(),
        "p50": percent(50),
        "p90": percent(90),
        "p99": percent(99),
    })
}
