//! The counts on disk: one redb file, a row for each site and bucket.
//!
//! | table | key | value |
//! |---|---|---|
//! | rows | bucket, site, revision | counts |
//! | sums | bucket | counts of all sites |
//! | open | revision, bucket | how many rows it has so far |
//! | closed | number of its first record | bucket, revision, how many rows |
//! | state | word | number |
//!
//! A row of a closed bucket never changes again, so the rows themselves, in the order of their keys,
//! are the records that are exported: only the number of the first is written when a bucket closes.
//! A batch has a number, which is written with it: after a failure that number says whether the batch
//! was taken, so that nothing is counted twice.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::counts::Counts;

/// Bucket, site and revision.
type RowKey = (u32, &'static str, u32);
type Rows = TableDefinition<'static, RowKey, &'static [u8]>;

pub(super) const ROWS: Rows = TableDefinition::new("usage_rows");
pub(super) const SUMS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("usage_sums");
pub(super) const CLOSED: TableDefinition<'_, u64, (u32, u32, u64)> =
    TableDefinition::new("usage_closed");
const OPEN: TableDefinition<'_, (u32, u32), u64> = TableDefinition::new("usage_open");
const STATE: TableDefinition<'_, &str, u64> = TableDefinition::new("usage_state");

const FILE: &str = "usage.redb";
/// What redb may keep in memory.
const CACHE_BYTES: usize = 16 << 20;
/// Rows that one commit removes at most, so that it does not hold up the next.
const REMOVED_AT_ONCE: usize = 5000;

/// What is added in one transaction.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// One more than the batch before.
    pub number: u64,
    /// What to add, by bucket, site and revision.
    pub rows: BTreeMap<(u32, Arc<str>, u32), Counts>,
    /// How often the clock was set back so far. What was counted before is closed.
    pub revision: u32,
    /// The first bucket that is still open.
    pub floor: u32,
    /// The first bucket that is kept.
    pub oldest: u32,
}

/// What the file says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The number of the last batch.
    pub flushed: u64,
    /// As [`Batch::revision`].
    pub revision: u32,
    /// As [`Batch::floor`].
    pub floor: u32,
}

/// The file.
pub(super) struct Book {
    path: PathBuf,
    /// None while it is opened again after a failure.
    database: RwLock<Option<Arc<Database>>>,
    /// What tells this file from all others, of other nodes as well.
    pub id: u64,
    newest: AtomicU64,
    acknowledged: AtomicU64,
}

impl Book {
    /// Opens or makes the file in `folder`. One that cannot be read is put aside.
    ///
    /// # Errors
    /// One sentence: it can be neither read nor made anew.
    pub fn open(folder: &Path) -> Result<(Self, State), String> {
        let path = folder.join(FILE);
        let explain = |error: &dyn std::fmt::Display| {
            format!("cannot keep usage in {}: {error}", path.display())
        };
        std::fs::create_dir_all(folder).map_err(|error| explain(&error))?;
        let database = match load(&path) {
            Err(error) if !is_damage(&error) => return Err(explain(&error)),
            Err(error) => {
                let aside = path.with_extension("damaged");
                tracing::error!(%error, "{} cannot be read: it is put aside as {}, and usage begins \
                    anew", path.display(), aside.display());
                std::fs::rename(&path, aside).map_err(|error| explain(&error))?;
                load(&path).map_err(|error| explain(&error))?
            }
            Ok(database) => database,
        };
        let read = |word| number(&database, word).map_err(|error| explain(&error));
        let state = state(&database).map_err(|error| explain(&error))?;
        let book = Book {
            id: read("id")?,
            newest: AtomicU64::new(read("newest")?),
            acknowledged: AtomicU64::new(read("acknowledged")?),
            database: RwLock::new(Some(Arc::new(database))),
            path,
        };
        Ok((book, state))
    }

    /// Opens the file again after a failure: until then redb takes nothing more.
    ///
    /// # Errors
    /// It cannot be opened now, or somebody still reads it.
    pub fn reopen(&self) -> Result<State, redb::Error> {
        let mut held = self.database.write();
        *held = None;
        let database = load(&self.path)?;
        let state = state(&database)?;
        self.newest.store(number(&database, "newest")?, Ordering::Relaxed);
        self.acknowledged.store(number(&database, "acknowledged")?, Ordering::Relaxed);
        *held = Some(Arc::new(database));
        Ok(state)
    }

