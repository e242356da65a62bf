//! The cook book: every task of `examples/` does what its table says, in each spelling it has.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use edge_rules::{
    Converted, Error, Limits, Notation, Program, Report, Tests, convert_document, convert_rules,
    format_document, format_rules,
};

use crate::convert::assert_same;
use crate::grammar::{Chance, request};

/// One task: its document, its file of `$` rules if it has one, and its tests.
struct Task {
    name: String,
    document: String,
    rules: Option<String>,
    tests: String,
}

fn tasks() -> Vec<Task> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(&path).unwrap());
    }
    let names: Vec<String> = files
        .keys()
        .filter_map(|name| Some(name.strip_suffix(".test.toml")?.to_string()))
        .collect();
    let mut take = |name: String| files.remove(&name);
    let tasks: Vec<Task> = names
        .into_iter()
        .map(|name| Task {
            document: take(format!("{name}.toml")).unwrap(),
            rules: take(format!("{name}.rules")),
            tests: take(format!("{name}.test.toml")).unwrap(),
            name,
        })
        .collect();
    assert!(files.is_empty(), "files that belong to no task: {:?}", files.keys());
    tasks
}

fn good<T>(what: &str, source: &str, result: Result<T, Vec<Error>>) -> T {
    result.unwrap_or_else(|errors| panic!("{}", errors[0].show(what, source)))
}

impl Task {
    fn run(&self, what: &str, program: Result<Program, Vec<Error>>, source: &str) -> Report {
        let program = good(&format!("{} as {what}", self.name), source, program);
        let tests = good(&self.name, &self.tests, Tests::parse(&self.tests));
        let report = tests.run(&program);
        let all = report.is_good() && report.unmatched.is_empty() && !report.results.is_empty();
        assert!(all, "{} as {what}:\n{report}\n{source}", self.name);
        report
    }

    fn run_document(&self, what: &str, source: &str) -> Report {
        self.run(what, Program::from_document(source, &Limits::default()), source)
    }

    fn run_rules(&self, source: &str) -> Report {
        self.run("rules", Program::from_rules(source, &Limits::default()), source)
    }
}

/// Which rules matched in each test.
fn matched(report: &Report) -> Vec<Vec<&String>> {
    let of = |trace: &'_ [String]| -> Vec<usize> {
        (0..trace.len()).filter(|at| trace[*at].ends_with("matched")).collect()
    };
    report
        .results
        .iter()
        .map(|it| of(&it.trace).into_iter().map(|at| &it.trace[at]).collect())
        .collect()
}

#[test]
fn every_task_does_what_it_says_in_both_spellings() {
    let tasks = tasks();
    assert!(tasks.len() >= 25, "{}", tasks.len());
    for task in &tasks {
        let report = task.run_document("document", &task.document);
        assert!(task.document.starts_with("# "), "{}", task.name);
        if let Some(rules) = &task.rules {
            let other = task.run_rules(rules);
            assert_eq!(matched(&report), matched(&other), "{}", task.name);
            let first = |text: &str| text.lines().next().map(str::to_string);
            assert_eq!(first(rules), first(&task.document), "{}", task.name);
        }
    }
    let both = tasks.iter().filter(|task| task.rules.is_some()).count();
    assert!(both >= 20, "{both}");
}

#[test]
fn every_task_stays_the_same_when_it_is_converted() {
    let limits = Limits::default();
    let (mut to_dollar, mut to_when) = (0, 0);
    for task in tasks() {
        let convert =
            |to| good(&task.name, &task.document, convert_document(&task.document, to, &limits));
        let Converted { text, kept } = convert(Notation::Dollar);
        task.run_document("dollar", &text);
        let program = |source: &str| Program::from_document(source, &limits).unwrap();
        let programs = (program(&task.document), program(&text));
        for seed in 0..40 {
            assert_same(&programs, &request(&mut Chance(seed)), &task.name);
        }
        to_dollar += usize::from(kept.is_empty());
        if let Some(rules) = &task.rules {
            let Converted { text, kept } = good(&task.name, rules, convert_rules(rules, &limits));
            task.run_document("when", &text);
            to_when += usize::from(kept.is_empty());
        }
    }
    assert!(to_dollar >= 20 && to_when >= 20, "{to_dollar} {to_when}");
}

#[test]
fn every_task_is_laid_out() {
    let limits = Limits::default();
    for task in tasks() {
        let made = good(&task.name, &task.document, format_document(&task.document, &limits));
        assert_eq!(made, task.document, "{}", task.name);
        if let Some(rules) = &task.rules {
            assert_eq!(&good(&task.name, rules, format_rules(rules, &limits)), rules);
        }
    }
}

/// Lines that say something, of each section that `## name` begins.
fn sections(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("## ") {
            section = name;
        } else if !section.is_empty() && !line.is_empty() && !line.starts_with('#') {
            *counts.entry(section).or_default() += 1;
        }
    }
    counts
}

#[test]
fn the_lines_of_the_comparison_are_counted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let elsewhere =
        ["vcl", "conf", "cloudflare"].map(|it| read(&format!("examples/elsewhere/tasks.{it}")));
    let elsewhere = elsewhere.each_ref().map(|text| sections(text));
    let own = |path: String| {
        let lines = read(&path);
        lines.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).count()
    };
    let readme = read("README.md");
    let mut rows = 0;
    for task in elsewhere[0].keys() {
        let counts = [own(format!("examples/{task}.toml")), own(format!("examples/{task}.rules"))];
        let others = elsewhere.each_ref().map(|it| it.get(task).copied().unwrap_or(0));
        let cells: Vec<String> = counts
            .into_iter()
            .chain(others)
            .map(|it| if it == 0 { "-".into() } else { it.to_string() })
            .collect();
        let row = format!("| `{task}` | {} |", cells.join(" | "));
        assert!(readme.contains(&row), "README.md should say {row}");
        rows += 1;
    }
    assert_eq!(rows, 10);
}
