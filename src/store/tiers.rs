//! Memory above, disks below: what leaves the one is offered to the other, and what is asked for
//! comes back.
//!
//! A URL is offered when it leaves the window, when moka lets go of it, and when the node ends. Its
//! metadata are one record, written anew when they change; its bodies are written once. What a
//! request wants and memory lacks is brought up by one read, shared with all who want the same: with
//! its bytes if they are a record's worth, else these are read from disk whenever they are sent.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::body::Body;
use super::chunks::Chunks;
use super::disk::{Admission, Class, DiskFigures, Disks, Kind, Name, Write};
use super::entry::{Entry, Resource};
use super::filed::{CHUNK, Filed};
use super::growing::Growing;
use super::kept::{Head, Kept};
use super::memory::Change;
use super::page::{self, Leaf};
use super::rules::{Fate, Rules};
use super::shared::Shared;
use super::writer::{PATIENCE, Spilling, paid};
use super::{COUNTERS, Store};
use crate::cache::{Key, KeyRef, Stored, tags};

/// The tier below memory.
pub(super) struct Lower {
    pub(super) disks: Arc<Disks>,
    /// URLs that are being brought up, by the hash of their key.
    bringing: Shared<OnceCell<bool>>,
    /// What is known of bodies on disk, by their object ids: all fills of one share it.
    filed: Shared<Filed>,
}

/// How long after its last possible use an object may still be validated instead of fetched.
const VALIDATABLE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A body up to this size comes back into memory when it is asked for; a larger one is sent from disk
/// as often as it is, and the page cache is its memory.
const BROUGHT: u64 = 128 << 10;

/// How much is offered at the end before it waits for the disks, in bytes.
const QUEUED: u64 = 8 << 20;

/// The largest record that the disk takes.
const LARGEST_RECORD: usize = 1 << 20;

/// What the disk has to know of an object's records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    hash: u64,
    site: u32,
    hits: u32,
    expires: u64,
    fill_seq: u64,
    class: Class,
}

impl Facts {
    /// The facts of a response stored under this key.
    pub(super) fn of(key: KeyRef<'_>, stored: &Stored, hits: u32, class: Class) -> Self {
        let lifetimes = &stored.lifetimes;
        let stale = lifetimes.stale_while_revalidate.window.max(lifetimes.stale_if_error.window);
        let expires = stored.response_time.plus(lifetimes.fresh).plus(stale).plus(VALIDATABLE);
        let (hash, expires) = (key.url_hash(), expires.seconds());
        Facts { hash, site: key.site(), hits, expires, fill_seq: stored.fill_seq, class }
    }

    fn write(self, name: Name, kind: Kind, payload: Bytes) -> Write {
        let Facts { hash, site, hits, expires, fill_seq, class } = self;
        let class = Admission::Sure(class);
        Write { name, kind, hash, hits, site, expires, fill_seq, payload, class }
    }
}

impl Lower {
    pub(super) fn new(disks: Arc<Disks>, rules: &Arc<Rules>) -> Self {
        let rules = rules.clone();
        // What a purge has killed need not be copied when its segment is written again.
        disks.set_judge(Box::new(move |_, fill_seq, url| !rules.is_dead(url, fill_seq)));
        Lower { disks, bringing: Shared::default(), filed: Shared::default() }
    }

    /// Whether and where an object of about `bytes` is taken.
    pub(super) fn admit(&self, key: KeyRef<'_>, bytes: u64, hits: u32) -> Option<Class> {
        self.disks.admit(key.url_hash(), bytes, hits)
    }

    /// Offers all that is stored for a URL. What lies on disk already is not written again.
    pub(super) fn offer(&self, resource: &Resource) {
        let variants: Vec<Arc<Kept>> =
            resource.variants().iter().filter(|kept| is_worth_writing(kept)).cloned().collect();
        let Some(key) = variants.first().map(|kept| kept.key()) else { return };
        let name = Name::of_key(key.as_bytes());
        if variants.iter().all(|kept| kept.is_filed()) && self.disks.has(name) {
            return;
        }
        let hits = variants.iter().map(|kept| kept.hits()).fold(0, u32::saturating_add);
        let class = match self.admit((&key).into(), resource.bytes(), hits) {
            Some(class) => class,
            // Its bytes are there: without its metadata they would be lost.
            None if variants.iter().any(|kept| kept.body.is_filed()) => Class::New,
            None => return,
        };
        let sources: Vec<_> = variants
            .iter()
            .map(|kept| {
                let mut stored = kept.unpack();
                // What came without a length has one now.
                stored.total = stored.total.or(kept.body.total());
                page::Source { names: kept.names(), stored, body: kept.body.whole() }
            })
            .collect();
        let Some((page, inside)) = page::encode(key.as_bytes(), &sources) else { return };
        if page.len() > LARGEST_RECORD {
            return;
        }
        let mut all_taken = true;
        for ((kept, source), _) in
            variants.iter().zip(&sources).zip(&inside).filter(|(_, inside)| !**inside)
        {
            let facts = Facts::of((&key).into(), &source.stored, hits, class);
            all_taken &= self.write_body(&kept.body, source.stored.object_id, facts);
        }
        let Some(newest) = sources.first() else { return };
        let facts = Facts::of((&key).into(), &newest.stored, hits, class);
        let write = facts.write(name, Kind::Meta, page);
        drop(sources);
        self.disks.write(
            write,
            Some(Box::new(move |stored| {
                // What found no room is offered again.
                variants.iter().filter(|_| stored && all_taken).for_each(|kept| kept.set_filed());
            })),
        );
    }

