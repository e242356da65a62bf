//! The documents that each site has had: who brought them and when, and the way back.
//!
//! They are kept by the site's number: a later site of the same name has no part in them. What a folder
//! holds at the first start is in no history until it changes.

use redb::{ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{LastGood, SITES, StateError};
use crate::clock::Timestamp;

/// (site number, revision) to (when, who, document).
const HISTORY: TableDefinition<'_, (u32, u64), (u64, &str, &str)> =
    TableDefinition::new("site_history");

/// Most documents that are kept of a site.
const MOST: usize = 50;

/// A document that a site has had, or has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Counts a site's documents.
    pub number: u64,
    /// When it was taken; `None`: before anybody looked.
    pub at: Option<Timestamp>,
    /// Who brought it.
    pub who: String,
    /// The whole document.
    pub text: String,
}

impl LastGood {
    /// The documents of a site that are kept, the newest first, which is the one it has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn history(&self, site: &str) -> Result<Vec<Revision>, StateError> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        let read = || -> Result<Vec<Revision>, redb::Error> {
            let reading = database.begin_read()?;
            let sites = reading.open_table(SITES)?;
            let Some(now) = sites.get(site)? else { return Ok(Vec::new()) };
            let (number, text) = now.value();
            let table = reading.open_table(HISTORY)?;
            let mut all = Vec::new();
            for row in table.range((number, 0)..=(number, u64::MAX))?.rev() {
                let (key, value) = row?;
                let (at, who, text) = value.value();
                let at = (at > 0).then_some(Timestamp(at));
                let (who, text) = (who.to_owned(), text.to_owned());
                all.push(Revision { number: key.value().1, at, who, text });
            }
            if all.is_empty() {
                let text = text.to_owned();
                all.push(Revision { number: 1, at: None, who: String::new(), text });
            }
            Ok(all)
        };
        read().map_err(|error| StateError(error.to_string()))
    }
}

/// Makes the table.
pub(super) fn prepare(writing: &WriteTransaction) -> Result<(), redb::Error> {
    writing.open_table(HISTORY)?;
    Ok(())
}

/// Keeps the document that a site gets, and the one it had if that was never kept.
pub(super) fn keep(
    writing: &WriteTransaction,
    number: u32,
    (before, text): (Option<&str>, &str),
    who: &str,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let mut table = writing.open_table(HISTORY)?;
    let own = (number, 0)..=(number, u64::MAX);
    let last = table.range(own.clone())?.next_back().transpose()?.map(|(key, _)| key.value().1);
    let last = match (last, before) {
        (None, None) => 0,
        (None, Some(before)) => {
            table.insert((number, 1), (0, "", before))?;
            1
        }
        (Some(last), _) => last,
    };
    table.insert((number, last + 1), (now.0, who, text))?;
    let count = table.range(own.clone())?.count();
    let old: Vec<_> = table
        .range(own)?
        .take(count.saturating_sub(MOST))
        .map(|row| row.map(|(key, _)| key.value()))
        .collect::<Result<_, _>>()?;
    for key in old {
        table.remove(key)?;
    }
    Ok(())
}

/// Forgets a site that is gone.
pub(super) fn forget(writing: &WriteTransaction, number: u32) -> Result<(), redb::Error> {
    let mut table = writing.open_table(HISTORY)?;
    table.retain_in((number, 0)..=(number, u64::MAX), |_, _| false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Taken;
    use super::*;

    fn take(state: &LastGood, text: &str, who: &str, at: u64) {
        let taken = Taken { name: "a", number: 7, text, set: None };
        state.commit([taken].into_iter(), std::iter::empty(), who, Timestamp(at)).unwrap();
    }

    fn told(state: &LastGood) -> Vec<(u64, Option<u64>, String, String)> {
        let all = state.history("a").unwrap().into_iter();
        all.map(|it| (it.number, it.at.map(|at| at.0), it.who, it.text)).collect()
    }

    #[test]
    fn documents_are_kept_from_the_first_change_on() {
        let folder = tempfile::tempdir().unwrap();
        let state = LastGood::open(folder.path()).unwrap();
        assert_eq!(told(&state), []);
        take(&state, "one", super::super::FOLDER, 10);
        assert_eq!(told(&state), [(1, None, "".into(), "one".into())]);
        take(&state, "two", "ann", 20);
        take(&state, "three", super::super::FOLDER, 30);
        let expected = [
            (3, Some(30), super::super::FOLDER.to_owned(), "three".to_owned()),
            (2, Some(20), "ann".into(), "two".into()),
            (1, None, "".into(), "one".into()),
        ];
        assert_eq!(told(&state), expected);
        drop(state);
        let state = LastGood::open(folder.path()).unwrap();
        for number in 0..60 {
            take(&state, &format!("text {number}"), "ann", 100 + number);
        }
        let all = told(&state);
        assert_eq!((all.len(), all[0].0, all[49].0), (MOST, 63, 14));
    }

    #[test]
    fn a_site_that_is_gone_leaves_nothing_to_the_next_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let state = LastGood::open(folder.path()).unwrap();
        take(&state, "one", "ann", 10);
        take(&state, "two", "ann", 20);
        state.commit(std::iter::empty(), ["a"].into_iter(), "ann", Timestamp(30)).unwrap();
        assert_eq!(told(&state), []);
        let taken = Taken { name: "a", number: 8, text: "other", set: None };
        state.commit([taken].into_iter(), std::iter::empty(), "bob", Timestamp(40)).unwrap();
        assert_eq!(told(&state), [(1, Some(40), "bob".into(), "other".into())]);
        take(&state, "as if 7 came back", super::super::FOLDER, 50);
        assert_eq!(told(&state), [(1, None, "".into(), "as if 7 came back".into())]);
    }
}
