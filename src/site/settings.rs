//! The `[sites]` table of the node's settings: where the documents are and how they are read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::quantity::Size;
use crate::setting::Complaint;

/// Where the site documents are and how they are read.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The folder that holds one `NAME.toml` for each site; relative to the node's file.
    /// Default: `sites`.
    pub folder: PathBuf,
    /// The largest document read, in bytes, 1KiB to 16MiB; a larger file is refused. Default: 1MiB.
    pub max_document: Size,
    /// Threads that read and check documents at start and at a reload, 1 to 64. Default: 2.
    pub load_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { folder: "sites".into(), max_document: Size::mib(1), load_threads: 2 }
    }
}

impl Settings {
    /// What is wrong with the values, seen from the `[sites]` table.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.folder.as_os_str().is_empty() {
            complaints.push(Complaint::new("folder", "the path is empty"));
        }
        if !(Size::kib(1)..=Size::mib(16)).contains(&self.max_document) {
            complaints.push(
                Complaint::out_of_bounds("max_document", self.max_document)
                    .suggest("write a size from \"1KiB\" to \"16MiB\""),
            );
        }
        if !(1..=64).contains(&self.load_threads) {
            complaints.push(
                Complaint::out_of_bounds("load_threads", self.load_threads)
                    .suggest("write a number from 1 to 64"),
            );
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        assert!(Settings::default().validate().is_empty());
        let wrong = Settings { folder: "".into(), max_document: Size(1), load_threads: 0 };
        assert_eq!(wrong.validate().len(), 3);
    }
}
