//! All sites at one moment, and the handle by which everyone sees the latest.
//!
//! A look-up takes no lock: the snapshot is swapped whole, and who holds a [`Site`] keeps it until
//! done, whatever is swapped in the meantime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::diagnostic::Diagnostic;
use super::entry::{Entry, Site, Surroundings};
use super::shards::Shards;
use super::table::Table;
use crate::tls;

/// All sites at one moment. A clone shares structure with its original.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By host.
    pub hosts: Table<Arc<Entry>>,
    /// By name, which is the stem of the document's file.
    pub names: Shards<Arc<Entry>>,
    /// Counts the snapshots taken since the start.
    pub generation: u64,
}

impl Snapshot {
    /// How many sites there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Gives back spare room; see [`Shards::shrink`].
    pub(super) fn shrink(&mut self) {
        self.hosts.shrink();
        self.names.shrink();
    }

    /// The site of this name.
    pub fn site(&self, name: &str) -> Option<&Arc<Entry>> {
        self.names.get(name)
    }
}

/// The sites that the node serves: shared by every thread, swapped at a reload.
pub struct Sites {
    current: ArcSwap<Snapshot>,
    generation: AtomicU64,
    surroundings: Surroundings,
}

impl Sites {
    /// No sites yet.
    pub fn new(surroundings: Surroundings) -> Self {
        let current = ArcSwap::from_pointee(Snapshot::default());
        Sites { current, generation: AtomicU64::new(0), surroundings }
    }

    /// The site that answers for `host` (no port, any case); `None` when no site does.
    ///
    /// The first request of a site builds it from its document, which takes some ten microseconds
    /// to a millisecond.
    ///
    /// # Errors
    /// When the document was taken earlier and cannot be built now, since a file that it names is
    /// gone. The same answer is given until a reload.
    pub fn find(&self, host: &str) -> Result<Option<Arc<Site>>, Arc<Diagnostic>> {
        let current = self.current.load();
        let Some(entry) = current.hosts.find(host) else { return Ok(None) };
        entry.site(&self.surroundings).map(Some)
    }

    /// The certificate for a TLS server name; `None` when no site has the name, or its site no
    /// certificate. The first call for a site reads its files.
    pub fn certificate(&self, server_name: &str) -> Option<Arc<tls::Certificate>> {
        let current = self.current.load();
        current.hosts.find(server_name)?.certificate(&self.surroundings)
    }

    /// The latest snapshot, to list sites or look several things up in one state.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The generation of the sites: what was found in an earlier one may be outdated. Read it before
    /// looking for anything.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What sites are built with.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    pub(super) fn swap(&self, next: Snapshot) {
        let generation = next.generation;
        self.current.store(Arc::new(next));
        // After the snapshot: who reads the new number finds no older site.
        self.generation.store(generation, Ordering::Release);
    }
}
