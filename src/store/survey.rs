//! What a purge would name, counted without purging: the dry run.
//!
//! Memory's index is gone through a part at a time, then the records of URLs on the disks. Whether an
//! entry is named is asked of the table that real purges are in ([`Trial`]). What is asked for
//! meanwhile comes first: the survey works in short spells, with pauses that are longer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::Store;
use super::disk::{Name, Walk};
use super::filed::CHUNK;
use super::kept::Kept;
use super::page::{self, Leaf};
use super::rules::Trial;
use super::tiers::{Lower, record};
use crate::cache::{Key, KeyRef, tags};

/// How many URLs are shown.
const SAMPLES: usize = 20;
/// So many hosts are told apart; what others have is counted together.
const HOSTS: usize = 10_000;
/// URLs in memory that are remembered, so that their records on disk do not count again. Of what is
/// beyond, one that is still in memory does not.
const REMEMBERED: usize = 1 << 20;
/// How long it works at a time, and for each such spell how long it pauses.
const SPELL: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(4);
/// Entries between two looks at the clock.
const FEW: usize = 64;

/// A survey under way, or done.
#[derive(Debug, Default)]
pub struct Survey {
    found: Mutex<Found>,
    done: AtomicBool,
    cancelled: AtomicBool,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// URLs with a response that is named.
    pub urls: u64,
    /// Responses that are named: a URL has one for each variant. One in both tiers counts once.
    pub all: Amount,
    /// Those of them that are in memory, and their bytes there.
    pub memory: Amount,
    /// Those of them that are on disk, and their bytes there.
    pub disk: Amount,
    /// Responses that are named, by host.
    pub hosts: HashMap<Box<str>, u64, RandomState>,
    /// Responses of hosts that are beyond what is told apart.
    pub other_hosts: u64,
    /// Keys of URLs that are named, chosen by chance.
    pub samples: Vec<Key>,
    /// How far memory was gone through.
    pub in_memory: Looked,
    /// How far the disks were.
    pub on_disk: Looked,
    /// Records on disk that could not be read.
    pub unread: u64,
}

/// Responses and the bytes of their bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub responses: u64,
    /// Bytes that are stored of their bodies.
    pub bytes: u64,
}

/// How far one tier was gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// URLs that were passed.
    pub passed: u64,
    /// How many there were at the start; of a disk's, about.
    pub total: u64,
    /// What was found there and nowhere before.
    pub found: Amount,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.responses += 1;
        self.bytes += bytes;
    }

    fn scaled(self, by: f64) -> Amount {
        let scale = |value: u64| (value as f64 * by).round() as u64;
        Amount { responses: scale(self.responses), bytes: scale(self.bytes) }
    }
}

impl Looked {
    /// The share that was passed, 0 to 1.
    fn share(&self) -> f64 {
        if self.total == 0 { 1.0 } else { (self.passed as f64 / self.total as f64).min(1.0) }
    }
}

impl Found {
    /// The share that was looked at, 0 to 1.
    pub fn share(&self) -> f64 {
        let [memory, disk] = [self.in_memory, self.on_disk];
        let total = memory.total + disk.total;
        if total == 0 {
            return 1.0;
        }
        let weighed = |part: Looked| part.share() * part.total as f64;
        (weighed(memory) + weighed(disk)) / total as f64
    }

    /// What there would be in all if the rest is like what was looked at.
    pub fn estimate(&self) -> Amount {
        let part = |looked: Looked| match looked.share() {
            share if share > 0.0 => Some(looked.found.scaled(1.0 / share)),
            _ => None,
        };
        match (part(self.in_memory), part(self.on_disk)) {
            (Some(memory), Some(disk)) => Amount {
                responses: memory.responses + disk.responses,
                bytes: memory.bytes + disk.bytes,
            },
            // The disks have a copy of most of what is in memory, and the rest of them is like it.
            (Some(memory), None) => {
                let rest = self.on_disk.total.saturating_sub(self.in_memory.total);
                let whole = self.in_memory.total.max(1);
                memory.scaled((whole + rest) as f64 / whole as f64)
            }
            (None, disk) => disk.unwrap_or_default(),
        }
    }

