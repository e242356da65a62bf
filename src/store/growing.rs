//! The state of a body of several chunks: what its writer and its readers share.
//!
//! Its bytes are in memory, on disk, or both: `Chunks` has the former and `Filed` knows of the latter.

use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::body::{Body, End};
use super::chunks::Chunks;
use super::filed::Filed;
use super::reader::Reader;

/// A body of several chunks, or of one that may still become more.
#[derive(Debug)]
pub(super) struct Growing {
    pub(super) state: Mutex<State>,
    /// Tells the writer that readers moved on or left.
    pub(super) moved: Notify,
}

/// What changes under a body's lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) chunks: Chunks,
    /// What lies on disk.
    pub(super) filed: Option<Arc<Filed>>,
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

impl Growing {
    /// A growing body whose writer will fill `from..until` of a representation of `total` bytes, as
    /// far as those are known. `chunks` are there from the start.
    pub(super) fn new(chunks: Chunks, from: u64, until: Option<u64>, total: Option<u64>) -> Self {
        Growing {
            state: Mutex::new(State {
                chunks,
                filed: None,
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

    /// A body of `total` bytes that will not grow, with what is in memory and what lies on disk.
    pub(super) fn at_rest(chunks: Chunks, filed: Option<Arc<Filed>>, total: Option<u64>) -> Body {
        let body = Growing::new(chunks, 0, Some(0), total);
        {
            let mut state = body.state.lock();
            (state.filed, state.end) = (filed, End::Done);
        }
        Arc::new(body).into()
    }

    /// What there is by now, as a body of its own that will not grow. Copies no bytes.
    pub(super) fn so_far(&self) -> Body {
        let state = self.state.lock();
        let (chunks, filed, total) = (state.chunks.clone(), state.filed.clone(), state.total);
        drop(state);
        Growing::at_rest(chunks, filed, total)
    }

    /// The body in the form to store it in, once nothing more will come.
    pub(super) fn settled(self: &Arc<Self>) -> Body {
        let state = self.state.lock();
        let in_one = state.filed.is_none() && state.chunks.count() <= 1;
        if state.end != End::Done || !state.is_complete() || !in_one {
            drop(state);
            return self.clone().into();
        }
        Body::of(state.chunks.read(0, u64::MAX).unwrap_or_default())
    }

    /// Reads `range` from front to back.
    pub(super) fn reader(self: &Arc<Self>, range: Range<u64>) -> Reader {
        let mut state = self.state.lock();
        let end = state.total.map_or(range.end, |total| total.min(range.end));
        let watch = (state.end == End::Growing).then(|| state.watch(range.start));
        drop(state);
        Reader::walking(self.clone(), watch, range.start..end)
    }

    /// What lies on disk.
    pub(super) fn filed(&self) -> Option<Arc<Filed>> {
        self.state.lock().filed.clone()
    }

    /// From now on bytes may go to disk.
    pub(super) fn begin_filing(&self, filed: Arc<Filed>) {
        self.state.lock().filed.get_or_insert(filed);
    }

    /// Lets go of bytes in memory that now lie on disk.
    pub(super) fn let_go(&self, range: Range<u64>) {
        self.state.lock().chunks.forget(range);
        self.moved.notify_one();
    }

    /// Notes that a reader has taken `length` bytes from disk.
    pub(super) fn took(&self, watch: Option<usize>, position: &mut u64, length: usize) {
        *position += length as u64;
        let mut state = self.state.lock();
        let watch = watch.and_then(|place| state.watches.get_mut(place)).and_then(Option::as_mut);
        if let Some(watch) = watch {
            watch.position = *position;
        }
        if state.sliding {
            self.moved.notify_one();
        }
    }

    /// Whether the byte at `position` is on disk, or was, and not in memory.
    pub(super) fn needs_disk(&self, position: u64) -> bool {
        let state = self.state.lock();
        state.filed.is_some() && state.chunks.read(position, position + 1).is_none()
    }

    /// The parts of `range` that are neither in memory nor on disk.
    pub(super) fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.state.lock().missing(range)
    }

    /// The ranges that are there.
    pub(super) fn present(&self) -> Vec<Range<u64>> {
        let state = self.state.lock();
        let Some(filed) = &state.filed else { return state.chunks.present() };
        let mut ranges = filed.present(state.total.unwrap_or(state.next));
        ranges.extend(state.chunks.present());
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.into_iter().fold(Vec::new(), |mut joined: Vec<Range<u64>>, range| {
            match joined.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
            joined
        })
    }

    /// Bytes held in memory at present.
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
        self.total.is_some_and(|total| {
            self.chunks.bytes() == total
                || self.filed.is_some() && self.missing(0..total).is_empty()
        })
    }

    fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let gaps = self.chunks.missing(range);
        match &self.filed {
            Some(filed) => gaps.into_iter().flat_map(|gap| filed.missing(gap)).collect(),
            None => gaps,
        }
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
