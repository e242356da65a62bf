//! Path patterns of cache rules and purges: `/a/*.mp4`, `/dir/*`, `/*.(jpg,png)`, each with an optional query
//! condition (`?v`, `?v=1`).
//!
//! `*` stands for any run of characters, `/` too; `(a,b)` for one of a list, in any letter case,
//! because that is how file extensions are meant; everything else is itself. Matching takes time
//! linear in the path for each listed alternative: the pieces between stars are searched from left
//! to right and never gone back over.

use std::fmt;

use memchr::memmem;

/// The most alternatives in one list, and pieces in one pattern.
const MOST: usize = 128;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// What the path must begin with.
    start: Box<str>,
    /// What must follow, in this order, anywhere: the pieces between stars.
    middle: Vec<Box<str>>,
    /// The end of the path.
    end: End,
    /// The condition on the query.
    query: QueryCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum End {
    /// Nothing comes after `start`: there was no star.
    Exact,
    /// One of these, lower-case, between `before` and `after`.
    OneOf { before: Box<str>, list: Vec<Box<str>>, after: Box<str> },
    /// This text; empty where the pattern ends with a star.
    Text(Box<str>),
}

/// What a pattern asks of the query (feature F24 of the list).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum QueryCondition {
    /// No `?` in the pattern: the query does not matter.
    #[default]
    Any,
    /// A bare `?`: there must be no query.
    None,
    /// Each parameter must be there; with a value, exactly that value.
    All(Vec<(Box<str>, Option<Box<str>>)>),
}

impl Pattern {
    /// The pattern that every path and query matches.
    pub fn all() -> Self {
        let (start, middle) = ("".into(), Vec::new());
        Pattern { start, middle, end: End::Text("".into()), query: QueryCondition::Any }
    }

    /// Compiles a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong: it does not start with `/` or `*`, a list is open, empty,
    /// nested, too long, or stands before a star.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, query) = match text.split_once('?') {
            None => (text, QueryCondition::Any),
            Some((path, "")) => (path, QueryCondition::None),
            Some((path, query)) => (path, QueryCondition::All(conditions(query))),
        };
        if !path.starts_with(['/', '*']) {
            return Err(format!("the pattern `{text}` must start with `/` or `*`"));
        }
        let mut pieces: Vec<&str> = path.split('*').collect();
        if pieces.len() > MOST {
            return Err(format!("the pattern `{text}` has more than {MOST} stars"));
        }
        let last = pieces.pop().unwrap_or_default();
        if pieces.iter().any(|piece| piece.contains(['(', ')'])) {
            return Err(format!("in `{text}` a list `(a,b)` can only stand after the last `*`"));
        }
        let mut pieces = pieces.into_iter();
        let Some(start) = pieces.next() else {
            if last.contains(['(', ')']) {
                return Err(format!("in `{text}` a list `(a,b)` needs a `*` before it"));
            }
            return Ok(Pattern { start: last.into(), middle: Vec::new(), end: End::Exact, query });
        };
        let middle = pieces.filter(|piece| !piece.is_empty()).map(Box::from).collect();
        Ok(Pattern { start: start.into(), middle, end: End::parse(last, text)?, query })
    }

    /// Whether a path and query, as they go upstream, match.
    pub fn matches(&self, path: &str, query: Option<&str>) -> bool {
        self.matches_path(path) && self.query.holds(query)
    }

    /// Whether the pattern goes by a list of endings, such as `/*.(jpg,png)`, and so would be fooled
    /// by a path that only looks like a file.
    pub fn by_extension(&self) -> bool {
        match &self.end {
            End::OneOf { .. } => true,
            End::Text(text) => text.starts_with('.'),
            End::Exact => false,
        }
    }

    fn matches_path(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(&*self.start) else { return false };
        let Some(mut rest) = self.end.cut(rest) else { return false };
        for piece in &self.middle {
            match memmem::find(rest.as_bytes(), piece.as_bytes()) {
                Some(at) => rest = rest.get(at + piece.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }
}

impl End {
    fn parse(text: &str, whole: &str) -> Result<Self, String> {
        let Some((before, rest)) = text.split_once('(') else {
            return match text.contains(')') {
                true => Err(format!("`{whole}` closes a list that it does not open")),
                false => Ok(End::Text(text.into())),
            };
        };
        let Some((list, after)) = rest.split_once(')') else {
            return Err(format!("the list in `{whole}` is not closed with `)`"));
        };
        if list.contains('(') || after.contains(['(', ')']) {
            return Err(format!("`{whole}` has more than one list"));
        }
        let list: Vec<Box<str>> =
            list.split(',').map(|item| item.trim().to_ascii_lowercase().into()).collect();
        if list.len() > MOST || list.iter().any(|item| item.is_empty()) {
            return Err(format!("the list in `{whole}` needs 1 to {MOST} words, none empty"));
        }
        Ok(End::OneOf { before: before.into(), list, after: after.into() })
    }

    /// What is left of `rest` before this end; `None` when it does not end so.
    fn cut<'a>(&self, rest: &'a str) -> Option<&'a str> {
        match self {
            End::Exact => rest.is_empty().then_some(rest),
            End::Text(text) => rest.strip_suffix(&**text),
            End::OneOf { before, list, after } => {
                let rest = rest.strip_suffix(&**after)?;
                list.iter().find_map(|item| {
                    let at = rest.len().checked_sub(item.len())?;
                    let tail = rest.get(at..)?;
                    let head = rest.get(..at)?;
                    tail.eq_ignore_ascii_case(item).then_some(head)?.strip_suffix(&**before)
                })
            }
        }
    }
}

