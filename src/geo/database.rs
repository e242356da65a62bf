//! One file in MaxMind's format, held in memory.
//!
//! Mapping the file instead would ask every operator never to change it in place, for a map does not
//! bear that.

use std::fs::{File, Metadata};
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{LookupResult, PathElement, Reader};
use serde::Deserialize;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 30;

/// An open database.
pub(super) struct Database {
    path: PathBuf,
    stamp: Stamp,
    reader: Reader<Vec<u8>>,
}

/// What differs when a file does: device, inode, size, and when the kernel saw it change.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, u64, i64, i64);

impl Stamp {
    fn of(file: &Metadata) -> Stamp {
        Stamp(file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec())
    }
}

impl Database {
    /// The database at `path`: one of those `known` if the file is still the same, else read and
    /// looked through from end to end.
    ///
    /// # Errors
    /// A clause on why the file will not do.
    pub(super) fn open<'a>(
        path: &Path,
        mut known: impl Iterator<Item = &'a Arc<Database>>,
    ) -> Result<Arc<Database>, String> {
        let shown = path.display();
        let unread = |error: std::io::Error| format!("`{shown}` cannot be read: {error}");
        let mut file = File::open(path).map_err(unread)?;
        let facts = file.metadata().map_err(unread)?;
        if !facts.is_file() || facts.len() > LARGEST {
            return Err(format!("`{shown}` is not a file of at most 1GiB"));
        }
        let stamp = Stamp::of(&facts);
        if let Some(same) = known.find(|it| it.path == path && it.stamp == stamp) {
            return Ok(same.clone());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(facts.len()).unwrap_or(0));
        file.by_ref().take(LARGEST).read_to_end(&mut bytes).map_err(unread)?;
        let damaged = |error| format!("`{shown}` is damaged, or no database of MaxMind's: {error}");
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        reader.verify().map_err(damaged)?;
        Ok(Arc::new(Database { path: path.to_owned(), stamp, reader }))
    }

    /// What it has at `field` about `address`; an IPv4 address in IPv6's clothes counts as IPv4.
    pub(super) fn find<'a, T: Deserialize<'a>>(
        &'a self,
        address: IpAddr,
        field: &[PathElement<'_>],
    ) -> Option<T> {
        let address = address.to_canonical();
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return None;
        }
        self.reader.lookup(address).ok()?.decode_path(field).ok()?
    }

    /// Whether `holds` says so of any of its records.
    pub(super) fn any(&self, holds: impl Fn(&LookupResult<'_, Vec<u8>>) -> bool) -> bool {
        self.reader
            .networks(Default::default())
            .is_ok_and(|mut all| all.any(|record| record.is_ok_and(|record| holds(&record))))
    }

    /// When it was made, in seconds since 1970.
    pub(super) fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// The file, what it calls itself, and when it was made.
    pub(super) fn describe(&self) -> String {
        let facts = self.reader.metadata();
        let built = facts.build_time().map(httpdate::fmt_http_date).unwrap_or_default();
        format!("{} ({}, built {built})", self.path.display(), facts.database_type)
    }
}
