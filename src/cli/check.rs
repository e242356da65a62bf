//! `brink check`: would a node take these settings? Reads what a start would read and serves nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::{COULD_NOT_RUN, FOUND_WRONG};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::geo::Geo;
use crate::site::{
    Diagnostic, Document, LastGood, Refusal, Source, Surroundings, examine, read_document,
};
use crate::upstream::Shared;

/// What to check.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Arguments {
    /// The node's settings file; all sites of its folder are checked too.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Documents of single sites; with these the node's folder is left alone.
    #[arg(value_name = "SITE.toml")]
    pub sites: Vec<PathBuf>,
    /// Print each document with its preset and all defaults written out.
    #[arg(long)]
    pub effective: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Documents looked at.
    checked: usize,
    /// What is wrong.
    diagnostics: Vec<Diagnostic>,
    /// The documents in full, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    effective: Vec<Effective>,
    /// What kept the check from being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    could_not_run: Option<String>,
}

#[derive(Debug, Serialize)]
struct Effective {
    file: String,
    document: Document,
}

const DEFAULT_CONFIG: &str = "/etc/brink/brink.toml";

/// Checks and prints. Returns the exit code: 0 all good, 1 something wrong, 2 could not run.
pub fn run(args: Arguments) -> u8 {
    let findings = check(&args);
    let printed = if args.json { print_json(&findings) } else { print_text(&findings) };
    match (&findings.could_not_run, findings.diagnostics.is_empty(), printed) {
        (Some(_), _, _) | (_, _, Err(_)) => COULD_NOT_RUN,
        (None, false, Ok(())) => FOUND_WRONG,
        (None, true, Ok(())) => 0,
    }
}

fn check(args: &Arguments) -> Findings {
    let mut findings = Findings::default();
    let path = match &args.config {
        Some(path) => Some(path.as_path()),
        None => args.sites.is_empty().then_some(Path::new(DEFAULT_CONFIG)),
    };
    // A file that is not there is not a file with something wrong in it.
    if let Some(Err(error)) = path.map(Path::metadata) {
        let path = path.unwrap_or(Path::new("")).display();
        findings.could_not_run = Some(format!("{path}: {error}"));
        return findings;
    }
    let config = match path.map(NodeConfig::load).transpose() {
        Ok(config) => config,
        Err(diagnostics) => {
            findings.diagnostics = diagnostics;
            return findings;
        }
    };
    if let Some(Err(complaints)) = config.as_ref().map(|config| Geo::open(&config.geo)) {
        findings.diagnostics.extend(NodeConfig::locate(path, "geo", complaints));
    }
    let outcome = match &config {
        Some(config) if args.sites.is_empty() => check_folder(config, args, &mut findings),
        _ => check_files(config.unwrap_or_default(), args, &mut findings),
    };
    findings.could_not_run = outcome.err();
    findings
}

/// Checks all sites of a node as its start would, without its last good documents.
fn check_folder(config: &NodeConfig, args: &Arguments, found: &mut Findings) -> Result<(), String> {
    let surroundings = surroundings(config, &config.sites.folder);
    let (source, report) = Source::start(config.sites.clone(), surroundings)
        .map_err(|refusal: Refusal| refusal.to_string())?;
    found.checked = report.sites + report.refused;
    found.diagnostics.extend(report.diagnostics().cloned());
    if args.effective {
        let snapshot = source.sites().snapshot();
        let mut entries: Vec<_> = snapshot.names.iter().map(|(_, entry)| entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let file = source.sites().surroundings().file(&entry.name);
            show(&file, &entry.text, found);
        }
    }
    Ok(())
}