impl QueryCondition {
    fn holds(&self, query: Option<&str>) -> bool {
        match self {
            QueryCondition::Any => true,
            QueryCondition::None => query.is_none_or(str::is_empty),
            QueryCondition::All(wanted) => wanted.iter().all(|(name, value)| {
                super::query::pairs(query.unwrap_or_default()).any(|pair| {
                    pair.name == &**name && value.as_ref().is_none_or(|v| pair.value == Some(&**v))
                })
            }),
        }
    }
}

fn conditions(query: &str) -> Vec<(Box<str>, Option<Box<str>>)> {
    super::query::pairs(query).map(|pair| (pair.name.into(), pair.value.map(Box::from))).collect()
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        for piece in &self.middle {
            write!(f, "*{piece}")?;
        }
        match &self.end {
            End::Exact => {}
            End::Text(text) => write!(f, "*{text}")?,
            End::OneOf { before, list, after } => {
                write!(f, "*{before}({}){after}", list.join(","))?;
            }
        }
        match &self.query {
            QueryCondition::Any => Ok(()),
            QueryCondition::None => f.write_str("?"),
            QueryCondition::All(wanted) => {
                let mut joint = '?';
                for (name, value) in wanted {
                    write!(f, "{joint}{name}")?;
                    if let Some(value) = value {
                        write!(f, "={value}")?;
                    }
                    joint = '&';
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, target: &str) -> bool {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Pattern::parse(pattern).unwrap().matches(path, query)
    }

    #[test]
    fn patterns_match_as_the_feature_list_says() {
        for (pattern, yes, no) in [
            ("/", &["/", "/?a"][..], &["/a"][..]),
            ("/*", &["/", "/a/b"], &[]),
            ("/dir/*", &["/dir/", "/dir/a/b"], &["/dir", "/other/dir/"]),
            ("/a/*.mp4", &["/a/b.mp4", "/a/b/c.mp4"], &["/a/b.mp4x", "/b/a.mp4", "/a/b.MP4"]),
            ("/*.(jpg,png)", &["/a.jpg", "/b/c.PNG"], &["/jpg", "/a.jpgx", "/a.gif"]),
            ("*/x/*/y*", &["/x/1/y", "/a/x/b/y/z"], &["/x/y", "/y/x/"]),
            ("/*/", &["/a/", "/a/b/"], &["/a"]),
            ("/*a*a", &["/aa", "/xaxa"], &["/a", "/ab"]),
            ("/*.(tar.gz)", &["/a.tar.gz"], &["/a.gz"]),
            ("/a?", &["/a", "/a?"], &["/a?b"]),
            ("/a?v", &["/a?v", "/a?x&v=1", "/a?v="], &["/a", "/a?vv"]),
            ("/a?v=1&w", &["/a?w=2&v=1"], &["/a?v=1", "/a?v=2&w"]),
        ] {
            assert!(yes.iter().all(|target| matches(pattern, target)), "{pattern}");
            assert!(!no.iter().any(|target| matches(pattern, target)), "{pattern}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for text in
            ["", "a/*", "/(a,b)/*", "/*.(a", "/*.a)", "/*.()", "/*.(a,,b)", "/*(a)(b)", "/x.(a)"]
        {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    /// The definition, exponential and obvious.
    fn slow(pattern: &[u8], path: &[u8]) -> bool {
        match pattern {
            [] => path.is_empty(),
            [b'*', rest @ ..] => (0..=path.len()).any(|at| slow(rest, &path[at..])),
            [first, rest @ ..] => path.first() == Some(first) && slow(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn the_linear_matcher_agrees_with_the_definition(pattern in "/[ab*]{0,8}", path in "/[ab]{0,12}") {
            prop_assert_eq!(matches(&pattern, &path), slow(pattern.as_bytes(), path.as_bytes()));
        }

        #[test]
        fn no_text_upsets_the_parser_and_what_is_printed_is_read_back(text in "\\PC{0,24}", path in "\\PC{0,24}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                pattern.matches(&path, Some(&path));
                prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern.clone()));
            }
        }
    }
}
