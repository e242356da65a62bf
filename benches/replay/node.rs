//! A node of a memory window and a fake disk: brink's shipped policy, with the mechanics of
//! `src/store/disk` around it and sizes in place of bytes.
//!
//! What the disk does to the policy and the policy to the disk is what `writer.rs`, `reclaim.rs` and
//! `tiers.rs` have, call by call. A record has its payload's size: no headers, no rounding.

use std::collections::{HashMap, VecDeque};

use super::peers::Cache;
use super::policy::{Candidate, Class, Offer, Policy};

const MIB: u64 = 1 << 20;
/// The store's: segments in a row that are emptied with copies.
const PATIENCE: u32 = 8;

/// Name of a record: its object, and which of its chunks.
type Name = (u32, u32);

/// What the index knows of a record.
#[derive(Clone, Copy)]
struct Slot {
    generation: u64,
    bytes: u64,
    frequency: u8,
}

/// A segment in use.
struct Segment {
    generation: u64,
    used: u64,
    names: Vec<Name>,
}

/// An object in the window.
struct Kept {
    bytes: u64,
    hits: u32,
}

pub struct Node {
    policy: Policy,
    segment: u64,
    chunk: u64,
    reserve: usize,
    free: usize,
    generation: u64,
    open: [Option<Segment>; 2],
    full: [VecDeque<Segment>; 2],
    slots: HashMap<Name, Slot>,
    window: u64,
    windowed: u64,
    line: VecDeque<u32>,
    kept: HashMap<u32, Kept>,
    /// Bytes written to disk, copies too.
    pub written: u64,
    /// Bytes that came from origins.
    pub fetched: u64,
}

impl Node {
    /// A disk of `disk` bytes for records of `average` bytes, a window of `window` bytes, and so many
    /// percent of the missed bytes that may be written.
    pub fn new(disk: u64, window: u64, average: u64, budget: u32) -> Node {
        let segment = (disk / 200).min(64 * MIB);
        let segments = (disk / segment) as usize;
        Node {
            policy: Policy::new(segments as u32, segment, average, budget),
            segment,
            // A mebibyte, but for disks too small for the store.
            chunk: MIB.min(segment / 4),
            reserve: (segments / 100).max(2),
            free: segments,
            generation: 0,
            open: [None, None],
            full: Default::default(),
            slots: HashMap::new(),
            window,
            windowed: 0,
            line: VecDeque::new(),
            kept: HashMap::new(),
            written: 0,
            fetched: 0,
        }
    }

    fn names(&self, id: u32, bytes: u64) -> impl Iterator<Item = (Name, u64)> + use<> {
        let chunk = self.chunk;
        (0..bytes.div_ceil(chunk))
            .map(move |index| ((id, index as u32), chunk.min(bytes - index * chunk)))
    }

    /// Whether the disk has all of an object.
    fn has(&self, id: u32, bytes: u64) -> bool {
        self.names(id, bytes).all(|(name, _)| self.slots.contains_key(&name))
    }

    fn touch(&mut self, id: u32, bytes: u64) {
        for (name, _) in self.names(id, bytes) {
            if let Some(slot) = self.slots.get_mut(&name) {
                slot.frequency = (slot.frequency + 1).min(3);
            }
        }
    }

    /// `Disks::admit` and, for each record, `Disks::write`.
    fn offer(&mut self, id: u32, bytes: u64, hits: u32) {
        let room = self.free > 2 * self.reserve;
        let offer = Offer { hash: hash(id), bytes, hits };
        let Some(class) = self.policy.admit(&offer, room) else { return };
        for (name, bytes) in self.names(id, bytes) {
            self.write(name, bytes, class);
        }
    }

    /// `Writer::write`.
    fn write(&mut self, name: Name, bytes: u64, class: Class) {
        if !self.fits(class, bytes) {
            self.seal(class);
            self.reclaim();
            if !self.fits(class, bytes) && !self.begin(class) {
                return;
            }
        }
        self.append(name, bytes, class, 0);
        self.written += bytes;
    }

