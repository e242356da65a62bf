//! Gathers what HTTP/2 writes over TLS, so that many frames leave in one system call.
//!
//! h2 flushes its stream after every DATA frame: left alone, each response would be a write of its
//! own however many are ready. So hyper is given a [`Gathered`], which only encrypts what it is
//! handed and takes a flush for done, and whoever polls hyper holds the [`Gate`] of the same stream
//! and flushes in earnest after each poll.
//!
//! - What hyper flushed stays here no longer than until the end of the poll in which it did so.
//! - At most [`MOST`] bytes and one more write are gathered; then hyper waits for the socket like
//!   anybody else, and so for the client.
//! - The order is that of the writes; closing the stream sends all of them first.
//! - Both halves are used by the connection's own task only: the lock is never waited for.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

/// Bytes gathered before they have to leave. More saves so few calls that it cannot be measured.
const MOST: usize = 64 << 10;

/// The stream as hyper sees it.
#[derive(Debug)]
pub(super) struct Gathered<S>(Arc<Mutex<Gathering<S>>>);

/// What sends on, after each poll of hyper, what hyper wrote during it.
pub(super) trait Outflow {
    /// Sends what is held; ready when all of it has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// For streams that hyper flushes itself.
impl Outflow for () {
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The way out of a [`Gathered`] stream.
#[derive(Debug)]
pub(super) struct Gate<S>(Arc<Mutex<Gathering<S>>>);

#[derive(Debug)]
struct Gathering<S> {
    stream: TlsStream<S>,
    /// Bytes written since all of them had left.
    held: usize,
}

/// Splits a stream whose handshake is done.
pub(super) fn gather<S>(mut stream: TlsStream<S>) -> (Gathered<S>, Gate<S>) {
    // The bound is kept here: rustls' own would cut records to fit.
    stream.get_mut().1.set_buffer_limit(None);
    let shared = Arc::new(Mutex::new(Gathering { stream, held: 0 }));
    (Gathered(shared.clone()), Gate(shared))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gathering<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.held = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.held >= MOST {
            ready!(self.poll_out(cx))?;
        }
        let taken = self.stream.get_mut().1.writer().write_vectored(slices)?;
        self.held += taken;
        Poll::Ready(Ok(taken))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Outflow for Gate<S> {
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathering = self.0.lock();
        if gathering.held == 0 { Poll::Ready(Ok(())) } else { gathering.poll_out(cx) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Left to the [`Gate`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_shutdown(cx)
    }
}
