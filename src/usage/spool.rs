//! Export: every row of a closed bucket is a record, handed out until it is acknowledged, and after.
//!
//! Records are numbered from 1 without gaps, in the order in which buckets close. A record's id is made
//! of what it is about (which file, site, bucket, revision), so that whoever receives one twice can
//! tell. Records are there as long as their rows are kept.

use std::ops::Bound;

use redb::{Database, ReadableDatabase};
use serde_json::{Map, Value};

use super::book::{Book, CLOSED, ROWS, decode, of_bucket};
use super::counts::Counts;
use super::{BUCKET, moment};

/// One site in one closed bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// The same for the same record, and for no other of any node.
    pub id: String,
    /// The site; empty for requests whose host no site has.
    pub site: String,
    /// When the bucket began, in seconds since 1970.
    pub start: u64,
    /// How often the clock had been set back: a bucket that it came to again has records of several.
    pub revision: u32,
    /// What was counted.
    pub counts: Counts,
}

impl Record {
    /// The record as one line of JSON, with its end.
    pub fn line(&self, node: &str) -> String {
        let mut told = Map::new();
        told.insert("seq".into(), self.seq.into());
        told.insert("id".into(), self.id.as_str().into());
        told.insert("node".into(), node.into());
        told.insert("site".into(), self.site.as_str().into());
        told.insert("start".into(), moment::print(self.start).into());
        told.insert("seconds".into(), BUCKET.into());
        told.insert("revision".into(), self.revision.into());
        told.extend(self.counts.told(true));
        format!("{}\n", Value::Object(told))
    }
}

impl Book {
    /// Up to `limit` records with numbers above `after`, in order.
    ///
    /// # Errors
    /// One sentence: the file cannot be read.
    pub fn records(&self, after: u64, limit: usize) -> Result<Vec<Record>, String> {
        let database = self.database()?;
        records(&database, self.id, after, limit).map_err(|error| error.to_string())
    }
}

fn records(
    database: &Database,
    id: u64,
    after: u64,
    limit: usize,
) -> Result<Vec<Record>, redb::Error> {
    let reading = database.begin_read()?;
    let (closed, rows) = (reading.open_table(CLOSED)?, reading.open_table(ROWS)?);
    let wanted = after.saturating_add(1);
    // The last bucket that begins at or before what is wanted may hold it.
    let start = match closed.range(..=wanted)?.next_back() {
        Some(row) => row?.0.value(),
        None => 0,
    };
    let mut found = Vec::new();
    for row in closed.range((Bound::Included(start), Bound::Unbounded))? {
        let (first, bucket) = row?;
        let (mut seq, (bucket, revision, count)) = (first.value(), bucket.value());
        if seq.saturating_add(count) <= wanted {
            continue;
        }
        for row in rows.range(of_bucket(bucket))? {
            if found.len() >= limit {
                return Ok(found);
            }
            let (key, counts) = row?;
            let (_, site, of) = key.value();
            if of != revision {
                continue;
            }
            if seq >= wanted {
                let start = u64::from(bucket) * BUCKET;
                found.push(Record {
                    seq,
                    id: format!("{id:016x}-{start}-{revision}-{site}"),
                    site: site.to_owned(),
                    start,
                    revision,
                    counts: decode(counts.value())?,
                });
            }
            seq += 1;
        }
    }
    Ok(found)
}
