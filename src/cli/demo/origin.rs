//! The demo's origin: a plain HTTP/1.1 server on loopback that stands for a customer's own.
//!
//! | path | what | cacheable |
//! |---|---|---|
//! | `/` | a page with the photos and what can be tried | 60 s |
//! | `/photos/NAME` | a photograph, with the tag `photos` | 1 h |
//! | `/bytes/N` | N bytes that prove themselves (`proof.rs`), N up to 1 GiB | 60 s |
//! | `/slow/MS/N` | the same, spread over MS milliseconds, up to 60000 | 60 s |
//! | `/large` | 64 MiB of proof | 1 h |
//! | `/clock` | the time, may be used for 10 min when the origin fails | 2 s |
//! | `/private`, `/api/time` | changes at each request | never |
//! | POST `/origin/version` | all proof changes: a new version, new ETags | |
//! | POST `/origin/down/S` | answers 503 for S seconds, up to 60 | |
//!
//! Every response says in `X-Origin-Request` the how-manieth it is. GET and HEAD know `If-None-Match`,
//! `Range` (one range) and `If-Range`. Up to 64 MiB, proof comes with `X-Body-SHA256`, the digest of
//! the whole in hexadecimal.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::body::OriginBody;
use super::content::{self, Content, Resource};
use super::proof::Proof;
use crate::clock::{Clock, Timestamp};

/// The largest `/bytes/N`.
pub const MOST_BYTES: u64 = 1 << 30;
/// The longest `/slow/MS/N`, in milliseconds.
pub const SLOWEST_MS: u64 = 60_000;
/// The longest `/origin/down/S`, in seconds.
pub const LONGEST_DOWN: u64 = 60;
/// The length of `/large`.
pub const LARGE: u64 = 64 << 20;
/// How many connections are served at once; the others wait.
const MOST_CONNECTIONS: usize = 4096;
/// How long a connection may take to send a request's head, idle time included.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Starts the origin on `listen` (loopback; port 0 takes any free one) within the present tokio
/// runtime, and returns where it listens. It ends with the runtime.
pub async fn start(listen: SocketAddr, clock: Clock) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tokio::spawn(accept(listener, Arc::new(Origin::new(clock))));
    Ok(address)
}

async fn accept(listener: TcpListener, origin: Arc<Origin>) {
    let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let origin = Arc::clone(&origin);
                tokio::spawn(async move {
                    serve(stream, origin).await;
                    drop(slot);
                });
            }
            // Out of descriptors, most likely: some will be closed soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(stream: TcpStream, origin: Arc<Origin>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let origin = Arc::clone(&origin);
        async move { Ok::<_, Infallible>(origin.answer(request).await) }
    });
    // The edge may close a connection whenever it likes.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[derive(Debug)]
struct Origin {
    clock: Clock,
    requests: AtomicU64,
    version: AtomicU32,
    down_until: AtomicU64,
    digests: Mutex<content::Digests>,
}

impl Origin {
    fn new(clock: Clock) -> Self {
        Origin {
            clock,
            requests: AtomicU64::new(0),
            version: AtomicU32::new(1),
            down_until: AtomicU64::new(0),
            digests: Mutex::default(),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<OriginBody> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let path = request.uri().path();
        let mut response = if let Some(order) = path.strip_prefix("/origin/") {
            self.order(request.method(), order)
        } else if self.clock.now() < Timestamp(self.down_until.load(Ordering::Relaxed)) {
            plain(StatusCode::SERVICE_UNAVAILABLE, "the origin plays dead\n")
        } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            refusal
        } else {
            match self.resource(&request, number).await {
                Some(resource) => respond(&request, resource),
                None => plain(StatusCode::NOT_FOUND, "there is no such thing\n"),
            }
        };
        response.headers_mut().insert("x-origin-request", number.into());
        response
    }

