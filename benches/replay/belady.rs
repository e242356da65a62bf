//! What could be had by knowing the future: Belady's rule with sizes.
//!
//! Out goes the object that takes most bytes for the longest time until it is asked for again, of a
//! sample of those that are held; the newcomer may be it. Greedy and sampled: not a proven bound.

use fastrand::Rng;

use super::peers::Cache;
use super::trace::Trace;

const SAMPLE: usize = 64;
const NEVER: usize = usize::MAX;

pub struct Belady {
    capacity: u64,
    /// For each request, when its object is asked for next.
    next: Vec<usize>,
    now: usize,
    held: Vec<Held>,
    /// Where in `held` an object is.
    place: Vec<usize>,
    bytes: u64,
    rng: Rng,
}

#[derive(Clone, Copy)]
struct Held {
    id: u32,
    bytes: u64,
    next: usize,
}

impl Belady {
    pub fn new(capacity: u64, trace: &Trace) -> Belady {
        let mut upcoming = vec![NEVER; trace.objects];
        let mut next: Vec<usize> = trace
            .requests
            .iter()
            .enumerate()
            .rev()
            .map(|(at, request)| std::mem::replace(&mut upcoming[request.id as usize], at))
            .collect();
        next.reverse();
        let (held, place, rng) = (Vec::new(), vec![NEVER; trace.objects], Rng::with_seed(1));
        Belady { capacity, next, now: 0, held, place, bytes: 0, rng }
    }

    fn remove(&mut self, at: usize) {
        let gone = self.held.swap_remove(at);
        self.bytes -= gone.bytes;
        self.place[gone.id as usize] = NEVER;
        if let Some(moved) = self.held.get(at) {
            self.place[moved.id as usize] = at;
        }
    }

    /// Who goes.
    fn worst(&mut self) -> usize {
        let cost = |it: &Held| (it.next - self.now) as u128 * u128::from(it.bytes);
        let count = self.held.len();
        let picks = (0..SAMPLE.min(count)).map(|pick| match count <= SAMPLE {
            true => pick,
            // The newcomer is always of the sample.
            false if pick == 0 => count - 1,
            false => self.rng.usize(..count),
        });
        picks.max_by_key(|at| cost(&self.held[*at])).unwrap_or(0)
    }
}

impl Cache for Belady {
    fn ask(&mut self, id: u32, bytes: u64) -> bool {
        let next = self.next[self.now];
        let at = self.place[id as usize];
        let hit = at != NEVER;
        match (hit, next == NEVER) {
            (true, true) => self.remove(at),
            (true, false) => self.held[at].next = next,
            (false, true) => {}
            (false, false) => {
                self.place[id as usize] = self.held.len();
                self.held.push(Held { id, bytes, next });
                self.bytes += bytes;
            }
        }
        while self.bytes > self.capacity {
            let worst = self.worst();
            self.remove(worst);
        }
        self.now += 1;
        hit
    }
}
