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

use bytes::Bytes;

use super::chunks::Chunks;
use super::filed::Filed;
use super::growing::{Growing, State};
use super::reader::{Ahead, FIRST, Reader};

/// The bytes of one stored response, complete, growing or in part. A copy is the same body.
#[derive(Clone, Debug)]
pub struct Body(Form);

#[derive(Clone, Debug)]
enum Form {
    /// All there is, in one chunk.
    Whole(Bytes),
    Chunks(Arc<Growing>),
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
        match &self.0 {
            Form::Whole(whole) => {
                let start = range.start.max(whole.len() as u64);
                std::iter::once(start..range.end).filter(|gap| !gap.is_empty()).collect()
            }
            Form::Chunks(growing) => growing.missing(range),
        }
    }

    /// The ranges that are there.
    pub fn present(&self) -> Vec<Range<u64>> {
        match &self.0 {
            Form::Whole(whole) if whole.is_empty() => Vec::new(),
            Form::Whole(whole) => std::iter::once(0..whole.len() as u64).collect(),
            Form::Chunks(growing) => growing.present(),
        }
    }

    /// Reads where `range` begins, on disk: what the disk has lost or damaged (`None`) is fetched
    /// again before a client hears of it.
    pub async fn probe(&self, range: Range<u64>) -> Option<Ahead> {
        let filed = self.filed()?;
        let bytes = filed.read(range.start, range.end, FIRST).await?;
        Some(Ahead { filed, position: range.start, bytes })
    }

    /// Whether only the disk can tell if the byte at `position` can be read.
    pub fn is_in_doubt(&self, position: u64) -> bool {
        match &self.0 {
            Form::Whole(_) => false,
            Form::Chunks(growing) => growing.needs_disk(position),
        }
    }

    /// Whether bytes of it may lie on disk.
    pub fn is_filed(&self) -> bool {
        self.filed().is_some()
    }

    /// The bytes of both, which are of the same representation. Both must have ended.
    pub(super) fn joined_with(&self, other: &Body) -> Body {
        let mut chunks = self.with_chunks(Chunks::clone);
        other.with_chunks(|others| chunks.insert_all(others));
        let filed = self.filed().or_else(|| other.filed());
        if let Some(filed) = &filed {
            chunks.forget_filed(filed);
        }
        Growing::at_rest(chunks, filed, self.total())
    }

    /// The part that lies on disk.
    pub(super) fn filed(&self) -> Option<Arc<Filed>> {
        self.growing()?.filed()
    }

    /// Its state, if it has several chunks.
    pub(super) fn growing(&self) -> Option<&Arc<Growing>> {
        match &self.0 {
            Form::Whole(_) => None,
            Form::Chunks(growing) => Some(growing),
        }
    }

    /// Length of the complete representation in bytes, once known.
    pub fn total(&self) -> Option<u64> {
        self.ask(|whole| Some(whole.len() as u64), |state| state.total)
    }

    /// Bytes held in memory at present.
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
