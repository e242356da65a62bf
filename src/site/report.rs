//! What came of a load or reload, for the log, the command line and the admin API.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::diagnostic::Diagnostic;
use super::last_good::StateError;

/// How many troubles are told in full; beyond that they are only counted.
const MAX_TROUBLES: usize = 1000;

/// What came of a load or reload that took place.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The snapshot's generation.
    pub generation: u64,
    /// Sites served now.
    pub sites: usize,
    /// Sites taken that were not served before.
    pub added: usize,
    /// Sites whose document changed and was taken.
    pub changed: usize,
    /// Sites whose document is what it was.
    pub unchanged: usize,
    /// Sites whose file is gone.
    pub removed: usize,
    /// Sites that go on in their last good form, since the new one will not do.
    pub frozen: usize,
    /// Files that are no good and have no last good form: these sites are not served.
    pub refused: usize,
    /// Certificates read anew.
    pub certificates: usize,
    /// What is wrong, site by site, the first 1,000.
    pub troubles: Vec<Trouble>,
    /// Why the last good documents could not be kept on disk; the sites are served all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What is wrong with one site.
#[derive(Clone, Debug, Serialize)]
pub struct Trouble {
    /// The site.
    pub site: String,
    /// Whether it goes on in an earlier form; if not, it is not served.
    pub frozen: bool,
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.took_ms)
    }

    /// Whether every document was good.
    pub fn is_clean(&self) -> bool {
        self.frozen == 0 && self.refused == 0 && self.troubles.is_empty()
    }

    /// Everything that is wrong, one after the other.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.troubles.iter().flat_map(|trouble| &trouble.diagnostics)
    }

    pub(super) fn trouble(&mut self, site: &str, frozen: bool, diagnostics: Vec<Diagnostic>) {
        if frozen {
            self.frozen += 1;
        } else {
            self.refused += 1;
        }
        self.tell(site, frozen, diagnostics);
    }

    pub(super) fn tell(&mut self, site: &str, frozen: bool, diagnostics: Vec<Diagnostic>) {
        if self.troubles.len() < MAX_TROUBLES {
            self.troubles.push(Trouble { site: site.to_owned(), frozen, diagnostics });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sites: {} new, {} changed, {} unchanged, {} removed, {} frozen, {} refused, in {} ms",
            self.sites,
            self.added,
            self.changed,
            self.unchanged,
            self.removed,
            self.frozen,
            self.refused,
            self.took_ms
        )
    }
}

/// Why a load or reload did not take place; everything stays as it was.
#[derive(Debug)]
pub enum Refusal {
    /// The folder cannot be listed.
    Folder(PathBuf, std::io::Error),
    /// The folder holds no document while sites are being served: taken for a mistake.
    Empty {
        /// The folder.
        folder: PathBuf,
        /// How many sites are served.
        sites: usize,
    },
    /// The last good documents cannot be read.
    State(StateError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Folder(folder, error) => {
                write!(f, "cannot read the folder of sites {}: {error}", folder.display())
            }
            Refusal::Empty { folder, sites } => write!(
                f,
                "{} holds no site document; this is not taken for \"no sites\", the {sites} that are \
                 served stay as they are (to close a site write `enabled = false`)",
                folder.display()
            ),
            Refusal::State(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}
