//! A map of many parts that share structure: an edited copy costs the parts that were edited.
//!
//! 300,000 sites in one map would be copied whole at each reload. Here the map is 4,096 small ones
//! behind `Arc`: a clone copies 4,096 pointers, and an edit copies the one small map that it falls in.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

// Seeded at random: hosts are chosen by customers, who must not be able to choose collisions too.
type Hasher = foldhash::quality::RandomState;
type Shard<V> = HashMap<Box<str>, V, Hasher>;

/// A power of two, so that a mask picks the shard. 300,000 names make about 73 a shard.
const SHARDS: usize = 4096;

/// A map from text to `V` whose clones share what neither has edited.
#[derive(Clone, Debug)]
pub struct Shards<V> {
    hasher: Hasher,
    shards: Vec<Arc<Shard<V>>>,
    len: usize,
}

impl<V: Clone> Shards<V> {
    /// An empty map; all its shards are one and the same until filled.
    pub fn new() -> Self {
        let hasher = Hasher::default();
        let empty = Arc::new(Shard::with_hasher(hasher.clone()));
        Shards { hasher, shards: vec![empty; SHARDS], len: 0 }
    }

    /// How many names the map holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is kept under `name`.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.shards.get(self.place(name))?.get(name)
    }

    /// Keeps `value` under `name` and returns what was there.
    pub fn insert(&mut self, name: &str, value: V) -> Option<V> {
        let place = self.place(name);
        let shard = Arc::make_mut(self.shards.get_mut(place)?);
        let before = match shard.get_mut(name) {
            Some(kept) => Some(std::mem::replace(kept, value)),
            None => shard.insert(name.into(), value),
        };
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes `name` out; a name that is not there copies nothing.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        let place = self.place(name);
        let shard = self.shards.get_mut(place)?;
        if !shard.contains_key(name) {
            return None;
        }
        self.len -= 1;
        Arc::make_mut(shard).remove(name)
    }

    /// Every name and value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.shards.iter().flat_map(|shard| shard.iter()).map(|(name, value)| (&**name, value))
    }

    /// Gives back the room that growing left over. Worth it once, after the first load.
    pub fn shrink(&mut self) {
        for shard in &mut self.shards {
            if let Some(shard) = Arc::get_mut(shard) {
                shard.shrink_to_fit();
            }
        }
    }

    /// How many shards two maps do not share.
    pub fn unshared(&self, other: &Self) -> usize {
        self.shards.iter().zip(&other.shards).filter(|(a, b)| !Arc::ptr_eq(a, b)).count()
    }

    fn place(&self, name: &str) -> usize {
        // The high bits, since the small map picks its buckets by the low ones of the same hash.
        (self.hasher.hash_one(name) >> 52) as usize & (SHARDS - 1)
    }
}

impl<V: Clone> Default for Shards<V> {
    fn default() -> Self {
        Shards::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_copies_one_shard_and_leaves_the_original_alone() {
        let mut first = Shards::new();
        for n in 0..10_000 {
            first.insert(&format!("host-{n}"), n);
        }
        let mut second = first.clone();
        assert_eq!(second.unshared(&first), 0);
        assert_eq!(second.insert("host-7", 70), Some(7));
        assert_eq!(second.remove("no such name"), None);
        assert_eq!(second.unshared(&first), 1);
        assert_eq!((first.get("host-7"), second.get("host-7")), (Some(&7), Some(&70)));
    }

    #[test]
    fn it_counts_what_it_holds() {
        let mut map = Shards::new();
        assert!(map.is_empty());
        map.insert("a", 1);
        map.insert("a", 2);
        map.insert("b", 3);
        assert_eq!((map.len(), map.iter().count()), (2, 2));
        map.remove("a");
        map.remove("a");
        assert_eq!(map.len(), 1);
    }
}