    /// Writes the records of a body that are in memory and not on disk; false if the disk has no room
    /// for some of them now.
    fn write_body(&self, body: &Body, object_id: u64, facts: Facts) -> bool {
        let Some(total) = body.total() else { return true };
        let mut all_taken = true;
        let in_memory = body.with_chunks(Chunks::present);
        let records =
            in_memory.iter().flat_map(|range| range.start / CHUNK..range.end.div_ceil(CHUNK));
        for index in records.map(|index| index.min(u64::from(u32::MAX)) as u32) {
            all_taken &= match body.growing().filter(|_| body.is_filed()) {
                Some(growing) => self.spill(growing, index, total, facts),
                None => self.write_record(body, index, Name::of_chunk(object_id, index), facts),
            };
        }
        all_taken
    }

    /// Writes one record of a body that lies in memory as a whole.
    fn write_record(&self, body: &Body, index: u32, name: Name, facts: Facts) -> bool {
        let range = record(index, body.total().unwrap_or_default());
        let pieces = body.with_chunks(|chunks| chunks.pieces(range));
        let Some(pieces) = pieces.filter(|_| !self.disks.has(name)) else { return true };
        self.disks.write(facts.write(name, Kind::Chunk, in_one(pieces)), None)
    }

    /// Writes one record of a body that lies on disk in part; false if the disk has no room for it
    /// now. When it is there, memory lets go of it.
    pub(super) fn spill(&self, body: &Arc<Growing>, index: u32, end: u64, facts: Facts) -> bool {
        let Some(filed) = body.filed() else { return true };
        let range = record(index, end);
        let pieces = body.with_chunks(|chunks| chunks.pieces(range.clone()));
        let Some(pieces) = pieces.filter(|_| filed.begin(index)) else { return true };
        let write = facts.write(filed.name(index), Kind::Chunk, in_one(pieces));
        let (growing, noted) = (body.clone(), filed.clone());
        let done = Box::new(move |stored| {
            noted.end(index, stored);
            if stored {
                growing.let_go(range);
            }
        });
        let taken = self.disks.write(write, Some(done));
        if !taken {
            filed.end(index, false);
        }
        taken
    }

    /// Whether the disk has something under this key, by its index alone.
    pub(super) fn has(&self, key: KeyRef<'_>) -> bool {
        self.disks.has(Name::of_key(key.as_bytes()))
    }

    /// Forgets a URL.
    pub(super) fn remove(&self, key: KeyRef<'_>) {
        self.disks.remove(Name::of_key(key.as_bytes()));
    }

    /// Where a body with this id goes on disk, as far as anybody knows.
    pub(super) fn filed(&self, object_id: u64) -> Arc<Filed> {
        self.filed.get_or(object_id, || Filed::new(self.disks.clone(), object_id))
    }

    /// What the disk has of a body of `total` bytes.
    fn find(&self, object_id: u64, total: u64) -> Arc<Filed> {
        self.filed.get_or(object_id, || Filed::find(self.disks.clone(), object_id, total))
    }
}

