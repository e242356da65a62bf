//! The node's own settings file: gathers each part's settings and holds only what no part owns.
//!
//! `ops/brink.toml` shows every key with its default. Read once at start, where trouble means no
//! start, and again at a reload, where trouble changes nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::image::workers;
use crate::serve::{rules, warm};
use crate::setting::Complaint;
use crate::site::Diagnostic;
use crate::{admin, fill, geo, listen, site, store, telemetry, upstream, usage};

/// What the operator of a node decides.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// What the node calls itself in `Via`, `Cache-Status`, `Proxy-Status` and `CDN-Loop`: letters,
    /// digits and `-._`, a letter first. Default: `brink`.
    pub name: String,
    /// The folder of what must outlive the process; relative to this file. Default: `/var/lib/brink`.
    pub state_dir: PathBuf,
    /// Serving threads, each with its own listeners, 0 to 1024; 0: one for each core. Default: 0.
    pub threads: usize,
    /// Where the node listens, for its customers' visitors.
    pub listen: listen::Settings,
    /// The cache's memory.
    pub store: store::Settings,
    /// Fetches that many readers share.
    pub fill: fill::Settings,
    /// What holds for the origins of all sites.
    pub upstream: upstream::NodeSettings,
    /// What customers' edge rules may cost.
    pub rules: rules::Settings,
    /// The databases that tell where clients are.
    pub geo: geo::Settings,
    /// What image work may cost.
    pub images: workers::Settings,
    /// What jobs that fill the cache may cost.
    pub warm: warm::Settings,
    /// What the node tells of itself.
    pub telemetry: telemetry::Settings,
    /// What is counted for bills.
    pub usage: usage::Settings,
    /// Where the site documents are.
    pub sites: site::Settings,
    /// Where the node takes orders.
    pub admin: admin::Settings,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            name: "brink".into(),
            state_dir: "/var/lib/brink".into(),
            threads: 0,
            listen: listen::Settings::default(),
            store: store::Settings::default(),
            fill: fill::Settings::default(),
            upstream: upstream::NodeSettings::default(),
            rules: rules::Settings::default(),
            geo: geo::Settings::default(),
            images: workers::Settings::default(),
            warm: warm::Settings::default(),
            telemetry: telemetry::Settings::default(),
            usage: usage::Settings::default(),
            sites: site::Settings::default(),
            admin: admin::Settings::default(),
        }
    }
}

/// More threads than any machine this runs on has cores.
const MAX_THREADS: usize = 1024;

