//! The one body type that the edge sends: an enum, so that a hit boxes nothing.
//!
//! Every body carries the [`Exchange`] that it answers and adds up the bytes that leave; when the body
//! is gone, at its end or because the client went away, the request is settled.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::fill::slices::{Conductor, Sliced};
use crate::serve::exchange::Exchange;
use crate::serve::pace::{Pace, Paced};
use crate::store::{Ahead, Entry};
use crate::{store, upstream};

/// The body of a response.
pub struct Body {
    source: Source,
    exchange: Option<Box<Exchange>>,
}

/// Where the bytes come from.
pub enum Source {
    /// No bytes at all.
    Empty,
    /// Bytes at hand: small stored objects and answers of our own.
    Whole(Bytes),
    /// A stored object, or one range of it, which may still be growing.
    Stored(store::Reader),
    /// The same of what lies on disk, where the rest can be fetched if the disk loses it.
    Rescued(Box<Rescued>),
    /// A range of a large object, fetched slice by slice.
    Sliced(Box<Sliced>),
    /// Several ranges of a stored object, as `multipart/byteranges` (RFC 9110 section 14.6).
    Multipart(Box<Multipart>),
    /// The origin's response as it comes, trailers included.
    Upstream(Box<upstream::IncomingBody>),
    /// Any of these, held back to a rate.
    Paced(Box<Paced>),
}

/// Why a body ended before its end; the connection or stream is reset, never closed cleanly.
#[derive(Debug)]
pub struct Broken(pub String);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// The parts of a `multipart/byteranges` body that are still to be sent.
pub struct Multipart {
    parts: VecDeque<(Bytes, store::Reader)>,
    current: Option<store::Reader>,
    closing: Option<Bytes>,
    left: u64,
}

impl Multipart {
    /// A body of `parts` (the head of each and the reader of its bytes), ended by `closing`;
    /// `length` is the sum of all.
    pub fn new(parts: VecDeque<(Bytes, store::Reader)>, closing: Bytes, length: u64) -> Self {
        Multipart { parts, current: None, closing: Some(closing), left: length }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(reader) = &mut self.current {
            match ready!(reader.poll_piece(cx, most)) {
                Some(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                Some(Err(cut)) => return Poll::Ready(Some(Err(Broken(cut.to_string())))),
                None => self.current = None,
            }
        }
        Poll::Ready(match self.parts.pop_front() {
            Some((head, reader)) => {
                self.current = Some(reader);
                Some(Ok(head))
            }
            None => self.closing.take().map(Ok),
        })
    }
}

/// A range of a stored object whose bytes lie on disk. What the disk loses or finds damaged half-way
/// comes from the origin.
pub struct Rescued {
    reader: store::Reader,
    first: Arc<Entry>,
    position: u64,
    end: u64,
    conductor: Arc<Conductor>,
}

impl Rescued {
    /// The next bytes, or what gives them from here on.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Result<Option<Bytes>, Box<Sliced>>> {
        Poll::Ready(match ready!(self.reader.poll_piece(cx, most)) {
            Some(Ok(bytes)) => {
                self.position += bytes.len() as u64;
                Ok(Some(bytes))
            }
            None => Ok(None),
            Some(Err(_)) => {
                let range = self.position..self.end;
                Err(Box::new(Arc::clone(&self.conductor).read(Arc::clone(&self.first), range)))
            }
        })
    }
}

impl Body {
    /// A body that is not yet tied to its exchange.
    pub fn new(source: Source) -> Self {
        Body { source, exchange: None }
    }

    /// A range of the representation that `first` is a part of, fetched slice by slice.
    pub fn by_slices(conductor: Arc<Conductor>, first: &Arc<Entry>, range: Range<u64>) -> Self {
        Body::new(Source::Sliced(Box::new(conductor.read(Arc::clone(first), range))))
    }

    /// A range of what is stored; `conductor` fetches what the disk has lost when it is needed.
    pub fn stored(
        entry: &Arc<Entry>,
        range: Range<u64>,
        conductor: Option<Arc<Conductor>>,
    ) -> Self {
        let reader = entry.body.reader(range.clone());
        Body::new(match (conductor, entry.stored.total) {
            (Some(conductor), Some(total)) => Source::Rescued(Box::new(Rescued {
                reader,
                first: Arc::clone(entry),
                position: range.start,
                end: range.end.min(total),
                conductor,
            })),
            _ => Source::Stored(reader),
        })
    }

