//! Rules that nothing obeys: what a purge would name, asked of the table that real purges are in.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::table::Table;
use super::{Mode, Scope};
use crate::cache::KeyRef;

/// What a purge of some scopes would name.
pub struct Trial {
    table: Table,
    /// Sites outside of which it names nothing, if that is known.
    sites: Option<HashSet<u32, RandomState>>,
}

/// The number of its rules: newer than any object that is looked at.
const NUMBER: u64 = 1;

impl Trial {
    /// Of these scopes.
    pub fn new(scopes: &[Scope]) -> Self {
        let mut table = Table::default();
        scopes.iter().for_each(|scope| table.add(scope, Mode::Hard, NUMBER));
        let site = |scope: &Scope| match scope {
            Scope::Tag(site, _) => *site,
            Scope::Folder(site, _) | Scope::Matching(site, _) | Scope::Site(site) => Some(*site),
            Scope::Url(_) | Scope::All => None,
        };
        Trial { table, sites: scopes.iter().map(site).collect() }
    }

    /// Whether it names an object. `tags` are looked at only if it names any.
    pub fn names(&self, key: KeyRef<'_>, tags: impl FnOnce() -> Vec<u64>) -> bool {
        self.table.about(key, 0, tags).hard == NUMBER
    }

    /// Whether it may name an object of a site.
    pub fn may_name(&self, site: u32) -> bool {
        self.sites.as_ref().is_none_or(|sites| sites.contains(&site))
    }
}
