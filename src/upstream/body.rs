//! The body of an origin's response.
//!
//! It watches for stalls while it is read, and brings the connection back to the pool the moment it
//! has been read to its end. A body that is dropped earlier takes its connection with it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::bill::Bill;
use super::fault::{Fault, FaultKind};
use super::group::InFlight;
use super::pool::{self, Connection, Keep};
use super::shared::IdleCap;
use super::upload::{Progress, Stage};

/// The body of a response, with its trailers. A body that ends early is an error, never a clean
/// end: hyper compares it with `Content-Length`, the last chunk, or the end of the stream.
pub struct IncomingBody {
    inner: Incoming,
    lease: Option<Lease>,
    server: Arc<str>,
    between_bytes: Duration,
    /// Runs only while nothing comes.
    stall: Option<Pin<Box<Sleep>>>,
    stalled: bool,
    /// Why it failed; told again to whoever asks again, since an end would look clean.
    failed: Option<Fault>,
    bill: Option<Bill>,
}

/// The connection that a response came on, and what becomes of it.
pub(crate) struct Lease {
    pub connection: Option<Connection>,
    pub target: u64,
    pub keep: Keep,
    pub cap: Arc<IdleCap>,
    /// Whether the response left the connection in a state that can be trusted.
    pub reusable: bool,
    pub upload: Option<Arc<Progress>>,
    pub in_flight: Option<InFlight>,
}

impl IncomingBody {
    /// A body that arrives over the leased connection.
    pub(crate) fn new(
        inner: Incoming,
        lease: Lease,
        server: Arc<str>,
        between_bytes: Duration,
    ) -> Self {
        let mut body = IncomingBody {
            inner,
            lease: Some(lease),
            server,
            between_bytes,
            stall: None,
            stalled: false,
            failed: None,
            bill: None,
        };
        if body.inner.is_end_stream() {
            body.end();
        }
        body
    }

    /// Has what comes written on the request's bill.
    pub(crate) fn charge(&mut self, bill: Option<Bill>) {
        self.bill = bill;
    }

    /// Brings the connection back: the response is complete.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        // A client that broke off its upload breaks the connection of the response as well.
        let upload = self.lease.as_ref().and_then(|lease| lease.upload.as_ref());
        let fault = match upload.map(|progress| progress.stage()) {
            Some(Stage::Failed(kind)) => Fault { kind, ..fault },
            _ => fault,
        };
        self.lease = None;
        let fault = fault.at(&self.server);
        self.failed = Some(fault.clone());
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_inner(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut inner = Pin::new(&mut self.inner);
        match self.lease.as_mut().and_then(|lease| lease.connection.as_mut()) {
            Some(Connection::Exclusive(own)) => {
                own.poll_with(cx, |cx| inner.as_mut().poll_frame(cx))
            }
            _ => inner.poll_frame(cx),
        }
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = || Instant::now() + self.between_bytes;
        let stall = match &mut self.stall {
            Some(stall) => {
                if !self.stalled {
                    stall.as_mut().reset(deadline());
                }
                stall
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(deadline()))),
        };
        self.stalled = true;
        stall.as_mut().poll(cx)
    }
}

impl Body for IncomingBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = self.get_mut();
        if let Some(fault) = &this.failed {
            return Poll::Ready(Some(Err(fault.clone())));
        }
        match this.poll_inner(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.stalled = false;
                if let (Some(bill), Some(bytes)) = (&mut this.bill, frame.data_ref()) {
                    bill.came(bytes.len());
                }
                // Whoever reads may stop here, so that the end must be seen now.
                if this.inner.is_end_stream() {
                    this.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(Fault::from_hyper(&error)),
            Poll::Ready(None) => {
                this.end();
                Poll::Ready(None)
            }
            Poll::Pending => match this.poll_stall(cx) {
                Poll::Ready(()) => this.fail(Fault::new(FaultKind::BetweenBytesTimeout)),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Lease {
    /// Gives the connection back, if it can be trusted with another request.
    fn release(mut self) {
        let uploaded = self.has_uploaded();
        drop(self.in_flight.take());
        let Some(Connection::Exclusive(connection)) = self.connection.take() else { return };
        // An origin that answered before it had the whole request may take the rest of it, or what
        // follows, for anything.
        if self.reusable && uploaded {
            pool::bring_back(self.target, connection, self.keep, &self.cap);
        }
    }

    /// Lets the connection go on by itself, for a tunnel, or an upload that the origin answered
    /// before its end: its client may send all of that before it reads anything.
    pub fn detach(&mut self) {
        match self.connection.take() {
            Some(Connection::Exclusive(connection)) => connection.detach(),
            shared => self.connection = shared,
        }
    }

    /// Whether the request is sent to its end.
    pub fn has_uploaded(&self) -> bool {
        self.upload.as_ref().is_none_or(|progress| progress.stage() == Stage::Finished)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Nobody waits for what the origin would say to the rest.
        if let Some(progress) = &self.upload
            && progress.stage() != Stage::Finished
        {
            progress.stop();
        }
    }
}
