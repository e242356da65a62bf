//! A client that believes nothing: raw HTTP/1.1 over TCP or TLS, every framing fault reported.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::wire::{Broken, Framing, Head, Progress, Wire};
use super::{Authority, PATIENCE};

/// How a message ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// As its framing said.
    Clean,
    /// Otherwise; the text says how.
    Cut(Broken),
}

/// A whole response, also one that was cut.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    /// The 1xx heads before the final one.
    pub interim: Vec<Head>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    pub end: End,
}

impl Answer {
    /// The field's values, joined; empty if it is absent.
    pub fn header(&self, name: &str) -> String {
        self.head.get(name).unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.head.get(name).is_some()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The node's own member of Cache-Status (RFC 9211): the last one.
    pub fn cache_status(&self) -> String {
        let value = self.header("cache-status");
        value.rsplit(", ").next().unwrap_or_default().to_string()
    }

    /// Whether the node says that it answered from its store.
    pub fn hit(&self) -> bool {
        self.cache_status().split(';').any(|part| part.trim() == "hit")
    }

    pub fn age(&self) -> u64 {
        self.header("age").parse().unwrap_or_else(|_| panic!("no Age in {:?}", self.head))
    }

    /// The head's status and the body, for answers that must be whole.
    #[track_caller]
    pub fn whole(&self, status: u16) -> &[u8] {
        assert_eq!(self.end, End::Clean, "{:?}", self.head);
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(80)]);
        assert_eq!(self.status, status, "{:?} {start:?}", self.head);
        &self.body
    }
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        Client::preceded(address, b"").await
    }

    /// Connects and sends `preface` before anything else: a PROXY header, say.
    pub async fn preceded(address: SocketAddr, preface: &[u8]) -> Client {
        let mut client = Client::attempt(address).await.unwrap();
        client.raw(preface).await;
        client
    }

    /// Connects if somebody listens.
    pub async fn attempt(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { wire: Wire::new(stream) })
    }

    /// Connects over TLS; an error is the handshake's.
    pub async fn tls(
        address: SocketAddr,
        name: &str,
        authority: &Authority,
    ) -> std::io::Result<Client> {
        let stream = authority.connect(address, name, &["http/1.1"]).await?;
        Ok(Client { wire: Wire::new(stream) })
    }

    pub fn get(&mut self, host: &str, target: &str) -> Ask<'_> {
        self.ask("GET", host, target)
    }

    pub fn ask(&mut self, method: &str, host: &str, target: &str) -> Ask<'_> {
        let head = Head {
            first: format!("{method} {target} HTTP/1.1"),
            fields: vec![("Host".into(), host.into())],
        };
        Ask { client: self, head, body: Vec::new() }
    }

    /// Sends bytes as they are.
    pub async fn raw(&mut self, bytes: &[u8]) {
        self.wire.write(bytes).await.unwrap();
    }

    /// Reads one response to a request with this method.
    pub async fn answer(&mut self, method: &str) -> Result<Answer, Broken> {
        timeout(PATIENCE, async { Ok(self.reading(method).await?.rest().await) })
            .await
            .unwrap_or_else(|_| Err(Broken("no answer in time".into())))
    }

    /// Reads the heads of a response, and leaves its body to be taken.
    pub async fn reading(&mut self, method: &str) -> Result<Reading<'_>, Broken> {
        let mut interim = Vec::new();
        let (head, status) = loop {
            let next = self.wire.head().await?;
            let head = next.ok_or_else(|| Broken("closed without an answer".into()))?;
            match status(&head)? {
                code @ (100 | 102..=199) => interim.push((code, head)),
                code => break (head, code),
            }
        };
        let framing = match (method, status) {
            ("HEAD", _) | (_, 101 | 204 | 304) => Framing::Length(0),
            _ => head.framing(Framing::Close)?,
        };
        let interim = interim.into_iter().map(|(_, head)| head).collect();
        let answer = Answer {
            status,
            head,
            interim,
            body: Vec::new(),
            trailers: Vec::new(),
            end: End::Clean,
        };
        Ok(Reading { client: self, progress: Progress::new(framing), answer })
    }

    /// Whether the edge closes the connection now, having sent nothing more.
    pub async fn closed(&mut self) -> bool {
        timeout(PATIENCE, self.wire.closed()).await.unwrap_or(false)
    }

    /// Bytes of a tunnel, as they come.
    pub async fn tunnel(&mut self) -> Vec<u8> {
        timeout(PATIENCE, self.wire.tunnel()).await.unwrap().unwrap()
    }
}

fn status(head: &Head) -> Result<u16, Broken> {
    let code = head.first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let code = code.and_then(|digits| digits.parse().ok());
    code.ok_or_else(|| Broken(format!("status line {:?}", head.first)))
}

/// A request in the making.
pub struct Ask<'a> {
    client: &'a mut Client,
    head: Head,
    body: Vec<u8>,
}

impl<'a> Ask<'a> {
    pub fn header(mut self, name: &str, value: &str) -> Ask<'a> {
        self.head.fields.push((name.into(), value.into()));
        self
    }

    pub fn body(self, body: &[u8]) -> Ask<'a> {
        let mut ask = self.header("Content-Length", &body.len().to_string());
        ask.body = body.to_vec();
        ask
    }

    async fn write(self) -> (&'a mut Client, String) {
        let ahead = self.client.wire.ahead();
        assert!(ahead.is_empty(), "bytes beyond the last answer: {ahead:?}");
        let mut bytes = self.head.print();
        bytes.extend(&self.body);
        // A peer that has closed shows when the answer is read.
        let _ = self.client.wire.write(&bytes).await;
        let method = self.head.first.split(' ').next().unwrap_or_default().to_string();
        (self.client, method)
    }

    /// Sends it and reads the whole answer; fails the test if there is none.
    pub async fn send(self) -> Answer {
        let what = self.head.first.clone();
        self.attempt().await.unwrap_or_else(|trouble| panic!("{what}: {trouble:?}"))
    }

    /// Sends it and reads the whole answer.
    pub async fn attempt(self) -> Result<Answer, Broken> {
        let (client, method) = self.write().await;
        client.answer(&method).await
    }

    /// Sends it and reads the head; the body is taken bit by bit.
    pub async fn open(self) -> Reading<'a> {
        let (client, method) = self.write().await;
        timeout(PATIENCE, client.reading(&method)).await.expect("a head in time").unwrap()
    }
}

/// A response whose head has come and whose body is still coming.
#[derive(Debug)]
pub struct Reading<'a> {
    client: &'a mut Client,
    progress: Progress,
    pub answer: Answer,
}

impl Reading<'_> {
    /// Takes what comes next of the body; false at its end, clean or not.
    pub async fn more(&mut self) -> bool {
        match self.client.wire.body(&mut self.progress).await {
            Ok(Some(bytes)) => {
                self.answer.body.extend(bytes);
                true
            }
            Ok(None) => {
                self.answer.trailers = std::mem::take(&mut self.progress.trailers);
                false
            }
            Err(trouble) => {
                self.answer.end = End::Cut(trouble);
                false
            }
        }
    }

    /// Takes all the rest.
    pub async fn rest(mut self) -> Answer {
        while self.more().await {}
        self.answer
    }
}
