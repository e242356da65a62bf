//! Purge rules: what must not be served any more, or only once its origin has confirmed it.
//!
//! A purge touches no object. It adds a rule with a number that no earlier rule has, and every object
//! carries the number of the newest rule when its origin was asked (`fill_seq`): an object that a rule
//! names is dead, or stale, if the rule is newer. So a purge takes effect at once whatever is stored
//! where, and one that comes while an object is fetched holds for that fetch.
//!
//! A number is the time in milliseconds or the last number and one, whichever is higher: numbers do
//! not go back even if the journal is lost. Rules are in the journal before a purge is acknowledged
//! (`journal`). There are only so many, and none is kept for more than a month: one that goes leaves
//! its number behind in the rule for everything, so that what it forbade never comes back.

mod journal;
mod scope;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use journal::Journal;
pub use scope::{Matching, Scope};
use table::Table;
pub use trial::Trial;

use crate::cache::KeyRef;
use crate::clock::{Clock, Timestamp};
use crate::count::Counter;

/// What rules have done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rules added.
    pub added: Counter,
    /// Objects found dead.
    pub dead: Counter,
    /// Objects found stale.
    pub stale: Counter,
    /// Rules that left their number in the rule for everything.
    pub merged: Counter,
}

/// The counters of the process's rules.
pub static COUNTERS: Counters = Counters {
    added: Counter::new(),
    dead: Counter::new(),
    stale: Counter::new(),
    merged: Counter::new(),
};

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// What it names is stale from then on: the origin is asked whether it still holds.
    Soft,
    /// What it names is gone.
    Hard,
}

/// What the rules say of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nothing.
    Live,
    /// It has been stale since then.
    Stale(Timestamp),
    /// It is gone.
    Dead,
}

/// The rules of a node.
pub struct Rules {
    newest: AtomicU64,
    table: RwLock<Table>,
    journal: Option<Journal>,
    clock: Clock,
    most: usize,
}

/// Objects may not live for longer without being confirmed once a rule has gone.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

impl Rules {
    /// Rules that are forgotten with the process.
    pub fn forgetful(clock: Clock, most: usize) -> Self {
        let (newest, table) = (AtomicU64::new(0), RwLock::default());
        Rules { newest, table, journal: None, clock, most }
    }

    /// The rules that `purge.redb` in `folder` keeps. If it is not there, or damaged, earlier purges
    /// are not known: everything stored before is stale then.
    ///
    /// # Errors
    /// One sentence: the file can be neither read nor made anew.
    pub fn open(folder: &Path, clock: Clock, most: usize) -> Result<Self, String> {
        let (journal, kept) = Journal::open(folder)?;
        let rules = Rules { journal: Some(journal), ..Rules::forgetful(clock, most) };
        let known = kept.is_some();
        {
            let mut table = rules.table.write();
            for (number, scope, mode) in kept.unwrap_or_default() {
                table.add(&scope, mode, number);
                rules.newest.fetch_max(number, Ordering::Relaxed);
            }
        }
        if !known {
            // Should this be lost too, the next start does the same again.
            let (number, _) = rules.add(&[Scope::All], Mode::Soft);
            if let Some(journal) = &rules.journal {
                journal.write_soon(vec![(number, Scope::All, Mode::Soft)], None);
            }
        }
        Ok(rules)
    }

    /// Number of the newest rule: what a fetch that begins now is marked with.
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// How many rules there are.
    pub fn count(&self) -> usize {
        self.table.read().len()
    }

    /// How many rules with patterns a site has.
    pub fn patterns_of(&self, site: u32) -> usize {
        self.table.read().patterns_of(site)
    }

    /// Adds rules, in effect when this returns and durable when the future ends. Gives their number.
    ///
    /// # Errors
    /// They could not be written: they hold, but not after a restart.
    pub async fn purge(&self, scopes: &[Scope], mode: Mode) -> Result<u64, String> {
        let (number, gone) = self.add(scopes, mode);
        if let Some(journal) = &self.journal {
            let rules = scopes.iter().map(|scope| (number, scope.clone(), mode)).collect();
            journal.write(rules, self.rest(gone)).await?;
        }
        Ok(number)
    }

    /// Adds rules for a URL that turned out to be old; durable a moment later.
    pub fn invalidate(&self, key: KeyRef<'_>) {
        self.make_old(&key.url_hashes().map(Scope::Url));
    }

    /// Adds rules for what turned out to be old; durable a moment later.
    pub fn make_old(&self, scopes: &[Scope]) {
        let (number, gone) = self.add(scopes, Mode::Hard);
        if let Some(journal) = &self.journal {
            let rules = scopes.iter().map(|scope| (number, scope.clone(), Mode::Hard));
            journal.write_soon(rules.collect(), self.rest(gone));
        }
    }

    fn add(&self, scopes: &[Scope], mode: Mode) -> (u64, Vec<Scope>) {
        let now = self.clock.now().0;
        let mut table = self.table.write();
        let number = now.max(self.newest() + 1);
        scopes.iter().for_each(|scope| table.add(scope, mode, number));
        COUNTERS.added.add(scopes.len() as u64);
        let since = now.saturating_sub(LONGEST.as_millis() as u64);
        let gone = table.shorten(self.most, since);
        // Whoever sees the number sees the rule: the table is locked until then.
        self.newest.store(number, Ordering::Release);
        (number, gone)
    }

    /// What the journal has to write when rules went: the rule for everything in their place.
    fn rest(&self, gone: Vec<Scope>) -> Option<(Vec<Scope>, u64, u64)> {
        let all = self.table.read().all;
        (!gone.is_empty()).then_some((gone, all.soft, all.hard))
    }

    /// What the rules say of an object that was asked for when `fill_seq` was the newest number.
    /// `tags` are looked at only if there are rules about tags. Second, a number that may take the
    /// place of `fill_seq`: all rules up to it have been looked at.
    pub fn fate(
        &self,
        key: KeyRef<'_>,
        fill_seq: u64,
        tags: impl FnOnce() -> Vec<u64>,
    ) -> (Fate, u64) {
        let judged = self.judge(key, fill_seq, tags);
        match judged.0 {
            Fate::Live => {}
            Fate::Stale(_) => COUNTERS.stale.bump(),
            Fate::Dead => COUNTERS.dead.bump(),
        }
        judged
    }

    /// Whether an object is dead, for whoever only looks: nothing is counted.
    pub fn has_killed(
        &self,
        key: KeyRef<'_>,
        fill_seq: u64,
        tags: impl FnOnce() -> Vec<u64>,
    ) -> bool {
        self.judge(key, fill_seq, tags).0 == Fate::Dead
    }

    fn judge(
        &self,
        key: KeyRef<'_>,
        fill_seq: u64,
        tags: impl FnOnce() -> Vec<u64>,
    ) -> (Fate, u64) {
        if fill_seq >= self.newest() {
            return (Fate::Live, fill_seq);
        }
        let table = self.table.read();
        let looked = self.newest();
        let marks = table.about(key, fill_seq, tags);
        if marks.hard > fill_seq {
            (Fate::Dead, fill_seq)
        } else if marks.soft > fill_seq {
            (Fate::Stale(Timestamp(marks.soft)), fill_seq)
        } else {
            (Fate::Live, looked)
        }
    }

    /// Whether an object is dead, as far as its site, its tags apart, and its URL tell.
    pub fn is_dead(&self, url: u64, fill_seq: u64) -> bool {
        if fill_seq >= self.newest() {
            return false;
        }
        let table = self.table.read();
        table.of_url(url).hard.max(table.all.hard) > fill_seq
    }
}
