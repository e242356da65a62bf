//! A client's TCP stream as everything above sees it: bytes read ahead come first, a client that
//! takes nothing for too long gets an error, and the connection's place is held to the very end,
//! through TLS, HTTP and any tunnel that follows.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::meters::{Meters, Place};
use super::patience::Patience;

/// A client's stream with its limits.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// Bytes that were read to see what they are.
    ahead: Bytes,
    patience: Patience,
    /// Whether the client must not take the end of the stream for the end of a response.
    cut: Arc<AtomicBool>,
    held: Held,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.cut.load(Relaxed) {
            // The kernel then resets the connection. If it does not, it closes it, as it would have.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// What a connection holds as long as its stream is open.
#[derive(Debug)]
struct Held {
    meters: Arc<Meters>,
    _place: Place,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meters.open.add(-1);
    }
}

impl Socket {
    /// Takes over an accepted stream.
    pub(super) fn new(
        stream: TcpStream,
        place: Place,
        meters: Arc<Meters>,
        write_timeout: Duration,
        minimum_rate: u64,
        cut: Arc<AtomicBool>,
    ) -> Socket {
        meters.open.add(1);
        Socket {
            stream,
            ahead: Bytes::new(),
            patience: Patience::new(write_timeout, minimum_rate),
            cut,
            held: Held { meters, _place: place },
        }
    }

    /// The address that the client connected to.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Reads until `seen` has made up its mind about the bytes so far, at most `most` of them, and
    /// puts back those that it says it did not use. None if the client ended before that.
    ///
    /// # Errors
    /// What the stream says.
    pub(super) async fn look<T>(
        &mut self,
        most: usize,
        mut seen: impl FnMut(&[u8]) -> Option<(T, usize)>,
    ) -> io::Result<Option<T>> {
        let mut bytes = BytesMut::from(&self.ahead[..]);
        self.ahead.clear();
        loop {
            if let Some((found, used)) = seen(&bytes) {
                bytes.advance(used.min(bytes.len()));
                self.ahead = bytes.freeze();
                return Ok(Some(found));
            }
            let room = most.saturating_sub(bytes.len());
            bytes.reserve(room.min(1024));
            let mut limited = (&mut self.stream).take(room as u64);
            if room == 0 || limited.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
        progress: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(Ok(done)) => {
                self.patience.progress(progress(&done));
                Poll::Ready(Ok(done))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.patience.poll_exhausted(cx));
                self.held.meters.stalled.bump();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let size = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead.split_to(size));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.judge(cx, result, |written| *written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.judge(cx, result, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
