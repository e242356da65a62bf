//! HTTP/1.1 read strictly (RFC 9112): whatever is not exactly right is [`Broken`].
//!
//! Both sides of the kit use it, so that the program under test is judged by a parser that shares
//! no line with its own.

use std::fmt;
use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The peer broke the rules, or the connection; the text says how.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken(pub String);

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken(format!("i/o: {error}"))
    }
}

fn broken<T>(text: impl Into<String>) -> Result<T, Broken> {
    Err(Broken(text.into()))
}

/// A start line and its fields, in the order and spelling of the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    pub first: String,
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// The field's values joined by `, `, or nothing if it is absent.
    pub fn get(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        if values.is_empty() { None } else { Some(values.join(", ")) }
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// In the form of the wire, with the empty line that ends it.
    pub fn print(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        text.into_bytes()
    }

    fn parse(text: &[u8]) -> Result<Head, Broken> {
        let Ok(text) = std::str::from_utf8(text) else { return broken("head is not UTF-8") };
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_string();
        let fields = lines.map(field).collect::<Result<_, _>>()?;
        if first.contains(['\r', '\n', '\0']) {
            return broken(format!("bare CR, LF or NUL in {first:?}"));
        }
        Ok(Head { first, fields })
    }

    /// How the body that follows is framed. `fallback` is for neither length nor coding.
    pub fn framing(&self, fallback: Framing) -> Result<Framing, Broken> {
        match (self.all("transfer-encoding").as_slice(), self.all("content-length").as_slice()) {
            ([], []) => Ok(fallback),
            (["chunked"], []) => Ok(Framing::Chunked),
            ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => length
                .parse()
                .map(Framing::Length)
                .or_else(|_| broken(format!("Content-Length {length:?}"))),
            (codings, lengths) => broken(format!("framing {codings:?} with lengths {lengths:?}")),
        }
    }
}

fn field(line: &str) -> Result<(String, String), Broken> {
    let token = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&it))
    };
    match line.split_once(':') {
        Some((name, value)) if token(name) && !value.contains(['\r', '\n', '\0']) => {
            Ok((name.into(), value.trim_matches([' ', '\t']).into()))
        }
        _ => broken(format!("field line {line:?}")),
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// At the end of the connection.
    Close,
}

/// A connection with what has been read ahead.
pub struct Wire {
    stream: Box<dyn Stream>,
    ahead: BytesMut,
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Wire({} ahead)", self.ahead.len())
    }
}

/// Where a body that is being read stands.
#[derive(Debug)]
pub struct Progress {
    framing: Framing,
    /// Bytes left of the length or of the present chunk.
    left: u64,
    pub trailers: Vec<(String, String)>,
}

impl Progress {
    pub fn new(framing: Framing) -> Progress {
        let left = if let Framing::Length(length) = framing { length } else { 0 };
        Progress { framing, left, trailers: Vec::new() }
    }
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Wire {
        Wire { stream: Box::new(stream), ahead: BytesMut::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    pub async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// What was read beyond the last message.
    pub fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Whether the peer has closed; bytes in its place are kept.
    pub async fn closed(&mut self) -> bool {
        self.ahead.is_empty() && !matches!(self.fill().await, Ok(true))
    }

    /// Bytes of a connection that no longer speaks HTTP; none at its end.
    pub async fn tunnel(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            self.fill().await?;
        }
        Ok(self.ahead.split().to_vec())
    }

    /// Reads more; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.ahead.reserve(64 << 10);
        Ok(self.stream.read_buf(&mut self.ahead).await? > 0)
    }

    /// The next head, or nothing if the peer closed between messages.
    pub async fn head(&mut self) -> Result<Option<Head>, Broken> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                let head = Head::parse(&self.ahead[..end])?;
                self.ahead.advance(end + 4);
                return Ok(Some(head));
            }
            if !self.fill().await? {
                return if self.ahead.is_empty() { Ok(None) } else { broken("head was cut") };
            }
        }
    }

    /// Some bytes of the body, or nothing at its clean end.
    pub async fn body(&mut self, progress: &mut Progress) -> Result<Option<Vec<u8>>, Broken> {
        match progress.framing {
            Framing::Close => {
                if self.ahead.is_empty() && !self.fill().await? {
                    return Ok(None);
                }
                Ok(Some(self.ahead.split().to_vec()))
            }
            Framing::Length(_) if progress.left == 0 => Ok(None),
            Framing::Length(_) => self.counted(progress).await.map(Some),
            Framing::Chunked => {
                if progress.left == 0 && !self.next_chunk(progress).await? {
                    return Ok(None);
                }
                let bytes = self.counted(progress).await?;
                if progress.left == 0 && !self.line().await?.is_empty() {
                    return broken("no CRLF after a chunk");
                }
                Ok(Some(bytes))
            }
        }
    }

    async fn counted(&mut self, progress: &mut Progress) -> Result<Vec<u8>, Broken> {
        if self.ahead.is_empty() && !self.fill().await? {
            return broken(format!("body was cut with {} bytes to come", progress.left));
        }
        let count = progress.left.min(self.ahead.len() as u64);
        progress.left -= count;
        Ok(self.ahead.split_to(count as usize).to_vec())
    }

    /// Reads a chunk's size; false after the last chunk, whose trailers are then read.
    async fn next_chunk(&mut self, progress: &mut Progress) -> Result<bool, Broken> {
        let line = self.line().await?;
        let size = line.split(';').next().unwrap_or_default();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return broken(format!("chunk size {line:?}"));
        }
        progress.left =
            u64::from_str_radix(size, 16).or_else(|_| broken(format!("chunk size {line:?}")))?;
        if progress.left > 0 {
            return Ok(true);
        }
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(false);
            }
            progress.trailers.push(field(&line)?);
        }
    }

    async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
                self.ahead.advance(end + 2);
                return Ok(line);
            }
            if !self.fill().await? {
                return broken("connection ended inside a chunked body");
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}
