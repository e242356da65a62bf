//! The request body on its way to the origin: streamed, counted, and stoppable.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use super::fault::FaultKind;

/// Any error, as hyper wants body errors.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The body of a request to an origin.
#[derive(Debug, Default)]
pub enum Upload {
    /// No body.
    #[default]
    Empty,
    /// A body at hand; it can be sent again.
    Whole(Bytes),
    /// What a client is sending.
    Incoming(Incoming),
    /// A body that something of ours makes or wraps.
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Upload {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        match self {
            Upload::Empty => true,
            Upload::Whole(bytes) => bytes.is_empty(),
            Upload::Incoming(body) => body.is_end_stream(),
            Upload::Boxed(body) => body.is_end_stream(),
        }
    }

    /// The exact number of bytes, if it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Upload::Empty => Some(0),
            Upload::Whole(bytes) => Some(bytes.len() as u64),
            Upload::Incoming(body) => body.size_hint().exact(),
            Upload::Boxed(body) => body.size_hint().exact(),
        }
    }

    /// A second copy of a body that can be had twice.
    pub(crate) fn again(&self) -> Option<Upload> {
        match self {
            Upload::Empty => Some(Upload::Empty),
            Upload::Whole(bytes) => Some(Upload::Whole(bytes.clone())),
            Upload::Incoming(_) | Upload::Boxed(_) => None,
        }
    }
}

/// How a client broke its own upload, for the error of an [`Upload`]; any other error means that it
/// is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// It framed the body wrongly.
    Malformed,
    /// It sent too slowly.
    TooSlow,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misuse::Malformed => "the client framed its body wrongly",
            Misuse::TooSlow => "the client sent its body too slowly",
        })
    }
}

impl Error for Misuse {}

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The client owes us bytes.
    WaitingForClient,
    /// The connection owes it to the origin to take what we have.
    WaitingForOrigin,
    /// All is sent.
    Finished,
    /// It ended in a fault.
    Failed(FaultKind),
}

const CLIENT: u8 = 0;
const ORIGIN: u8 = 1;
const FINISHED: u8 = 2;
const ABORTED: u8 = 3;
const TOO_LARGE: u8 = 4;
const MALFORMED: u8 = 5;
const TOO_SLOW: u8 = 6;

/// How an upload is getting on; shared by the connection that sends it and the response.
pub(crate) struct Progress {
    stage: AtomicU8,
    sent: AtomicU64,
    stopped: AtomicBool,
    waker: AtomicWaker,
}

impl Progress {
    fn new() -> Arc<Self> {
        Arc::new(Progress {
            stage: AtomicU8::new(ORIGIN),
            sent: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })
    }

    /// Where the upload stands.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            CLIENT => Stage::WaitingForClient,
            ORIGIN => Stage::WaitingForOrigin,
            FINISHED => Stage::Finished,
            TOO_LARGE => Stage::Failed(FaultKind::UploadTooLarge),
            MALFORMED => Stage::Failed(FaultKind::UploadMalformed),
            TOO_SLOW => Stage::Failed(FaultKind::UploadTooSlow),
            _ => Stage::Failed(FaultKind::ClientAborted),
        }
    }

    /// Bytes handed to the connection so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends the upload: nobody wants the rest.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// An [`Upload`] in the form that connections send.
pub(crate) struct UploadBody {
    upload: Upload,
    limit: u64,
    /// Only streams have one: other bodies cannot stall.
    progress: Option<Arc<Progress>>,
}

impl UploadBody {
    /// A body of at most `limit` bytes.
    pub fn new(upload: Upload, limit: u64) -> Self {
        let progress = match &upload {
            Upload::Incoming(_) | Upload::Boxed(_) if !upload.is_empty() => Some(Progress::new()),
            _ => None,
        };
        UploadBody { upload, limit, progress }
    }

    /// How the upload is getting on, if it is a stream.
    pub fn progress(&self) -> Option<Arc<Progress>> {
        self.progress.clone()
    }

    /// The body back, to be sent over another connection. Only for one that is not touched.
    pub fn into_upload(self) -> Upload {
        self.upload
    }

    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.upload {
            Upload::Empty => Poll::Ready(None),
            Upload::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Upload::Incoming(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|f| f.map_err(BoxError::from)))
            }
            Upload::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }
}

/// Why an upload was broken off; hyper only passes it through.
#[derive(Debug)]
struct Stopped(&'static str);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Stopped {}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(progress) = this.progress.clone() else { return this.poll_source(cx) };
        progress.waker.register(cx.waker());
        if progress.stopped.load(Ordering::Acquire) {
            return Poll::Ready(Some(Err(Stopped("the origin answered already").into())));
        }
        let polled = this.poll_source(cx);
        let stage = match &polled {
            Poll::Pending => CLIENT,
            Poll::Ready(None) => FINISHED,
            Poll::Ready(Some(Err(error))) => match error.downcast_ref::<Misuse>() {
                Some(Misuse::Malformed) => MALFORMED,
                Some(Misuse::TooSlow) => TOO_SLOW,
                None => ABORTED,
            },
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let sent = progress.sent.fetch_add(length, Ordering::AcqRel) + length;
                if sent > this.limit {
                    progress.stage.store(TOO_LARGE, Ordering::Release);
                    return Poll::Ready(Some(Err(Stopped("larger than allowed").into())));
                }
                // The consumer may stop polling once nothing is left.
                if this.is_end_stream() { FINISHED } else { ORIGIN }
            }
        };
        progress.stage.store(stage, Ordering::Release);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.upload.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.upload {
            Upload::Empty => SizeHint::with_exact(0),
            Upload::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Upload::Incoming(body) => body.size_hint(),
            Upload::Boxed(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, StreamBody};

    fn stream(chunks: &[&'static str]) -> Upload {
        let frames: Vec<Result<Frame<Bytes>, BoxError>> = chunks
            .iter()
            .map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes()))))
            .collect();
        Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(frames))))
    }

    #[tokio::test]
    async fn a_stream_is_counted_and_ends_finished() {
        let body = UploadBody::new(stream(&["abc", "de"]), 5);
        let progress = body.progress().unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
        assert_eq!((progress.sent(), progress.stage()), (5, Stage::Finished));
    }

    #[tokio::test]
    async fn a_stream_over_its_limit_is_cut() {
        let body = UploadBody::new(stream(&["abc", "def"]), 5);
        let progress = body.progress().unwrap();
        assert!(body.collect().await.is_err());
        assert_eq!(progress.stage(), Stage::Failed(FaultKind::UploadTooLarge));
    }

    #[tokio::test]
    async fn a_stopped_stream_ends_at_once() {
        let body = UploadBody::new(stream(&["abc"]), 5);
        body.progress().unwrap().stop();
        assert!(body.collect().await.is_err());
    }
}
