//! Writing a body into the store.
//!
//! Bytes are paid for before they are kept. What comes in small pieces is joined into slabs, each an
//! allocation of its own, so that a hit sends few large chunks and no piece pins the larger buffer it
//! was read into. A body too large for its share of memory goes to disk slab by slab as it comes, and
//! memory lets go of each that has arrived there. One that outgrows the largest size kept, or the budget, goes on as a stream: its
//! readers get it through a small buffer, the slowest sets the pace within limits, and it is not
//! stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::body::{Body, Cut, End};
use super::budget::Charge;
use super::entry::Entry;
use super::filed::CHUNK;
use super::growing::Growing;
use super::kept::{Head, Kept};
use super::tiers::Facts;
use super::{COUNTERS, Store};
use crate::cache::Key;

/// Set when a URL is invalidated while a fill for it runs: the fill's readers get their bytes, but
/// it is not stored.
#[derive(Clone, Debug, Default)]
pub struct Doom(Arc<AtomicBool>);

impl Doom {
    /// Forbids that the fill be stored.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the fill must not be stored.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The only one who adds to a growing body. Dropped without [`Writer::finish`], it cuts the body.
#[derive(Debug)]
pub struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) entry: Arc<Entry>,
    pub(super) body: Arc<Growing>,
    pub(super) place: Place,
    /// What will be stored; gone once it is, or if it will not be.
    pub(super) head: Option<Head>,
    /// Pays for that.
    pub(super) meta: Charge,
    /// Paid for and not used yet.
    pub(super) reserve: Charge,
    /// Whether the body will be stored; else it is only streamed.
    pub(super) keeps: bool,
    /// Whether it goes to disk as it comes.
    pub(super) spilling: Spilling,
    /// Where it began to write.
    pub(super) from: u64,
    /// Bytes in memory that were there before it began.
    pub(super) inherited: u64,
    /// Whether the disk has been asked to take it.
    pub(super) asked_to_spill: bool,
    /// Offset up to which it went to disk.
    pub(super) spilled: u64,
    /// Offset up to which the chunks are slabs.
    pub(super) joined: u64,
    /// Chunks after that.
    pub(super) pieces: usize,
}

/// Whether a body goes to disk as it comes.
#[derive(Debug)]
pub(super) enum Spilling {
    No,
    /// With these facts.
    To(Facts),
}

/// Where an entry goes when it is complete.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) max_variants: usize,
    pub(super) doom: Doom,
}

/// Size of the slabs of a large body; a smaller body is one chunk.
const SLAB: u64 = CHUNK;

/// How many pieces wait for the slab at most before neighbours are joined.
const PIECES: usize = 32;

/// What a body of unknown length reserves at a time.
pub(super) const STEP: u64 = 64 << 10;

/// How far a body may be ahead of the disk.
const AHEAD: u64 = 8 << 20;

/// How long a body waits for the disk before it does without.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long a stream waits for a first or a next reader.
const DESERTED: Duration = Duration::from_secs(1);

/// Bytes together with what they are charged.
struct Paid<T> {
    bytes: T,
    /// Given back with the bytes.
    _charge: Charge,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Paid<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

pub(super) fn paid<T: AsRef<[u8]> + Send + 'static>(bytes: T, charge: Charge) -> Bytes {
    Bytes::from_owner(Paid { bytes, _charge: charge })
}

