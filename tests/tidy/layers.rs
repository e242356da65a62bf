//! The layer table of ARCHITECTURE.md, and the imports that break it.

use std::collections::HashMap;

use crate::source::{Source, Token, is_word};

/// Who may import whom, as ARCHITECTURE.md says.
#[derive(Debug, Default)]
pub struct Layers {
    layer: HashMap<String, u32>,
    /// Pairs (importer, imported) inside one layer, from a chain such as `cli` → `node` → `config`.
    allowed: Vec<(String, String)>,
}

impl Layers {
    /// Reads the first table whose heading row starts with `layer`.
    pub fn parse(markdown: &str) -> Result<Layers, String> {
        let mut layers = Layers::default();
        let rows = markdown.lines().skip_while(|line| !is_heading(line)).skip(2);
        for row in rows.take_while(|line| line.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let &[number, modules, _, imports] = cells.as_slice() else {
                return Err(format!("a row of the layer table has not four cells: {row}"));
            };
            let number = number.split_whitespace().next().unwrap_or_default();
            let number = number.parse().map_err(|_| format!("no layer number in: {row}"))?;
            for module in modules.split(',').map(|name| name.trim().trim_matches('`')) {
                if layers.layer.insert(module.into(), number).is_some() {
                    return Err(format!("{module} stands twice in the layer table"));
                }
            }
            layers.allow_chain(imports);
        }
        if layers.layer.is_empty() { Err("found no layer table".into()) } else { Ok(layers) }
    }

    pub fn of(&self, module: &str) -> Option<u32> {
        self.layer.get(module).copied()
    }

    /// `(`a` → `b` → `c`)`: each may import those that follow it.
    fn allow_chain(&mut self, imports: &str) {
        for chain in imports.split(['(', ')', ',', ';']).filter(|part| part.contains('→')) {
            let names: Vec<String> =
                chain.split('→').map(|name| name.trim().trim_matches('`').into()).collect();
            for (index, importer) in names.iter().enumerate() {
                for imported in &names[index + 1..] {
                    self.allowed.push((importer.clone(), imported.clone()));
                }
            }
        }
    }

    /// Says what is wrong with `importer` naming `imported`, if anything is.
    fn judge(&self, importer: &str, imported: &str) -> Option<String> {
        if importer == imported {
            return None;
        }
        let (Some(from), Some(to)) = (self.of(importer), self.of(imported)) else {
            let stranger = if self.of(importer).is_none() { importer } else { imported };
            return Some(format!("`{stranger}` is not in the layer table"));
        };
        let chained =
            self.allowed.iter().any(|(left, right)| left == importer && right == imported);
        match from.cmp(&to) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal if chained => None,
            std::cmp::Ordering::Equal => {
                Some(format!("sideways import: {importer} and {imported} share layer {from}"))
            }
            std::cmp::Ordering::Less => Some(format!(
                "upward import: {importer} (layer {from}) names {imported} (layer {to})"
            )),
        }
    }
}

fn is_heading(line: &str) -> bool {
    line.trim_start_matches(['|', ' ']).starts_with("layer ")
}

/// Breaches of the table in one file under `src/`, as `path:line: what`.
pub fn breaches(layers: &Layers, source: &Source) -> Vec<String> {
    let home = module_path(&source.path);
    let Some(importer) = home.first() else { return Vec::new() };
    let tokens = source.tokens();
    let mut found = Vec::new();
    let mut report = |at: usize, message: String| {
        found.push(format!("{}:{}: {message}", source.path, source.line(at)));
    };
    for (index, token) in tokens.iter().enumerate() {
        if !follows_path(&tokens, index) {
            continue;
        }
        match token.text {
            "crate" | "brink" => {
                for (name, at) in first_segments(&tokens, index + 2) {
                    if let Some(message) = layers.judge(importer, name) {
                        report(at, message);
                    }
                }
            }
            "super" => {
                let climbed = supers(&tokens, index);
                if climbed >= home.len() + inline_depth(source, token.at) {
                    report(token.at, format!("`super` leaves {importer}: write `crate::…`"));
                }
            }
            _ => {}
        }
    }
    found
}

/// Words that a pure module (layer 0 or 1) must not name outside its tests.
const IMPURE: &[&[&str]] = &[
    &["tokio", "::"],
    &["std", "::", "fs"],
    &["std", "::", "thread", "::"],
    &["std", "::", "process"],
    &["SystemTime", "::", "now"],
    &["Instant", "::", "now"],
    &["TcpStream"],
    &["TcpListener"],
    &["UdpSocket"],
];

/// Layers 0 and 1 judge values that are handed in; `clock` alone may ask for the time.
pub fn impurities(layers: &Layers, source: &Source) -> Vec<String> {
    let home = module_path(&source.path);
    let module = home.first().map(String::as_str).unwrap_or_default();
    if source.test || module == "clock" || layers.of(module).is_none_or(|layer| layer > 1) {
        return Vec::new();
    }
    let tests = source.test_ranges();
    let tokens = source.tokens();
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let names = |words: &&&[&str]| {
            tokens[index..].iter().map(|it| it.text).take(words.len()).eq(words.iter().copied())
        };
        if tests.iter().any(|range| range.contains(&token.at)) {
            continue;
        }
        if let Some(words) = IMPURE.iter().find(names) {
            let line = source.line(token.at);
            found.push(format!("{}:{line}: {module} names `{}`", source.path, words.concat()));
        }
    }
    found
}

/// `src/cache/age.rs` is `[cache, age]`; `src/lib.rs` is `[]`.
pub fn module_path(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut parts: Vec<String> = inner.split('/').map(String::from).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// Whether the word at `index` begins a path: `word ::` with no `word ::` before it.
fn follows_path(tokens: &[Token], index: usize) -> bool {
    let begins = index == 0 || tokens[index - 1].text != "::" || {
        index > 1 && tokens[index - 2].text == "self"
    };
    begins && tokens.get(index + 1).is_some_and(|next| next.text == "::")
}

fn supers(tokens: &[Token], index: usize) -> usize {
    tokens[index..].chunks(2).take_while(|pair| pair[0].text == "super").count()
}

fn inline_depth(source: &Source, at: usize) -> usize {
    source.modules().iter().filter_map(|it| it.body.as_ref()).filter(|it| it.contains(&at)).count()
}

/// The names right after `crate::`, also those of a group: `crate::{cache::Key, store}`.
fn first_segments<'a>(tokens: &[Token<'a>], index: usize) -> Vec<(&'a str, usize)> {
    match tokens.get(index) {
        Some(token) if is_word(token.text) => vec![(token.text, token.at)],
        Some(token) if token.text == "*" => vec![("*", token.at)],
        Some(token) if token.text == "{" => {
            let (mut depth, mut found, mut expecting) = (0, Vec::new(), false);
            for token in &tokens[index..] {
                match token.text {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    "," => {}
                    name if depth == 1 && expecting && name != "self" => {
                        found.push((name, token.at));
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                expecting = depth == 1 && matches!(token.text, "{" | ",");
            }
            found
        }
        _ => Vec::new(),
    }
}
