//! What is stored, for whoever looks into it: on a running node by URL, or in a disk's directory.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;
use http::header;
use serde::{Deserialize, Serialize};

use super::Store;
use super::disk::{Class, Kind, Listed, Look, Name};
use super::entry::Entry;
use super::filed::CHUNK;
use super::kept::Kept;
use super::page::{self, Leaf};
use super::rules::Fate;
use super::tiers::record;
use crate::cache::{Key, Stored, VarySpec, tags};
use crate::clock::Timestamp;
use crate::header::cache_groups::{CACHE_GROUPS, groups};

/// One stored response.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Listing {
    /// Its cache key, written readably.
    pub key: String,
    /// Its status.
    pub status: u16,
    /// What kind of thing it is, as the origin said.
    pub content_type: Option<String>,
    /// Length of the representation in bytes, where known.
    pub total: Option<u64>,
    /// Bytes of it that are stored.
    pub present: u64,
    /// Those of them that lie on disk.
    pub on_disk: u64,
    /// Seconds of freshness on arrival.
    pub lifetime: u64,
    /// What gave it its lifetime.
    pub lifetime_from: String,
    /// Its age in seconds.
    pub age: u64,
    /// Seconds of freshness left; negative when stale.
    pub ttl: i64,
    /// Its entity tag.
    pub etag: Option<String>,
    /// The request fields that it depends on.
    pub vary: Vec<String>,
    /// Its tags, by which it can be purged.
    pub tags: Vec<String>,
    /// Number of the last purge before it was asked for.
    pub fill_seq: u64,
    /// What a purge has made of it: `stale` or `gone`. A directory alone does not tell.
    pub purged: Option<Purged>,
    /// Where its metadata lie on disk.
    pub place: Option<Place>,
    /// Whether the checksums of everything that it has on disk hold; nothing if they were not read.
    pub checksums: Option<Checksums>,
}

/// What a purge has made of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Fate)]
pub enum Purged {
    /// The origin is asked before it is used again.
    Stale,
    /// It is never used again.
    Gone,
}

/// What became of reading a response's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Checksums {
    /// All hold.
    Good,
    /// Some do not: those bytes are never sent.
    Damaged,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Place {
    /// Number of its segment.
    pub segment: u32,
    /// Offset in the segment in bytes.
    pub offset: u32,
    /// Whether it was asked for again before it was written there.
    pub proved: bool,
    /// How often it was read since, up to 3.
    pub reads: u8,
}

/// What a directory holds in all.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// Bytes of the store's file.
    pub size: u64,
    /// Bytes of a segment.
    pub segment: u32,
    /// How many segments there are.
    pub segments: u32,
    /// How often a node has opened it.
    pub epoch: u64,
    /// URLs.
    pub urls: u64,
    /// Stored responses: a URL has one for each variant.
    pub responses: u64,
    /// Records of bodies.
    pub chunks: u64,
    /// Bytes of all records, without their headers.
    pub bytes: u64,
    /// Records of bodies that no stored response names (any more).
    pub unnamed: u64,
    /// URLs written by a program of another version: misses.
    pub foreign: u64,
    /// Records whose checksums do not hold: misses. Counted as far as they were read.
    pub damaged: u64,
}

impl Store {
    /// Everything stored for a URL, the newest first. What only the disk has is brought up. With
    /// `verify` all its records are read.
    pub async fn inspect(&self, key: &Key, verify: bool) -> Vec<Listing> {
        self.bring(key).await;
        let Some(resource) = self.memory.get(key.into()) else { return Vec::new() };
        let mut listings = Vec::new();
        for kept in resource.variants() {
            let mut listing = self.listing(key, kept);
            if verify {
                listing.checksums = self.verify(key, kept).await;
            }
            listings.push(listing);
        }
        listings
    }

    fn listing(&self, key: &Key, kept: &Arc<Kept>) -> Listing {
        let body = &kept.body;
        let (purged, entry) = match self.fate(key.into(), kept) {
            Fate::Live => (None, Entry::found(kept.clone())),
            Fate::Stale(since) => (Some(Purged::Stale), Entry::stale(kept.clone(), since)),
            Fate::Dead => (Some(Purged::Gone), Entry::found(kept.clone())),
        };
        let total = entry.stored.total.or(body.total());
        let present = body.present().iter().map(|range| range.end - range.start).sum();
        let on_disk = match (&self.lower, body.filed()) {
            (Some(_), Some(filed)) => {
                let ranges = filed.present(total.unwrap_or(u64::MAX));
                ranges.iter().map(|range| range.end - range.start).sum()
            }
            (Some(lower), None) if kept.is_filed() && lower.has(key.into()) => present,
            _ => 0,
        };
        let listing = Listing::of(key, &entry.stored, self.clock.now());
        Listing { total, present, on_disk, purged, ..listing }
    }

