//! A body that is read while it is written.
//!
//! One writer puts chunks in; any number of readers follow, each at its own pace, asleep while there
//! is nothing for them. How a body ends is said, never inferred: [`End::Done`] is the only state in
//! which a reader sees a clean end, and a writer that vanishes leaves [`End::Cut`].
//!
//! A body may hold all of a representation or only ranges of it (RFC 9111 section 3.3). A small
//! complete body is stored as one contiguous chunk and nothing else, so that a hit is one chunk in one
//! poll and takes no lock.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::chunks::Chunks;
use super::reader::Reader;

/// The bytes of one stored response, complete, growing or in part. A copy is the same body.
#[derive(Clone, Debug)]
pub struct Body(Form);

#[derive(Clone, Debug)]
enum Form {
    /// All there is, in one chunk.
    Whole(Bytes),
    Chunks(Arc<Growing>),
}

/// A body of several chunks, or of one that may still become more.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) state: Mutex<State>,
    /// Tells the writer that readers moved on or left.
    pub(super) moved: Notify,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The writer may still add bytes.
    Growing,
    /// Nothing more will come, and what was promised is there.
    Done,
    /// The writer gave up before the end.
    Cut(Cut),
}

/// Why bytes that a reader wants will never come. The reader's client must not see a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The origin failed in the middle of its answer.
    Origin,
    /// The origin sent more or less than it had announced.
    Length,
    /// The fill ended without a word, or was cancelled since no client was left.
    Abandoned,
    /// This reader alone held up a body that is too large to keep, for longer than allowed.
    Slow,
    /// The body has only other ranges, or has let go of these bytes.
    Missing,
}

/// What changes under a body's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) chunks: Chunks,
    pub(super) end: End,
    /// Where the writer puts its next byte.
    pub(super) next: u64,
    /// Where the writer will stop, if it knows.
    pub(super) until: Option<u64>,
    /// Length of the complete representation, if known.
    pub(super) total: Option<u64>,
    /// Whether bytes that all readers have passed are let go (bodies too large to keep).
    pub(super) sliding: bool,
    /// Readers of the growing body; a reader knows its place in the list.
    pub(super) watches: Vec<Option<Watch>>,
    pub(super) readers: usize,
}

/// A reader of a growing body, as its writer sees it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) position: u64,
    pub(super) waker: Option<Waker>,
    pub(super) too_slow: bool,
}

impl Cut {
    /// One word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Cut::Origin => "origin",
            Cut::Length => "length",
            Cut::Abandoned => "abandoned",
            Cut::Slow => "slow",
            Cut::Missing => "missing",
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "body cut short ({})", self.as_str())
    }
}

impl std::error::Error for Cut {}

impl Body {
    /// A complete body of one chunk.
    pub(super) fn of(whole: Bytes) -> Self {
        Body(Form::Whole(whole))
    }

    /// Reads `range`, which may end at `u64::MAX` for "to the end".
    pub fn reader(&self, range: Range<u64>) -> Reader {
        match &self.0 {
            Form::Whole(whole) => {
                let length = whole.len() as u64;
                let (start, end) = (range.start.min(length), range.end.min(length));
                Reader::of_chunk(whole.slice(start as usize..end.max(start) as usize))
            }
            Form::Chunks(growing) => growing.reader(range),
        }
    }

