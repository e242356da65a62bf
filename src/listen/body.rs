//! The body of a request, as the handler reads it.
//!
//! It holds the client to a minimum rate. And it may be dropped unread: over HTTP/1 what is left is
//! then read and thrown away within a budget, so that the connection can carry the next request;
//! hyper by itself would close at once and, with bytes still arriving, destroy the response. Over
//! HTTP/2 nothing needs to be read: h2 resets the stream with NO_ERROR after the response.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::Settings;
use super::activity::Activity;
use super::meters::Meters;
use super::patience::Patience;

/// A request body: [`http_body::Body`] with data as [`Bytes`], and trailers.
pub struct Body {
    /// None once the body has ended. Most requests have none, and should not carry its room about.
    live: Option<Box<Live>>,
    received: u64,
}

/// A body that is still coming.
struct Live {
    incoming: Incoming,
    patience: Option<Patience>,
    limits: Arc<BodyLimits>,
    /// HTTP/1 only: how to get rid of what the handler leaves.
    discard: Option<Discard>,
}

/// What request bodies of one connection are held to.
#[derive(Debug)]
pub(super) struct BodyLimits {
    pub(super) grace: Duration,
    pub(super) minimum_rate: u64,
    pub(super) discard_bytes: u64,
    pub(super) discard_time: Duration,
    pub(super) meters: Arc<Meters>,
}

impl BodyLimits {
    pub(super) fn new(settings: &Settings, meters: Arc<Meters>) -> BodyLimits {
        BodyLimits {
            grace: settings.body_grace.0,
            minimum_rate: settings.minimum_rate.0,
            discard_bytes: settings.discard.0,
            discard_time: settings.discard_timeout.0,
            meters,
        }
    }
}

#[derive(Debug)]
struct Discard {
    activity: Arc<Activity>,
    /// The client waits for `100 Continue` before it sends, and has not been told to.
    uninvited: bool,
}

/// Why a request body ended early.
#[derive(Debug)]
pub enum BodyError {
    /// The client sent less than the minimum rate for too long.
    TooSlow,
    /// The connection broke, the stream was reset, or the framing was wrong.
    Broken(hyper::Error),
}

impl BodyError {
    /// Whether the client framed the body wrongly; otherwise it is slow, or gone.
    pub fn is_malformed(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        let Self::Broken(error) = self else { return false };
        let cause = std::error::Error::source(error);
        let cause = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>());
        cause.is_some_and(|cause| matches!(cause.kind(), InvalidData | InvalidInput))
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSlow => f.write_str("the client sent its request body too slowly"),
            Self::Broken(error) => write!(f, "the request body broke off: {error}"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TooSlow => None,
            Self::Broken(error) => Some(error),
        }
    }
}

impl Body {
    /// No body: of a request that the node makes itself.
    pub fn empty() -> Body {
        Body { live: None, received: 0 }
    }

    /// A body of an HTTP/1 request; `uninvited` if the client expects `100 Continue`.
    pub(super) fn http1(
        incoming: Incoming,
        limits: &Arc<BodyLimits>,
        activity: &Arc<Activity>,
        uninvited: bool,
    ) -> Body {
        Body::new(incoming, limits, || Some(Discard { activity: activity.clone(), uninvited }))
    }

    /// A body of an HTTP/2 request.
    pub(super) fn http2(incoming: Incoming, limits: &Arc<BodyLimits>) -> Body {
        Body::new(incoming, limits, || None)
    }

    fn new(
        incoming: Incoming,
        limits: &Arc<BodyLimits>,
        discard: impl FnOnce() -> Option<Discard>,
    ) -> Body {
        let live = (!incoming.is_end_stream()).then(|| {
            let (limits, discard) = (limits.clone(), discard());
            Box::new(Live { incoming, patience: None, limits, discard })
        });
        Body { live, received: 0 }
    }

    /// Bytes of the body received so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Lets the client pause for as long as it likes: for requests that are conversations, such as
    /// gRPC streams. Call it before the first read.
    pub fn allow_pauses(&mut self) {
        if let Some(live) = &mut self.live {
            // With a rate of 0 any byte makes up for the pause before it.
            live.patience = Some(Patience::new(Duration::from_secs(u64::from(u32::MAX)), 0));
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(live) = &mut this.live else { return Poll::Ready(None) };
        if let Some(discard) = &mut live.discard {
            // hyper sends `100 Continue` when the body is first asked for.
            discard.uninvited = false;
        }
        match Pin::new(&mut live.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, Bytes::len);
                this.received += size as u64;
                if let Some(patience) = &mut live.patience {
                    patience.progress(size);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.live = None;
                Poll::Ready(Some(Err(BodyError::Broken(error))))
            }
            Poll::Ready(None) => {
                this.live = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let limits = &live.limits;
                let patience = live
                    .patience
                    .get_or_insert_with(|| Patience::new(limits.grace, limits.minimum_rate));
                std::task::ready!(patience.poll_exhausted(cx));
                limits.meters.slow_bodies.bump();
                if let Some(discard) = &live.discard {
                    discard.activity.set_leftover(true);
                    discard.activity.close();
                }
                this.live = None;
                Poll::Ready(Some(Err(BodyError::TooSlow)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.live.as_ref().map_or(SizeHint::with_exact(0), |live| live.incoming.size_hint())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        let Live { incoming, limits, discard, .. } = *live;
        let Some(discard) = discard else { return };
        if incoming.is_end_stream() {
            return;
        }
        discard.activity.set_leftover(true);
        // Reading would send `100 Continue` and so ask for the very bytes that nobody wants. Dropped
        // as it is, the connection ends after the response (RFC 9110 section 10.1.1).
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !discard.uninvited {
            runtime.spawn(throw_away(incoming, limits, discard.activity));
        }
    }
}

/// Reads what is left, within the budget. Past it the body is dropped, at which hyper closes the
/// connection after the response.
async fn throw_away(mut incoming: Incoming, limits: Arc<BodyLimits>, activity: Arc<Activity>) {
    let reading = async {
        let mut left = limits.discard_bytes;
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else { return };
            let size = frame.data_ref().map_or(0, Bytes::len) as u64;
            match left.checked_sub(size) {
                Some(rest) => left = rest,
                None => return,
            }
        }
        activity.set_leftover(false);
    };
    // Out of time is like out of budget.
    let _ = tokio::time::timeout(limits.discard_time, reading).await;
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("received", &self.received).finish_non_exhaustive()
    }
}
