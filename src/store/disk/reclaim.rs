//! Empties segments so that they can be written again.
//!
//! The policy names the class, the oldest segment of it goes. Records that survive are copied to the
//! segment of proved ones, verified on the way; all decisions of a segment are made in one go, so
//! that the policy is not locked while the disk works.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use super::counters::COUNTERS;
use super::footer::{Entry, told};
use super::geometry::PAGE;
use super::name::mix;
use super::policy::{Candidate, Class};
use super::read::Miss;
use super::record::span;
use super::segment::Life;
use super::slot::Slot;
use super::writer::Writer;

/// After so many segments in a row that left too little, nothing is copied: there must be room.
const PATIENCE: u32 = 8;

/// A record that stays.
struct Survivor {
    entry: Entry,
    slot: Slot,
    frequency: u8,
}

impl Writer {
    /// Empties segments until there are enough free ones.
    pub(super) fn reclaim(&mut self) -> io::Result<()> {
        let enough = self.volume.geometry().reserve() as usize;
        let mut rounds = 0;
        while self.books.free.len() < enough {
            let Some(victim) = self.victim() else { break };
            let copy = rounds < PATIENCE && !self.books.free.is_empty();
            self.empty(victim, copy)?;
            rounds += 1;
        }
        self.books.publish(&self.volume);
        Ok(())
    }

    /// The segment that goes next; it stays in the books until it is empty.
    fn victim(&self) -> Option<Life> {
        let [new, proved] = &self.books.full;
        let class = self.policy.lock().victim(new.len() as u32, proved.len() as u32);
        let (first, second) = match class {
            Class::New => (new, proved),
            Class::Proved => (proved, new),
        };
        first.front().or(second.front()).copied()
    }

    fn empty(&mut self, victim: Life, copy: bool) -> io::Result<()> {
        let entries = self.volume.contents(victim).unwrap_or_else(|error| {
            COUNTERS.read_errors.bump();
            tracing::warn!(%error, segment = victim.number, "a segment is thrown away unread");
            Vec::new()
        });
        if copy {
            for survivor in self.survivors(victim, &entries) {
                if !self.copy(victim, &survivor)? {
                    break;
                }
            }
        }
        // The copies must be in the file before the originals are gone from it.
        self.write_out(Class::Proved)?;
        let base = self.volume.geometry().base(victim.number);
        self.volume.device.write_at(base, &vec![0; PAGE])?;
        COUNTERS.evicted.add(self.volume.slots.held(victim.number).0);
        COUNTERS.reclaimed.bump();
        self.volume.slots.begin(victim.number, 0);
        self.books.full[victim.class as usize].pop_front();
        self.books.free.push_back(victim.number);
        Ok(())
    }

    /// What the policy keeps of a segment.
    fn survivors(&self, victim: Life, entries: &[Entry]) -> Vec<Survivor> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs() / 3600);
        let slots = &self.volume.slots;
        let mut policy = self.policy.lock();
        policy.begin(victim.class);
        let mut kept = Vec::new();
        for entry in entries {
            let Some((slot, generation)) = slots.find(entry.name) else { continue };
            let here = (slot.segment, slot.offset) == (victim.number, entry.offset);
            let expired = entry.hours != 0 && u64::from(entry.hours) < now;
            if !here || generation != victim.generation || expired {
                continue;
            }
            let candidate = Candidate {
                // What `told` makes of a whole hash, from the part that the footer has.
                hash: mix(entry.hash),
                bytes: u64::from(span(entry.length)),
                frequency: slot.frequency,
                class: victim.class,
            };
            debug_assert_eq!(candidate.hash, told(entry.hash << 20));
            if let Some(frequency) = policy.survives(&candidate) {
                kept.push(Survivor { entry: *entry, slot, frequency });
            }
        }
        kept
    }

    /// Copies a record unless it is damaged or dead; false if there is no room.
    fn copy(&mut self, from: Life, survivor: &Survivor) -> io::Result<bool> {
        let Survivor { entry, slot, frequency } = survivor;
        let (header, payload) = match self.volume.record(from, entry) {
            Ok(record) => record,
            Err(miss) => {
                match miss {
                    Miss::Failed(_) => COUNTERS.read_errors.bump(),
                    Miss::Checksum => COUNTERS.checksum_failures.bump(),
                    Miss::Mismatch | Miss::Later => COUNTERS.mismatches.bump(),
                }
                return Ok(true);
            }
        };
        let judge = self.judge.get();
        if judge.is_some_and(|alive| !alive(&header.name, header.fill_seq, header.hash)) {
            return Ok(true);
        }
        if !self.fits(Class::Proved, header.length) {
            self.seal(Class::Proved)?;
            if !self.begin(Class::Proved)? {
                return Ok(false);
            }
        }
        let Some(copy) = self.append(Class::Proved, header, &payload) else { return Ok(false) };
        let copy = Slot { frequency: *frequency, ..copy };
        if self.volume.slots.replace(entry.name, slot, copy) {
            COUNTERS.reinserted.bump();
            COUNTERS.reinserted_bytes.add(u64::from(copy.span));
        }
        self.write_out_portion(Class::Proved)?;
        Ok(true)
    }
}