    /// The database, for reading.
    ///
    /// # Errors
    /// It is being opened again.
    pub fn database(&self) -> Result<Arc<Database>, String> {
        let gone = || format!("{} cannot be used now", self.path.display());
        self.database.read().clone().ok_or_else(gone)
    }

    /// Closes the file.
    pub fn close(&self) {
        *self.database.write() = None;
    }

    /// The number of the newest record, and of the last that was acknowledged.
    pub fn numbers(&self) -> (u64, u64) {
        (self.newest.load(Ordering::Relaxed), self.acknowledged.load(Ordering::Relaxed))
    }

    /// Adds a batch, closes the buckets that it says are over, and removes some of what is too old;
    /// says whether more of that is left. All or nothing, on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written; whether the batch is in it, only [`Book::reopen`] tells.
    pub fn commit(&self, batch: &Batch) -> Result<bool, redb::Error> {
        let Some(database) = self.database.read().clone() else {
            return Err(redb::Error::DatabaseClosed);
        };
        let writing = begin(&database)?;
        add(&writing, batch)?;
        let newest = close_buckets(&writing, batch)?;
        let more = expire(&writing, batch.oldest)?;
        {
            let mut state = writing.open_table(STATE)?;
            state.insert("flushed", batch.number)?;
            state.insert("revision", u64::from(batch.revision))?;
            state.insert("floor", u64::from(batch.floor))?;
            state.insert("newest", newest)?;
        }
        writing.commit()?;
        self.newest.store(newest, Ordering::Relaxed);
        Ok(more)
    }

    /// Notes that the records up to `number` have arrived where they belong.
    ///
    /// # Errors
    /// One sentence: there is no such record, or the file cannot be written.
    pub fn acknowledge(&self, number: u64) -> Result<(), AckError> {
        let newest = self.newest.load(Ordering::Relaxed);
        if number > newest {
            return Err(AckError::Unknown(newest));
        }
        let database = self.database().map_err(AckError::Failed)?;
        let written = || -> Result<u64, redb::Error> {
            let writing = begin(&database)?;
            let most = {
                let mut state = writing.open_table(STATE)?;
                let before = state.get("acknowledged")?.map_or(0, |it| it.value());
                state.insert("acknowledged", before.max(number))?;
                before.max(number)
            };
            writing.commit()?;
            Ok(most)
        };
        let most = written().map_err(|error| AckError::Failed(error.to_string()))?;
        self.acknowledged.store(most, Ordering::Relaxed);
        Ok(())
    }
}

/// Why records could not be acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub enum AckError {
    /// There is no record of that number; this is the newest.
    Unknown(u64),
    /// The file cannot be written, and why.
    Failed(String),
}

/// Whether a file is no good. Others may be good, and cannot be had now.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => {
            matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
        }
        error => !matches!(error, redb::Error::DatabaseAlreadyOpen),
    }
}

/// Reads counts as they are kept.
pub(super) fn decode(bytes: &[u8]) -> Result<Counts, redb::Error> {
    postcard::from_bytes(bytes)
        .map_err(|error| redb::Error::Corrupted(format!("a row of usage cannot be read: {error}")))
}

/// A transaction after whose loss the file is sound without being read through.
fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut writing = database.begin_write()?;
    writing.set_quick_repair(true);
    Ok(writing)
}

fn load(path: &Path) -> Result<Database, redb::Error> {
    let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
    let writing = begin(&database)?;
    {
        writing.open_table(ROWS)?;
        writing.open_table(SUMS)?;
        writing.open_table(OPEN)?;
        writing.open_table(CLOSED)?;
        let mut state = writing.open_table(STATE)?;
        if state.get("id")?.is_none() {
            state.insert("id", fastrand::u64(..))?;
        }
    }
    writing.commit()?;
    Ok(database)
}

fn number(database: &Database, word: &str) -> Result<u64, redb::Error> {
    let table = database.begin_read()?.open_table(STATE)?;
    Ok(table.get(word)?.map_or(0, |number| number.value()))
}

