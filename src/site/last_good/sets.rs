//! The rule sets that each site has had, by the names that their contents give them: the way back.
//!
//! A set is kept when its document is taken. It has stood from the moment when all clients got it. Of
//! a site's sets the [`MOST`] newest are kept. A site that never had a rule has none.

use serde::Serialize;

use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{LastGood, StateError};
use crate::clock::Timestamp;

/// (site, set) to (when it was first taken, when it came to stand or 0, rules as TOML).
const SETS: TableDefinition<'_, (&str, &str), (u64, u64, &str)> = TableDefinition::new("rule_sets");
/// Site to the set that an operator has taken back.
const WITHDRAWN: TableDefinition<'_, &str, &str> = TableDefinition::new("withdrawn_rule_sets");

/// Most sets that are kept of a site.
const MOST: usize = 20;

/// A rule set of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct KeptSet {
    /// Its name.
    pub name: String,
    /// When it was first taken.
    pub taken: Timestamp,
    /// Since when it has been, or when it last became, the set of all clients.
    pub stood: Option<Timestamp>,
    /// The rules, as TOML.
    pub text: String,
}

/// A set that comes with a document.
#[derive(Clone, Debug)]
pub struct NewSet {
    /// Its name.
    pub name: Box<str>,
    /// The rules, as TOML.
    pub text: String,
    /// Whether there is no rule in it.
    pub is_empty: bool,
    /// Whether all clients get it.
    pub stands: bool,
}

impl LastGood {
    /// The sets of a site that were kept, the newest first.
    pub fn rule_sets(&self, site: &str) -> Vec<KeptSet> {
        let Some(database) = &self.database else { return Vec::new() };
        let read = || -> Result<Vec<KeptSet>, redb::Error> {
            let table = database.begin_read()?.open_table(SETS)?;
            sets_of(&table, site)
        };
        read().unwrap_or_else(|error| {
            tracing::error!("the rule sets of {site} cannot be read: {error}");
            Vec::new()
        })
    }

    /// The set of a site that an operator has taken back, if one was.
    pub fn withdrawn(&self, site: &str) -> Option<String> {
        let database = self.database.as_ref()?;
        let table = database.begin_read().ok()?.open_table(WITHDRAWN).ok()?;
        Some(table.get(site).ok()??.value().to_owned())
    }

    /// Remembers that a site's set was taken back, or forgets it; on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn withdraw(&self, site: &str, set: Option<&str>) -> Result<(), StateError> {
        let Some(database) = &self.database else { return Ok(()) };
        let write = || -> Result<(), redb::Error> {
            let writing = database.begin_write()?;
            {
                let mut table = writing.open_table(WITHDRAWN)?;
                match set {
                    Some(set) => table.insert(site, set)?,
                    None => table.remove(site)?,
                };
            }
            writing.commit()?;
            Ok(())
        };
        write().map_err(|error| StateError(error.to_string()))
    }
}

/// Makes the tables.
pub(super) fn prepare(writing: &WriteTransaction) -> Result<(), redb::Error> {
    writing.open_table(SETS)?;
    writing.open_table(WITHDRAWN)?;
    Ok(())
}

/// Keeps the set that came with a site's document.
pub(super) fn keep(
    writing: &WriteTransaction,
    site: &str,
    set: &NewSet,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let mut table = writing.open_table(SETS)?;
    let known = sets_of(&table, site)?;
    if known.is_empty() && set.is_empty {
        return Ok(());
    }
    let before = known.iter().find(|other| *other.name == *set.name);
    let taken = before.map_or(now, |other| other.taken);
    // It stands from now on if it did not a moment ago.
    let newest = known.iter().filter_map(|other| Some((other.stood?, &other.name))).max();
    let stood = match (before.and_then(|other| other.stood), set.stands) {
        (Some(since), _) if newest.is_some_and(|(_, name)| **name == *set.name) => since.0,
        (_, true) => now.0,
        (since, false) => since.map_or(0, |since| since.0),
    };
    table.insert((site, &*set.name), (taken.0, stood, set.text.as_str()))?;
    let last = newest.map(|(_, name)| name.clone());
    let spared = |other: &&KeptSet| *other.name != *set.name && Some(&other.name) != last.as_ref();
    for old in known.iter().filter(spared).skip(MOST - 2) {
        table.remove((site, old.name.as_str()))?;
    }
    Ok(())
}

/// Forgets a site's sets.
pub(super) fn forget(writing: &WriteTransaction, site: &str) -> Result<(), redb::Error> {
    let mut table = writing.open_table(SETS)?;
    for set in sets_of(&table, site)? {
        table.remove((site, set.name.as_str()))?;
    }
    writing.open_table(WITHDRAWN)?.remove(site)?;
    Ok(())
}

fn sets_of(
    table: &impl ReadableTable<(&'static str, &'static str), (u64, u64, &'static str)>,
    site: &str,
) -> Result<Vec<KeptSet>, redb::Error> {
    let mut sets = Vec::new();
    for row in table.range((site, "")..)? {
        let (key, value) = row?;
        let (owner, name) = key.value();
        if owner != site {
            break;
        }
        let (taken, stood, text) = value.value();
        sets.push(KeptSet {
            name: name.to_owned(),
            taken: Timestamp(taken),
            stood: (stood != 0).then_some(Timestamp(stood)),
            text: text.to_owned(),
        });
    }
    sets.sort_by_key(|set| std::cmp::Reverse((set.stood.max(Some(set.taken)), set.taken)));
    Ok(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(state: &LastGood, name: &str, stands: bool, now: u64) {
        let set = NewSet { name: name.into(), text: format!("# {name}"), is_empty: false, stands };
        let taken = super::super::Taken { name: "site", number: 1, text: "", set: Some(&set) };
        state
            .commit([taken].into_iter(), std::iter::empty(), super::super::FOLDER, Timestamp(now))
            .unwrap();
    }

    fn names(state: &LastGood) -> Vec<(String, Option<u64>)> {
        let sets = state.rule_sets("site").into_iter();
        sets.map(|set| (set.name, set.stood.map(|at| at.0))).collect()
    }

    #[test]
    fn what_stood_is_known_by_when_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let state = LastGood::open(folder.path()).unwrap();
        take(&state, "a", true, 10);
        take(&state, "b", false, 20);
        take(&state, "b", true, 30);
        take(&state, "b", true, 40);
        drop(state);
        let state = LastGood::open(folder.path()).unwrap();
        assert_eq!(names(&state), [("b".into(), Some(30)), ("a".into(), Some(10))]);
        take(&state, "a", true, 50);
        assert_eq!(names(&state), [("a".into(), Some(50)), ("b".into(), Some(30))]);
        assert_eq!(state.rule_sets("other"), []);
        state.withdraw("site", Some("b")).unwrap();
        assert_eq!(state.withdrawn("site").as_deref(), Some("b"));
        state
            .commit(std::iter::empty(), ["site"].into_iter(), super::super::FOLDER, Timestamp(60))
            .unwrap();
        assert_eq!((names(&state).len(), state.withdrawn("site")), (0, None));
    }

    #[test]
    fn the_newest_sets_and_the_one_that_stood_last_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = LastGood::open(folder.path()).unwrap();
        take(&state, "stood", true, 1);
        for number in 0..40 {
            take(&state, &format!("try{number}"), false, 10 + number);
        }
        let kept = names(&state);
        assert_eq!(kept.len(), MOST);
        assert!(kept.contains(&("stood".into(), Some(1))));
        assert!(kept.contains(&("try39".into(), None)) && kept.contains(&("try30".into(), None)));
    }
}
