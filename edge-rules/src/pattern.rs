//! Regular expressions, judged at load by their text alone; they are built on first use.
//!
//! The engine is linear in the text it searches, so look-around and back-references are not there.
//! A pattern of ASCII matches bytes; one with other letters matches characters.

use std::hash::{BuildHasher, Hasher};

use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use crate::automaton::NEST;

/// What is known of a pattern without building it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked {
    /// How many states its automaton needs, roughly.
    pub(crate) states: usize,
    /// How many groups it has.
    pub(crate) groups: usize,
    /// A plainer question that has the same answer.
    pub(crate) shape: Shape,
}

/// What a pattern asks, where that is no more than a comparison; texts are literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Pattern,
    /// A pattern that is found only where the text begins with this.
    Begins(String),
    Contains(String),
    Starts(String),
    Ends(String),
    Is(String),
}

/// What is wrong with a pattern, and how to say it otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Complaint {
    pub(crate) message: String,
    pub(crate) hint: Option<&'static str>,
}

/// Judges a pattern by its text.
pub(crate) fn check(text: &str, ignore_case: bool) -> Result<Checked, Complaint> {
    let mut parser = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(!text.is_ascii())
        .case_insensitive(ignore_case)
        .nest_limit(NEST)
        .build();
    let hir = parser.parse(text).map_err(|error| complaint(&error))?;
    Ok(Checked {
        states: states(&hir),
        groups: hir.properties().explicit_captures_len(),
        shape: shape(&hir),
    })
}

/// Whether a pattern finds the same in a text in lower case as, without telling case apart, in the text
/// itself: nothing in it asks for a capital.
pub(crate) fn has_no_capitals(text: &str) -> bool {
    let mut parser =
        regex_syntax::ParserBuilder::new().utf8(false).unicode(false).nest_limit(NEST).build();
    text.is_ascii() && parser.parse(text).is_ok_and(|hir| asks_for_no_capital(&hir))
}

fn asks_for_no_capital(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => !literal.0.iter().any(u8::is_ascii_uppercase),
        HirKind::Class(Class::Bytes(class)) => {
            let has = |byte: u8| {
                class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&byte))
            };
            // A class that has a capital has the small letter too.
            (b'A'..=b'Z').all(|capital| !has(capital) || has(capital.to_ascii_lowercase()))
        }
        HirKind::Class(Class::Unicode(_)) => false,
        HirKind::Repetition(repetition) => asks_for_no_capital(&repetition.sub),
        HirKind::Capture(capture) => asks_for_no_capital(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().all(asks_for_no_capital)
        }
    }
}

fn complaint(error: &regex_syntax::Error) -> Complaint {
    let (message, hint) = match error {
        regex_syntax::Error::Parse(error) => match error.kind() {
            ErrorKind::UnsupportedLookAround => (
                "look-around is not supported: patterns are matched in linear time".into(),
                Some(
                    "say it as a second condition: one pattern that must match, and one that must not",
                ),
            ),
            ErrorKind::UnsupportedBackreference => (
                "back-references are not supported: patterns are matched in linear time".into(),
                Some("take both parts out as groups and compare them as texts"),
            ),
            kind => (format!("the pattern does not parse: {kind}"), None),
        },
        regex_syntax::Error::Translate(error) => {
            (format!("the pattern does not parse: {}", error.kind()), None)
        }
        _ => ("the pattern does not parse".into(), None),
    };
    Complaint { message, hint }
}

/// An upper estimate of the automaton's states; the depth of `hir` is bounded by the parser.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() / 8,
        HirKind::Class(Class::Unicode(class)) => 1 + class.ranges().len() * 2,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_add(1).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(1usize, |sum, part| sum.saturating_add(states(part)))
        }
    }
}