impl NodeConfig {
    /// Reads the file, checks it, and makes its relative paths start at its own folder.
    ///
    /// # Errors
    /// Everything that is wrong with the values, or the first thing if they cannot be read.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            vec![Diagnostic::whole_file(&file, format!("cannot be read: {error}"))]
        })?;
        let mut config = NodeConfig::parse(&file, &text)?;
        config.start_paths_at(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Reads and checks the text of a settings file; `file` is its name in what is said of it.
    ///
    /// # Errors
    /// As [`NodeConfig::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let config: NodeConfig = toml::from_str(text)
            .map_err(|error| vec![Diagnostic::from_toml(file, text, &error)])?;
        let complaints = config.validate();
        if complaints.is_empty() {
            return Ok(config);
        }
        Err(complaints.iter().map(|c| Diagnostic::from_complaint(file, text, c)).collect())
    }

    /// Where in the settings file the cause of each complaint about its table `table` is. Complaints
    /// that only come up when the settings are put to use are shown like all others.
    pub fn locate(path: Option<&Path>, table: &str, complaints: Vec<Complaint>) -> Vec<Diagnostic> {
        let path = path.unwrap_or(Path::new("settings"));
        let (file, text) = (path.display().to_string(), std::fs::read_to_string(path));
        let text = text.unwrap_or_default();
        let shown = |it: Complaint| Diagnostic::from_complaint(&file, &text, &it.within(table));
        complaints.into_iter().map(shown).collect()
    }

    /// Makes relative paths start at `folder`.
    pub fn start_paths_at(&mut self, folder: &Path) {
        self.state_dir = folder.join(&self.state_dir);
        self.sites.folder = folder.join(&self.sites.folder);
        for disk in &mut self.store.disks {
            disk.path = folder.join(&disk.path);
        }
        self.geo.start_paths_at(folder);
        self.admin.socket = self.state_dir.join(&self.admin.socket);
    }

    /// How many serving threads to start.
    pub fn serving_threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS),
            threads => threads,
        }
    }

    /// Every address that clients reach the node at.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.listen.http.iter().chain(&self.listen.https).copied().collect()
    }

    /// Every address of the node itself; none may be an origin.
    pub fn own_addresses(&self) -> Vec<SocketAddr> {
        self.listeners().into_iter().chain([self.admin.address]).collect()
    }

    /// Everything wrong with the values; paths start at the file's root.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = self.validate_own();
        let tables = [
            ("listen", self.listen.validate()),
            ("store", self.store.validate()),
            ("fill", self.fill.validate()),
            ("upstream", self.upstream.validate()),
            ("rules", self.rules.validate()),
            ("geo", self.geo.validate()),
            ("images", self.images.validate()),
            ("warm", self.warm.validate()),
            ("telemetry", self.telemetry.validate()),
            ("usage", self.usage.validate()),
            ("sites", self.sites.validate()),
            ("admin", self.admin.validate()),
        ];
        for (table, found) in tables {
            complaints.extend(found.into_iter().map(|complaint| complaint.within(table)));
        }
        complaints
    }

    fn validate_own(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        let token = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if !self.name.starts_with(|c: char| c.is_ascii_alphabetic())
            || !self.name.bytes().all(token)
        {
            complaints.push(
                Complaint::new("name", format!("`{}` cannot stand in header fields", self.name))
                    .suggest("write letters, digits and `-._`, a letter first"),
            );
        }
        if self.state_dir.as_os_str().is_empty() {
            complaints.push(Complaint::new("state_dir", "the path is empty"));
        }
        if self.threads > MAX_THREADS {
            let message = format!("{} threads are more than {MAX_THREADS}", self.threads);
            complaints
                .push(Complaint::new("threads", message).suggest("write 0 for one each core"));
        }
        complaints
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::{Table, Value};

    const EVERY_KNOB: &str = include_str!("../ops/brink.toml");

    /// The file with the knobs that are commented out put in: `# key = value` with no prose.
    fn uncommented() -> String {
        EVERY_KNOB
            .lines()
            .map(|line| {
                line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line)
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Every key with its value, as `listen.h2.streams = 100`.
    fn knobs(table: &Table, path: &str, found: &mut Vec<String>) {
        for (name, value) in table {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match value {
                Value::Table(table) => knobs(table, &path, found),
                _ => found.push(format!("{path} = {value}")),
            }
        }
    }

    fn knobs_of(config: &NodeConfig) -> Vec<String> {
        let mut found = Vec::new();
        knobs(&Table::try_from(config).unwrap(), "", &mut found);
        found
    }

    fn name(knob: &str) -> &str {
        knob.split(" = ").next().unwrap()
    }

    #[test]
    fn the_file_of_every_knob_is_the_defaults() {
        let config = NodeConfig::parse("ops/brink.toml", EVERY_KNOB)
            .unwrap_or_else(|all| panic!("{}", all[0]));
        let defaults = knobs_of(&NodeConfig::default());
        let other: Vec<_> =
            knobs_of(&config).into_iter().filter(|knob| !defaults.contains(knob)).collect();
        assert!(other.is_empty(), "not the default: {other:#?}");
        assert_eq!(config, NodeConfig::default());
    }

    #[test]
    fn every_knob_is_in_the_file_and_explained() {
        let written: Table = uncommented().parse().unwrap();
        NodeConfig::parse("ops/brink.toml", &uncommented())
            .unwrap_or_else(|all| panic!("{}", all[0]));
        let mut in_file = Vec::new();
        knobs(&written, "", &mut in_file);
        let in_code = knobs_of(&NodeConfig::default());
        let missing: Vec<_> = in_code
            .iter()
            .filter(|knob| !in_file.iter().any(|other| name(other) == name(knob)))
            .collect();
        assert!(missing.is_empty(), "not in ops/brink.toml: {missing:?}");
        // Each knob stands under the comment that explains it.
        let mut before = "";
        for line in EVERY_KNOB.lines() {
            let knob = line.trim_start_matches('#');
            if !knob.starts_with([' ', '[']) && knob.contains(" = ") {
                assert!(before.starts_with("# "), "no comment above `{line}`");
            }
            before = line;
        }
    }

    #[test]
    fn five_lines_are_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brink.toml");
        std::fs::write(&path, "state_dir = \"state\"\n[sites]\nfolder = \"customers\"\n").unwrap();
        let config = NodeConfig::load(&path).unwrap();
        assert_eq!(config.sites.folder, folder.path().join("customers"));
        assert_eq!(config.admin.socket, folder.path().join("state/admin.sock"));
        assert!(config.serving_threads() >= 1);
    }

    #[test]
    fn trouble_is_shown_where_it_is() {
        let wrong = |text: &str| NodeConfig::parse("brink.toml", text).unwrap_err().remove(0);
        let diagnostic = wrong("name = \"edge 1\"\n");
        assert_eq!((diagnostic.line, diagnostic.column), (1, 8));
        let diagnostic = wrong("\n[admin]\naddress = \"0.0.0.0:9911\"\n");
        assert_eq!((diagnostic.line, diagnostic.column), (3, 11));
        let diagnostic = wrong("[store]\nmemmory = \"1GiB\"\n");
        assert_eq!(diagnostic.suggestion.as_deref(), Some("did you mean `memory`?"));
        let missing = NodeConfig::load(Path::new("/no/such/brink.toml")).unwrap_err();
        assert_eq!(missing[0].line, 0);
    }
}