    fn fits(&self, class: Class, bytes: u64) -> bool {
        self.open[class as usize].as_ref().is_some_and(|open| open.used + bytes <= self.segment)
    }

    fn append(&mut self, name: Name, bytes: u64, class: Class, frequency: u8) {
        let Some(open) = &mut self.open[class as usize] else { return };
        open.used += bytes;
        open.names.push(name);
        let slot = Slot { generation: open.generation, bytes, frequency };
        self.slots.insert(name, slot);
    }

    fn seal(&mut self, class: Class) {
        if let Some(open) = self.open[class as usize].take() {
            self.full[class as usize].push_back(open);
        }
    }

    fn begin(&mut self, class: Class) -> bool {
        if self.free == 0 {
            return false;
        }
        self.free -= 1;
        self.generation += 1;
        let segment = Segment { generation: self.generation, used: 0, names: Vec::new() };
        self.open[class as usize] = Some(segment);
        true
    }

    /// `Writer::reclaim`.
    fn reclaim(&mut self) {
        let mut rounds = 0;
        while self.free < self.reserve {
            let [new, proved] = &self.full;
            let class = self.policy.victim(new.len() as u32, proved.len() as u32);
            let other = if class == Class::New { Class::Proved } else { Class::New };
            let wanted = [class, other].into_iter().find(|it| !self.full[*it as usize].is_empty());
            let Some(class) = wanted else { break };
            let Some(victim) = self.full[class as usize].pop_front() else { break };
            self.empty(class, victim, rounds < PATIENCE && self.free > 0);
            rounds += 1;
        }
    }

    /// `Writer::empty`, `survivors` and `copy`.
    fn empty(&mut self, class: Class, victim: Segment, copy: bool) {
        let is_here = |slot: &&Slot| slot.generation == victim.generation;
        if copy {
            self.policy.begin(class);
            let mut kept = Vec::new();
            for name in &victim.names {
                let Some(slot) = self.slots.get(name).filter(is_here) else { continue };
                let Slot { bytes, frequency, .. } = *slot;
                let candidate = Candidate { hash: hash(name.0), bytes, frequency, class };
                if let Some(frequency) = self.policy.survives(&candidate) {
                    kept.push((*name, bytes, frequency));
                }
            }
            for (name, bytes, frequency) in kept {
                if !self.fits(Class::Proved, bytes) {
                    self.seal(Class::Proved);
                    if !self.begin(Class::Proved) {
                        break;
                    }
                }
                self.append(name, bytes, Class::Proved, frequency);
                self.written += bytes;
            }
        }
        for name in &victim.names {
            if self.slots.get(name).filter(is_here).is_some() {
                self.slots.remove(name);
            }
        }
        self.free += 1;
    }

    /// Puts an object into the window; what it has no room for is offered to the disk, unless it is
    /// there.
    fn keep(&mut self, id: u32, bytes: u64) {
        self.line.push_back(id);
        self.kept.insert(id, Kept { bytes, hits: 0 });
        self.windowed += bytes;
        while self.windowed > self.window {
            let Some(id) = self.line.pop_front() else { break };
            let Some(Kept { bytes, hits }) = self.kept.remove(&id) else { continue };
            self.windowed -= bytes;
            if !self.has(id, bytes) {
                self.offer(id, bytes, hits);
            }
        }
    }
}

impl Cache for Node {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.hits += 1;
            return true;
        }
        // A body of more than a chunk is read from disk whenever it is sent, else brought up; and it
        // goes to disk as it comes, unless it is small beside the window.
        let hit = self.has(id, bytes);
        if hit {
            self.touch(id, bytes);
            if bytes <= self.chunk {
                self.keep(id, bytes);
            }
            return true;
        }
        self.policy.missed(hash(id));
        self.policy.fetched(bytes);
        self.fetched += bytes;
        if bytes > (self.window / 64).max(self.chunk) {
            self.offer(id, bytes, 0);
        } else {
            self.keep(id, bytes);
        }
        false
    }
}

/// A hash of an object's URL.
fn hash(id: u32) -> u64 {
    let mixed = (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ mixed >> 32
}
