//! What origins said by `No-Vary-Search` of their paths.
//!
//! The field comes with a response, but it decides under which key to look. So it is remembered by
//! path: once a path is known, its queries are keyed by what matters of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;

use crate::cache::Key;
use crate::header::no_vary_search::NoVarySearch;

/// How many paths are remembered; a path forgotten only costs hits.
const MOST: u64 = 100_000;

/// Remembers `No-Vary-Search` by path.
pub struct Hints {
    paths: moka::sync::Cache<Key, Arc<NoVarySearch>>,
    /// Whether any path was ever remembered; spares nodes without such origins the look-up.
    used: AtomicBool,
}

impl Default for Hints {
    fn default() -> Self {
        Hints { paths: moka::sync::Cache::new(MOST), used: AtomicBool::new(false) }
    }
}

impl Hints {
    /// What is known of the path whose key `path` makes.
    pub fn find(&self, path: impl FnOnce() -> Key) -> Option<Arc<NoVarySearch>> {
        self.used.load(Ordering::Relaxed).then(|| self.paths.get(&path())).flatten()
    }

    /// Learns what a response says of its path, or that it says nothing any more.
    pub fn learn(&self, headers: &HeaderMap, path: impl FnOnce() -> Key) {
        match NoVarySearch::parse(headers) {
            Some(found) => {
                self.used.store(true, Ordering::Relaxed);
                self.paths.insert(path(), Arc::new(found));
            }
            None if self.used.load(Ordering::Relaxed) => self.paths.invalidate(&path()),
            None => {}
        }
    }
}
