//! How purge rules meet what is stored.

use std::sync::Arc;

use super::Store;
use super::entry::Resource;
use super::kept::Kept;
use super::memory::Change;
use super::rules::{Fate, Mode, Scope};
use crate::cache::{Key, KeyRef};

impl Store {
    /// Number of the newest purge: what a fetch that begins now is marked with, as
    /// [`Stored::fill_seq`](crate::cache::Stored::fill_seq).
    pub fn purge_seq(&self) -> u64 {
        self.rules.newest()
    }

    /// Makes what these scopes name stale or gone. In effect when this returns, durable when the
    /// future ends; gives the number of the purge.
    ///
    /// # Errors
    /// One sentence: it could not be made durable, and holds until the next start.
    pub async fn purge(&self, scopes: &[Scope], mode: Mode) -> Result<u64, String> {
        self.rules.purge(scopes, mode).await
    }

    /// How many purge rules there are.
    pub fn purge_rules(&self) -> usize {
        self.rules.count()
    }

    /// How many purge rules with patterns a site has.
    pub fn patterns_of(&self, site: u32) -> usize {
        self.rules.patterns_of(site)
    }

    /// Whether no purge has named the URL or these tags since that number.
    pub fn is_current(&self, key: &Key, fill_seq: u64, tags: impl Fn() -> Vec<u64>) -> bool {
        self.rules.fate(key.into(), fill_seq, tags).0 == Fate::Live
    }

    /// Sees to it that what these scopes name is not served any more; durable a moment later.
    pub fn make_old(&self, scopes: &[Scope]) {
        if !scopes.is_empty() {
            self.rules.make_old(scopes);
        }
    }

    /// Removes a URL, and sees to it that no copy of it on disk comes back, not even after a restart.
    pub fn invalidate(&self, key: &Key) {
        self.rules.invalidate(KeyRef::from(key));
        self.remove(key);
    }

    /// What the rules say of a stored response.
    pub(super) fn fate(&self, key: KeyRef<'_>, kept: &Kept) -> Fate {
        let (fate, looked) = self.rules.fate(key, kept.fill_seq(), || kept.tags(key));
        if fate == Fate::Live {
            kept.looked_at(looked);
        }
        fate
    }

    /// Removes a response that is dead.
    pub(super) fn bury(&self, key: KeyRef<'_>, gone: &Arc<Kept>) {
        self.memory.change(key, self.clock.now(), |held: Option<&Resource>| {
            match held.filter(|held| held.holds(gone)) {
                Some(held) => held.without(gone).map_or(Change::Remove, Change::Put),
                None => Change::Nothing,
            }
        });
    }
}
