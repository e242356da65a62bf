//! What is wrong with a rule, where, and what to write instead.

use std::fmt;

/// Bytes `start..end` of the source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The bytes `start..end`; text is far below 4 GiB, what is beyond is cut.
    pub fn new(start: usize, end: usize) -> Span {
        let cut = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Span { start: cut(start), end: cut(end.max(start)) }
    }

    /// From the start of this to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.start) }
    }
}

/// One thing wrong with a rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The offending text.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that can be said.
    pub hint: Option<String>,
}

impl Error {
    /// Something wrong with the text at `span`.
    pub fn new(span: Span, message: impl Into<String>) -> Error {
        Error { span, message: message.into(), hint: None }
    }

    /// The same with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// The same with "did you mean", if one of the candidates is near.
    pub(crate) fn nearest<'a>(
        self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
        shown: impl Fn(&str) -> String,
    ) -> Error {
        match nearest(word, candidates) {
            Some(found) => self.hint(format!("did you mean `{}`?", shown(found))),
            None => self,
        }
    }

    /// Line and column in `source`, both from 1; the column counts characters.
    pub fn place(&self, source: &str) -> (usize, usize) {
        let start = boundary(source, self.span.start as usize);
        let before = source.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// The error as compilers draw it: `file:line:column: message`, the line, a caret, the hint.
    pub fn show<'a>(&'a self, file: &'a str, source: &'a str) -> Shown<'a> {
        Shown { error: self, file, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Error {}

/// An [`Error`] beside its source; made by [`Error::show`].
pub struct Shown<'a> {
    error: &'a Error,
    file: &'a str,
    source: &'a str,
}

/// Characters of a line that are shown, and the longest row of carets.
const EXCERPT: usize = 120;
const CARETS: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.error.place(self.source);
        writeln!(f, "{}:{line}:{column}: {}", self.file, plain(&self.error.message))?;
        let text = self.source.lines().nth(line - 1).unwrap_or_default();
        // A line may be as long as the whole set: show the part around the place.
        let skipped = (column - 1).saturating_sub(EXCERPT / 2);
        let excerpt: String = text.chars().skip(skipped).take(EXCERPT).collect();
        let indent: String = excerpt
            .chars()
            .take(column - 1 - skipped)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        let number = line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{gutter} |\n{number} | {}", plain(&excerpt))?;
        write!(f, "{gutter} | {indent}{}", "^".repeat(self.carets()))?;
        match &self.error.hint {
            Some(hint) => write!(f, " {}", plain(hint)),
            None => Ok(()),
        }
    }
}

impl Shown<'_> {
    fn carets(&self) -> usize {
        let start = boundary(self.source, self.error.span.start as usize);
        let end = boundary(self.source, self.error.span.end as usize);
        let text = self.source.get(start..end).unwrap_or_default();
        text.lines().next().unwrap_or_default().chars().count().clamp(1, CARETS)
    }
}

/// Control characters as pictures: a customer wrote the text, an operator's terminal would obey it.
pub(crate) fn plain(text: &str) -> String {
    let picture = |letter: char| match letter {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(0x2400 + letter as u32).unwrap_or('\u{fffd}'),
        '\x7f'..='\u{9f}' => '\u{fffd}',
        _ => letter,
    };
    text.chars().map(picture).collect()
}

/// The last character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// How alike two names must be for one to be offered for the other, 0 to 1.
const ALIKE: f64 = 0.75;

/// The candidate most like `word`, ignoring case, if one is near enough.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: String = word.chars().take(64).flat_map(char::to_lowercase).collect();
    let likeness = |candidate: &str| strsim::jaro_winkler(&word, &candidate.to_ascii_lowercase());
    candidates
        .into_iter()
        .filter(|candidate| !candidate.is_empty())
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_drawn_under_its_text() {
        let source = "first\n\tab cdé fg\n";
        let error = Error::new(Span::new(10, 14), "what is this").hint("did you mean `x`?");
        assert_eq!(error.place(source), (2, 5));
        let shown = error.show("a.toml", source).to_string();
        assert_eq!(
            shown,
            "a.toml:2:5: what is this\n  |\n2 | \tab cdé fg\n  | \t   ^^^ did you mean `x`?"
        );
    }

    #[test]
    fn a_place_outside_the_text_or_within_a_letter_is_borne() {
        for (start, end) in [(0, 0), (1, 2), (2, 1), (99, 200)] {
            let shown =
                Error::new(Span::new(start, end), "x\x1b[2J").show("f", "é\x07").to_string();
            assert!(shown.contains('^') && !shown.contains('\x1b') && !shown.contains('\x07'));
        }
        let long = "x".repeat(5000);
        let shown = Error::new(Span::new(4000, 4001), "m").show("f", &long).to_string();
        assert!(shown.len() < 400, "{shown}");
    }

    #[test]
    fn the_nearest_name_is_offered_or_none() {
        assert_eq!(nearest("WEHN", ["NOT", "WHEN", ""]), Some("WHEN"));
        assert_eq!(nearest("qqqq", ["NOT", "WHEN"]), None);
    }
}
