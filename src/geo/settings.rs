//! The `[geo]` table of the node's settings: the files that tell where clients are.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::setting::Complaint;

/// Databases in MaxMind's format (`.mmdb`); one file may be named for both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A database with `country.iso_code`, such as GeoLite2-Country or GeoLite2-City, at most 1GiB;
    /// relative to the node file. Default: none, and no client's country is known.
    pub country: Option<PathBuf>,
    /// A database with `autonomous_system_number`, such as GeoLite2-ASN, at most 1GiB; relative to
    /// the node file. Default: none, and no client's network is known.
    pub asn: Option<PathBuf>,
}

impl Settings {
    /// What is wrong with the values by themselves, seen from the `[geo]` table. Whether the files
    /// will do, [`Geo::open`](super::Geo::open) tells.
    pub fn validate(&self) -> Vec<Complaint> {
        let named = [("country", &self.country), ("asn", &self.asn)];
        let empty = named.into_iter().filter(|(_, path)| path.as_deref() == Some(Path::new("")));
        empty
            .map(|(name, _)| {
                Complaint::new(name, "the path is empty").suggest("leave it out for none")
            })
            .collect()
    }

    /// Makes relative paths start at `folder`.
    pub fn start_paths_at(&mut self, folder: &Path) {
        for path in [&mut self.country, &mut self.asn].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
}