    /// The complete body, if it is one chunk.
    pub fn whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Form::Whole(whole) => Some(whole),
            Form::Chunks(_) => None,
        }
    }

    /// Whether both are the same body.
    pub fn is_same(&self, other: &Body) -> bool {
        match (&self.0, &other.0) {
            (Form::Whole(one), Form::Whole(other)) => {
                (one.as_ptr(), one.len()) == (other.as_ptr(), other.len())
            }
            (Form::Chunks(one), Form::Chunks(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether every byte of the representation is there.
    pub fn is_complete(&self) -> bool {
        self.ask(|_| true, State::is_complete)
    }

    /// Whether all of `range` is there.
    pub fn has(&self, range: Range<u64>) -> bool {
        self.missing(range).is_empty()
    }

    /// The parts of `range` that are not there (yet).
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.with_chunks(|chunks| chunks.missing(range))
    }

    /// The ranges that are there.
    pub fn present(&self) -> Vec<Range<u64>> {
        self.with_chunks(Chunks::present)
    }

    /// Length of the complete representation in bytes, once known.
    pub fn total(&self) -> Option<u64> {
        self.ask(|whole| Some(whole.len() as u64), |state| state.total)
    }

    /// Bytes held at present.
    pub fn bytes(&self) -> u64 {
        self.ask(|whole| whole.len() as u64, |state| state.chunks.bytes())
    }

    /// How many chunks hold them.
    pub fn chunks(&self) -> usize {
        self.with_chunks(Chunks::count)
    }

    /// How far the body has come.
    pub fn end(&self) -> End {
        self.ask(|_| End::Done, |state| state.end)
    }

    /// How many readers follow the growing body.
    pub fn readers(&self) -> usize {
        self.ask(|_| 0, |state| state.readers)
    }

    /// Where the writer of a growing body stands, and where it will stop if it knows.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let all = |whole: &Bytes| (whole.len() as u64, Some(whole.len() as u64));
        self.ask(all, |state| (state.next, state.until))
    }

    /// Looks at the chunks.
    pub(super) fn with_chunks<T>(&self, look: impl FnOnce(&Chunks) -> T) -> T {
        match &self.0 {
            Form::Whole(whole) => {
                let mut chunks = Chunks::default();
                chunks.insert(0, whole.clone());
                look(&chunks)
            }
            Form::Chunks(growing) => growing.with_chunks(look),
        }
    }

    fn ask<T>(&self, whole: impl FnOnce(&Bytes) -> T, state: impl FnOnce(&State) -> T) -> T {
        match &self.0 {
            Form::Whole(bytes) => whole(bytes),
            Form::Chunks(growing) => state(&growing.state.lock()),
        }
    }
}

impl From<Arc<Growing>> for Body {
    fn from(growing: Arc<Growing>) -> Self {
        Body(Form::Chunks(growing))
    }
}

impl Growing {
    /// A growing body whose writer will fill `from..until` of a representation of `total` bytes, as
    /// far as those are known. `chunks` are there from the start.
    pub(super) fn new(chunks: Chunks, from: u64, until: Option<u64>, total: Option<u64>) -> Self {
        Growing {
            state: Mutex::new(State {
                chunks,
                end: End::Growing,
                next: from,
                until,
                total,
                sliding: false,
                watches: Vec::new(),
                readers: 0,
            }),
            moved: Notify::new(),
        }
    }

    /// What there is by now, as a body of its own that will not grow. Copies no bytes.
    pub(super) fn so_far(&self) -> Body {
        let (chunks, total) = {
            let state = self.state.lock();
            (state.chunks.clone(), state.total)
        };
        let part = Growing::new(chunks, 0, Some(0), total);
        part.state.lock().end = End::Done;
        Arc::new(part).into()
    }

    /// The body in the form to store it in, once nothing more will come.
    pub(super) fn settled(self: &Arc<Self>) -> Body {
        let state = self.state.lock();
        if state.end != End::Done || !state.is_complete() || state.chunks.count() > 1 {
            drop(state);
            return self.clone().into();
        }
        Body::of(state.chunks.read(0, u64::MAX).unwrap_or_default())
    }

    fn reader(self: &Arc<Self>, range: Range<u64>) -> Reader {
        let mut state = self.state.lock();
        let end = state.total.map_or(range.end, |total| total.min(range.end));
        let watch = (state.end == End::Growing).then(|| state.watch(range.start));
        drop(state);
        Reader::walking(self.clone(), watch, range.start..end)
    }

    /// Bytes held at present.
    pub(super) fn bytes(&self) -> u64 {
        self.state.lock().chunks.bytes()
    }

    /// How many readers there are.
    pub(super) fn readers(&self) -> usize {
        self.state.lock().readers
    }

    /// Length of the complete representation in bytes, once known.
    pub(super) fn total(&self) -> Option<u64> {
        self.state.lock().total
    }

    /// Whether every byte of the representation is there.
    pub(super) fn is_complete(&self) -> bool {
        self.state.lock().is_complete()
    }

    /// Where the writer stands, and where it will stop if it knows.
    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        let state = self.state.lock();
        (state.next, state.until)
    }

    /// Adds the writer's next bytes and wakes those who wait for them.
    pub(super) fn push(&self, bytes: Bytes) {
        let mut state = self.state.lock();
        let at = state.next;
        state.next += bytes.len() as u64;
        state.chunks.insert(at, bytes);
        wake(state);
    }

    /// Ends the body and wakes everybody. Does nothing if it has ended before.
    pub(super) fn close(&self, end: End) {
        let mut state = self.state.lock();
        if state.end != End::Growing {
            return;
        }
        if end == End::Done && state.total.is_none() {
            state.total = Some(state.next);
        }
        state.end = end;
        wake(state);
    }

    /// Looks at the chunks under the lock.
    pub(super) fn with_chunks<T>(&self, look: impl FnOnce(&Chunks) -> T) -> T {
        look(&self.state.lock().chunks)
    }

    /// Puts one chunk in place of several with the same bytes.
    pub(super) fn replace(&self, at: u64, joined: Bytes) {
        self.state.lock().chunks.replace(at, joined);
    }

    /// From now on lets go of bytes that every reader has passed.
    pub(super) fn slide(&self) {
        let mut state = self.state.lock();
        state.sliding = true;
        state.forget_passed();
    }

    /// Bytes that the slowest reader has not taken yet. Lets go of those that all have.
    pub(super) fn unread(&self) -> u64 {
        let mut state = self.state.lock();
        state.forget_passed();
        state.next - state.floor()
    }

    /// Cuts the readers that stand where the slowest stands, and says how many they were.
    pub(super) fn cut_slowest(&self) -> usize {
        let mut state = self.state.lock();
        let floor = state.floor();
        let mut cut = 0;
        for watch in state.watches.iter_mut().flatten() {
            if !watch.too_slow && watch.position <= floor {
                watch.too_slow = true;
                cut += 1;
            }
        }
        wake(state);
        cut
    }

    /// Returns when a reader of a sliding body moved on or any reader left.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }
}

