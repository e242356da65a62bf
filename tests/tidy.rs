//! The house rules that a machine can check: layers, sizes, names, headers, leftovers, floors.
//!
//! Each check reads the tree as text and lists every breach as `path:line: what`, so that one run
//! shows all there is to mend. `tests/tidy.ratchet` holds old sinners, which may only shrink.

// A failed test is a panic by design.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/proof.rs"]
mod proof;
#[path = "tidy/source.rs"]
mod source;

use layers::Layers;
use source::Source;

/// Lines that a file or a function may have, and what 95 in 100 of them keep to.
const FILE_MOST: usize = 500;
const FILE_P95: usize = 400;
const FUNCTION_MOST: usize = 70;
const FUNCTION_P95: usize = 40;

#[test]
fn imports_point_down() {
    let layers = Layers::parse(&read("ARCHITECTURE.md")).unwrap();
    let sources = &TREE.sources;
    let inside = || sources.iter().filter(|source| source.path.starts_with("src/"));
    let mut breaches: Vec<String> = inside().flat_map(|it| layers::breaches(&layers, it)).collect();
    let library = inside().find(|source| source.path == "src/lib.rs").unwrap();
    for module in library.modules() {
        if layers.of(&module.name).is_none() {
            breaches.push(format!("src/lib.rs: `{}` is not in the layer table", module.name));
        }
    }
    none(breaches);
}

#[test]
fn pure_modules_touch_neither_time_nor_sockets_nor_files() {
    let layers = Layers::parse(&read("ARCHITECTURE.md")).unwrap();
    none(TREE.sources.iter().flat_map(|it| layers::impurities(&layers, it)).collect());
}

#[test]
fn files_and_functions_fit_the_screen() {
    none(sizes(&TREE.sources, &read("tests/tidy.ratchet")));
}

#[test]
fn nothing_is_left_over() {
    let tree = &*TREE;
    let mut breaches: Vec<String> = tree.sources.iter().flat_map(leftovers).collect();
    for path in files(&["sh", "py", "mjs", "toml"]) {
        for (index, line) in read(&path).lines().enumerate() {
            if let Some(word) = marker(line) {
                breaches.push(format!("{path}:{}: {word}", index + 1));
            }
        }
    }
    none(breaches);
}

#[test]
fn every_file_says_what_it_is() {
    let bare = |source: &&Source| !source.raw.trim_start().starts_with("//!");
    let sources = &TREE.sources;
    none(
        sources
            .iter()
            .filter(bare)
            .map(|it| format!("{}:1: no `//!` paragraph", it.path))
            .collect(),
    );
}

#[test]
fn modules_are_named_for_what_they_hold() {
    none(TREE.sources.iter().flat_map(vague_names).collect());
}

#[test]
fn every_file_is_reached() {
    let tree = &*TREE;
    let reached: BTreeSet<&str> = tree.sources.iter().map(|it| it.path.as_str()).collect();
    let mut breaches = tree.missing.clone();
    for path in files(&["rs"]).iter().filter(|path| !reached.contains(path.as_str())) {
        breaches.push(format!("{path}:1: no `mod` leads here"));
    }
    none(breaches);
}

#[test]
fn dependencies_keep_their_floors() {
    let lock = read("Cargo.lock");
    assert!(floors::packages(&lock).iter().any(|(name, _)| name == "hyper"), "Cargo.lock unread");
    none(floors::below(&lock));
}

/// Fails with the whole list unless it is empty.
fn none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}\n{} breaches", breaches.join("\n"), breaches.len());
}

/// What is over the bar and not excused by the ratchet, and which excuses have gone stale.
fn sizes(sources: &[Source], ratchet: &str) -> Vec<String> {
    let mut excuses: BTreeMap<String, usize> = BTreeMap::new();
    let mut breaches = Vec::new();
    for line in ratchet.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.rsplit_once(' ').map(|(what, size)| (what, size.parse())) {
            Some((what, Ok(size))) => drop(excuses.insert(what.into(), size)),
            _ => breaches.push(format!("tests/tidy.ratchet: cannot read `{line}`")),
        }
    }
    let mut judge = |what: String, place: String, size: usize, most: usize| match (
        excuses.remove(&what),
        size > most,
    ) {
        (None, true) => breaches.push(format!("{place}: {size} lines, at most {most}")),
        (Some(old), true) if size > old => {
            breaches.push(format!("{place}: {size} lines, grew from {old}"));
        }
        (Some(old), true) if size < old => {
            breaches.push(format!("{place}: shrank to {size}: lower tests/tidy.ratchet"));
        }
        (Some(_), false) => {
            breaches.push(format!("{place}: fits now: strike it from tests/tidy.ratchet"));
        }
        _ => {}
    };
    let (mut file_sizes, mut function_sizes) = (Vec::new(), Vec::new());
    for source in sources {
        judge(format!("file {}", source.path), source.path.clone(), source.lines(), FILE_MOST);
        file_sizes.push(source.lines());
        for function in source.functions() {
            let what = format!("function {}::{}", source.path, function.name);
            let place = format!("{}:{}: {}", source.path, function.line, function.name);
            judge(what, place, function.lines, FUNCTION_MOST);
            if !function.test {
                function_sizes.push(function.lines);
            }
        }
    }
    breaches.extend(excuses.keys().map(|what| format!("tests/tidy.ratchet: no such {what}")));
    for (kind, sizes, bar) in
        [("files", &mut file_sizes, FILE_P95), ("functions", &mut function_sizes, FUNCTION_P95)]
    {
        sizes.sort_unstable();
        let p95 = sizes.get(sizes.len() * 95 / 100).copied().unwrap_or(0);
        if p95 > bar {
            breaches.push(format!("95 in 100 {kind} have up to {p95} lines, at most {bar}"));
        }
    }
    breaches
}