impl Store {
    /// Brings up what the disk has of a URL, if memory has nothing of it. Says whether that brought
    /// something.
    pub async fn bring<'a>(&self, key: impl Into<KeyRef<'a>>) -> bool {
        let key = key.into();
        let Some(lower) = &self.lower else { return false };
        if self.memory.get(key).is_some() {
            return false;
        }
        let name = Name::of_key(key.as_bytes());
        if !lower.disks.has(name) {
            lower.disks.missed(key.url_hash());
            return false;
        }
        let attempt = lower.bringing.get_or(key.hash64(), Arc::default);
        *attempt.get_or_init(|| self.bring_up(lower, key, name)).await
    }

    async fn bring_up(&self, lower: &Lower, key: KeyRef<'_>, name: Name) -> bool {
        let Some(page) = lower.disks.read(name, 0..u32::MAX).await else { return false };
        let Some(leaves) = page::decode(key.as_bytes(), &page) else {
            // Of another program's version, or of another URL that happens to have this name.
            lower.disks.remove(name);
            return false;
        };
        let mut variants = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            variants.extend(self.kept(lower, key, leaf).await.map(Arc::new));
        }
        let Some(resource) = Resource::of(variants) else {
            lower.disks.remove(name);
            return false;
        };
        COUNTERS.brought.bump();
        self.memory.change(key, self.clock.now(), |held| match held {
            // Something newer came meanwhile.
            Some(_) => Change::Nothing,
            None => Change::Put(resource),
        });
        true
    }

    /// One variant, in memory again. `None` if it was purged, its bytes are gone or there is no room.
    async fn kept(&self, lower: &Lower, key: KeyRef<'_>, leaf: Leaf) -> Option<Kept> {
        let Leaf { names, mut stored, body } = leaf;
        let tags = || tags::numbers(key, &stored.headers, &stored.hidden);
        match self.rules.fate(key, stored.fill_seq, tags) {
            (Fate::Dead, _) => return None,
            (_, looked) => stored.fill_seq = looked,
        }
        let object_id = stored.object_id;
        let body = match (body, stored.total) {
            (Some(bytes), _) => self.in_memory(bytes)?,
            (None, Some(total)) if total <= BROUGHT => {
                let record = Name::of_chunk(object_id, 0);
                let bytes = lower.disks.read(record, 0..u32::MAX).await;
                self.in_memory(bytes.filter(|bytes| bytes.len() as u64 == total)?)?
            }
            (None, Some(total)) => {
                let filed = lower.find(object_id, total);
                Growing::at_rest(Chunks::default(), Some(filed), Some(total))
            }
            (None, None) => return None,
        };
        let head = Head::new(&self.shapes, key, names, &stored);
        let charge = self.reserve(head.weight())?;
        let kept = Kept::new(head, body, charge);
        kept.set_filed();
        Some(kept)
    }

    fn in_memory(&self, bytes: Bytes) -> Option<Body> {
        let charge = self.reserve(bytes.len() as u64)?;
        Some(Body::of(paid(bytes, charge)))
    }

    /// Whether a body of about `bytes` may go to disk as it comes.
    pub(super) fn may_spill(&self, key: KeyRef<'_>, stored: &Stored, bytes: u64) -> Spilling {
        let Some(lower) = &self.lower else { return Spilling::No };
        match lower.admit(key, bytes, 0) {
            Some(class) => Spilling::To(Facts::of(key, stored, 0, class)),
            None => Spilling::No,
        }
    }

    /// Ends when the disk is not behind with what comes for an object, or after a while.
    pub async fn caught_up(&self, entry: &Entry) {
        if let Some(lower) = &self.lower {
            let record = Name::of_chunk(entry.stored.object_id, 0);
            timeout(PATIENCE, lower.disks.caught_up(record)).await.ok();
        }
    }

    /// Bodies above this go to disk as they come, in bytes.
    pub(super) fn spill_above(&self) -> u64 {
        let share = (self.settings.window_bytes() / 64).max(CHUNK);
        if self.lower.is_some() { share.min(self.largest_kept()) } else { u64::MAX }
    }

    /// Forgets what the disk has of a URL.
    pub(super) fn forget_below(&self, key: &Key) {
        if let Some(lower) = &self.lower {
            lower.remove(key.into());
        }
    }

    /// How each disk is.
    pub fn disk_figures(&self) -> Vec<DiskFigures> {
        self.lower.as_ref().map(|lower| lower.disks.figures()).unwrap_or_default()
    }

    /// Offers everything that is not on disk yet, and closes the disks so that the next start finds
    /// all of it at once.
    pub async fn close(&self) {
        let Some(lower) = &self.lower else { return };
        let mut waiting = 0;
        for resource in self.memory.all() {
            lower.offer(&resource);
            waiting += resource.bytes();
            if waiting > QUEUED {
                lower.disks.flush().await;
                waiting = 0;
            }
        }
        lower.disks.close().await;
    }
}

/// Whether any of its bytes can go to disk: all of them, or whole records.
fn is_worth_writing(kept: &Kept) -> bool {
    let body = &kept.body;
    body.is_complete()
        || body.present().iter().any(|range| {
            let next = range.start.div_ceil(CHUNK) * CHUNK;
            next + CHUNK <= range.end || next < range.end && Some(range.end) == body.total()
        })
}

/// The bytes that a record has of a body that ends at `end`.
pub(super) fn record(index: u32, end: u64) -> Range<u64> {
    let start = u64::from(index) * CHUNK;
    start..(start + CHUNK).min(end)
}

fn in_one(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    }
}
