//! A small HTTP/1.1 origin that does exactly what a test tells it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the origin does about one request.
pub enum Reply {
    /// Sends these bytes and waits for the next request.
    Send(String),
    /// Sends these bytes and closes.
    Last(String),
    /// Sends each piece after its pause, then waits for the next request.
    Slowly(Vec<(u64, String)>),
    /// Closes without a word.
    Close,
    /// Does nothing for as long as the client waits.
    Silence,
    /// Sends these bytes, then gives back whatever it gets.
    Echo(String),
    /// Sends these bytes without having read the body, and reads on.
    Early(String),
}

/// A running origin.
pub struct Origin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

type Script = Arc<dyn Fn(usize, &str) -> Reply + Send + Sync>;

impl Origin {
    /// An origin that answers the n-th request with `script(n, head)`; n counts from 1.
    pub async fn start(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Origin {
            address: listener.local_addr().unwrap(),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (connections, requests) = (origin.connections.clone(), origin.requests.clone());
        let script: Script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, script.clone(), requests.clone()));
            }
        });
        origin
    }

    /// An origin that answers everything with this text.
    pub async fn saying(text: &'static str) -> Self {
        Self::start(move |_, _| Reply::Send(ok(text))).await
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests that it got: heads, with the bodies after them.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

/// A complete response with this body.
pub fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A port where nobody listens.
pub fn refusing() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Serves one connection, whatever it runs over.
pub async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    script: Script,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut buffer = Vec::new();
    loop {
        let Some(end) = read_until_blank_line(&mut stream, &mut buffer).await else { return };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let (number, reply) = {
            let mut requests = requests.lock();
            requests.push(head.clone());
            (requests.len(), script(requests.len(), &head))
        };
        if let Reply::Early(text) = &reply {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        if matches!(reply, Reply::Silence) {
            // Not even the body is read.
            std::future::pending::<()>().await;
        }
        let body = read_body(&mut stream, &mut buffer, &head).await;
        if let Some(request) = requests.lock().get_mut(number - 1) {
            request.push_str(&body);
        }
        if !answer(&mut stream, reply).await {
            return;
        }
    }
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) -> bool {
    match reply {
        Reply::Send(text) => stream.write_all(text.as_bytes()).await.is_ok(),
        Reply::Last(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
            false
        }
        Reply::Slowly(pieces) => {
            for (pause, text) in pieces {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return false;
                }
            }
            true
        }
        Reply::Echo(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let mut bytes = [0; 64];
            while let Ok(read @ 1..) = stream.read(&mut bytes).await {
                let _ = stream.write_all(&bytes[..read]).await;
            }
            false
        }
        Reply::Close | Reply::Silence => false,
        Reply::Early(_) => true,
    }
}

async fn read_until_blank_line(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<usize> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            return Some(end + 4);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    head: &str,
) -> String {
    let head = head.to_ascii_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok())
        .unwrap_or(0);
    let chunked = head.contains("transfer-encoding: chunked");
    loop {
        let end = match chunked {
            true => buffer.windows(5).position(|window| window == b"0\r\n\r\n").map(|at| at + 5),
            false => (buffer.len() >= length).then_some(length),
        };
        if let Some(end) = end {
            return String::from_utf8_lossy(&buffer.drain(..end).collect::<Vec<_>>()).into_owned();
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return String::new();
        }
    }
}
