//! What a purge may name.

use std::fmt;
use std::sync::Arc;

use crate::cache::Asked;
use crate::cache::pattern::Pattern;

/// What a rule is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// A URL with all its variants, by [`KeyRef::url_hash`](crate::cache::KeyRef::url_hash).
    Url(u64),
    /// What has a tag, by [`tags::hash`](crate::cache::tags::hash); of one site or of all.
    Tag(Option<u32>, u64),
    /// What lies in a folder of a site: its host and path up to a `/`, as `a.com/img/`.
    Folder(u32, Arc<str>),
    /// What matches a pattern, of a site.
    Matching(u32, Arc<Matching>),
    /// A site, by its number.
    Site(u32),
    /// Everything.
    All,
}

/// URLs of a site by a pattern, such as `a.com/img/*.jpg?v=1`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Matching {
    /// A host with its port, or `*.` and what a host ends with.
    pub host: Box<str>,
    /// What path and query must match.
    pub pattern: Pattern,
    /// Pictures alone, of this form: the text in their keys.
    pub picture: Option<Box<str>>,
}

impl Matching {
    /// Whether an object is one of them, by what its key asks for.
    pub fn holds(&self, asked: &Asked<'_>) -> bool {
        let host = match self.host.strip_prefix('*') {
            Some(end) => asked.host.ends_with(end),
            None => asked.host == &*self.host,
        };
        host && self.pattern.matches(asked.path, asked.query) && self.is_of(asked.picture)
    }

    /// Whether a picture's form, which its formats may follow, is the one that is meant.
    fn is_of(&self, picture: Option<&str>) -> bool {
        self.picture.as_deref().is_none_or(|meant| {
            let form = picture.and_then(|it| it.strip_prefix(meant));
            form.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    /// Reads what [`fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = text.split_once(SEPARATOR)?;
        let (pattern, picture) = match rest.split_once(SEPARATOR) {
            Some((pattern, picture)) => (pattern, Some(picture.into())),
            None => (rest, None),
        };
        Some(Matching { host: host.into(), pattern: Pattern::parse(pattern).ok()?, picture })
    }
}

/// Stands in no host, pattern or form.
const SEPARATOR: char = '\n';

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.host, self.pattern)?;
        self.picture.iter().try_for_each(|picture| write!(f, "{SEPARATOR}{picture}"))
    }
}
