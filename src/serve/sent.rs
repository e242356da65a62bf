//! The body of a request on its way through: rules may look at its start, or put another in its place.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;

use crate::listen::{self, BodyError};
use crate::serve::answer::Refusal;

/// How much of a body rules can look at.
const SEEN: usize = 16 << 10;

/// What a client sends.
pub struct Sent {
    /// What was read of it already.
    start: Bytes,
    /// Trailers that followed at once.
    trailers: Option<Box<Frame<Bytes>>>,
    rest: listen::Body,
    /// What goes to the origin instead.
    other: Option<Bytes>,
}

impl Sent {
    /// All of it is still to come.
    pub fn new(rest: listen::Body) -> Sent {
        Sent { start: Bytes::new(), trailers: None, rest, other: None }
    }

    /// Reads as much as rules can look at.
    ///
    /// # Errors
    /// The client broke off, or is too slow.
    pub async fn peek(&mut self) -> Result<(), Refusal> {
        let mut start = BytesMut::from(&*self.start);
        while start.len() < SEEN && self.trailers.is_none() {
            let Some(frame) = self.rest.frame().await else { break };
            match frame.map_err(broken)?.into_data() {
                Ok(data) => start.extend_from_slice(&data),
                Err(trailers) => self.trailers = Some(Box::new(trailers)),
            }
        }
        self.start = start.freeze();
        Ok(())
    }

    /// The start of the body, if rules were to see it and there is one.
    pub fn seen(&self) -> Option<&[u8]> {
        let start = self.start.get(..SEEN).unwrap_or(&self.start);
        (!start.is_empty()).then_some(start)
    }

    /// Sends this instead.
    pub fn replace(&mut self, other: Bytes) {
        self.other = Some(other);
    }

    /// What goes instead of what the client sends, if a rule says so.
    pub fn other(&self) -> Option<&Bytes> {
        self.other.as_ref()
    }

    /// Lets the client pause; see [`listen::Body::allow_pauses`].
    pub fn allow_pauses(&mut self) {
        self.rest.allow_pauses();
    }
}

fn broken(error: BodyError) -> Refusal {
    match error {
        BodyError::TooSlow => {
            Refusal::client(StatusCode::REQUEST_TIMEOUT, 40_810_000, "the request body is too slow")
        }
        BodyError::Broken(_) => {
            Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, "the request body broke off")
        }
    }
    .closing()
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.start.is_empty() {
            let start = std::mem::take(&mut self.start);
            return Poll::Ready(Some(Ok(Frame::data(start))));
        }
        match self.trailers.take() {
            Some(trailers) => Poll::Ready(Some(Ok(*trailers))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.other {
            Some(other) => other.is_empty(),
            None => self.start.is_empty() && self.trailers.is_none() && self.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, start) = (self.rest.size_hint(), self.start.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + start);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + start);
        }
        hint
    }
}
