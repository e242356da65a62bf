//! What is wrong with a settings file, and where: file, line, column, the text and a way out.
//!
//! The three sources of trouble end in one shape: TOML syntax and types ([`Diagnostic::from_toml`]),
//! values that a feature refuses ([`Diagnostic::from_complaint`]) and what only the whole node can
//! see ([`Diagnostic::at`]). Display draws it as compilers do; serde gives the same fields to machines.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::setting::Complaint;

/// One thing wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file as the operator would name it.
    pub file: String,
    /// Line, from 1; 0 when the trouble is with the file as a whole.
    pub line: u32,
    /// Column in characters, from 1; 0 when the trouble is with the file as a whole.
    pub column: u32,
    /// The offending text, its first line only.
    pub text: Box<str>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The line of the file that holds the text.
    pub source: Box<str>,
}

impl Diagnostic {
    /// Trouble with the file as a whole: it cannot be read, or its name will not do.
    pub fn whole_file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Diagnostic {
            file: file.into(),
            line: 0,
            column: 0,
            text: "".into(),
            message: message.into(),
            suggestion: None,
            source: "".into(),
        }
    }

    /// Trouble with the bytes `span` of `content`.
    pub fn at(
        file: impl Into<String>,
        content: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = floor_boundary(content, span.start);
        let end = floor_boundary(content, span.end.max(start));
        let line_start = content.get(..start).and_then(|s| s.rfind('\n')).map_or(0, |at| at + 1);
        let rest = content.get(line_start..).unwrap_or_default();
        let source = rest.lines().next().unwrap_or_default();
        let before = content.get(..line_start).unwrap_or_default();
        let text = content.get(start..end).unwrap_or_default();
        Diagnostic {
            line: count(before.matches('\n')),
            column: count(content.get(line_start..start).unwrap_or_default().chars()),
            text: text.lines().next().unwrap_or_default().into(),
            source: source.into(),
            ..Diagnostic::whole_file(file, message)
        }
    }

    /// The same diagnostic with a way out.
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// What the TOML parser or serde says of `content`, in the operator's words.
    pub fn from_toml(file: &str, content: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let (message, suggestion) = reword(error.message());
        Diagnostic { suggestion, ..Diagnostic::at(file, content, span, message) }
    }

    /// What a feature says of its settings; the field's path finds the place in `content`, or the
    /// nearest table around it when the value is a default that the document does not spell out.
    pub fn from_complaint(file: &str, content: &str, complaint: &Complaint) -> Self {
        let span = DeTable::parse(content)
            .map_or(0..0, |document| locate(document.get_ref(), &complaint.field).unwrap_or(0..0));
        let message = if complaint.field.is_empty() {
            complaint.message.clone()
        } else {
            format!("{}: {}", complaint.field, complaint.message)
        };
        Diagnostic {
            suggestion: complaint.suggestion.clone(),
            ..Diagnostic::at(file, content, span, message)
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, Shown(&self.message))?;
            return match &self.suggestion {
                Some(suggestion) => write!(f, "\n  = {}", Shown(suggestion)),
                None => Ok(()),
            };
        }
        let (file, message) = (&self.file, Shown(&self.message));
        writeln!(f, "{file}:{}:{}: {message}", self.line, self.column)?;
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let (excerpt, before) = self.excerpt();
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", Shown(&excerpt))?;
        // Tabs are kept so that the caret stands under the text whatever their width.
        let indent: String =
            excerpt.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let carets = "^".repeat(self.text.chars().count().clamp(1, 60));
        write!(f, "{gutter} | {indent}{carets}")?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " {}", Shown(suggestion)),
            None => Ok(()),
        }
    }
}

/// How many characters of a line are shown.
const EXCERPT: usize = 160;

impl Diagnostic {
    /// The part of the line that is shown, and how many of its characters stand before the text: a
    /// line may be as long as the whole document.
    fn excerpt(&self) -> (String, usize) {
        let before = self.column.saturating_sub(1) as usize;
        let long = self.source.chars().nth(EXCERPT).is_some();
        let skipped = if long { before.saturating_sub(EXCERPT / 2) } else { 0 };
        (self.source.chars().skip(skipped).take(EXCERPT).collect(), before - skipped)
    }
}

/// Text out of a document, with its control characters as pictures: a customer wrote it, and an
/// operator's terminal would obey them.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            f.write_char(match c {
                '\t' => c,
                '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
                _ if c.is_control() => '\u{fffd}',
                _ => c,
            })
        })
    }
}

/// Finds the bytes of the value at a path such as `origin.servers[1].url`.
///
/// When the path leads out of the document, the deepest part that is there is returned; `None` only
/// when not even its first name is.
pub fn locate(document: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut names = path.split(['.', '[']).filter(|part| !part.is_empty());
    let (key, mut value) = entry(document, names.next()?)?;
    let mut span = narrowest(key, value);
    for name in names {
        let next = match (value.get_ref(), name.strip_suffix(']')) {
            (DeValue::Array(items), Some(index)) => {
                index.parse::<usize>().ok().and_then(|at| items.get(at)).map(|item| (None, item))
            }
            (DeValue::Table(table), None) => {
                entry(table, name).map(|(key, item)| (Some(key), item))
            }
            _ => None,
        };
        let Some((key, item)) = next else { break };
        span = key.map_or_else(|| item.span(), |key| narrowest(key, item));
        value = item;
    }
    Some(span)
}

/// A table's span may cover only its header or nothing at all, so its name is shown instead.
fn narrowest(key: Range<usize>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    match value.get_ref() {
        DeValue::Table(_) => key,
        _ => value.span(),
    }
}