    /// Carries out what is asked of the origin itself.
    fn order(&self, method: &Method, order: &str) -> Response<OriginBody> {
        if method != Method::POST {
            let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "this takes a POST\n");
            refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return refusal;
        }
        let down = order.strip_prefix("down/").and_then(|seconds| seconds.parse::<u64>().ok());
        if let Some(seconds) = down.map(|seconds| seconds.min(LONGEST_DOWN)) {
            let until = self.clock.now().plus(Duration::from_secs(seconds));
            self.down_until.store(until.0, Ordering::Relaxed);
            plain(StatusCode::OK, &format!("the origin plays dead for {seconds} s\n"))
        } else if order == "version" {
            let version = self.version.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            plain(StatusCode::OK, &format!("all proof is of version {version} now\n"))
        } else {
            plain(StatusCode::NOT_FOUND, "there is no such order\n")
        }
    }

    async fn resource(&self, request: &Request<Incoming>, number: u64) -> Option<Resource> {
        let path = request.uri().path();
        match path {
            "/" => return Some(content::page()),
            "/large" => return Some(self.proof(request, LARGE, 0, content::HOUR).await),
            "/clock" => return Some(content::clock(self.clock.now())),
            "/private" => return Some(content::private(self.clock.now(), number)),
            "/api/time" => return Some(content::time(self.clock.now(), number)),
            _ => {}
        }
        if let Some(name) = path.strip_prefix("/photos/") {
            return content::photo(name);
        }
        let (millis, length) = if let Some(length) = path.strip_prefix("/bytes/") {
            (0, length)
        } else {
            let (millis, length) = path.strip_prefix("/slow/")?.split_once('/')?;
            (millis.parse().ok().filter(|millis| *millis <= SLOWEST_MS)?, length)
        };
        let length = length.parse().ok().filter(|length| *length <= MOST_BYTES)?;
        Some(self.proof(request, length, millis, content::MINUTE).await)
    }

    async fn proof(
        &self,
        request: &Request<Incoming>,
        length: u64,
        millis: u64,
        cache_control: &'static str,
    ) -> Resource {
        let version = self.version.load(Ordering::Relaxed);
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let proof = Arc::new(Proof::new(&format!("{}{target}", host.unwrap_or("")), version));
        let digest = content::digest(&self.digests, &proof, length).await;
        Resource {
            content_type: "text/plain; charset=utf-8",
            cache_control,
            // The entity tag is that of this URL alone, so version and length say it all.
            etag: Some(format!("\"v{version}-{length}\"")),
            tag: None,
            digest,
            content: Content::Proof { proof, length, duration: Duration::from_millis(millis) },
        }
    }
}

/// The response to GET or HEAD for a resource that exists (RFC 9110, sections 13.2.2 and 14.2).
fn respond(request: &Request<Incoming>, resource: Resource) -> Response<OriginBody> {
    let total = resource.content.length();
    let etag = resource.etag.as_deref();
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let mut response = Response::new(OriginBody::Whole(Bytes::new()));
    resource.describe(response.headers_mut());
    if field(header::IF_NONE_MATCH).is_some_and(|sent| names(sent, etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let wanted = field(header::RANGE)
        .filter(|_| request.method() == Method::GET && etag.is_some())
        .filter(|_| field(header::IF_RANGE).is_none_or(|sent| Some(sent) == etag))
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| one_range(range, total));
    let (start, end) = match wanted {
        None => (0, total),
        Some(None) => {
            set(&mut response, header::CONTENT_RANGE, format!("bytes */{total}"));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
        Some(Some((start, end))) => {
            let range = format!("bytes {start}-{}/{total}", end.saturating_sub(1));
            set(&mut response, header::CONTENT_RANGE, range);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            (start, end)
        }
    };
    set(&mut response, header::CONTENT_LENGTH, (end - start).to_string());
    if request.method() == Method::GET {
        *response.body_mut() = resource.content.body(start, end);
    }
    response
}

/// Whether a list of entity tags names this one, compared weakly (RFC 9110, section 8.8.3.2). None
/// of ours holds a comma.
fn names(list: &str, etag: Option<&str>) -> bool {
    let tags = || list.split(',').map(|tag| tag.trim());
    etag.is_some_and(|etag| {
        tags().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

/// Reads one byte range: `None` when it is to be ignored (more than one, or no range at all),
/// `Some(None)` when it cannot be satisfied, else its start and end.
fn one_range(range: &str, total: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.trim().split_once('-')?;
    if first.is_empty() {
        let suffix: u64 = last.parse().ok()?;
        return Some((suffix > 0 && total > 0).then(|| (total.saturating_sub(suffix), total)));
    }
    let first: u64 = first.parse().ok()?;
    let end = if last.is_empty() { total } else { last.parse::<u64>().ok()?.saturating_add(1) };
    if end <= first && !last.is_empty() {
        return None;
    }
    Some((first < total).then(|| (first, end.min(total))))
}

fn set(response: &mut Response<OriginBody>, name: header::HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

fn plain(status: StatusCode, text: &str) -> Response<OriginBody> {
    let mut response = Response::new(OriginBody::Whole(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