    /// Uses what was read of it before, if it begins there.
    pub fn begin_with(&mut self, ahead: Ahead) {
        match &mut self.source {
            Source::Stored(reader) => reader.begin_with(ahead),
            Source::Rescued(rescued) => rescued.reader.begin_with(ahead),
            _ => {}
        }
    }

    /// No bytes.
    pub fn empty() -> Self {
        Body::new(Source::Empty)
    }

    /// These bytes.
    pub fn whole(bytes: Bytes) -> Self {
        Body::new(if bytes.is_empty() { Source::Empty } else { Source::Whole(bytes) })
    }

    /// Whether all bytes can be had without waiting.
    pub fn is_at_hand(&self) -> bool {
        matches!(self.source, Source::Empty | Source::Whole(_))
    }

    /// Whether it comes from an origin for this client alone.
    pub fn is_from_origin(&self) -> bool {
        matches!(self.source, Source::Upstream(_))
    }

    /// Holds the body back to `pace` from here on; held back twice, it keeps to the slower. For when
    /// all else about the body is settled: [`Body::begin_with`] has no effect any more.
    pub fn pace(&mut self, pace: Pace) {
        let all_free = self.source.size_hint().upper().is_some_and(|size| size <= pace.after);
        if pace.rate > 0 && !all_free {
            let source = std::mem::replace(&mut self.source, Source::Empty);
            self.source = Source::Paced(Box::new(Paced::new(source, pace)));
        }
    }

    /// Ties the exchange to the body: it is settled when the body is gone.
    pub fn settles(&mut self, mut exchange: Box<Exchange>) {
        if self.source.is_finished() {
            exchange.ended();
        }
        self.exchange = Some(exchange);
    }
}

impl Source {
    /// Whether nothing is left to send. The connection stops asking once the announced length is
    /// sent, so this cannot wait for the poll that returns nothing.
    pub(super) fn is_finished(&self) -> bool {
        match self {
            Source::Empty => true,
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Stored(reader) => reader.remaining() == Some(0),
            Source::Rescued(rescued) => rescued.position >= rescued.end,
            Source::Sliced(sliced) => sliced.remaining() == 0,
            Source::Multipart(multipart) => multipart.left == 0,
            Source::Upstream(body) => http_body::Body::is_end_stream(body.as_ref()),
            Source::Paced(paced) => paced.is_finished(),
        }
    }

    /// The next bytes: at most `most` of those that lie in memory anyway; what has to be fetched may
    /// come in larger chunks.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let chunk = match self {
            Source::Empty => None,
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Source::Empty;
                Some(Ok(bytes))
            }
            Source::Stored(reader) => ready!(reader.poll_piece(cx, most))
                .map(|chunk| chunk.map_err(|cut| Broken(cut.to_string()))),
            Source::Rescued(rescued) => match ready!(rescued.poll_piece(cx, most)) {
                Ok(chunk) => chunk.map(Ok),
                Err(sliced) => {
                    *self = Source::Sliced(sliced);
                    return self.poll_next(cx, most);
                }
            },
            Source::Sliced(sliced) => ready!(sliced.poll_piece(cx, most))
                .map(|chunk| chunk.map_err(|cut| Broken(cut.to_string()))),
            Source::Multipart(multipart) => {
                let chunk = ready!(multipart.poll_piece(cx, most));
                if let Some(Ok(bytes)) = &chunk {
                    multipart.left = multipart.left.saturating_sub(bytes.len() as u64);
                }
                chunk
            }
            Source::Upstream(body) => {
                let frame = ready!(http_body::Body::poll_frame(Pin::new(body.as_mut()), cx));
                return Poll::Ready(
                    frame.map(|frame| frame.map_err(|fault| Broken(fault.to_string()))),
                );
            }
            Source::Paced(paced) => return paced.poll_next(cx),
        };
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    /// How much is left to send, as far as that is known.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stored(reader) => {
                reader.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Source::Rescued(rescued) => SizeHint::with_exact(rescued.end - rescued.position),
            Source::Sliced(sliced) => SizeHint::with_exact(sliced.remaining()),
            Source::Multipart(multipart) => SizeHint::with_exact(multipart.left),
            Source::Upstream(body) => http_body::Body::size_hint(body.as_ref()),
            Source::Paced(paced) => paced.size_hint(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let body = self.get_mut();
        let frame = ready!(body.source.poll_next(cx, usize::MAX));
        if let Some(exchange) = &mut body.exchange {
            match &frame {
                Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                Some(Err(broken)) => exchange.broke(broken),
                None => exchange.ended(),
            }
            if matches!(frame, Some(Ok(_))) && body.source.is_finished() {
                exchange.ended();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_finished()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}
