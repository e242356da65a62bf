//! A response on its way out: the handler's body with what the connection needs to know of it.
//!
//! Over HTTP/2 a client can keep a stream's window shut and so hold a response for ever, while the
//! connection looks alive. hyper asks the body for a frame only when the one before has left for the
//! stream, so a frame given and no next one asked for means that the client takes nothing. The
//! stream's task is wrapped to see that ([`Streams`]) and resets the stream when patience runs out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::task::coop::poll_proceed;

use super::activity::Running;
use super::meters::Meters;
use super::patience::Patience;

/// The most that HTTP/2 is given at once. Whatever a stream is given, h2 keeps until the client
/// takes it, so this bounds what one stalled stream holds out of the watch's sight.
const PIECE: usize = 64 << 10;

pin_project! {
    /// A response body; the request counts as running until it is dropped.
    pub(super) struct Outgoing<B> {
        #[pin]
        body: B,
        // What is left of a frame larger than PIECE.
        rest: Bytes,
        watch: Option<Arc<StreamWatch>>,
        running: Running,
        // Whether the client cannot tell by the framing that a response broke off.
        unframed: bool,
    }
}

/// Whether a stream's client keeps a frame waiting.
#[derive(Debug, Default)]
pub(super) struct StreamWatch {
    held: AtomicBool,
}

impl<B> Outgoing<B> {
    /// Wraps a body; `watch` for HTTP/2.
    pub(super) fn new(body: B, running: Running, watch: Option<Arc<StreamWatch>>) -> Outgoing<B> {
        Outgoing { body, rest: Bytes::new(), watch, running: running.answered(), unframed: false }
    }

    /// The same for a client of HTTP/1.0, which may know the end of a body only by the end of the
    /// connection: should the body break off, the connection is reset.
    pub(super) fn unframed(mut self, unframed: bool) -> Outgoing<B> {
        self.unframed = unframed;
        self
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let Some(watch) = this.watch else {
            let frame = std::task::ready!(this.body.poll_frame(cx));
            if *this.unframed && matches!(frame, Some(Err(_))) {
                this.running.cut();
            }
            return Poll::Ready(frame);
        };
        watch.held.store(false, Relaxed);
        let mut data = std::mem::take(this.rest);
        if data.is_empty() {
            match std::task::ready!(this.body.poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => data = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        *this.rest = data.split_off(data.len().min(PIECE));
        watch.held.store(true, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked for only before the first frame, when nothing is split yet.
        self.body.size_hint()
    }
}

/// Runs the streams of one HTTP/2 connection: the executor that hyper is given.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    /// The watch of the request that was just handed to the handler. hyper starts the stream's task
    /// in the same breath, and no other comes between.
    next: Arc<Mutex<Option<Arc<StreamWatch>>>>,
    timeout: Duration,
    rate: u64,
    meters: Arc<Meters>,
}

impl Streams {
    /// Resets streams whose clients take less than `rate` bytes a second for `timeout`.
    pub(super) fn new(timeout: Duration, rate: u64, meters: Arc<Meters>) -> Streams {
        Streams { next: Arc::default(), timeout, rate, meters }
    }

    /// A watch for the request that begins now.
    pub(super) fn watch(&self) -> Arc<StreamWatch> {
        let watch = Arc::new(StreamWatch::default());
        *self.next.lock() = Some(watch.clone());
        watch
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let watch = self.next.lock().take();
        let mut task = Box::pin(task);
        // A response that is ready needs no task of its own. Nobody is woken in vain: a task is
        // always polled anew, with its own waker. Each such response uses up some of the
        // connection's turn, so that other connections get theirs.
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(turn) = poll_proceed(&mut cx) {
            turn.made_progress();
            if task.as_mut().poll(&mut cx).is_ready() {
                return;
            }
        }
        match watch {
            Some(watch) => {
                let patience = Patience::new(self.timeout, self.rate);
                let meters = self.meters.clone();
                tokio::spawn(Watched { task, watch, patience, meters });
            }
            None => {
                tokio::spawn(task);
            }
        }
    }
}

pin_project! {
    /// A stream's task that ends when its client takes nothing for too long. h2 then resets the
    /// stream, since both its ends are dropped.
    struct Watched<F> {
        #[pin]
        task: F,
        watch: Arc<StreamWatch>,
        patience: Patience,
        meters: Arc<Meters>,
    }
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !this.watch.held.load(Relaxed) {
            this.patience.progress(PIECE);
            return Poll::Pending;
        }
        std::task::ready!(this.patience.poll_exhausted(cx));
        this.meters.stalled.bump();
        Poll::Ready(())
    }
}