impl State {
    /// Notes a reader that stands at `position`.
    fn watch(&mut self, position: u64) -> usize {
        self.readers += 1;
        let watch = Some(Watch { position, waker: None, too_slow: false });
        // Looking for a free place is worth it only where there are many.
        if self.watches.len() > 2 * self.readers
            && let Some(place) = self.watches.iter().position(Option::is_none)
            && let Some(free) = self.watches.get_mut(place)
        {
            *free = watch;
            return place;
        }
        self.watches.push(watch);
        self.watches.len() - 1
    }

    /// Whether every byte of the representation is here.
    pub(super) fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| self.chunks.bytes() == total)
    }

    /// Where the slowest reader stands. Without readers: where the bytes that are still held begin,
    /// for one may be about to come.
    fn floor(&self) -> u64 {
        let watches = self.watches.iter().flatten().filter(|watch| !watch.too_slow);
        let slowest = watches.map(|watch| watch.position).min();
        slowest.or(self.chunks.first()).unwrap_or(self.next).min(self.next)
    }

    /// In a sliding body, lets go of what every reader has passed.
    fn forget_passed(&mut self) {
        if self.sliding {
            let floor = self.floor();
            self.chunks.forget_before(floor);
        }
    }
}

/// Wakes every waiting reader, after the lock is given back.
fn wake(mut state: MutexGuard<'_, State>) {
    let wakers: Vec<Waker> =
        state.watches.iter_mut().flatten().filter_map(|watch| watch.waker.take()).collect();
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}
