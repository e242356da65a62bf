//! Whole documents and folders: what is refused and how it is said, what is kept, what is merged.

mod broken;
mod effective;
mod reload;
mod tls;

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::upstream::{NodeSettings, Shared};

/// The smallest document: one host and an origin in a range that nobody answers in.
fn document(host: &str) -> String {
    format!("hosts = [\"{host}\"]\n[origin]\nservers = [\"http://192.0.2.1\"]\n")
}

fn surroundings(folder: &Path) -> Surroundings {
    let clock = Clock::system();
    Surroundings {
        folder: folder.to_owned(),
        upstream: Shared::new(&NodeSettings::default(), clock.clone()),
        listeners: vec!["0.0.0.0:8080".parse().unwrap(), "127.0.0.1:8443".parse().unwrap()],
        checks: None,
        state: Arc::new(LastGood::forgetful()),
        clock,
    }
}

/// A folder of documents, a folder of state, and a node's sites between them.
struct Place {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Place {
    fn new(sites: &[(&str, &str)]) -> Self {
        let place =
            Place { folder: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        for (name, text) in sites {
            place.write(name, text);
        }
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(format!("{name}.toml")), text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("{name}.toml"))).unwrap();
    }

    fn start(&self) -> (Source, Report) {
        self.try_start().unwrap()
    }

    fn try_start(&self) -> Result<(Source, Report), Refusal> {
        let settings = Settings { folder: self.folder.path().into(), ..Settings::default() };
        let state = Arc::new(LastGood::open(self.state.path()).unwrap());
        let surroundings = surroundings(self.folder.path());
        Source::start(settings, Surroundings { state, ..surroundings })
    }
}

/// The name of the site that answers for `host`.
fn serving(source: &Source, host: &str) -> Option<String> {
    source.sites().find(host).unwrap().map(|site| site.name.to_string())
}

fn site(source: &Source, host: &str) -> Arc<Site> {
    source.sites().find(host).unwrap().unwrap()
}