impl Writer {
    /// Adds `bytes`. Waits only if the body is not kept and its readers are behind.
    ///
    /// # Errors
    /// [`Cut::Length`] if that is more than was announced, [`Cut::Abandoned`] if the body is not
    /// kept and nobody reads it. The body stays open: the caller drops the writer or cuts.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Cut> {
        let length = bytes.len() as u64;
        let (next, until) = self.body.progress();
        if until.is_some_and(|until| next + length > until) {
            return Err(Cut::Length);
        }
        if length == 0 {
            return Ok(());
        }
        if !self.may_keep(length) {
            self.give_up_keeping();
        }
        if self.keeps {
            self.body.push(paid(bytes, self.reserve.split(length)));
            self.pieces += 1;
            self.join_when_due();
            self.spill_when_due().await;
            return Ok(());
        }
        match self.room(length).await? {
            Some(charge) => self.body.push(paid(bytes, charge)),
            None => self.body.push(bytes),
        }
        Ok(())
    }

    /// Whether the body would still be kept with `length` more bytes; reserves for them. If not, the
    /// next [`Writer::write`] lets go of what all readers of that moment have passed.
    pub fn may_keep(&mut self, length: u64) -> bool {
        self.keeps && self.afford(length)
    }

    /// Whether the body will be stored when it is complete. Once false it stays false.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// The entry being filled.
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Ends the body and stores it; says whether it was stored. Waits for a disk that is behind.
    ///
    /// # Errors
    /// [`Cut::Length`] if bytes are missing that were announced; the body is then cut.
    pub async fn finish(mut self) -> Result<bool, Cut> {
        let (next, until) = self.body.progress();
        if until.is_some_and(|until| next != until) {
            self.body.close(End::Cut(Cut::Length));
            return Err(Cut::Length);
        }
        self.body.close(End::Done);
        self.fetched(next);
        // A record holds a whole mebibyte or the end of the body, never a part.
        let at_end = self.body.total() == Some(next);
        self.spill_rest(if at_end { next } else { next / CHUNK * CHUNK }).await;
        Ok(self.commit(|body| body.settled()))
    }

    /// Cuts the body: its readers get what is there and then `why`. With `keep_part`, what is there
    /// is stored as ranges of the representation, if its length is known; the caller vouches for a
    /// strong validator (RFC 9111 section 3.3).
    pub fn cut(mut self, why: Cut, keep_part: bool) {
        COUNTERS.cut.bump();
        self.fetched(self.body.progress().0);
        self.body.close(End::Cut(why));
        if keep_part && self.body.total().is_some() && !self.body.present().is_empty() {
            self.commit(|body| body.so_far());
        }
    }

    /// Tells the disks how much came from the origin, for that is what they may write by.
    fn fetched(&self, until: u64) {
        if let Some(lower) = &self.store.lower {
            lower.disks.fetched(until.saturating_sub(self.from));
        }
    }

    fn commit(&mut self, form: impl FnOnce(&Arc<Growing>) -> Body) -> bool {
        let Some(head) = self.head.take().filter(|_| self.keeps) else { return false };
        self.reserve.release();
        let (next, _) = self.body.progress();
        let total = self.body.total().unwrap_or_default();
        if self.body.is_complete() && total <= SLAB {
            // All of it, even if it is one piece: that may pin a larger buffer.
            self.join(0, total);
        } else {
            self.join(self.joined, next);
        }
        let charge = self.meta.split(u64::MAX);
        self.store.place(&self.place, Kept::new(head, form(&self.body), charge))
    }

    /// Bytes that it wrote and memory still holds.
    fn own_bytes(&self) -> u64 {
        self.body.bytes().saturating_sub(self.inherited)
    }

    /// Whether the body goes to disk as it comes.
    fn spills(&self) -> bool {
        matches!(self.spilling, Spilling::To(_))
    }

    /// Whether `length` more bytes may be kept; reserves for them.
    fn afford(&mut self, length: u64) -> bool {
        let held = if self.spills() { self.own_bytes() } else { self.body.bytes() };
        if held + length > self.store.largest_kept() {
            return false;
        }
        let lacking = length.saturating_sub(self.reserve.bytes());
        if lacking == 0 {
            return true;
        }
        let more = self.store.reserve(lacking.max(STEP)).or_else(|| self.store.reserve(lacking));
        more.map(|more| self.reserve.absorb(more)).is_some()
    }

    fn give_up_keeping(&mut self) {
        if !self.keeps {
            return;
        }
        COUNTERS.outgrown.bump();
        self.keeps = false;
        self.head = None;
        self.meta.release();
        self.reserve.release();
        self.body.slide();
    }

    fn join_when_due(&mut self) {
        let (next, _) = self.body.progress();
        // Slabs end where records on disk do.
        let border = next / SLAB * SLAB;
        if border > self.joined {
            for end in (self.joined / SLAB + 1..=border / SLAB).map(|slab| slab * SLAB) {
                self.join(self.joined, end);
                self.joined = end;
            }
            self.pieces = usize::from(next > border);
        } else if self.pieces > PIECES {
            // Neighbours of like size become one, so that each byte is copied a few times only
            // however small the pieces are that the origin sends.
            let (mut together, mut joined) = (0, 0);
            self.body.with_chunks(|chunks| {
                for length in chunks.lengths_back_from(next, self.joined) {
                    if together > 0 && length > 2 * together {
                        break;
                    }
                    together += length;
                    joined += 1;
                }
            });
            if joined > 1 {
                self.join(next - together, next);
                self.pieces -= joined - 1;
            }
        }
    }

    /// From now on the body goes to disk as it comes.
    pub(super) fn begin_spilling(&mut self, spilling: Spilling) {
        let lower = self.store.lower.as_ref().filter(|_| matches!(spilling, Spilling::To(_)));
        let Some(lower) = lower else { return };
        COUNTERS.spilled.bump();
        let object_id = self.entry.stored.object_id;
        self.body.begin_filing(lower.filed(object_id));
        self.spilling = spilling;
    }

    /// Hands to the disk what is ready for it, and waits for it if it is far behind.
    async fn spill_when_due(&mut self) {
        if !self.spills() {
            let held = self.body.bytes();
            if held <= self.store.spill_above() || self.asked_to_spill {
                return;
            }
            self.asked_to_spill = true;
            let twice = held.saturating_mul(2);
            let spilling =
                self.store.may_spill((&self.place.key).into(), &self.entry.stored, twice);
            self.begin_spilling(spilling);
        }
        let ahead = AHEAD.min(self.store.largest_kept() / 2);
        loop {
            self.spill_ready(self.joined);
            if !self.spills() || self.own_bytes() <= ahead {
                return;
            }
            if timeout(PATIENCE, self.body.moved()).await.is_err() {
                self.spilling = Spilling::No;
            }
        }
    }

    /// Hands everything up to `end` to the disk. What it has no room for in time stays in memory, and
    /// is offered again when it leaves that.
    async fn spill_rest(&mut self, end: u64) {
        let mut before = u64::MAX;
        loop {
            self.spill_ready(end);
            if !self.spills() || self.spilled >= end || self.spilled == before {
                return;
            }
            before = self.spilled;
            self.store.caught_up(&self.entry).await;
        }
    }

    /// Hands to the disk the records that are complete, as far as it has room for them. `end` is
    /// where the last one ends.
    fn spill_ready(&mut self, end: u64) {
        let (Spilling::To(facts), Some(lower)) = (&self.spilling, &self.store.lower) else {
            return;
        };
        while self.spilled < end {
            let index = (self.spilled / CHUNK).min(u64::from(u32::MAX)) as u32;
            if !lower.spill(&self.body, index, end, *facts) {
                return;
            }
            self.spilled = ((u64::from(index) + 1) * CHUNK).min(end.max(self.spilled + 1));
        }
    }

    /// Makes one chunk of `from..until`, if the copy can be paid for.
    fn join(&self, from: u64, until: u64) {
        if from >= until {
            return;
        }
        let Some(charge) = self.store.budget().try_charge(until - from) else { return };
        let pieces = self.body.with_chunks(|chunks| chunks.pieces(from..until));
        let Some(pieces) = pieces else { return };
        self.body.replace(from, paid(pieces.concat().into_boxed_slice(), charge));
    }

    /// Waits until the readers of a stream have room for `length` more bytes, and cuts those who
    /// hold it up for too long. A piece always fits when all before it is read: it is then in
    /// transit, as in a proxy without a cache, and not charged.
    async fn room(&self, length: u64) -> Result<Option<Charge>, Cut> {
        let body = &self.body;
        loop {
            let unread = body.unread();
            if unread == 0 {
                return Ok(None);
            }
            if unread + length <= self.store.stream_buffer()
                && let Some(charge) = self.store.budget().try_charge(length)
            {
                return Ok(Some(charge));
            }
            if body.readers() == 0 {
                if timeout(DESERTED, body.moved()).await.is_err() && body.readers() == 0 {
                    return Err(Cut::Abandoned);
                }
            } else if timeout(self.store.stall_timeout(), body.moved()).await.is_err() {
                COUNTERS.stalled.add(body.cut_slowest() as u64);
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Does nothing after `finish` and `cut`.
        self.body.close(End::Cut(Cut::Abandoned));
    }
}
