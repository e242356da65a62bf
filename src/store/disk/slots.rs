//! The index: a fixed table of slots, and what is alive in each segment.
//!
//! Four slots of 16 bytes are a bucket, one cache line, locked by a bit of its first word. A name may
//! lie in either of two buckets; each follows from the other and the tag, so that a slot can be moved
//! to make room without knowing its name. When there is no room, the record that was read least
//! goes: the table never grows.

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;

use super::Kind;
use super::name::{Name, mix};
use super::slot::{MOST, Slot};

/// Slots in a bucket.
const WAYS: usize = 4;

/// Buckets that tell about all.
const SAMPLED: usize = 4096;

/// A cache line of slots.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; 2 * WAYS]);

/// What is alive in one segment.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Of the segment's present life; 0 when it is free.
    pub generation: AtomicU64,
    /// Its footer is durable.
    pub sealed: AtomicBool,
    records: AtomicI64,
    bytes: AtomicI64,
}

/// The index.
#[derive(Debug)]
pub(super) struct Slots {
    buckets: Box<[Bucket]>,
    live: Box<[Live]>,
    secret: u64,
}

/// Where a name may lie.
#[derive(Clone, Copy, Debug)]
struct Home {
    tag: u32,
    buckets: [usize; 2],
}

/// A bucket whose lock is held.
struct Locked<'a>(&'a Bucket);

impl Slots {
    /// An empty index.
    pub(super) fn new(buckets: u32, segments: u32, secret: u64) -> Slots {
        Slots {
            buckets: (0..buckets.max(1)).map(|_| Bucket::default()).collect(),
            live: (0..segments).map(|_| Live::default()).collect(),
            secret,
        }
    }

    /// What is alive in a segment.
    pub(super) fn live(&self, segment: u32) -> Option<&Live> {
        self.live.get(segment as usize)
    }

    /// The generation of a segment; 0 when it is free or there is no such.
    pub(super) fn generation(&self, segment: u32) -> u64 {
        self.live(segment).map_or(0, |live| live.generation.load(Ordering::Acquire))
    }

    /// Begins another life of a segment, or ends one with 0: all slots that point there are dead.
    pub(super) fn begin(&self, segment: u32, generation: u64) {
        if let Some(live) = self.live(segment) {
            live.sealed.store(false, Ordering::Release);
            live.records.store(0, Ordering::Relaxed);
            live.bytes.store(0, Ordering::Relaxed);
            live.generation.store(generation, Ordering::Release);
        }
    }

    /// Live records and bytes of one segment.
    pub(super) fn held(&self, segment: u32) -> (u64, u64) {
        let sum = |it: &AtomicI64| it.load(Ordering::Relaxed).max(0) as u64;
        self.live(segment).map_or((0, 0), |live| (sum(&live.records), sum(&live.bytes)))
    }