/// Unfinished work in one source file.
fn leftovers(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for text in [&source.code, &source.comments] {
        for (index, line) in text.lines().enumerate() {
            if let Some(word) = marker(line) {
                found.push(format!("{}:{}: {word}", source.path, index + 1));
            }
        }
    }
    for pair in source.tokens().windows(2) {
        if matches!(pair[0].text, "todo" | "unimplemented" | "dbg") && pair[1].text == "!" {
            let line = source.line(pair[0].at);
            found.push(format!("{}:{line}: {}!", source.path, pair[0].text));
        }
    }
    found
}

/// A word that marks work as unfinished. Spelt in halves, so that this file does not find itself.
fn marker(line: &str) -> Option<&'static str> {
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    words.find_map(|word| markers.into_iter().find(|marker| *marker == word))
}

/// Modules whose name says nothing.
fn vague_names(source: &Source) -> Vec<String> {
    const VAGUE: &[&str] =
        &["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc"];
    let modules = source.modules();
    let vague = modules.iter().filter(|module| VAGUE.contains(&module.name.as_str()));
    vague
        .map(|it| format!("{}:{}: `mod {}` says nothing", source.path, source.line(it.at), it.name))
        .collect()
}

/// Every source file that some `mod` leads to, and the `mod`s that lead nowhere.
struct Tree {
    sources: Vec<Source>,
    missing: Vec<String>,
}

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let mut tree = Tree { sources: Vec::new(), missing: Vec::new() };
    let all = files(&["rs"]);
    let manifest = read("Cargo.toml");
    for root in all.iter().filter(|path| is_root(path, &manifest)) {
        let test = !root.starts_with("src/") && !root.starts_with("edge-rules/src/");
        let folder = Path::new(root).parent().unwrap_or(Path::new(""));
        follow(&mut tree, Path::new(root), folder, test);
    }
    tree
});

/// Where the compiler begins: `src/{lib,main}.rs`, each `*.rs` and `*/main.rs` in `tests/`,
/// `benches/` and `examples/`, and every file that Cargo.toml names; in `edge-rules/` the same.
fn is_root(path: &str, manifest: &str) -> bool {
    let path = path.strip_prefix("edge-rules/").unwrap_or(path);
    let mut parts = path.rsplitn(3, '/');
    let (file, folder) = (parts.next().unwrap_or(path), parts.next().unwrap_or_default());
    let outside = ["tests", "benches", "examples"];
    matches!(path, "src/lib.rs" | "src/main.rs" | "build.rs")
        || manifest.contains(&format!("\"{path}\""))
        || (outside.contains(&folder) && parts.next().is_none())
        || (file == "main.rs" && outside.iter().any(|it| path == format!("{it}/{folder}/main.rs")))
}

fn follow(tree: &mut Tree, path: &Path, folder: &Path, test: bool) {
    let name = path.to_string_lossy().into_owned();
    if tree.sources.iter().any(|known| known.path == name) {
        return;
    }
    let source = Source::new(&name, &read(&name), test);
    let modules = source.modules();
    tree.sources.push(source);
    for module in modules.iter().filter(|module| module.body.is_none()) {
        // Inside `mod a { mod b; }` the file lies in the folder `a`.
        let mut within = folder.to_path_buf();
        for outer in modules
            .iter()
            .filter(|it| it.body.as_ref().is_some_and(|body| body.contains(&module.at)))
        {
            within.push(&outer.name);
        }
        // A file named by `#[path]` looks for its own modules beside itself.
        let (candidates, inner) = match &module.path {
            Some(text) => {
                let file = beside(path, text);
                (vec![file.clone()], file.parent().unwrap_or(Path::new("")).to_path_buf())
            }
            None => {
                let inner = within.join(&module.name);
                (vec![inner.with_extension("rs"), inner.join("mod.rs")], inner)
            }
        };
        match candidates.iter().find(|it| root().join(it).is_file()) {
            Some(file) => follow(tree, file, &inner, test || module.test),
            None => tree.missing.push(format!("{name}: `mod {}` leads nowhere", module.name)),
        }
    }
}

/// `text`, which may climb with `..`, seen from the folder of `path`.
fn beside(path: &Path, text: &str) -> PathBuf {
    let mut found = path.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in text.split('/') {
        if part == ".." {
            found.pop();
        } else {
            found.push(part);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of ours with one of these endings, as a path from the root, sorted.
fn files(endings: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            let foreign = matches!(name.as_str(), "target" | "node_modules" | "state");
            if entry.file_type().unwrap().is_dir() {
                if !foreign && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(&format!(".{ending}"))) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
