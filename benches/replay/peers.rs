//! What brink's policy is measured against. Each holds whole objects, up to a number of bytes, and
//! is told nothing but which object of which size is asked for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};

use moka::sync::Cache as Moka;

/// A cache: whether it had the object. An object that it had not, it has now, if it wants.
pub trait Cache {
    /// An object is asked for.
    fn ask(&mut self, id: u32, bytes: u64) -> bool;
}

/// Objects in an order, from the first to go to the last.
#[derive(Default)]
struct Line {
    next: u64,
    order: BTreeMap<u64, u32>,
    /// Place in the order, and size.
    held: HashMap<u32, (u64, u64)>,
    bytes: u64,
}

impl Line {
    fn has(&self, id: u32) -> bool {
        self.held.contains_key(&id)
    }

    /// Puts an object at the end; one that is in the line moves there.
    fn push(&mut self, id: u32, bytes: u64) {
        self.remove(id);
        self.order.insert(self.next, id);
        self.held.insert(id, (self.next, bytes));
        self.next += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, id: u32) -> Option<u64> {
        let (place, bytes) = self.held.remove(&id)?;
        self.order.remove(&place);
        self.bytes -= bytes;
        Some(bytes)
    }

    fn first(&self) -> Option<u32> {
        self.order.first_key_value().map(|(_, id)| *id)
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        let id = self.first()?;
        Some((id, self.remove(id)?))
    }
}

/// Least recently used goes first.
pub struct Lru {
    capacity: u64,
    line: Line,
}

impl Lru {
    pub fn new(capacity: u64) -> Lru {
        Lru { capacity, line: Line::default() }
    }
}

impl Cache for Lru {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        let hit = self.line.has(id);
        if hit || bytes <= self.capacity {
            self.line.push(id, bytes);
        }
        while self.line.bytes > self.capacity {
            self.line.pop();
        }
        hit
    }
}

/// SIEVE (NSDI 2024): a hand goes from the oldest to the newest and takes who was not asked for since
/// it last came by.
pub struct Sieve {
    capacity: u64,
    line: Line,
    asked: HashSet<u32>,
    hand: u64,
}

impl Sieve {
    pub fn new(capacity: u64) -> Sieve {
        Sieve { capacity, line: Line::default(), asked: HashSet::new(), hand: 0 }
    }
}

impl Cache for Sieve {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        if self.line.has(id) {
            self.asked.insert(id);
            return true;
        }
        if bytes > self.capacity {
            return false;
        }
        while self.line.bytes + bytes > self.capacity {
            let found = self.line.order.range(self.hand..).next().map(|(at, id)| (*at, *id));
            let Some((place, id)) = found else {
                self.hand = 0;
                continue;
            };
            self.hand = place + 1;
            if !self.asked.remove(&id) {
                self.line.remove(id);
            }
        }
        self.line.push(id, bytes);
        false
    }
}

/// S3-FIFO (SOSP 2023) with a tenth for the small queue, sizes counted.
pub struct S3Fifo {
    capacity: u64,
    small: Line,
    main: Line,
    ghost: Line,
    frequency: HashMap<u32, u8>,
}

impl S3Fifo {
    pub fn new(capacity: u64) -> S3Fifo {
        let (small, main, ghost) = Default::default();
        S3Fifo { capacity, small, main, ghost, frequency: HashMap::new() }
    }

    fn evict(&mut self) {
        if self.small.bytes > self.capacity / 10 || self.main.bytes == 0 {
            let Some((id, bytes)) = self.small.pop() else { return };
            if self.frequency.remove(&id).unwrap_or(0) > 1 {
                self.main.push(id, bytes);
            } else {
                self.ghost.push(id, bytes);
                while self.ghost.bytes > self.capacity / 10 * 9 {
                    self.ghost.pop();
                }
            }
        } else if let Some((id, bytes)) = self.main.pop() {
            match self.frequency.remove(&id).unwrap_or(0) {
                0 => {}
                many => {
                    self.frequency.insert(id, many - 1);
                    self.main.push(id, bytes);
                }
            }
        }
    }
}