    /// Live records and bytes of all segments.
    pub(super) fn held_by_all(&self) -> (u64, u64) {
        let each = (0..self.live.len() as u32).map(|segment| self.held(segment));
        each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// About how many of the live records are URLs: told by some of the buckets, all of them if there
    /// are few.
    pub(super) fn urls(&self) -> u64 {
        let stride = self.buckets.len().div_ceil(SAMPLED).max(1);
        let (mut urls, mut all) = (0u64, 0u64);
        for bucket in self.buckets.iter().step_by(stride).map(Bucket::lock) {
            for (_, slot) in (0..WAYS).filter_map(|way| bucket.get(way)) {
                if self.is_alive(&slot) {
                    all += 1;
                    urls += u64::from(slot.kind == Kind::Meta);
                }
            }
        }
        let (records, _) = self.held_by_all();
        (u128::from(records) * u128::from(urls) / u128::from(all.max(1))) as u64
    }

    /// Bytes of memory of the table.
    pub(super) fn memory(&self) -> u64 {
        (size_of_val(&*self.buckets) + size_of_val(&*self.live)) as u64
    }

    /// What is known of `name`, and the generation of its segment.
    pub(super) fn find(&self, name: Name) -> Option<(Slot, u64)> {
        let home = self.home(name);
        home.buckets.iter().find_map(|index| {
            let bucket = self.buckets.get(*index)?.lock();
            (0..WAYS).find_map(|way| {
                // The tag first: what is alive is known elsewhere in memory.
                let (_, slot) = bucket.get(way).filter(|_| bucket.tag(way) == home.tag)?;
                self.is_alive(&slot).then(|| (slot, self.generation(slot.segment)))
            })
        })
    }

    /// Counts a use of the record of that name that lies at `slot`.
    pub(super) fn touch(&self, name: Name, slot: &Slot) {
        if slot.frequency < MOST {
            self.change(name, slot, |found| {
                Some(Slot { frequency: (found.frequency + 1).min(MOST), ..found })
            });
        }
    }

    /// Replaces the record of that name that lies at `old`; false if it is not there any more.
    pub(super) fn replace(&self, name: Name, old: &Slot, new: Slot) -> bool {
        self.change(name, old, |_| Some(new))
    }

    /// Forgets the record of that name that lies at `slot`; false if it is not there any more.
    pub(super) fn remove(&self, name: Name, slot: &Slot) -> bool {
        self.change(name, slot, |_| None)
    }

    /// Enters a record, in place of another of its name. Returns whether a stranger had to go.
    pub(super) fn insert(&self, name: Name, slot: Slot) -> bool {
        self.enter(name, slot, false)
    }

    /// The same unless there is one of that name that was written later.
    pub(super) fn insert_newer(&self, name: Name, slot: Slot) -> bool {
        self.enter(name, slot, true)
    }

    /// Fetches the buckets of names that are about to be entered. Locking a bucket that is not cached
    /// stalls until it is; these plain loads wait for each other's memory all at once.
    pub(super) fn warm(&self, names: impl Iterator<Item = Name>) {
        let first = |index: usize| {
            self.buckets.get(index).map_or(0, |bucket| bucket.0[0].load(Ordering::Relaxed))
        };
        let sum = names.fold(0, |sum: u64, name| {
            let [left, right] = self.home(name).buckets;
            sum ^ first(left) ^ first(right)
        });
        hint::black_box(sum);
    }

    /// The words of a bucket, without its lock.
    pub(super) fn dump(&self, index: usize) -> Option<[u64; 2 * WAYS]> {
        let locked = self.buckets.get(index)?.lock();
        let mut words = [0; 2 * WAYS];
        for (word, atom) in words.iter_mut().zip(&locked.0.0) {
            *word = atom.load(Ordering::Relaxed);
        }
        words[0] &= !1;
        Some(words)
    }

    /// Fills a bucket with dumped words; slots that are not alive are left out.
    pub(super) fn load(&self, index: usize, words: [u64; 2 * WAYS]) {
        let Some(bucket) = self.buckets.get(index).map(Bucket::lock) else { return };
        for (way, pair) in words.chunks_exact(2).enumerate() {
            let &[first, second] = pair else { continue };
            let slot = Slot::decode(first, second);
            if first >> 32 != 0 && self.is_alive(&slot) {
                bucket.put(way, first & !1, second);
                self.count(&slot, 1);
            }
        }
    }

    /// How many buckets there are.
    pub(super) fn buckets(&self) -> usize {
        self.buckets.len()
    }

    fn home(&self, name: Name) -> Home {
        let spread = name.spread(self.secret);
        let tag = (spread as u32).max(1);
        let count = self.buckets.len() as u64;
        let first = (((spread >> 32) * count) >> 32) as usize;
        Home { tag, buckets: [first, self.other(first, tag)] }
    }

    /// The other bucket of a slot with that tag in `bucket`. The other of the other is the first.
    fn other(&self, bucket: usize, tag: u32) -> usize {
        let count = self.buckets.len();
        let middle = (((mix(u64::from(tag)) >> 32) * count as u64) >> 32) as usize;
        (middle + count - bucket) % count
    }

    fn is_alive(&self, slot: &Slot) -> bool {
        let generation = self.generation(slot.segment);
        generation != 0 && (generation & 0x7f) as u8 == slot.life
    }

    fn count(&self, slot: &Slot, sign: i64) {
        if let Some(live) = self.live(slot.segment) {
            live.records.fetch_add(sign, Ordering::Relaxed);
            live.bytes.fetch_add(sign * i64::from(slot.span), Ordering::Relaxed);
        }
    }

    /// Locks both buckets of a name, lower first so that two threads never wait for each other.
    fn lock(&self, home: &Home) -> Option<(Locked<'_>, Option<Locked<'_>>)> {
        let [left, right] = home.buckets;
        let first = self.buckets.get(left.min(right))?.lock();
        let second = if left == right { None } else { self.buckets.get(left.max(right)) };
        Some((first, second.map(Bucket::lock)))
    }

    fn change(&self, name: Name, old: &Slot, new: impl Fn(Slot) -> Option<Slot>) -> bool {
        let home = self.home(name);
        let Some((first, second)) = self.lock(&home) else { return false };
        for bucket in [Some(&first), second.as_ref()].into_iter().flatten() {
            for way in 0..WAYS {
                let Some((tag, slot)) = bucket.get(way) else { continue };
                let same =
                    (slot.segment, slot.offset, slot.life) == (old.segment, old.offset, old.life);
                if tag != home.tag || !same {
                    continue;
                }
                self.count(&slot, -1);
                match new(slot) {
                    Some(slot) => {
                        bucket.set(way, tag, &slot);
                        self.count(&slot, 1);
                    }
                    None => bucket.clear(way),
                }
                return true;
            }
        }
        false
    }

    fn enter(&self, name: Name, mut slot: Slot, only_newer: bool) -> bool {
        let home = self.home(name);
        let Some((first, second)) = self.lock(&home) else { return false };
        let mut free: Option<(&Locked<'_>, usize)> = None;
        let mut most_free = 0;
        for bucket in [Some(&first), second.as_ref()].into_iter().flatten() {
            let mut empty = 0;
            let mut last = None;
            for way in 0..WAYS {
                let tag = bucket.tag(way);
                if tag != 0 && tag != home.tag {
                    continue;
                }
                if let Some((_, found)) = bucket.get(way) {
                    if self.is_alive(&found) {
                        if only_newer && self.is_newer(&found, &slot) {
                            return false;
                        }
                        slot.frequency = slot.frequency.max(found.frequency);
                        self.count(&found, -1);
                    }
                    bucket.clear(way);
                }
                (empty, last) = (empty + 1, Some(way));
            }
            if let Some(way) = last.filter(|_| empty > most_free) {
                (free, most_free) = (Some((bucket, way)), empty);
            }
        }
        let full = free.is_none();
        let (bucket, way, lost) = match free {
            Some((bucket, way)) => (bucket, way, false),
            None => self.make_room(&first, second.as_ref(), &home),
        };
        debug_assert!(!full || bucket.get(way).is_none());
        bucket.set(way, home.tag, &slot);
        self.count(&slot, 1);
        lost
    }

    fn is_newer(&self, left: &Slot, right: &Slot) -> bool {
        let age = |slot: &Slot| (self.generation(slot.segment), slot.offset);
        age(left) > age(right)
    }

    /// Frees a slot of two full buckets: clears a dead one, moves one to its other bucket, or drops
    /// the least used.
    fn make_room<'a>(
        &self,
        first: &'a Locked<'a>,
        second: Option<&'a Locked<'a>>,
        home: &Home,
    ) -> (&'a Locked<'a>, usize, bool) {
        let [low, high] =
            [home.buckets[0].min(home.buckets[1]), home.buckets[0].max(home.buckets[1])];
        let mut least = (first, 0, u8::MAX);
        for (bucket, index) in [(Some(first), low), (second, high)] {
            let Some(bucket) = bucket else { continue };
            for way in 0..WAYS {
                let Some((tag, slot)) = bucket.get(way) else { continue };
                if !self.is_alive(&slot) {
                    bucket.clear(way);
                    return (bucket, way, false);
                }
                let other = self.other(index, tag);
                let elsewhere = ![low, high].contains(&other);
                // Only tried: whoever holds that one may be waiting for ours.
                let target = self.buckets.get(other).filter(|_| elsewhere);
                if let Some(target) = target.and_then(Bucket::try_lock)
                    && let Some(room) = (0..WAYS).find(|way| self.is_room(&target, *way))
                {
                    target.set(room, tag, &slot);
                    bucket.clear(way);
                    return (bucket, way, false);
                }
                if slot.frequency < least.2 {
                    least = (bucket, way, slot.frequency);
                }
            }
        }
        let (bucket, way, _) = least;
        if let Some((_, slot)) = bucket.get(way) {
            self.count(&slot, -1);
        }
        bucket.clear(way);
        (bucket, way, true)
    }

    fn is_room(&self, bucket: &Locked<'_>, way: usize) -> bool {
        bucket.get(way).is_none_or(|(_, slot)| !self.is_alive(&slot))
    }
}

impl Bucket {
    fn lock(&self) -> Locked<'_> {
        let mut tries = 0u32;
        loop {
            if let Some(locked) = self.try_lock() {
                return locked;
            }
            tries += 1;
            if tries.is_multiple_of(64) { thread::yield_now() } else { hint::spin_loop() }
        }
    }

