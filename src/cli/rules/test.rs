//! `brink rules test`: every `NAME.test.toml`, over `NAME.toml` and `NAME.rules`.

use std::path::{Path, PathBuf};

use edge_rules::Tests;
use serde_json::{Value, json};

use super::Rules;
use crate::cli::FOUND_WRONG;

/// What to test.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folders with tests, or single NAME.test.toml files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// A rule that no test matches is a failure.
    #[arg(long)]
    strict: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What all tests came to.
#[derive(Default)]
struct Total {
    passed: usize,
    failed: usize,
    unmatched: usize,
    reports: Vec<Value>,
}

pub(super) fn run(arguments: &Arguments) -> Result<u8, String> {
    let mut files = Vec::new();
    for path in &arguments.paths {
        if path.is_dir() {
            files.extend(tests_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        return Err("there is no NAME.test.toml".into());
    }
    let mut total = Total::default();
    for file in &files {
        run_file(file, arguments.json, &mut total)?;
    }
    let Total { passed, failed, unmatched, reports } = total;
    if arguments.json {
        let all =
            json!({ "passed": passed, "failed": failed, "unmatched": unmatched, "files": reports });
        println!("{all:#}");
    } else {
        println!("{passed} tests passed, {failed} failed, {unmatched} rules are matched by none");
    }
    let good = failed == 0 && (unmatched == 0 || !arguments.strict);
    Ok(if good { 0 } else { FOUND_WRONG })
}

fn tests_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error| format!("{} cannot be read: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            files.extend(tests_in(&path)?);
        } else if path.to_string_lossy().ends_with(".test.toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn run_file(file: &Path, as_json: bool, total: &mut Total) -> Result<(), String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let tests = match Tests::parse(&text) {
        Ok(tests) => tests,
        Err(errors) => {
            let name = file.display().to_string();
            errors.iter().for_each(|error| eprintln!("{}", error.show(&name, &text)));
            total.failed += 1;
            return Ok(());
        }
    };
    let stem = file.to_string_lossy().trim_end_matches(".test.toml").to_owned();
    let sets = ["toml", "rules"].map(|kind| PathBuf::from(format!("{stem}.{kind}")));
    let sets: Vec<&PathBuf> = sets.iter().filter(|path| path.is_file()).collect();
    if sets.is_empty() {
        return Err(format!("{stem}.toml and {stem}.rules are missing: nothing to test"));
    }
    for path in sets {
        let rules = Rules::read(path)?;
        match rules.compile() {
            Ok(program) => {
                let report = tests.run(&program);
                total.passed += report.passed();
                total.failed += report.results.len() - report.passed();
                total.unmatched += report.unmatched.len();
                if !as_json && (!report.is_good() || !report.unmatched.is_empty()) {
                    println!("{}:\n{report}", rules.file);
                }
                total.reports.push(told(&rules.file, &report));
            }
            Err(errors) => {
                rules.show(&errors);
                total.failed += tests.len();
            }
        }
    }
    Ok(())
}

fn told(file: &str, report: &edge_rules::Report) -> Value {
    let results = report.results.iter().map(|result| {
        let mismatches = result
            .mismatches
            .iter()
            .map(|it| json!({ "what": it.what, "expected": it.expected, "got": it.got }));
        json!({
            "name": result.name,
            "line": result.line,
            "passed": result.passed(),
            "mismatches": mismatches.collect::<Vec<_>>(),
            "trace": result.trace,
        })
    });
    json!({
        "file": file,
        "tests": results.collect::<Vec<_>>(),
        "unmatched": report.unmatched,
    })
}
