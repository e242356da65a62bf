//! The bodies that the demo's origin sends: bytes at hand, or proof made on the way, at a pace.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::proof::Proof;

/// How many bytes of proof are made at once.
const CHUNK: u64 = 64 << 10;
/// How often a paced body sends a piece.
const BEAT_MS: u64 = 20;

/// A response body of the demo's origin.
#[derive(Debug)]
pub(super) enum OriginBody {
    /// Bytes at hand, sent at once.
    Whole(Bytes),
    /// A piece of a stream of proof.
    Proof(ProofBody),
}

/// The bytes `next..end` of a stream of proof.
#[derive(Debug)]
pub(super) struct ProofBody {
    proof: Arc<Proof>,
    next: u64,
    end: u64,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct Pace {
    beat: Duration,
    /// How many bytes a beat releases.
    step: u64,
    /// Bytes before this offset may go out.
    released: u64,
    sleep: Pin<Box<Sleep>>,
}

impl ProofBody {
    /// The bytes `start..end` spread over `duration`; the first piece goes out at once.
    pub(super) fn new(proof: Arc<Proof>, start: u64, end: u64, duration: Duration) -> Self {
        let length = end.saturating_sub(start);
        let pace = (!duration.is_zero() && length > 1).then(|| {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let beats = (millis / BEAT_MS).clamp(1, length - 1);
            Pace {
                beat: duration.div_f64(beats as f64),
                // One step more than there are beats, as the first waits for none.
                step: length.div_ceil(beats + 1),
                released: start,
                sleep: Box::pin(sleep_until(Instant::now())),
            }
        });
        ProofBody { proof, next: start, end, pace }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.next >= self.end {
            return Poll::Ready(None);
        }
        let mut released = self.end;
        if let Some(pace) = &mut self.pace {
            if self.next >= pace.released {
                ready!(pace.sleep.as_mut().poll(context));
                let deadline = pace.sleep.deadline() + pace.beat;
                pace.sleep.as_mut().reset(deadline);
                pace.released += pace.step;
            }
            released = released.min(pace.released);
        }
        let length = CHUNK.min(released - self.next);
        let bytes = self.proof.chunk(self.next, usize::try_from(length).unwrap_or(usize::MAX));
        self.next += length;
        Poll::Ready(Some(bytes.into()))
    }
}

impl http_body::Body for OriginBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match self.get_mut() {
            OriginBody::Whole(bytes) => {
                Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())
            }
            OriginBody::Proof(body) => ready!(body.poll_piece(context)),
        };
        Poll::Ready(piece.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            OriginBody::Whole(bytes) => bytes.len() as u64,
            OriginBody::Proof(body) => body.end.saturating_sub(body.next),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_paced_body_takes_its_time_and_is_whole() {
        let proof = Arc::new(Proof::new("a/b", 1));
        let began = Instant::now();
        let body = ProofBody::new(Arc::clone(&proof), 10, 1010, Duration::from_millis(100));
        let bytes = OriginBody::Proof(body).collect().await.unwrap().to_bytes();
        assert!(began.elapsed() >= Duration::from_millis(80), "{:?}", began.elapsed());
        assert_eq!(bytes, proof.chunk(10, 1000));
    }

    #[tokio::test]
    async fn odd_sizes_and_paces_end() {
        for length in [0, 1, 2, 200_000] {
            for millis in [0, 1, 19, 45] {
                let proof = Arc::new(Proof::new("a/b", 1));
                let body = ProofBody::new(proof, 0, length, Duration::from_millis(millis));
                let bytes = OriginBody::Proof(body).collect().await.unwrap().to_bytes();
                assert_eq!(bytes.len() as u64, length);
            }
        }
    }
}
