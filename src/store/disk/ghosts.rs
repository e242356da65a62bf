//! Remembers what was refused or thrown away lately, in two bytes each.
//!
//! ```text
//! ghost = fingerprint 12 bits | where it came from 2 bits, 0 once it was asked for | epoch 2 bits
//! ```
//!
//! Eight ghosts share a bucket; a new one takes the place of one that is too old. An epoch ends when
//! half as many were added as there are places, and a ghost counts in its own and in the next. So
//! nothing is ever cleared, and no call looks at more than one bucket. A URL that was never here is
//! taken for a ghost about once in 500 times.

use super::policy::Class;

/// Places in a bucket.
const WAYS: usize = 8;

/// Where a ghost came from: segments of a class, or it was not written.
pub(super) type Origin = Option<Class>;

/// What was refused or thrown away lately.
#[derive(Debug)]
pub(super) struct Ghosts {
    pub(super) buckets: Box<[[u16; WAYS]]>,
    epoch: u16,
    /// How many were added in this epoch, and in the one before, by where they came from.
    added: [[u32; 3]; 2],
}

impl Ghosts {
    /// Room for about so many.
    pub(super) fn new(places: u64) -> Ghosts {
        let buckets = usize::try_from(places / WAYS as u64).unwrap_or(0).clamp(1, 1 << 32);
        Ghosts { buckets: vec![[0; WAYS]; buckets].into(), epoch: 0, added: [[0; 3]; 2] }
    }

    /// Adds a ghost, or makes one young again.
    pub(super) fn add(&mut self, hash: u64, origin: Origin) {
        let [added, before] = &mut self.added;
        if added.iter().sum::<u32>() as usize >= (self.buckets.len() * WAYS / 2).max(1) {
            self.epoch = (self.epoch + 1) & 3;
            *before = std::mem::take(added);
        }
        let epoch = self.epoch;
        let Some(bucket) = bucket(&mut self.buckets, hash) else { return };
        let same = bucket.iter().position(|ghost| is_of(*ghost, hash, epoch));
        let old = || bucket.iter().position(|ghost| !is_live(*ghost, epoch));
        let older = || bucket.iter().position(|ghost| ghost & 3 != epoch);
        let any = || (hash >> 49) as usize % WAYS;
        let way = same.or_else(old).or_else(older).unwrap_or_else(any);
        let Some(place) = bucket.get_mut(way) else { return };
        let is_news = same.is_none() || *place & 3 != epoch;
        *place = fingerprint(hash) | (code(origin) << 2) | epoch;
        if let Some(count) = added.get_mut(usize::from(code(origin)) - 1) {
            *count += u32::from(is_news);
        }
    }

    /// A URL was asked for. Says which class threw it away, the first time.
    pub(super) fn ask(&mut self, hash: u64) -> Option<Class> {
        let ghost = self.find(hash)?;
        let code = *ghost >> 2 & 3;
        *ghost &= !0b1100;
        match code {
            1 => Some(Class::New),
            2 => Some(Class::Proved),
            _ => None,
        }
    }

    /// Takes out the ghost of a URL if it was asked for; says whether it was.
    pub(super) fn take(&mut self, hash: u64) -> bool {
        let ghost = self.find(hash).filter(|ghost| **ghost & 0b1100 == 0);
        ghost.map(|ghost| *ghost = 0).is_some()
    }

    /// About how many there are of a class.
    pub(super) fn count(&self, class: Class) -> u32 {
        self.added.iter().map(|added| added[class as usize]).sum()
    }

    fn find(&mut self, hash: u64) -> Option<&mut u16> {
        let epoch = self.epoch;
        let bucket = bucket(&mut self.buckets, hash)?;
        bucket.iter_mut().find(|ghost| is_of(**ghost, hash, epoch))
    }
}

fn bucket(buckets: &mut [[u16; WAYS]], hash: u64) -> Option<&mut [u16; WAYS]> {
    let index = ((hash & 0xffff_ffff) * buckets.len() as u64) >> 32;
    buckets.get_mut(index as usize)
}

fn fingerprint(hash: u64) -> u16 {
    ((hash >> 52) << 4) as u16
}

fn is_of(ghost: u16, hash: u64, epoch: u16) -> bool {
    is_live(ghost, epoch) && ghost & 0xfff0 == fingerprint(hash)
}

fn is_live(ghost: u16, epoch: u16) -> bool {
    ghost != 0 && epoch.wrapping_sub(ghost) & 3 < 2
}

/// Never 0: that is for what was asked for.
fn code(origin: Origin) -> u16 {
    match origin {
        Some(Class::New) => 1,
        Some(Class::Proved) => 2,
        None => 3,
    }
}