fn shape(hir: &Hir) -> Shape {
    let parts = match hir.kind() {
        HirKind::Concat(parts) => parts.as_slice(),
        _ => std::slice::from_ref(hir),
    };
    let is_look = |hir: &Hir, look: Look| matches!(hir.kind(), HirKind::Look(it) if *it == look);
    let (starts, parts) = match parts {
        [first, rest @ ..] if is_look(first, Look::Start) => (true, rest),
        _ => (false, parts),
    };
    let (ends, parts) = match parts {
        [rest @ .., last] if is_look(last, Look::End) => (true, rest),
        _ => (false, parts),
    };
    // What may be absent at an open end does not decide whether the pattern is found.
    let parts = match parts {
        [rest @ .., last] if !ends && is_optional(last) => rest,
        _ => parts,
    };
    let literal = match parts {
        [part] => match part.kind() {
            HirKind::Literal(literal) => std::str::from_utf8(&literal.0).ok(),
            _ => None,
        },
        _ => None,
    };
    match (literal, starts, ends) {
        (None, true, _) => begins(parts),
        (None, ..) => Shape::Pattern,
        (Some(literal), false, false) => Shape::Contains(literal.into()),
        (Some(literal), true, false) => Shape::Starts(literal.into()),
        (Some(literal), false, true) => Shape::Ends(literal.into()),
        (Some(literal), true, true) => Shape::Is(literal.into()),
    }
}

fn begins(parts: &[Hir]) -> Shape {
    let literal = match parts.first().map(Hir::kind) {
        Some(HirKind::Literal(literal)) => std::str::from_utf8(&literal.0).ok(),
        _ => None,
    };
    literal.map_or(Shape::Pattern, |literal| Shape::Begins(literal.into()))
}

fn is_optional(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => repetition.min == 0,
        HirKind::Capture(capture) => is_optional(&capture.sub),
        _ => false,
    }
}

/// A pattern to search with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) text: &'a str,
    pub(crate) ignore_case: bool,
    /// Of text and case, see [`hash`].
    pub(crate) hash: u64,
}

/// The same for the same pattern in every program of this process.
pub(crate) fn hash(text: &str, ignore_case: bool) -> u64 {
    let mut hasher = foldhash::fast::FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.write_u8(u8::from(ignore_case));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_is_a_comparison_is_known_as_one() {
        let shape = |text| check(text, false).unwrap().shape;
        assert_eq!(shape("^/img/"), Shape::Starts("/img/".into()));
        assert_eq!(shape("^/img/.*"), Shape::Starts("/img/".into()));
        assert_eq!(shape("^/img/(.*)"), Shape::Starts("/img/".into()));
        assert_eq!(shape("\\.ts$"), Shape::Ends(".ts".into()));
        assert_eq!(shape("^/a$"), Shape::Is("/a".into()));
        assert_eq!(shape("only-if-cached"), Shape::Contains("only-if-cached".into()));
        for text in
            [".ts$", "a|b", "", "(?m)^a", "(?m)^a.", "^(/)d", "a.*$", "^.*$", "^a?b", "^a|b"]
        {
            assert_eq!(shape(text), Shape::Pattern, "{text}");
        }
        for text in ["^/img/.+", "^/img/[a-z]+\\.png$", "^/img/(a|b)", "^/img/[0-9]*x"] {
            assert_eq!(shape(text), Shape::Begins("/img/".into()), "{text}");
        }
        assert_eq!(check("^/img/", true).unwrap().shape, Shape::Begins("/".into()));
    }

    #[test]
    fn what_the_engine_lacks_is_refused_with_a_way_out() {
        for text in ["(?=a)b", "a(?!b)", "(?<=a)b", "(a)\\1"] {
            let complaint = check(text, false).unwrap_err();
            assert!(complaint.message.contains("linear time") && complaint.hint.is_some());
        }
        for text in ["(", "[a", "a{2,1}", "*", "\\", &"(".repeat(1000)] {
            assert!(check(text, false).unwrap_err().message.contains("does not parse"), "{text}");
        }
    }

    #[test]
    fn a_search_in_small_letters_may_be_one_that_does_not_tell_case_apart() {
        for text in ["bot|spider\\b", "[a-z]+", "(?:a.)*\\W", "[A-Za-z]", "(?i)K", "\\xe9"] {
            assert!(has_no_capitals(text), "{text}");
        }
        for text in ["Bot", "[A-Z]", "[^a-z]", "\\x41", "[X-_]", "é"] {
            assert!(!has_no_capitals(text), "{text}");
        }
    }

    #[test]
    fn states_grow_with_what_must_be_built() {
        let states = |text| check(text, false).unwrap().states;
        assert!(states("^/img/[a-z]+\\.png$") < 60);
        assert!(states("(a{50}){50}") > 2_500);
        assert!(states("((a{100}){100}){100}") > 1_000_000);
        assert!(states("\\w{20}é") > 1000);
        assert_eq!(states(&format!("[0-9]{}", "{8}".repeat(30))), usize::MAX);
    }
}
