//! Decides what is written to disk, what is thrown away and what stays.
//!
//! Segments can only be emptied whole, in the order they were filled, so there are two questions:
//! is an object written at all, and is a record copied when its segment goes? Both have one answer:
//! what is worth more (uses per byte, see `worth`) than a line that is drawn through what was seen
//! lately, so that the best 10 % of the bytes in segments of new records and the best 30 % in
//! segments of proved ones are copied, whatever a node serves. Around that:
//!
//! - **Two classes.** What was asked for once goes to segments of its own, of which there are few, and
//!   leaves soon. What was asked for again is proved, as is a copy. A copy keeps half its uses.
//! - **Ghosts.** A URL that was refused or thrown away and is asked for again is proved at once. Each
//!   such ghost also says that its class had too little room, and shifts the border between them: a
//!   node that serves much that is asked for twice within minutes needs many new segments, one that
//!   serves a catalogue needs few.
//! - **Budget.** What comes from origins earns an allowance, which writes and copies use up. The less
//!   is left, the more of what is offered is refused: with half of it left, the lower half of the
//!   bytes. While segments lie free, nothing is refused. What is larger than the whole allowance (a
//!   tenth of the disks) is never taken later on.
//!
//! What each part is worth, by `benches/replay` without it, in points of hits (mean of its three
//! traces; LRU has 42.5 of the objects and 45.0 of the bytes, all parts together 50.7 and 46.7):
//!
//! | without | objects | bytes |
//! |---|---|---|
//! | copies | -6.7 | -1.6 |
//! | sizes | -5.4 | +1.0 |
//! | two classes | -2.4 | -3.2 |
//! | grades within a mark of worth | -1.1 | -3.5 |
//! | refusing for lack of worth | -1.0 | +0.5 |
//! | ghosts | -0.3 | -2.3 |
//! | a border that shifts | -0.3 | -1.5 |
//! | halving of uses | -0.3 | -1.1 |
//!
//! All state is a few kilobytes and two bytes for each record of average size that the disks can
//! hold. It is not kept over a restart.

use super::ghosts::Ghosts;
use super::worth::{Scale, worth};

/// Where a record is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Class {
    /// Asked for once.
    New,
    /// Asked for again: in memory, after it was thrown away, or on disk before it was copied.
    Proved,
}

/// An object that could be written.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Hash of its URL.
    pub hash: u64,
    /// Its size.
    pub bytes: u64,
    /// How often it was asked for while it was in memory.
    pub hits: u32,
}

/// A record in a segment that is about to be reclaimed.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Hash of its URL.
    pub hash: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// How often it was read, up to 3.
    pub frequency: u8,
    /// Where it lies.
    pub class: Class,
}

/// The policy of all disks of a node.
#[derive(Debug)]
pub struct Policy {
    ghosts: Ghosts,
    /// Bytes of a segment, and of all.
    segment: u64,
    capacity: u64,
    /// Bytes that may be written per 100 bytes that come from origins.
    budget: u64,
    /// Bytes that may be written now.
    allowance: u64,
    /// Bytes that the segments of new records may have before one of them goes.
    new_bytes: u64,
    /// By how much a ghost changes that.
    step: u64,
    offered: Scale,
    offers: u32,
    least_offered: usize,
    found: Scale,
    least_found: usize,
}

/// Percent of the bytes found in segments that are worth a copy.
pub(super) const NEW_COPIED: u64 = 10;
pub(super) const PROVED_COPIED: u64 = 30;

/// So many offers are judged by the same line.
const OFFERS: u32 = 256;

impl Policy {
    /// For disks of so many segments of that many bytes, records of that size, and so many percent
    /// of the missed bytes that may be written.
    pub fn new(segments: u32, segment_bytes: u64, average_record: u64, budget: u32) -> Self {
        let capacity = u64::from(segments).saturating_mul(segment_bytes);
        let average_record = average_record.clamp(1, segment_bytes.max(1));
        Policy {
            ghosts: Ghosts::new(capacity / average_record),
            segment: segment_bytes,
            capacity,
            budget: u64::from(budget),
            allowance: 0,
            new_bytes: capacity / 10,
            step: 4 * average_record,
            offered: Scale::new(),
            offers: 0,
            least_offered: 0,
            found: Scale::new(),
            least_found: 0,
        }
    }

    /// So many bytes came from an origin.
    pub fn fetched(&mut self, bytes: u64) {
        let more = bytes.saturating_mul(self.budget) / 100;
        self.allowance = self.allowance.saturating_add(more).min(self.most());
    }

    /// The URL was asked for and not found. To be said before its object is offered.
    pub fn missed(&mut self, hash: u64) {
        if let Some(class) = self.ghosts.ask(hash) {
            self.learn(class);
        }
    }

    /// Whether and where to write an object. With `room`, segments are free that nothing needs.
    pub fn admit(&mut self, offer: &Offer, room: bool) -> Option<Class> {
        let uses = offer.hits.saturating_add(u32::from(self.ghosts.take(offer.hash)));
        let worth = worth(uses, offer.bytes, offer.hash);
        self.offered.add(worth, offer.bytes);
        self.offers += 1;
        if self.offers == OFFERS {
            self.offers = 0;
            self.offered.fade(10);
            self.least_offered = self.offered.line(self.allowance * 100 / self.most());
        }
        if !room && (worth < self.least_offered || self.allowance < offer.bytes) {
            self.ghosts.add(offer.hash, None);
            return None;
        }
        self.allowance = self.allowance.saturating_sub(offer.bytes);
        Some(if uses > 0 { Class::Proved } else { Class::New })
    }

    /// The class whose oldest segment goes, given how many segments each has.
    pub fn victim(&self, new: u32, proved: u32) -> Class {
        let is_over = u64::from(new).saturating_mul(self.segment) >= self.new_bytes;
        if new > 0 && (is_over || proved == 0) { Class::New } else { Class::Proved }
    }

    /// A segment is about to be reclaimed.
    pub fn begin(&mut self, class: Class) {
        let share = if class == Class::New { NEW_COPIED } else { PROVED_COPIED };
        self.found.fade(20);
        self.least_found = self.found.line(share);
    }

    /// Whether a record is copied, and with what frequency.
    pub fn survives(&mut self, record: &Candidate) -> Option<u8> {
        let worth = worth(u32::from(record.frequency), record.bytes, record.hash);
        self.found.add(worth, record.bytes);
        if worth < self.least_found || self.allowance < record.bytes {
            self.ghosts.add(record.hash, Some(record.class));
            return None;
        }
        self.allowance -= record.bytes;
        Some(record.frequency / 2)
    }

    /// A ghost of that class was asked for: the class had too little room.
    fn learn(&mut self, class: Class) {
        let [new, proved] = [Class::New, Class::Proved].map(|it| self.ghosts.count(it).max(1));
        // The fewer ghosts there are of a class, the more one says.
        let step = |ghosts: u32, others: u32| self.step * u64::from((others / ghosts).clamp(1, 20));
        let changed = match class {
            Class::New => self.new_bytes.saturating_add(step(new, proved)),
            Class::Proved => self.new_bytes.saturating_sub(step(proved, new)),
        };
        self.new_bytes = changed.clamp(self.capacity / 50, self.capacity / 10 * 9);
    }

    /// The most that the allowance may grow to.
    fn most(&self) -> u64 {
        (self.capacity / 10).max(1)
    }
}