    /// Reads every record of a response; nothing if it has none.
    async fn verify(&self, key: &Key, kept: &Kept) -> Option<Checksums> {
        let lower = self.lower.as_ref().filter(|lower| lower.has(key.into()))?;
        let mut names = vec![Name::of_key(key.as_bytes())];
        if let Some(filed) = kept.body.filed() {
            let ranges = filed.present(u64::MAX);
            let records = ranges.iter().flat_map(|it| it.start / CHUNK..it.end.div_ceil(CHUNK));
            names.extend(records.map(|index| filed.name(index as u32)));
        }
        for name in names {
            if lower.disks.read(name, 0..u32::MAX).await.is_none() {
                return Some(Checksums::Damaged);
            }
        }
        Some(Checksums::Good)
    }
}

/// Shows every response stored in the directory of a disk, until `visit` says false; `verify` reads
/// all records.
///
/// # Errors
/// See [`Look::open`].
pub fn directory(
    path: &Path,
    verify: bool,
    now: Timestamp,
    visit: &mut dyn FnMut(Listing) -> bool,
) -> Result<Summary, String> {
    let look = Look::open(path)?;
    let extent = look.extent();
    let mut sum = Summary {
        size: extent.size,
        segment: extent.segment,
        segments: extent.segments,
        epoch: extent.epoch,
        urls: 0,
        responses: 0,
        chunks: 0,
        bytes: 0,
        unnamed: 0,
        foreign: 0,
        damaged: 0,
    };
    let mut bad: HashSet<Name, RandomState> = HashSet::default();
    look.records(&mut |listed| {
        sum.bytes += u64::from(listed.length);
        if listed.kind == Kind::Chunk {
            sum.chunks += 1;
            if verify && listed.payload().is_none() {
                bad.insert(listed.name);
            }
        }
        true
    });
    sum.damaged = bad.len() as u64;
    let mut named = 0;
    look.records(&mut |listed| {
        if listed.kind == Kind::Chunk {
            return true;
        }
        sum.urls += 1;
        let Some(page) = listed.payload() else {
            sum.damaged += 1;
            return true;
        };
        let leaves = page::key_of(&page)
            .and_then(|key| page::decode(key.as_bytes(), &page).map(|leaves| (key, leaves)));
        let Some((key, leaves)) = leaves else {
            sum.foreign += 1;
            return true;
        };
        leaves.iter().all(|leaf| {
            sum.responses += 1;
            let mut listing = Listing::of(&key, &leaf.stored, now);
            let chunks = Chunks::of(leaf, &look, &bad);
            named += chunks.count;
            (listing.present, listing.on_disk) = (chunks.bytes, chunks.bytes);
            listing.place = Some(Place::of(&listed));
            let verdict = if chunks.bad { Checksums::Damaged } else { Checksums::Good };
            listing.checksums = verify.then_some(verdict);
            visit(listing)
        })
    });
    sum.unnamed = sum.chunks.saturating_sub(named);
    Ok(sum)
}

/// What a directory has of a body.
struct Chunks {
    count: u64,
    bytes: u64,
    bad: bool,
}

impl Chunks {
    fn of(leaf: &Leaf, look: &Look, damaged: &HashSet<Name, RandomState>) -> Chunks {
        let mut chunks = Chunks { count: 0, bytes: 0, bad: false };
        match (&leaf.body, leaf.stored.total) {
            (Some(body), _) => chunks.bytes = body.len() as u64,
            (None, Some(total)) => {
                for index in 0..total.div_ceil(CHUNK).min(u64::from(u32::MAX)) as u32 {
                    let name = Name::of_chunk(leaf.stored.object_id, index);
                    if look.has(name) {
                        let range = record(index, total);
                        chunks.count += 1;
                        chunks.bytes += range.end - range.start;
                        chunks.bad |= damaged.contains(&name);
                    }
                }
            }
            (None, None) => {}
        }
        chunks
    }
}

impl Place {
    fn of(listed: &Listed<'_>) -> Place {
        let (segment, offset) = (listed.segment, listed.offset);
        Place { segment, offset, proved: listed.class == Class::Proved, reads: listed.frequency }
    }
}

impl Listing {
    fn of(key: &Key, stored: &Stored, now: Timestamp) -> Listing {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let field = |name| stored.headers.get(name).map(|value| text(value.as_bytes()));
        let lifetimes = &stored.lifetimes;
        let age = lifetimes.age(stored.response_time, now);
        let vary = stored.vary.iter().flat_map(VarySpec::names);
        let groups = groups(&stored.headers, &CACHE_GROUPS);
        Listing {
            key: key.to_string(),
            status: stored.status.as_u16(),
            content_type: field(header::CONTENT_TYPE),
            total: stored.total,
            present: 0,
            on_disk: 0,
            lifetime: lifetimes.fresh.as_secs(),
            lifetime_from: lifetimes.source.to_string(),
            age: age.as_secs(),
            ttl: lifetimes.fresh.as_secs() as i64 - age.as_secs() as i64,
            etag: field(header::ETAG),
            vary: vary.map(ToString::to_string).collect(),
            tags: tags::of(&stored.hidden).map(text).chain(groups).collect(),
            fill_seq: stored.fill_seq,
            purged: None,
            place: None,
            checksums: None,
        }
    }
}
