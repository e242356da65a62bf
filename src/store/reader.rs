//! Reading a body, at the reader's own pace.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::body::{Cut, End};
use super::disk::PIECE;
use super::filed::{Filed, Found};
use super::growing::Growing;

/// Reads a range of a [`Body`](super::Body) from front to back. Also an [`http_body::Body`].
#[derive(Debug)]
pub struct Reader {
    source: Source,
    position: u64,
    /// Where to stop; `u64::MAX` means the end of the representation, wherever that will be.
    end: u64,
}

#[derive(Debug)]
enum Source {
    Chunk(Bytes),
    Walk { body: Arc<Growing>, watch: Option<usize>, reading: Reading },
    Failed(Cut),
}

/// Bytes of a body that were read before its reader was there.
#[derive(Debug)]
pub struct Ahead {
    pub(super) filed: Arc<Filed>,
    pub(super) position: u64,
    pub(super) bytes: Bytes,
}

impl Ahead {
    /// Where it ends in the body.
    pub fn end(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }

    /// Its bytes, if they are of that body and lie there.
    fn at(self, filed: &Arc<Filed>, position: u64, end: u64) -> Option<Bytes> {
        let fits = Arc::ptr_eq(&self.filed, filed) && self.position == position;
        let most = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        fits.then(|| self.bytes.slice(..self.bytes.len().min(most)))
    }
}

/// How bytes come from the disk.
#[derive(Default)]
struct Reading {
    /// Those that were read before.
    ahead: Option<Ahead>,
    /// Those on their way.
    bytes: Option<Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>>,
    /// How much was read the last time, and when.
    last: Option<(u64, Instant)>,
}

/// How much is read at first. Then twice as much, up to [`PIECE`], for a client that takes it at
/// once, and [`LEAST`] for one that is slow: what has been read for it stays in memory that long.
pub(super) const FIRST: u64 = PIECE as u64 / 2;
const LEAST: u64 = 64 << 10;
/// A client that takes longer for a piece is slow.
const AT_ONCE: Duration = Duration::from_millis(50);

impl Reading {
    /// How much to read now for a client that takes `most` at once.
    fn next_size(&mut self, most: u64) -> u64 {
        let now = Instant::now();
        let size = match self.last {
            None => FIRST,
            Some((_, at)) if now - at > AT_ONCE => LEAST,
            Some((size, _)) => (2 * size).min(PIECE as u64),
        };
        let size = size.min(most.max(LEAST));
        self.last = Some((size, now));
        size
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reading")
    }
}

/// What one look at a body's state came to.
enum Step {
    Done(Poll<Option<Result<Bytes, Cut>>>),
    /// The bytes lie on disk.
    Disk(Arc<Filed>),
}

impl Reader {
    /// A reader that gives `chunk` and ends.
    pub(super) fn of_chunk(chunk: Bytes) -> Self {
        let end = chunk.len() as u64;
        Reader { source: Source::Chunk(chunk), position: 0, end }
    }

    /// A reader that takes `range` from `body`; `watch` is its place there if the body grows.
    pub(super) fn walking(body: Arc<Growing>, watch: Option<usize>, range: Range<u64>) -> Self {
        Reader {
            source: Source::Walk { body, watch, reading: Reading::default() },
            position: range.start,
            end: range.end,
        }
    }

    /// Uses what was read before, if it is what comes first.
    pub fn begin_with(&mut self, ahead: Ahead) {
        if let Source::Walk { reading, .. } = &mut self.source {
            reading.ahead = Some(ahead);
        }
    }

