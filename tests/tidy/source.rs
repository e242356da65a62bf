//! Reads Rust source just well enough to judge it: comments apart from code, tokens, functions, modules.
//!
//! This is a lexer, not a parser: it knows strings, comments and brackets, which is all that sizes
//! and import paths need, and it cannot be fooled by a brace in a string.

use std::ops::Range;

/// One file, taken apart. `code` and `comments` have the same length as `raw`; what belongs to the
/// other is blank there, and the text inside string literals is blank in both.
pub struct Source {
    pub path: String,
    pub raw: String,
    pub code: String,
    pub comments: String,
    /// The whole file is compiled for tests only.
    pub test: bool,
}

/// A word, a number, `::`, or one other character, with its place in the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub at: usize,
}

/// A function with a body.
#[derive(Debug, PartialEq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
    /// Inside `#[cfg(test)] mod … { }` or in a file for tests.
    pub test: bool,
}

/// `mod name;` or `mod name { … }`.
#[derive(Debug, PartialEq)]
pub struct Module {
    pub name: String,
    pub at: usize,
    /// Compiled for tests only.
    pub test: bool,
    /// The file named by `#[path = "…"]`.
    pub path: Option<String>,
    /// The bytes of the body, if it is written in place.
    pub body: Option<Range<usize>>,
}

impl Source {
    pub fn new(path: &str, raw: &str, test: bool) -> Source {
        let (code, comments) = part(raw);
        Source { path: path.into(), raw: raw.into(), code, comments, test }
    }

    pub fn lines(&self) -> usize {
        self.raw.lines().count()
    }

    pub fn line(&self, at: usize) -> usize {
        self.raw.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub fn tokens(&self) -> Vec<Token<'_>> {
        tokens(&self.code)
    }

    /// Every function that has a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let tokens = self.tokens();
        let tests = self.test_ranges();
        let mut found = Vec::new();
        for (index, pair) in tokens.windows(2).enumerate() {
            if pair[0].text != "fn" || !is_word(pair[1].text) {
                continue;
            }
            let Some(end) = body_end(&tokens, index) else { continue };
            let (first, last) = (self.line(pair[0].at), self.line(end));
            found.push(Function {
                name: pair[1].text.into(),
                line: first,
                lines: last - first + 1,
                test: self.test || tests.iter().any(|range| range.contains(&pair[0].at)),
            });
        }
        found
    }

    /// Every module that the file declares, at any depth.
    pub fn modules(&self) -> Vec<Module> {
        let tokens = self.tokens();
        let mut found = Vec::new();
        for index in 0..tokens.len().saturating_sub(2) {
            if tokens[index].text != "mod" || !is_word(tokens[index + 1].text) {
                continue;
            }
            let body = match tokens[index + 2].text {
                "{" => closing(&tokens, index + 2).map(|end| tokens[index + 2].at..end),
                ";" => None,
                _ => continue,
            };
            let attributes = self.attributes_before(&tokens, index);
            found.push(Module {
                name: tokens[index + 1].text.into(),
                at: tokens[index].at,
                test: attributes.iter().any(|text| text.replace(' ', "") == "#[cfg(test)]"),
                path: attributes.iter().find_map(|text| path_attribute(text)),
                body,
            });
        }
        found
    }

    /// The bytes that only tests compile.
    pub fn test_ranges(&self) -> Vec<Range<usize>> {
        self.modules().into_iter().filter(|module| module.test).filter_map(|it| it.body).collect()
    }

    fn attributes_before(&self, tokens: &[Token], mut index: usize) -> Vec<&str> {
        let mut found = Vec::new();
        while index > 0 && matches!(tokens[index - 1].text, "pub" | ")" | "(" | "crate" | "super") {
            index -= 1;
        }
        while index > 0 && tokens[index - 1].text == "]" {
            let end = tokens[index - 1].at + 1;
            while index > 0 && tokens[index - 1].text != "#" {
                index -= 1;
            }
            if index == 0 {
                break;
            }
            index -= 1;
            found.push(&self.raw[tokens[index].at..end]);
        }
        found
    }
}