fn check_files(config: NodeConfig, args: &Arguments, found: &mut Findings) -> Result<(), String> {
    for path in &args.sites {
        found.checked += 1;
        let text = match read_document(path, config.sites.max_document.0) {
            Ok(Some(text)) => text,
            Ok(None) => return Err(format!("{}: there is no such file", path.display())),
            Err(diagnostic) => {
                found.diagnostics.push(diagnostic);
                continue;
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let surroundings = surroundings(&config, folder);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        match examine(&name, 0, &text, &surroundings, None) {
            Ok(_) if args.effective => show(&path.display().to_string(), &text, found),
            Ok(_) => {}
            Err(diagnostics) => found.diagnostics.extend(diagnostics),
        }
    }
    Ok(())
}

fn show(file: &str, text: &str, found: &mut Findings) {
    match Document::parse(file, text) {
        Ok(document) => found.effective.push(Effective { file: file.to_owned(), document }),
        Err(diagnostic) => found.diagnostics.push(diagnostic),
    }
}

fn surroundings(config: &NodeConfig, folder: &Path) -> Surroundings {
    let clock = Clock::system();
    Surroundings {
        folder: folder.to_owned(),
        upstream: Shared::new(&config.upstream, clock.clone()),
        listeners: config.listeners(),
        checks: None,
        state: Arc::new(LastGood::forgetful()),
        clock,
    }
}

fn print_json(findings: &Findings) -> Result<(), String> {
    let text = serde_json::to_string_pretty(findings).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(())
}

fn print_text(findings: &Findings) -> Result<(), String> {
    for effective in &findings.effective {
        let text = effective.document.effective().map_err(|error| error.to_string())?;
        println!("# {}\n{text}", effective.file);
    }
    for diagnostic in &findings.diagnostics {
        eprintln!("{diagnostic}\n");
    }
    match &findings.could_not_run {
        Some(trouble) => eprintln!("cannot check: {trouble}"),
        None if findings.diagnostics.is_empty() => {
            eprintln!("{} documents, all good", findings.checked)
        }
        None => {
            let wrong = findings.diagnostics.len();
            eprintln!("{} documents, {wrong} errors", findings.checked);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "hosts = [\"a.test\"]\npreset = \"page\"\n[origin]\nservers = [\"b.test\"]\n";

    fn place(sites: &[(&str, &str)]) -> (tempfile::TempDir, Arguments) {
        let place = tempfile::tempdir().unwrap();
        let config = place.path().join("brink.toml");
        std::fs::write(&config, "state_dir = \"state\"\n").unwrap();
        std::fs::create_dir(place.path().join("sites")).unwrap();
        for (name, text) in sites {
            std::fs::write(place.path().join("sites").join(name), text).unwrap();
        }
        (place, Arguments { config: Some(config), ..Arguments::default() })
    }

    #[test]
    fn a_good_node_passes_and_leaves_no_trace() {
        let (place, args) = place(&[("a.toml", GOOD)]);
        let args = Arguments { effective: true, ..args };
        let found = check(&args);
        assert_eq!((found.checked, found.diagnostics.len()), (1, 0));
        assert_eq!(found.effective[0].document.hosts, ["a.test"]);
        assert_eq!(run(args.clone()), 0);
        assert!(!place.path().join("state").exists());
    }

    #[test]
    fn a_wrong_site_or_node_file_is_found() {
        let (place, args) = place(&[("a.toml", GOOD), ("b.toml", GOOD), ("c.toml", "x = 1")]);
        let found = check(&args);
        assert_eq!((found.checked, found.diagnostics.len()), (3, 2));
        assert_eq!(run(args.clone()), 1);
        std::fs::write(place.path().join("brink.toml"), "thraeds = 1\n").unwrap();
        let found = check(&args);
        assert_eq!(found.diagnostics[0].suggestion.as_deref(), Some("did you mean `threads`?"));
    }

    #[test]
    fn a_database_that_will_not_do_is_found_where_it_is_named() {
        let (place, args) = place(&[("a.toml", GOOD)]);
        let node = "state_dir = \"state\"\n[geo]\ncountry = \"country.mmdb\"\n";
        std::fs::write(place.path().join("brink.toml"), node).unwrap();
        let found = check(&args);
        let [diagnostic] = found.diagnostics.as_slice() else { panic!("{:?}", found.diagnostics) };
        assert_eq!((diagnostic.line, diagnostic.column), (3, 11));
        assert!(diagnostic.message.starts_with("geo.country: "), "{}", diagnostic.message);
        let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo");
        let database = place.path().join("country.mmdb");
        std::fs::copy(data.join("asn.mmdb"), &database).unwrap();
        assert_eq!(run(args.clone()), 1);
        std::fs::copy(data.join("country.mmdb"), &database).unwrap();
        assert_eq!(run(args), 0);
    }

    #[test]
    fn single_documents_need_no_node_file() {
        let (place, _) = place(&[("a.toml", GOOD), ("c.toml", "x = 1")]);
        let site = |name: &str| vec![place.path().join("sites").join(name)];
        assert_eq!(run(Arguments { sites: site("a.toml"), json: true, ..Arguments::default() }), 0);
        assert_eq!(run(Arguments { sites: site("c.toml"), ..Arguments::default() }), 1);
        assert_eq!(run(Arguments { sites: site("missing.toml"), ..Arguments::default() }), 2);
    }

    #[test]
    fn what_cannot_be_checked_is_not_called_good() {
        let (place, args) = place(&[]);
        std::fs::remove_dir(place.path().join("sites")).unwrap();
        assert_eq!(run(args.clone()), 2);
    }
}