    /// The next bytes; `None` at the end of the range. Of a body that is cut short, what is there
    /// comes first and then the error, again and again: never a clean end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        self.poll_piece(context, usize::MAX)
    }

    /// The same, for a client that is held back: at most `most` of what is in memory, and about as
    /// much, though never less than 64 KiB, from disk.
    pub fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        let polled = match &mut self.source {
            Source::Chunk(chunk) => {
                let piece = chunk.split_to(chunk.len().min(most));
                self.position += piece.len() as u64;
                return Poll::Ready((!piece.is_empty()).then_some(Ok(piece)));
            }
            Source::Failed(cut) => return Poll::Ready(Some(Err(*cut))),
            Source::Walk { body, watch, reading } => {
                walk(body, *watch, reading, &mut self.position, (self.end, most as u64), context)
            }
        };
        if let Poll::Ready(Some(Err(cut))) = polled {
            self.leave();
            self.source = Source::Failed(cut);
        }
        polled
    }

    /// Bytes still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        (self.end != u64::MAX).then(|| self.end.saturating_sub(self.position))
    }

    /// Takes the reader off the list of those whom the writer wakes and waits for.
    fn leave(&mut self) {
        if let Source::Walk { body, watch, .. } = &mut self.source
            && let Some(place) = watch.take()
        {
            let mut state = body.state.lock();
            if let Some(watch) = state.watches.get_mut(place) {
                *watch = None;
            }
            state.readers -= 1;
            drop(state);
            body.moved.notify_one();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Cut>>> {
        self.poll_chunk(context).map_ok(http_body::Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.remaining() == Some(0) && !matches!(self.source, Source::Failed(_))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.remaining().map_or_else(http_body::SizeHint::new, http_body::SizeHint::with_exact)
    }
}

fn walk(
    body: &Growing,
    watch: Option<usize>,
    reading: &mut Reading,
    position: &mut u64,
    (end, most): (u64, u64),
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Cut>>> {
    loop {
        if let Some(bytes) = &mut reading.bytes {
            let bytes = ready!(bytes.as_mut().poll(context));
            reading.bytes = None;
            if let Some(bytes) = bytes {
                body.took(watch, position, bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            // The disk has lost them: the look that follows finds that out.
        }
        let filed = match step(body, watch, position, (end, most), context) {
            Step::Done(polled) => return polled,
            Step::Disk(filed) => filed,
        };
        let most = reading.next_size(most);
        let ahead = reading.ahead.take().and_then(|ahead| ahead.at(&filed, *position, end));
        if let Some(bytes) = ahead {
            body.took(watch, position, bytes.len());
            return Poll::Ready(Some(Ok(bytes)));
        }
        match filed.read_now(*position, end, most) {
            Found::Bytes(bytes) => {
                body.took(watch, position, bytes.len());
                return Poll::Ready(Some(Ok(bytes)));
            }
            Found::Gone => {}
            Found::Later => {
                let position = *position;
                let read = async move { filed.read(position, end, most).await };
                reading.bytes = Some(Box::pin(read));
            }
        }
    }
}

fn step(
    body: &Growing,
    watch: Option<usize>,
    position: &mut u64,
    (end, most): (u64, u64),
    context: &mut Context<'_>,
) -> Step {
    if *position >= end {
        return Step::Done(Poll::Ready(None));
    }
    let failed = |cut| Step::Done(Poll::Ready(Some(Err(cut))));
    let mut state = body.state.lock();
    let state = &mut *state;
    let mut watch = watch.and_then(|place| state.watches.get_mut(place)).and_then(Option::as_mut);
    if watch.as_ref().is_some_and(|watch| watch.too_slow) {
        return failed(Cut::Slow);
    }
    if let Some(bytes) = state.chunks.read(*position, end.min(position.saturating_add(most))) {
        *position += bytes.len() as u64;
        if let Some(watch) = watch {
            watch.position = *position;
        }
        if state.sliding {
            body.moved.notify_one();
        }
        return Step::Done(Poll::Ready(Some(Ok(bytes))));
    }
    if let Some(filed) = state.filed.as_ref().filter(|filed| filed.covers(*position)) {
        return Step::Disk(filed.clone());
    }
    match state.end {
        End::Growing if state.next <= *position && state.until.is_none_or(|u| *position < u) => {
            match &mut watch {
                Some(watch) => {
                    match &mut watch.waker {
                        Some(waker) => waker.clone_from(context.waker()),
                        None => watch.waker = Some(context.waker().clone()),
                    }
                    Step::Done(Poll::Pending)
                }
                None => failed(Cut::Missing),
            }
        }
        End::Growing => failed(Cut::Missing),
        End::Done if state.total.is_some_and(|total| *position >= total) => {
            Step::Done(Poll::Ready(None))
        }
        End::Done => failed(Cut::Missing),
        End::Cut(cut) => failed(cut),
    }
}
