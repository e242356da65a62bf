//! Small facts about URLs that are remembered beside what is stored.

use std::sync::Arc;
use std::time::Duration;

use super::{COUNTERS, Store};
use crate::cache::Key;
use crate::clock::Timestamp;
use crate::header::no_vary_search::NoVarySearch;

/// How long it is remembered that a URL cannot be fetched by slices.
const UNSLICED: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Remembers that `key` is uncacheable until then.
    pub fn mark(&self, key: &Key, until: Timestamp) {
        COUNTERS.marked.bump();
        self.markers.put(key, until);
    }

    /// Remembers that `key` cannot be fetched by slices, for a day: origins change.
    pub fn mark_unsliced(&self, key: &Key) {
        self.unsliced.put(key, self.clock.now().plus(UNSLICED));
    }

    /// Whether `key` is known not to be fetched by slices.
    pub fn is_unsliced(&self, key: &Key) -> bool {
        self.unsliced.get(key.into()).is_some_and(|until| until > self.clock.now())
    }

    /// Which parts of its queries do not matter for a path (`No-Vary-Search`), by its
    /// [`path_key`](crate::cache::path_key). `None` at once while no path has such a rule.
    pub fn search_rule(&self, path: &Key) -> Option<Arc<NoVarySearch>> {
        self.searches.get(path.into())
    }

    /// Whether any path has such a rule, so that it is worth making its key.
    pub fn has_search_rules(&self) -> bool {
        self.searches.count() > 0
    }

    /// Remembers what the origin says of a path's queries; `None` forgets it.
    pub fn learn_search_rule(&self, path: &Key, rule: Option<NoVarySearch>) {
        match rule {
            Some(rule) => self.searches.put(path, Arc::new(rule)),
            None => self.searches.forget(path),
        }
    }

    /// Forgets that `key` is uncacheable: its last response could have been stored.
    pub fn unmark(&self, key: &Key) {
        self.markers.forget(key);
    }
}
