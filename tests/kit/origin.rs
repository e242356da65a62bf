//! An origin that does as it is told: answers by script, counts, and keeps every request as it came.
//!
//! It parses strictly and reports what it must not have been sent ([`Origin::illegal`]), so it is
//! the recorder of framing tests as well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::proof::Proof;
use super::wire::{Broken, Framing, Head, Progress, Wire};

/// One request as the origin saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    pub head: Head,
    pub body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.get(name)
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

#[derive(Default)]
struct State {
    handlers: HashMap<String, Handler>,
    seen: Vec<Seen>,
    illegal: Vec<Broken>,
    connections: usize,
}

/// A server on a loopback port. Dropped, it stops and cuts its connections.
pub struct Origin {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    tasks: tokio::task::JoinHandle<()>,
}

impl Origin {
    pub async fn start() -> Origin {
        Origin::on_address("127.0.0.1").await
    }

    /// An origin on this address, at a port of the system's choice.
    pub async fn on_address(address: &str) -> Origin {
        Self::serve(TcpListener::bind((address, 0)).await.unwrap())
    }

    fn serve(listener: TcpListener) -> Origin {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let tasks = tokio::spawn(async move {
            // The set lives in this task, so that aborting it ends every connection.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, shared.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Origin { address, state, tasks }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers requests for `path`, whatever their query; a later handler replaces an earlier one.
    pub fn on(&self, path: &str, handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        self.state.lock().unwrap().handlers.insert(path.into(), Arc::new(handler));
    }

    /// Serves `proof` at `path` with its ETag and this Cache-Control; understands If-None-Match.
    pub fn serves(&self, path: &str, cache_control: &str, proof: &Proof) {
        let (proof, cache_control) = (proof.clone(), cache_control.to_string());
        self.on(path, move |seen| {
            let etag = proof.etag();
            let reply = if seen.header("if-none-match").is_some_and(|tags| tags.contains(&etag)) {
                Reply::new(304)
            } else {
                Reply::proof(&proof)
            };
            reply.header("Cache-Control", &cache_control).header("ETag", &etag)
        });
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Requests so far for `path`.
    pub fn count(&self, path: &str) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.path() == path).count()
    }

    /// What no strict server would accept.
    pub fn illegal(&self) -> Vec<Broken> {
        self.state.lock().unwrap().illegal.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Stops listening and cuts every connection; the port refuses from then on.
    pub async fn kill(&mut self) {
        self.tasks.abort();
        let _ = (&mut self.tasks).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

async fn connection(stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let number = {
        let mut state = state.lock().unwrap();
        state.connections += 1;
        state.connections - 1
    };
    let mut wire = Wire::new(stream);
    loop {
        match receive(&mut wire, number).await {
            Ok(Some(seen)) => {
                let handler = {
                    let mut state = state.lock().unwrap();
                    state.seen.push(seen.clone());
                    state.handlers.get(seen.path()).cloned()
                };
                let missing =
                    || Reply::text(404, "no such path").header("Cache-Control", "no-store");
                let reply = handler.map_or_else(missing, |handler| handler(&seen));
                if !reply.send(&seen, &mut wire).await.unwrap_or(false) {
                    return;
                }
            }
            Ok(None) => return,
            Err(trouble) => {
                // A connection that the edge drops half-way is its right, and no illegal byte.
                if !trouble.0.starts_with("i/o") && !trouble.0.contains("cut") {
                    state.lock().unwrap().illegal.push(trouble);
                }
                let _ = wire.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
        }
    }
}

async fn receive(wire: &mut Wire, connection: usize) -> Result<Option<Seen>, Broken> {
    let Some(head) = wire.head().await? else { return Ok(None) };
    let parts: Vec<&str> = head.first.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = parts.as_slice() else {
        return Err(Broken(format!("request line {:?}", head.first)));
    };
    if head.all("host").len() != 1 || !target.starts_with('/') {
        return Err(Broken(format!("{target} with hosts {:?}", head.all("host"))));
    }
    let (method, target) = (method.to_string(), target.to_string());
    if head.get("expect").is_some() {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut progress = Progress::new(head.framing(Framing::Length(0))?);
    let mut body = Vec::new();
    while let Some(bytes) = wire.body(&mut progress).await? {
        body.extend(bytes);
    }
    Ok(Some(Seen { method, target, head, body, connection }))
}

/// Something that a test opens when it is ready; replies wait before it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn closed() -> Gate {
        Gate(Arc::new(watch::Sender::new(false)))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub async fn passed(&self) {
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    /// A part of a body, made as it is sent.
    Proof(Proof, Range<u64>),
    Pause(Duration),
    Wait(Gate),
    /// Drops the connection without ending the message.
    Cut,
    /// Sends back whatever comes until the peer closes.
    Echo,
}

/// What to answer: a head, then steps. The default framing is a length.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    before: Vec<Step>,
    fields: Vec<(String, String)>,
    steps: Vec<Step>,
    framing: Framing,
    trailers: Vec<(String, String)>,
}

impl Reply {
    pub fn new(status: u16) -> Reply {
        let framing = Framing::Length(0);
        let (before, fields, steps, trailers) = Default::default();
        Reply { status, before, fields, steps, framing, trailers }
    }

    pub fn text(status: u16, text: &str) -> Reply {
        Reply::new(status).header("Content-Type", "text/plain").bytes(text.as_bytes().to_vec())
    }

    pub fn ok(text: &str) -> Reply {
        Reply::text(200, text)
    }

    pub fn proof(proof: &Proof) -> Reply {
        let reply = Reply::new(200).header("Content-Type", "application/octet-stream");
        reply.range(proof, 0..proof.length())
    }

    /// As an origin that knows single ranges, `If-Range` and entity tags answers for `proof`.
    pub fn part(seen: &Seen, proof: &Proof) -> Reply {
        let (etag, length) = (proof.etag(), proof.length());
        if seen.header("if-none-match").is_some_and(|tags| tags.contains(&etag)) {
            return Reply::new(304);
        }
        let current = seen.header("if-range").is_none_or(|tag| tag == etag);
        let range = seen.header("range").filter(|_| current).unwrap_or_default();
        let Some((start, end)) = range.strip_prefix("bytes=").and_then(|it| it.split_once('-'))
        else {
            return Reply::proof(proof);
        };
        let last = length.saturating_sub(1);
        let (start, end) = match start.parse::<u64>() {
            Ok(start) => (start, end.parse::<u64>().unwrap_or(last).min(last)),
            Err(_) => (length.saturating_sub(end.parse().unwrap()), last),
        };
        if start >= length {
            return Reply::new(416).header("Content-Range", &format!("bytes */{length}"));
        }
        Reply::new(206)
            .range(proof, start..end + 1)
            .header("Content-Range", &format!("bytes {start}-{end}/{length}"))
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds to the body, and to the length that the head declares.
    pub fn bytes(mut self, bytes: Vec<u8>) -> Reply {
        if let Framing::Length(length) = &mut self.framing {
            *length += bytes.len() as u64;
        }
        self.steps.push(Step::Bytes(bytes));
        self
    }

    /// Adds a part of `proof`, of any size: it is made as it is sent.
    fn range(mut self, proof: &Proof, range: Range<u64>) -> Reply {
        if let Framing::Length(length) = &mut self.framing {
            *length += range.end - range.start;
        }
        self.steps.push(Step::Proof(proof.clone(), range));
        self
    }

    /// Bytes of the body so far, or nothing if its length is not declared.
    pub fn length(&self) -> u64 {
        if let Framing::Length(length) = self.framing { length } else { 0 }
    }

    /// Sends the whole body in `parts`, with `pause` between them.
    pub fn drip(mut self, parts: usize, pause: Duration) -> Reply {
        let whole: Vec<u8> = self.steps.drain(..).flat_map(Step::into_bytes).collect();
        for (index, part) in whole.chunks(whole.len().div_ceil(parts).max(1)).enumerate() {
            if index > 0 {
                self.steps.push(Step::Pause(pause));
            }
            self.steps.push(Step::Bytes(part.to_vec()));
        }
        self
    }

    /// Sends `count` bytes of the body so far, then whatever is added next, then the rest.
    pub fn after(mut self, count: usize, next: impl FnOnce(Reply) -> Reply) -> Reply {
        let mut whole: Vec<u8> = self.steps.drain(..).flat_map(Step::into_bytes).collect();
        let rest = whole.split_off(count);
        self.steps.push(Step::Bytes(whole));
        let mut reply = next(self);
        reply.steps.push(Step::Bytes(rest));
        reply
    }

    pub fn pause(mut self, pause: Duration) -> Reply {
        self.steps.push(Step::Pause(pause));
        self
    }

    pub fn wait(mut self, gate: &Gate) -> Reply {
        self.steps.push(Step::Wait(gate.clone()));
        self
    }

    pub fn cut(mut self) -> Reply {
        self.steps.push(Step::Cut);
        self
    }

    /// Waits before the head is sent.
    pub fn delay(mut self, pause: Duration) -> Reply {
        self.before.push(Step::Pause(pause));
        self
    }

    /// Waits for the gate before the head is sent.
    pub fn hold(mut self, gate: &Gate) -> Reply {
        self.before.push(Step::Wait(gate.clone()));
        self
    }

    /// Sends an interim response first (RFC 9110 section 15.2).
    pub fn interim(mut self, status: u16, fields: &[(&str, &str)]) -> Reply {
        let head = Head { first: format!("HTTP/1.1 {status} Interim"), fields: owned(fields) };
        self.before.push(Step::Bytes(head.print()));
        self
    }

    pub fn chunked(mut self) -> Reply {
        self.framing = Framing::Chunked;
        self
    }

    /// Neither length nor chunks: the body ends with the connection.
    pub fn until_close(mut self) -> Reply {
        self.framing = Framing::Close;
        self
    }

    /// Declares another length than the body has.
    pub fn claim(mut self, length: u64) -> Reply {
        self.framing = Framing::Length(length);
        self
    }

    pub fn trailer(mut self, name: &str, value: &str) -> Reply {
        self.trailers.push((name.into(), value.into()));
        self.chunked()
    }

    /// Switches protocols and echoes.
    pub fn upgrade(protocol: &str) -> Reply {
        let mut reply = Reply::new(101).header("Connection", "Upgrade").header("Upgrade", protocol);
        reply.steps.push(Step::Echo);
        reply
    }

    fn head(&self) -> Head {
        let mut fields = self.fields.clone();
        match self.framing {
            Framing::Length(length) if !matches!(self.status, 101 | 204 | 304) => {
                fields.push(("Content-Length".into(), length.to_string()));
            }
            Framing::Chunked => fields.push(("Transfer-Encoding".into(), "chunked".into())),
            Framing::Close => fields.push(("Connection".into(), "close".into())),
            Framing::Length(_) => {}
        }
        Head { first: format!("HTTP/1.1 {} Scripted", self.status), fields }
    }

    /// Sends everything; false if the connection is over.
    async fn send(&self, seen: &Seen, wire: &mut Wire) -> std::io::Result<bool> {
        for step in &self.before {
            step.take(wire, false).await?;
        }
        wire.write(&self.head().print()).await?;
        if seen.method == "HEAD" || matches!(self.status, 204 | 304) {
            return Ok(self.framing != Framing::Close);
        }
        for step in &self.steps {
            if !step.take(wire, self.framing == Framing::Chunked).await? {
                return Ok(false);
            }
        }
        if self.framing == Framing::Chunked {
            let end = Head { first: "0".into(), fields: self.trailers.clone() };
            wire.write(&end.print()).await?;
        }
        if self.framing == Framing::Close {
            wire.close().await;
        }
        Ok(self.framing != Framing::Close)
    }
}

impl Step {
    fn into_bytes(self) -> Vec<u8> {
        match self {
            Step::Bytes(bytes) => bytes,
            Step::Proof(proof, range) => proof.bytes(range),
            _ => Vec::new(),
        }
    }

    /// Does the step; false if the connection is over with it.
    async fn take(&self, wire: &mut Wire, chunked: bool) -> std::io::Result<bool> {
        match self {
            Step::Bytes(bytes) => send(wire, bytes, chunked).await?,
            Step::Proof(proof, range) => {
                for start in range.clone().step_by(PORTION) {
                    let end = (start + PORTION as u64).min(range.end);
                    send(wire, &proof.bytes(start..end), chunked).await?;
                }
            }
            Step::Pause(pause) => tokio::time::sleep(*pause).await,
            Step::Wait(gate) => gate.passed().await,
            Step::Cut => return Ok(false),
            Step::Echo => loop {
                let bytes = wire.tunnel().await?;
                if bytes.is_empty() {
                    return Ok(false);
                }
                wire.write(&bytes).await?;
            },
        }
        Ok(true)
    }
}

/// Bytes of a [`Step::Proof`] that are made at once.
const PORTION: usize = 256 << 10;

/// Sends bytes of a body, as a chunk if it has chunks.
async fn send(wire: &mut Wire, bytes: &[u8], chunked: bool) -> std::io::Result<()> {
    if bytes.is_empty() || !chunked {
        return wire.write(bytes).await;
    }
    wire.write(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    wire.write(bytes).await?;
    wire.write(b"\r\n").await
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}
