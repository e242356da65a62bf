//! Which server gets the next request.
//!
//! Over time each server gets weight / sum of weights of the requests, whichever way is chosen.

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::settings::Balance;

/// A server that may be chosen now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// Its place in the group's list.
    pub place: usize,
    pub weight: u16,
    /// Requests that it is busy with.
    pub busy: u32,
}

/// The servers that may be chosen now; rarely more than a few.
pub(crate) type Candidates = SmallVec<[Candidate; 8]>;

/// Chooses among candidates, and remembers what it must for the next time.
#[derive(Debug)]
pub(crate) enum Balancer {
    /// The less busy of two drawn at random.
    TwoChoices,
    /// The current weights of smooth weighted round robin, by place.
    InTurn(Mutex<Vec<i64>>),
}

impl Balancer {
    /// A balancer for `servers` servers.
    pub fn new(kind: Balance, servers: usize) -> Self {
        match kind {
            Balance::P2c => Balancer::TwoChoices,
            Balance::RoundRobin => Balancer::InTurn(Mutex::new(vec![0; servers])),
        }
    }

    /// The place of the chosen one, or `None` if there is none to choose from.
    pub fn choose(&self, candidates: &[Candidate]) -> Option<usize> {
        match (candidates, self) {
            ([], _) => None,
            ([only], _) => Some(only.place),
            (_, Balancer::TwoChoices) => two_choices(candidates),
            (_, Balancer::InTurn(current)) => in_turn(candidates, &mut current.lock()),
        }
    }
}

/// Both are drawn in proportion to their weights, so that idle servers share as the weights say;
/// of the two, the one with less to do for its weight is taken.
fn two_choices(candidates: &[Candidate]) -> Option<usize> {
    let (first, second) = (draw(candidates)?, draw(candidates)?);
    let load = |own: &Candidate, other: &Candidate| u64::from(own.busy) * u64::from(other.weight);
    let second_is_freer = load(second, first) < load(first, second);
    Some(if second_is_freer { second.place } else { first.place })
}

fn draw(candidates: &[Candidate]) -> Option<&Candidate> {
    let sum: u32 = candidates.iter().map(|candidate| u32::from(candidate.weight)).sum();
    let mut ticket = fastrand::u32(..sum.max(1));
    for candidate in candidates {
        match ticket.checked_sub(u32::from(candidate.weight)) {
            Some(rest) => ticket = rest,
            None => return Some(candidate),
        }
    }
    candidates.last()
}

/// Smooth weighted round robin, as in nginx: all gain their weight, the richest pays for all.
fn in_turn(candidates: &[Candidate], current: &mut [i64]) -> Option<usize> {
    let mut sum = 0;
    let mut richest: Option<(usize, i64)> = None;
    for candidate in candidates {
        let credit = current.get_mut(candidate.place)?;
        *credit += i64::from(candidate.weight);
        sum += i64::from(candidate.weight);
        if richest.is_none_or(|(_, most)| *credit > most) {
            richest = Some((candidate.place, *credit));
        }
    }
    let (place, _) = richest?;
    *current.get_mut(place)? -= sum;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(servers: &[(u16, u32)]) -> Candidates {
        let places = servers.iter().enumerate();
        places.map(|(place, &(weight, busy))| Candidate { place, weight, busy }).collect()
    }

    #[test]
    fn round_robin_goes_smoothly_in_turn() {
        let balancer = Balancer::new(Balance::RoundRobin, 3);
        let servers = candidates(&[(5, 0), (1, 0), (1, 0)]);
        let order: Vec<_> = (0..7).filter_map(|_| balancer.choose(&servers)).collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn shares_follow_the_weights_while_all_are_idle() {
        let balancer = Balancer::new(Balance::P2c, 2);
        let servers = candidates(&[(1, 0), (2, 0)]);
        let first = (0..30_000).filter(|_| balancer.choose(&servers) == Some(0)).count();
        assert!((9_500..10_500).contains(&first), "{first}");
    }

    #[test]
    fn the_busier_of_two_is_avoided() {
        let balancer = Balancer::new(Balance::P2c, 2);
        let servers = candidates(&[(1, 50), (1, 0)]);
        let busy = (0..10_000).filter(|_| balancer.choose(&servers) == Some(0)).count();
        assert!((2_000..3_000).contains(&busy), "only when drawn twice: {busy}");
        assert_eq!(balancer.choose(&[]), None);
    }
}
