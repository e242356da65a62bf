//! The byte stream that hyper's HTTP/1 server reads and writes.
//!
//! It lets interim heads in between hyper's own bytes. hyper writes whole responses and flushes when
//! its buffer is empty, so between such a flush and hyper's next write the line is clean: a head may
//! go out. From hyper's first attempt to write until its next flush it is not.
//!
//! At the end it lingers: a client that is still sending would take a plain close for a reset and
//! lose the response, so the stream is closed one way and what arrives is thrown away for a moment
//! (RFC 9112 section 9.6).

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::activity::Activity;
use super::interim::Queue;

/// An HTTP/1 connection's stream.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    activity: Arc<Activity>,
    interim: Arc<Queue>,
    /// Interim heads that are being written; hyper's bytes wait until they are out.
    heads: BytesMut,
    linger: Linger,
}

/// The end of a stream whose client may still be sending.
#[derive(Debug)]
struct Linger {
    time: Duration,
    /// Bytes that may still be thrown away.
    left: u64,
    /// Runs from when our side was closed.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Wraps `stream`; lingering takes at most `linger_bytes` and `linger_time`.
    pub(super) fn new(
        stream: S,
        activity: Arc<Activity>,
        interim: Arc<Queue>,
        linger_bytes: u64,
        linger_time: Duration,
    ) -> Wire<S> {
        Wire {
            stream,
            activity,
            interim,
            heads: BytesMut::new(),
            linger: Linger { time: linger_time, left: linger_bytes, timer: None },
        }
    }

    /// Writes interim heads if the line is clean.
    fn poll_heads(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.heads.is_empty() && !self.activity.unflushed() {
            self.heads = self.interim.take();
        }
        while !self.heads.is_empty() {
            let size = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.heads))?;
            if size == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.heads.advance(size);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.linger.time;
        let timer = self.linger.timer.get_or_insert_with(|| Box::pin(sleep(time)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [MaybeUninit::uninit(); 4096];
        while self.linger.left > 0 {
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    let size = buffer.filled().len() as u64;
                    self.linger.left = self.linger.left.saturating_sub(size);
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.activity.note_read();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_heads(cx))?;
        this.activity.set_unflushed(true);
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_heads(cx))?;
        this.activity.set_unflushed(true);
        Pin::new(&mut this.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // hyper flushes only once its own buffer is written, so from here on the line is clean.
        this.activity.set_unflushed(false);
        ready!(this.poll_heads(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.timer.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.activity.lingers() {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_head_waits_for_the_flush_and_goes_before_the_next_write() {
        let (stream, mut client) = tokio::io::duplex(8);
        let (activity, queue) = (Arc::new(Activity::default()), Arc::new(Queue::default()));
        let mut wire =
            Wire::new(stream, activity.clone(), queue.clone(), 0, Duration::from_secs(1));
        queue.open(true);
        assert_eq!(wire.write(b"earlier response").await.unwrap(), "earlier ".len());
        assert!(activity.unflushed());
        assert!(queue.handle().send(StatusCode::PROCESSING, &HeaderMap::new()));
        let writing = tokio::spawn(async move {
            wire.write_all(b"response").await.unwrap();
            wire.flush().await.unwrap();
            wire.write_all(b"final").await.unwrap();
        });
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        writing.await.unwrap();
        assert_eq!(seen, "earlier response".to_owned() + "HTTP/1.1 102 Processing\r\n\r\nfinal");
    }
}
