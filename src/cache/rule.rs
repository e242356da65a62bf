//! One compiled rule of a site: a path pattern, a query condition, statuses, a lifetime.

use std::time::Duration;

use http::StatusCode;

use super::Request;
use super::pattern::Pattern;
use super::status::{StatusRange, allows};

/// A rule ready to match.
#[derive(Clone, Debug)]
pub struct CompiledRule {
    /// Which paths and queries.
    pub pattern: Pattern,
    /// Which statuses; empty means every one.
    pub status: Vec<StatusRange>,
    /// The lifetime it gives.
    pub lifetime: Duration,
    /// Whether it overrides no-store, no-cache and private.
    pub force: bool,
}

/// The lifetime of a set of statuses where nothing else gives one.
#[derive(Clone, Debug)]
pub struct DefaultLifetime {
    /// Which statuses; empty means every one.
    pub status: Vec<StatusRange>,
    /// The lifetime.
    pub lifetime: Duration,
}

impl CompiledRule {
    pub(super) fn new(
        path: &str,
        status: Vec<StatusRange>,
        lifetime: Duration,
        force: bool,
    ) -> Option<Self> {
        let pattern = Pattern::parse(path).ok()?;
        Some(CompiledRule { pattern, status, lifetime, force })
    }

    /// For every path and status.
    pub(super) fn for_all(lifetime: Duration) -> Self {
        CompiledRule { pattern: Pattern::all(), status: Vec::new(), lifetime, force: false }
    }

    /// Whether the rule is for this request and status. Without a status only a rule for every
    /// status can be. The query is the client's: a condition on a parameter that the site drops
    /// still works.
    pub fn matches(&self, request: &Request<'_>, status: Option<StatusCode>) -> bool {
        let status = match status {
            Some(status) => allows(&self.status, status),
            None => self.status.is_empty(),
        };
        status && self.pattern.matches(request.path, request.query)
    }

    /// Whether a rule that goes by file extension would be fooled: the path has a delimiter that an
    /// origin may end it at (`/account;a.css`, `/account%2fa.css`), or the answer is a page although
    /// the extension is not a page's. Such answers are one user's page dressed up as a file ("web
    /// cache deception"), so a rule by extension must not make them live longer.
    pub fn fooled(&self, request: &Request<'_>, html: bool) -> bool {
        self.pattern.by_extension()
            && (is_ambiguous(request.path) || html && !names_a_page(request.path))
    }
}

/// Whether a path holds a character at which servers disagree about where it ends.
pub fn is_ambiguous(path: &str) -> bool {
    const CODES: [&[u8; 2]; 9] = [b"00", b"0a", b"0d", b"23", b"2f", b"3b", b"3f", b"5c", b"09"];
    path.bytes().any(|b| b == b';' || b == b'\\')
        || path.as_bytes().windows(3).any(|w| {
            w.first() == Some(&b'%')
                && CODES.iter().any(|c| w.get(1..).is_some_and(|d| d.eq_ignore_ascii_case(*c)))
        })
}

fn names_a_page(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        None => true,
        Some((_, extension)) => ["htm", "html", "shtml", "xhtml", "php", "asp", "aspx", "jsp"]
            .iter()
            .any(|page| extension.eq_ignore_ascii_case(page)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguised_paths_are_seen() {
        for path in
            ["/me;a.css", "/me%2fa.css", "/me%3Ba.css", "/me\\a.css", "/me%00.js", "/a%5Cb.js"]
        {
            assert!(is_ambiguous(path), "{path}");
        }
        for path in ["/a.css", "/%E4%BD%A0.jpg", "/a%20b.png", "/100%"] {
            assert!(!is_ambiguous(path), "{path}");
        }
        assert!(names_a_page("/a/") && names_a_page("/a.HTML") && !names_a_page("/me/x.css"));
    }
}