fn path_attribute(text: &str) -> Option<String> {
    let (_, rest) = text.strip_prefix("#[path")?.split_once('"')?;
    rest.split('"').next().map(String::from)
}

/// From `fn` to the `}` that ends its body; nothing if a `;` comes first.
fn body_end(tokens: &[Token], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 => return None,
            "{" if depth == 0 => return closing(tokens, index),
            _ => {}
        }
    }
    None
}

/// The place of the `}` that closes the `{` at `open`.
pub fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for token in &tokens[open..] {
        match token.text {
            "{" => depth += 1,
            "}" if depth == 1 => return Some(token.at),
            "}" => depth -= 1,
            _ => {}
        }
    }
    None
}

pub fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let word = |it: char| it.is_alphanumeric() || it == '_';
        let length = if word(first) {
            code[at..].find(|it: char| !word(it)).unwrap_or(code.len() - at)
        } else if code[at..].starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            found.push(Token { text: &code[at..at + length], at });
        }
        at += length;
    }
    found
}

/// Parts a file into code and comments, both with the other's bytes blanked.
fn part(raw: &str) -> (String, String) {
    let bytes = raw.as_bytes();
    let blank = |range: Range<usize>| -> Vec<u8> {
        bytes[range].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }).collect()
    };
    let (mut code, mut comments) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        let (end, kind) = piece(raw, at);
        match kind {
            Kind::Code => {
                code.extend_from_slice(&bytes[at..end]);
                comments.extend(blank(at..end));
            }
            Kind::Comment => {
                code.extend(blank(at..end));
                comments.extend_from_slice(&bytes[at..end]);
            }
            Kind::Literal => {
                // The quotes stay, so that the tokens around a literal do not run together.
                code.push(b'"');
                code.extend(blank(at + 1..end));
                comments.extend(blank(at..end));
            }
        }
        at = end;
    }
    let text = |bytes| String::from_utf8(bytes).expect("only whole characters are kept");
    (text(code), text(comments))
}

enum Kind {
    Code,
    Comment,
    Literal,
}

/// Where the piece that starts at `at` ends, and what it is.
fn piece(raw: &str, at: usize) -> (usize, Kind) {
    let rest = &raw[at..];
    let end_of = |found: Option<usize>| found.map_or(raw.len(), |offset| at + offset);
    let after_word =
        raw[..at].ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == '#');
    if rest.starts_with("//") {
        return (end_of(rest.find('\n')), Kind::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment_end(raw, at), Kind::Comment);
    }
    if rest.starts_with('"') {
        return (string_end(raw, at + 1, b'"'), Kind::Literal);
    }
    if !after_word {
        let prefix = rest.trim_start_matches(['b', 'c', 'r']);
        let hashes = prefix.len() - prefix.trim_start_matches('#').len();
        let skipped = rest.len() - prefix.len();
        let raw_string = skipped <= 2 && rest[..skipped].contains('r');
        if raw_string && prefix[hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let from = skipped + hashes + 1;
            let end = rest[from..].find(&close).map(|found| from + found + close.len());
            return (end_of(end), Kind::Literal);
        }
    }
    if let Some(inner) = rest.strip_prefix('\'') {
        let mut letters = inner.chars();
        match (letters.next(), letters.next()) {
            (Some('\\'), _) | (Some(_), Some('\'')) => {
                return (string_end(raw, at + 1, b'\''), Kind::Literal);
            }
            _ => {} // a lifetime
        }
    }
    (at + rest.chars().next().map_or(1, char::len_utf8), Kind::Code)
}

fn string_end(raw: &str, mut at: usize, quote: u8) -> usize {
    let bytes = raw.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    raw.len()
}

fn block_comment_end(raw: &str, start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at < raw.len() {
        let rest = &raw.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest.starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    raw.len()
}