    /// Adds a URL and its responses: for each whether it is in memory, whether on disk, and its bytes.
    fn add(&mut self, key: &Key, named: &[Named], below: bool) {
        if named.is_empty() {
            return;
        }
        let asked = KeyRef::from(key).asked();
        let host = asked.map_or("", |asked| asked.host);
        let known = self.hosts.len() < HOSTS || self.hosts.contains_key(host);
        match known {
            true => *self.hosts.entry(host.into()).or_default() += named.len() as u64,
            false => self.other_hosts += named.len() as u64,
        }
        for Named { memory, disk, bytes } in named {
            self.all.add(*bytes);
            memory.iter().for_each(|bytes| self.memory.add(*bytes));
            disk.iter().for_each(|bytes| self.disk.add(*bytes));
            let looked = if below { &mut self.on_disk } else { &mut self.in_memory };
            looked.found.add(*bytes);
        }
        self.urls += 1;
        // Each URL has the same chance to be among those that are shown.
        let place = fastrand::u64(..self.urls) as usize;
        if self.samples.len() < SAMPLES {
            self.samples.push(key.clone());
        } else if let Some(sample) = self.samples.get_mut(place) {
            *sample = key.clone();
        }
    }
}

/// One response that is named: its bytes in each tier that has it, and those of both, each once.
struct Named {
    memory: Option<u64>,
    disk: Option<u64>,
    bytes: u64,
}

impl Survey {
    /// What was found so far.
    pub fn found(&self) -> Found {
        self.found.lock().clone()
    }

    /// Whether it has looked at everything.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Ends it where it stands.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended before it was done.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) && !self.is_done()
    }
}

/// URLs that are judged already, by the hashes of their keys.
#[derive(Default)]
struct Seen {
    hashes: HashSet<u64, RandomState>,
    /// There was no room for all.
    overflown: bool,
}

impl Seen {
    fn add(&mut self, hash: u64) {
        match self.hashes.len() < REMEMBERED {
            true => drop(self.hashes.insert(hash)),
            false => self.overflown = true,
        }
    }
}

/// Says when to pause.
struct Spells {
    begun: Instant,
    passed: usize,
}

impl Spells {
    fn new() -> Self {
        Spells { begun: Instant::now(), passed: 0 }
    }

    /// Pauses if it is time to.
    async fn pause(&mut self) {
        self.passed += 1;
        if self.passed.is_multiple_of(FEW) && self.begun.elapsed() >= SPELL {
            tokio::time::sleep(PAUSE).await;
            self.begun = Instant::now();
        }
    }
}

impl Store {
    /// Counts what a purge would name, until all is looked at or the survey is cancelled. Takes a
    /// while: what it has found can be asked of the survey at any time. Needs a tokio runtime with
    /// time, which had better not be one that serves.
    pub async fn survey(&self, trial: Arc<Trial>, survey: &Survey) {
        let asked = Arc::clone(&trial);
        let wanted = Arc::new(move |site| asked.may_name(site));
        let walk = self.lower.as_ref().map(|lower| (lower, lower.disks.walk(wanted)));
        {
            let mut found = survey.found.lock();
            found.in_memory.total = self.memory.index().count();
            found.on_disk.total = walk.as_ref().map_or(0, |(_, walk)| walk.total());
        }
        let mut seen = Seen::default();
        let mut complete = self.survey_memory(&trial, survey, &mut seen).await;
        if let Some((lower, walk)) = walk.filter(|_| complete) {
            complete = self.survey_disks(lower, walk, (&trial, survey), &mut seen).await;
        }
        survey.done.store(complete, Ordering::Release);
    }