impl Cache for S3Fifo {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        if self.small.has(id) || self.main.has(id) {
            let frequency = self.frequency.entry(id).or_default();
            *frequency = (*frequency + 1).min(3);
            return true;
        }
        if bytes > self.capacity {
            return false;
        }
        let ghost = self.ghost.remove(id).is_some();
        while self.small.bytes + self.main.bytes + bytes > self.capacity {
            self.evict();
        }
        let line = if ghost { &mut self.main } else { &mut self.small };
        line.push(id, bytes);
        false
    }
}

/// W-TinyLFU (ToS 2017): a window of 1 %, then a segmented LRU that takes an object only if it was
/// asked for more often than each that must go for it. Its sketch is exact here, and ages.
pub struct WTinyLfu {
    capacity: u64,
    window: Line,
    probation: Line,
    protected: Line,
    counts: HashMap<u32, u8>,
    asked: usize,
}

impl WTinyLfu {
    pub fn new(capacity: u64) -> WTinyLfu {
        let (window, probation, protected) = Default::default();
        let counts = HashMap::new();
        WTinyLfu { capacity, window, probation, protected, counts, asked: 0 }
    }

    fn count(&mut self, id: u32) {
        let count = self.counts.entry(id).or_default();
        *count = (*count + 1).min(15);
        self.asked += 1;
        let held = self.window.held.len() + self.probation.held.len() + self.protected.held.len();
        if self.asked > 10 * held.max(1000) {
            self.asked = 0;
            self.counts.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
        }
    }

    fn main(&self) -> u64 {
        self.capacity - self.capacity / 100
    }

    /// Takes what left the window if it beats all who must go.
    fn admit(&mut self, id: u32, bytes: u64) {
        let often = |it: &HashMap<u32, u8>, id: u32| it.get(&id).copied().unwrap_or(0);
        while self.probation.bytes + self.protected.bytes + bytes > self.main() {
            let lines = [&mut self.probation, &mut self.protected];
            let Some(line) = lines.into_iter().find(|line| line.bytes > 0) else { return };
            let Some(victim) = line.first() else { return };
            if often(&self.counts, id) <= often(&self.counts, victim) {
                return;
            }
            line.pop();
        }
        self.probation.push(id, bytes);
    }
}

impl Cache for WTinyLfu {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        self.count(id);
        if self.window.has(id) {
            self.window.push(id, bytes);
            return true;
        }
        if self.protected.has(id) || self.probation.remove(id).is_some() {
            self.protected.push(id, bytes);
            while self.protected.bytes > self.main() / 10 * 8 {
                let Some((id, bytes)) = self.protected.pop() else { break };
                self.probation.push(id, bytes);
            }
            return true;
        }
        self.window.push(id, bytes);
        while self.window.bytes > self.capacity / 100 {
            let Some((id, bytes)) = self.window.pop() else { break };
            self.admit(id, bytes);
        }
        false
    }
}

/// The moka crate by itself, with a hasher that is the same in each run.
pub struct MokaAlone(Moka<u32, u32, BuildHasherDefault<DefaultHasher>>);

impl MokaAlone {
    pub fn new(capacity: u64) -> MokaAlone {
        let weigher = |_: &u32, bytes: &u32| *bytes;
        MokaAlone(
            Moka::builder()
                .max_capacity(capacity)
                .weigher(weigher)
                .build_with_hasher(Default::default()),
        )
    }
}

impl Cache for MokaAlone {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        let hit = self.0.get(&id).is_some();
        if !hit {
            self.0.insert(id, u32::try_from(bytes).unwrap_or(u32::MAX));
        }
        self.0.run_pending_tasks();
        hit
    }
}