    fn try_lock(&self) -> Option<Locked<'_>> {
        let before = self.0[0].fetch_or(1, Ordering::Acquire);
        // Not `then_some`: the guard of a lock that another holds would be made, and dropped.
        (before & 1 == 0).then(|| Locked(self))
    }
}

impl Locked<'_> {
    /// The tag there; 0 if there is no slot.
    fn tag(&self, way: usize) -> u32 {
        self.0.0.get(2 * way).map_or(0, |word| (word.load(Ordering::Relaxed) >> 32) as u32)
    }

    /// The tag and the slot there, if there is one.
    fn get(&self, way: usize) -> Option<(u32, Slot)> {
        let first = self.0.0.get(2 * way)?.load(Ordering::Relaxed);
        let second = self.0.0.get(2 * way + 1)?.load(Ordering::Relaxed);
        let tag = (first >> 32) as u32;
        (tag != 0).then(|| (tag, Slot::decode(first, second)))
    }

    fn set(&self, way: usize, tag: u32, slot: &Slot) {
        let (first, second) = slot.encode(tag);
        self.put(way, first, second);
    }

    fn clear(&self, way: usize) {
        self.put(way, 0, 0);
    }

    fn put(&self, way: usize, first: u64, second: u64) {
        // The lock bit of the first slot stays as it is.
        let held = u64::from(way == 0);
        if let (Some(left), Some(right)) = (self.0.0.get(2 * way), self.0.0.get(2 * way + 1)) {
            left.store(first | held, Ordering::Relaxed);
            right.store(second, Ordering::Relaxed);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.0[0].fetch_and(!1, Ordering::Release);
    }
}