fn state(database: &Database) -> Result<State, redb::Error> {
    let short = |word| number(database, word).map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    Ok(State {
        flushed: number(database, "flushed")?,
        revision: short("revision")?,
        floor: short("floor")?,
    })
}

/// Adds what was counted to the rows and to the sums.
fn add(writing: &WriteTransaction, batch: &Batch) -> Result<(), redb::Error> {
    let (mut rows, mut open) = (writing.open_table(ROWS)?, writing.open_table(OPEN)?);
    let mut sums: BTreeMap<u32, Counts> = BTreeMap::new();
    for ((bucket, site, revision), counts) in &batch.rows {
        let key = (*bucket, &**site, *revision);
        let before = rows.get(key)?.map(|row| so_far(row.value()));
        if before.is_none() {
            let there = open.get((*revision, *bucket))?.map_or(0, |rows| rows.value());
            open.insert((*revision, *bucket), there + 1)?;
        }
        let mut sum = before.unwrap_or_default();
        sum.add(counts);
        rows.insert(key, encode(&sum)?.as_slice())?;
        sums.entry(*bucket).or_default().add(counts);
    }
    let mut table = writing.open_table(SUMS)?;
    for (bucket, mut sum) in sums {
        if let Some(before) = table.get(bucket)? {
            sum.add(&so_far(before.value()));
        }
        table.insert(bucket, encode(&sum)?.as_slice())?;
    }
    Ok(())
}

/// What a row has so far. One that cannot be read must not hold up all that comes after it.
fn so_far(bytes: &[u8]) -> Counts {
    decode(bytes).unwrap_or_else(|error| {
        tracing::error!(%error, "a row of usage is lost");
        Counts::default()
    })
}

fn encode(counts: &Counts) -> Result<Vec<u8>, redb::Error> {
    postcard::to_stdvec(counts).map_err(|error| redb::Error::Corrupted(error.to_string()))
}

/// Numbers the records of the buckets that are over; gives the newest number.
fn close_buckets(writing: &WriteTransaction, batch: &Batch) -> Result<u64, redb::Error> {
    let (mut open, mut closed) = (writing.open_table(OPEN)?, writing.open_table(CLOSED)?);
    let mut newest = writing.open_table(STATE)?.get("newest")?.map_or(0, |newest| newest.value());
    let mut over = Vec::new();
    for row in open.iter()? {
        let (key, rows) = row?;
        let (revision, bucket) = key.value();
        if revision < batch.revision || bucket < batch.floor {
            over.push((revision, bucket, rows.value()));
        }
    }
    for (revision, bucket, rows) in over {
        closed.insert(newest + 1, (bucket, revision, rows))?;
        open.remove((revision, bucket))?;
        newest += rows;
    }
    Ok(newest)
}

/// Removes some rows of the oldest bucket, if it is older than `oldest`; says whether more are left.
fn expire(writing: &WriteTransaction, oldest: u32) -> Result<bool, redb::Error> {
    let mut sums = writing.open_table(SUMS)?;
    let Some(bucket) = sums.first()?.map(|(bucket, _)| bucket.value()) else { return Ok(false) };
    if bucket >= oldest {
        return Ok(false);
    }
    // Its records are not exported any more: their numbers would tell of rows that are gone.
    writing.open_table(CLOSED)?.retain(|_, (of, ..)| of != bucket)?;
    let mut rows = writing.open_table(ROWS)?;
    if remove_some(&mut rows, bucket)? < REMOVED_AT_ONCE {
        sums.remove(bucket)?;
    }
    Ok(true)
}

fn remove_some(
    rows: &mut Table<'_, RowKey, &'static [u8]>,
    bucket: u32,
) -> Result<usize, redb::Error> {
    let mut removed = 0;
    for row in rows.extract_from_if(of_bucket(bucket), |_, _| true)?.take(REMOVED_AT_ONCE) {
        row?;
        removed += 1;
    }
    Ok(removed)
}

/// The keys of a bucket's rows.
pub(super) fn of_bucket(bucket: u32) -> (Bound<RowKey>, Bound<RowKey>) {
    let end = match bucket.checked_add(1) {
        Some(next) => Bound::Excluded((next, "", 0)),
        None => Bound::Unbounded,
    };
    (Bound::Included((bucket, "", 0)), end)
}
