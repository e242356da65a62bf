//! The last good text of every site, kept in `state_dir` so that a bad edit freezes a site at start too.
//!
//! One redb file: file stem to (site number, document), the next number, the rule sets that sites have
//! had (`sets`) and their documents (`history`). A number is never given twice: cache keys hold it, and an object of a removed site must not be found by
//! a later one. The texts double as the memory of what was validated: a document that equals its
//! last good text needs no second look.

mod history;
mod sets;

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::clock::Timestamp;
pub use history::Revision;
pub use sets::{KeptSet, NewSet};

const SITES: TableDefinition<'_, &str, (u32, &str)> = TableDefinition::new("last_good_sites");
const NEXT: TableDefinition<'_, (), u32> = TableDefinition::new("next_site_number");

/// Who brings what the folder holds.
pub const FOLDER: &str = "the folder";

/// What redb may keep in memory; the texts are read once, at start.
const CACHE_BYTES: usize = 4 << 20;

/// A site as it was last taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The file's stem.
    pub name: String,
    /// The site's number.
    pub number: u32,
    /// The whole document.
    pub text: Box<str>,
}

/// A site as it is taken now.
#[derive(Clone, Copy)]
pub struct Taken<'a> {
    /// The file's stem.
    pub name: &'a str,
    /// The site's number.
    pub number: u32,
    /// The whole document.
    pub text: &'a str,
    /// Its rules.
    pub set: Option<&'a NewSet>,
}

/// The file of last good documents; without one, only numbers are kept, and only in memory.
pub struct LastGood {
    database: Option<Database>,
    next: AtomicU32,
}

/// The file of last good documents cannot be opened, read or written.
#[derive(Debug)]
pub struct StateError(String);

impl std::fmt::Display for StateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "last good sites: {}", self.0)
    }
}

impl std::error::Error for StateError {}

impl LastGood {
    /// Keeps nothing: for tests and for `brink check`.
    pub fn forgetful() -> Self {
        LastGood { database: None, next: AtomicU32::new(1) }
    }

    /// Whether it keeps nothing.
    pub fn is_forgetful(&self) -> bool {
        self.database.is_none()
    }

    /// Opens or makes `sites.redb` in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder or file cannot be made, is held by another process, or is damaged.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let path = folder.join("sites.redb");
        let explain = |trouble: String| StateError(format!("{}: {trouble}", path.display()));
        std::fs::create_dir_all(folder).map_err(|error| explain(error.to_string()))?;
        let open = || -> Result<Self, redb::Error> {
            let database = Database::builder().set_cache_size(CACHE_BYTES).create(&path)?;
            let writing = database.begin_write()?;
            let next = {
                writing.open_table(SITES)?;
                sets::prepare(&writing)?;
                history::prepare(&writing)?;
                writing.open_table(NEXT)?.get(())?.map_or(1, |number| number.value())
            };
            writing.commit()?;
            Ok(LastGood { database: Some(database), next: AtomicU32::new(next) })
        };
        open().map_err(|error| explain(error.to_string()))
    }

    /// A number that no site has had.
    pub fn next_number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Every kept site, ordered by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn load(&self) -> Result<Vec<Kept>, StateError> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let read = || -> Result<Vec<Kept>, redb::Error> {
            let table = database.begin_read()?.open_table(SITES)?;
            table
                .iter()?
                .map(|row| {
                    let (name, value) = row?;
                    let (number, text) = value.value();
                    Ok(Kept { name: name.value().to_owned(), number, text: text.into() })
                })
                .collect()
        };
        read().map_err(|error| StateError(error.to_string()))
    }

    /// Keeps `taken`, which `who` brings, and forgets `gone`, all or nothing, on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn commit<'a>(
        &self,
        taken: impl Iterator<Item = Taken<'a>>,
        gone: impl Iterator<Item = &'a str>,
        who: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let Some(database) = &self.database else { return Ok(()) };
        let write = || -> Result<(), redb::Error> {
            let writing = database.begin_write()?;
            {
                let mut table = writing.open_table(SITES)?;
                for Taken { name, number, text, set } in taken {
                    let before = table.insert(name, (number, text))?.map(|row| {
                        let (number, text) = row.value();
                        (number, text.to_owned())
                    });
                    let (same, other): (Option<_>, Option<_>) = match before {
                        Some((before, text)) if before == number => (Some(text), None),
                        before => (None, before.map(|(number, _)| number)),
                    };
                    other.map_or(Ok(()), |other| history::forget(&writing, other))?;
                    // What a folder holds at first, perhaps of very many sites, needs no history yet.
                    if same.is_some() || who != FOLDER {
                        let texts = (same.as_deref(), text);
                        history::keep(&writing, number, texts, who, now)?;
                    }
                    if let Some(set) = set {
                        sets::keep(&writing, name, set, now)?;
                    }
                }
                for name in gone {
                    let number = table.remove(name)?.map(|row| row.value().0);
                    number.map_or(Ok(()), |number| history::forget(&writing, number))?;
                    sets::forget(&writing, name)?;
                }
                writing.open_table(NEXT)?.insert((), self.next.load(Ordering::Relaxed))?;
            }
            writing.commit()?;
            Ok(())
        };
        write().map_err(|error| StateError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let state = LastGood::open(folder.path()).unwrap();
        let (a, b) = (state.next_number(), state.next_number());
        let taken = [("a", a, "hosts = [\"a\"]"), ("b", b, "hosts = [\"b\"]")];
        let taken = taken.map(|(name, number, text)| Taken { name, number, text, set: None });
        let now = Timestamp(0);
        state.commit(taken.into_iter(), std::iter::empty(), FOLDER, now).unwrap();
        state.commit(std::iter::empty(), ["a"].into_iter(), FOLDER, now).unwrap();
        drop(state);

        let again = LastGood::open(folder.path()).unwrap();
        let kept = again.load().unwrap();
        assert_eq!(kept, [Kept { name: "b".into(), number: b, text: "hosts = [\"b\"]".into() }]);
        // Number 1 belonged to a site that is gone; it is not given again.
        assert_eq!(again.next_number(), 3);
    }

    #[test]
    fn a_second_holder_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let _held = LastGood::open(folder.path()).unwrap();
        let error = LastGood::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("sites.redb"), "{error}");
    }
}