    /// False if it was cancelled.
    async fn survey_memory(&self, trial: &Trial, survey: &Survey, seen: &mut Seen) -> bool {
        let index = self.memory.index();
        let mut spells = Spells::new();
        for hashes in index.hashes() {
            for hash in hashes {
                if survey.cancelled.load(Ordering::Relaxed) {
                    return false;
                }
                let resource = index.get(hash);
                let variants = resource.as_ref().map_or(&[][..], |held| held.variants());
                if let Some(key) = variants.first().map(|kept| kept.key()) {
                    let named: Vec<Named> =
                        variants.iter().filter_map(|kept| self.named(trial, &key, kept)).collect();
                    // Also if it is not named: what is in memory is served, and not an older copy on disk.
                    if trial.may_name(KeyRef::from(&key).site()) {
                        seen.add(hash);
                    }
                    survey.found.lock().add(&key, &named, false);
                }
                survey.found.lock().in_memory.passed += 1;
                spells.pause().await;
            }
        }
        let mut found = survey.found.lock();
        found.in_memory.total = found.in_memory.passed;
        true
    }

    /// A response in memory, if it is named and not dead before.
    fn named(&self, trial: &Trial, key: &Key, kept: &Arc<Kept>) -> Option<Named> {
        let key = KeyRef::from(key);
        let named = trial.may_name(key.site()) && trial.names(key, || kept.tags(key));
        if !named || self.rules.has_killed(key, kept.fill_seq(), || kept.tags(key)) {
            return None;
        }
        let body = &kept.body;
        let bytes = body.present().iter().map(|range| range.end - range.start).sum();
        let disk = match (&self.lower, body.filed()) {
            (Some(_), Some(filed)) => {
                let ranges = filed.present(body.total().unwrap_or(u64::MAX));
                Some(ranges.iter().map(|range| range.end - range.start).sum())
            }
            (Some(lower), None) if kept.is_filed() && lower.has(key) => Some(bytes),
            _ => None,
        };
        Some(Named { memory: Some(body.bytes()), disk, bytes })
    }

    /// False if it was cancelled.
    async fn survey_disks(
        &self,
        lower: &Lower,
        mut walk: Walk,
        (trial, survey): (&Trial, &Survey),
        seen: &mut Seen,
    ) -> bool {
        while let Some(step) = walk.step().await {
            let begun = Instant::now();
            for page in step.pages {
                if survey.cancelled.load(Ordering::Relaxed) {
                    return false;
                }
                // What a program of another version has written is a miss anyhow.
                let Some(key) = page::key_of(&page) else { continue };
                let Some(leaves) = page::decode(key.as_bytes(), &page) else { continue };
                if seen.hashes.contains(&key.hash64()) || seen.overflown && self.holds(&key) {
                    continue;
                }
                let leaves = leaves.iter();
                let named: Vec<Named> =
                    leaves.filter_map(|leaf| self.named_below(lower, trial, &key, leaf)).collect();
                if !named.is_empty() {
                    // It may be copied to where the walk comes later.
                    seen.add(key.hash64());
                }
                survey.found.lock().add(&key, &named, true);
            }
            {
                let mut found = survey.found.lock();
                (found.on_disk.passed, found.unread) = (walk.looked(), walk.missed());
            }
            tokio::time::sleep(begun.elapsed().clamp(PAUSE, 10 * PAUSE)).await;
            if survey.cancelled.load(Ordering::Relaxed) {
                return false;
            }
        }
        let mut found = survey.found.lock();
        found.on_disk.total = found.on_disk.passed;
        true
    }

    fn holds(&self, key: &Key) -> bool {
        self.memory.get(key.into()).is_some()
    }

    /// A response on disk, if it is named and not dead before.
    fn named_below(&self, lower: &Lower, trial: &Trial, key: &Key, leaf: &Leaf) -> Option<Named> {
        let (key, stored) = (KeyRef::from(key), &leaf.stored);
        let tags = || tags::numbers(key, &stored.headers, &stored.hidden);
        if !trial.names(key, tags) || self.rules.has_killed(key, stored.fill_seq, tags) {
            return None;
        }
        let bytes = match (&leaf.body, stored.total) {
            (Some(body), _) => body.len() as u64,
            (None, Some(total)) => {
                let last = total.div_ceil(CHUNK).min(u64::from(u32::MAX)) as u32;
                let here = |index: &u32| lower.disks.has(Name::of_chunk(stored.object_id, *index));
                let ranges = (0..last).filter(here).map(|index| record(index, total));
                ranges.map(|range| range.end - range.start).sum()
            }
            (None, None) => 0,
        };
        Some(Named { memory: None, disk: Some(bytes), bytes })
    }
}