fn entry<'a, 'i>(
    table: &'a DeTable<'i>,
    name: &str,
) -> Option<(Range<usize>, &'a Spanned<DeValue<'i>>)> {
    table
        .iter()
        .find(|(key, _)| key.get_ref().as_ref() == name)
        .map(|(key, value)| (key.span(), value))
}

/// Turns serde's sentence into the operator's, with the nearest of the names that it lists.
fn reword(message: &str) -> (String, Option<String>) {
    for (start, word) in [("unknown field `", "key"), ("unknown variant `", "value")] {
        let Some((name, rest)) = message.strip_prefix(start).and_then(|r| r.split_once('`')) else {
            continue;
        };
        let names: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        let message = format!("unknown {word} `{name}`");
        let suggestion = match nearest(name, &names) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if names.is_empty() => None,
            None => Some(format!("known: {}", names.join(", "))),
        };
        return (message, suggestion);
    }
    if let Some(name) = message.strip_prefix("missing field `").and_then(|r| r.strip_suffix('`')) {
        return (format!("`{name}` is missing here"), None);
    }
    if let Some((found, wanted)) = wrong_type(message) {
        return (format!("{found} will not do here"), Some(format!("write {wanted}")));
    }
    (message.trim_end().replace('\n', "; "), None)
}

/// `invalid type: integer `5`, expected a string` as (`integer `5``, `a string`).
fn wrong_type(message: &str) -> Option<(&str, &str)> {
    let rest =
        ["invalid type: ", "invalid value: "].iter().find_map(|p| message.strip_prefix(p))?;
    rest.rsplit_once(", expected ")
}

/// The name closest to what was written, if it is close enough to be what was meant.
pub fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&written, &name.to_ascii_lowercase()), *name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// A place from 1 on: how many went before, and one.
fn count(before: impl Iterator) -> u32 {
    u32::try_from(before.count() + 1).unwrap_or(u32::MAX)
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_drawn_like_a_compiler_does() {
        let text = "hosts = []\n[cache]\n  ttll = \"5m\"\n";
        let drawn = Diagnostic::at("sites/a.toml", text, 21..25, "unknown key `ttll`")
            .suggest("did you mean `ttl`?")
            .to_string();
        assert_eq!(
            drawn,
            "sites/a.toml:3:3: unknown key `ttll`\n  |\n3 |   ttll = \"5m\"\n  |   ^^^^ did you mean `ttl`?"
        );
    }

    #[test]
    fn columns_count_characters_and_the_end_of_a_file_has_a_place() {
        let text = "a = \"é\" x";
        assert_eq!(Diagnostic::at("f", text, 9..10, "m").column, 9);
        let end = Diagnostic::at("f", "a =\n", 4..4, "m");
        assert_eq!((end.line, end.column), (2, 1));
        assert_eq!(Diagnostic::at("f", "", 5..9, "m").line, 1);
    }

    proptest! {
        #[test]
        fn any_place_in_any_text_can_be_drawn(text in "(\\PC|\n|\t){0,40}", a in 0usize..60, b in 0usize..60) {
            let drawn = Diagnostic::at("f", &text, a..b, "m");
            prop_assert!(drawn.line >= 1 && drawn.column >= 1);
            prop_assert!(drawn.to_string().starts_with("f:"));
        }

        #[test]
        fn any_path_in_any_document_can_be_looked_for(path in "[a-c.\\[\\]0-9]{0,12}") {
            let text = "[a]\nb = [1, { c = 2 }]\n";
            if let Some(span) = locate(DeTable::parse(text).unwrap().get_ref(), &path) {
                prop_assert!(text.get(span).is_some());
            }
        }
    }

    #[test]
    fn a_path_is_found_or_the_nearest_table_around_it() {
        let text = "[origin]\nservers = [\"x\", { url = \"http://b\" }]\n[cache]\nttl = \"5m\"\n";
        let document = DeTable::parse(text).unwrap();
        let found = |path| locate(document.get_ref(), path).and_then(|span| text.get(span));
        assert_eq!(found("origin.servers[0]"), Some("\"x\""));
        assert_eq!(found("origin.servers[1].url"), Some("\"http://b\""));
        assert_eq!(found("origin.servers[1].weight"), Some("{ url = \"http://b\" }"));
        assert_eq!(found("origin.connect_timeout"), Some("origin"));
        assert_eq!(found("cache.ttl"), Some("\"5m\""));
        assert_eq!(found("tls.certificate"), None);
    }

    #[test]
    fn serde_sentences_become_the_operators() {
        assert_eq!(
            reword("unknown field `ttll`, expected one of `ttl`, `rules`"),
            ("unknown key `ttll`".into(), Some("did you mean `ttl`?".into()))
        );
        assert_eq!(
            reword("unknown variant `zzz`, expected `page` or `json`"),
            ("unknown value `zzz`".into(), Some("known: page, json".into()))
        );
        assert_eq!(
            reword("invalid type: integer `5`, expected a text with a unit, as in \"10s\""),
            (
                "integer `5` will not do here".into(),
                Some("write a text with a unit, as in \"10s\"".into())
            )
        );
    }
    #[test]
    fn what_a_document_holds_does_not_command_the_terminal() {
        let line = format!("name = \"\x1b[2J\x01{}\"", "x".repeat(5000));
        let drawn = Diagnostic::at("a.toml", &line, 8..9, "no \r\n name").to_string();
        assert!(drawn.chars().all(|c| c == '\n' || !c.is_control()), "{drawn:?}");
        assert!(drawn.contains("\u{241b}[2J\u{2401}x") && drawn.len() < 500, "{drawn:?}");
        let far = Diagnostic::at("a.toml", &line, 4000..4001, "far").to_string();
        assert!(far.ends_with(&format!("| {}^", " ".repeat(EXCERPT / 2))), "{far:?}");
    }
}
