//! `Cache-Control`, RFC 9111 section 5.2, with RFC 5861 and RFC 8246: response and request directives.
//!
//! In doubt the more careful reading wins: a lifetime that is no number is a lifetime of nothing, a
//! prohibition with an odd argument still prohibits, a permission with one does not permit.

use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, HeaderName};

use super::list;

/// The most seconds that a directive can ask for (RFC 9111 section 1.2.2).
pub const MAX_SECONDS: u64 = 1 << 31;

/// The argument of a directive that takes seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// Seconds, at most [`MAX_SECONDS`].
    Seconds(u64),
    /// The directive is there, its argument is no number of seconds.
    Invalid,
}

impl Delta {
    /// The seconds; zero when invalid, because a response with invalid freshness is best taken as
    /// stale (RFC 9111 section 4.2.1).
    pub fn seconds(self) -> u64 {
        match self {
            Delta::Seconds(seconds) => seconds,
            Delta::Invalid => 0,
        }
    }

    pub(super) fn from_text(text: &[u8]) -> Self {
        list::number(text).map_or(Delta::Invalid, |n| Delta::Seconds(n.min(MAX_SECONDS)))
    }
}

/// How far `no-cache` or `private` reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The directive is absent.
    #[default]
    Nothing,
    /// The response as a whole.
    Whole,
    /// Only these fields (`no-cache="set-cookie"`).
    Fields(Vec<HeaderName>),
}

impl Reach {
    /// Whether the whole response is meant.
    pub fn is_whole(&self) -> bool {
        *self == Reach::Whole
    }

    /// The fields meant, if only fields are.
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Reach::Fields(fields) => fields,
            Reach::Nothing | Reach::Whole => &[],
        }
    }

    /// Widens to what a quoted list of field names says; a name that is none widens to the whole.
    pub(super) fn widen(&mut self, names: &[u8]) {
        let parsed: Result<Vec<_>, _> = list::members(names).map(HeaderName::from_bytes).collect();
        match (parsed, &mut *self) {
            (_, Reach::Whole) => {}
            (Ok(names), Reach::Nothing) if !names.is_empty() => *self = Reach::Fields(names),
            (Ok(names), Reach::Fields(fields)) if !names.is_empty() => fields.extend(names),
            _ => *self = Reach::Whole,
        }
    }
}

/// The directives of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `max-age`.
    pub max_age: Option<Delta>,
    /// `s-maxage`.
    pub s_maxage: Option<Delta>,
    /// `stale-while-revalidate` (RFC 5861).
    pub stale_while_revalidate: Option<Delta>,
    /// `stale-if-error` (RFC 5861).
    pub stale_if_error: Option<Delta>,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`, with or without field names.
    pub no_cache: Reach,
    /// `private`, with or without field names.
    pub private: Reach,
    /// `public`.
    pub public: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `immutable` (RFC 8246).
    pub immutable: bool,
    /// `no-transform`.
    pub no_transform: bool,
}

impl Directives {
    /// Reads every `Cache-Control` line of a response. When a directive with seconds comes twice the
    /// first one counts (RFC 9111 section 4.2.1).
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut found = Directives::default();
        for line in headers.get_all(CACHE_CONTROL) {
            for member in list::members(line.as_bytes()) {
                found.take(&Directive::parse(member));
            }
        }
        found
    }

    pub(super) fn take(&mut self, directive: &Directive<'_>) {
        let name = directive.name;
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("max-age") {
            self.max_age.get_or_insert(directive.delta());
        } else if is("s-maxage") {
            self.s_maxage.get_or_insert(directive.delta());
        } else if is("stale-while-revalidate") {
            self.stale_while_revalidate.get_or_insert(directive.delta());
        } else if is("stale-if-error") {
            self.stale_if_error.get_or_insert(directive.delta());
        } else if is("no-cache") {
            directive.widen(&mut self.no_cache);
        } else if is("private") {
            directive.widen(&mut self.private);
        } else if is("no-store") {
            self.no_store = true;
        } else if is("must-revalidate") {
            self.must_revalidate = true;
        } else if is("proxy-revalidate") {
            self.proxy_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("no-transform") {
            self.no_transform = true;
        } else if directive.argument == Argument::None {
            // Permissions count only in the form that the RFC gives them.
            self.public |= is("public");
            self.immutable |= is("immutable");
        }
    }
}

/// The directives of a request, RFC 9111 section 5.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `no-cache`, or `Pragma: no-cache` where there is no `Cache-Control` (section 5.4).
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age` in seconds; one that is no number is 0.
    pub max_age: Option<u64>,
    /// `min-fresh` in seconds; one that is no number is left out.
    pub min_fresh: Option<u64>,
    /// `max-stale` in seconds, [`MAX_SECONDS`] without argument; one that is no number is left out.
    pub max_stale: Option<u64>,
    /// `stale-if-error` in seconds (RFC 5861 section 4).
    pub stale_if_error: Option<u64>,
}

impl Wishes {
    /// Reads the directives of a request.
    pub fn parse(headers: &HeaderMap) -> Self {
        let mut wishes = Wishes::default();
        let mut lines = headers.get_all(CACHE_CONTROL).iter().peekable();
        if lines.peek().is_none() {
            wishes.no_cache = headers
                .get_all(PRAGMA)
                .iter()
                .flat_map(|line| list::members(line.as_bytes()))
                .any(|member| member.eq_ignore_ascii_case(b"no-cache"));
        }
        for line in lines {
            for member in list::members(line.as_bytes()) {
                wishes.take(&Directive::parse(member));
            }
        }
        wishes
    }

    fn take(&mut self, directive: &Directive<'_>) {
        let is = |word: &str| directive.name.eq_ignore_ascii_case(word.as_bytes());
        let seconds = match directive.delta() {
            Delta::Seconds(seconds) => Some(seconds),
            Delta::Invalid => None,
        };
        if is("no-cache") {
            self.no_cache = true;
        } else if is("no-store") {
            self.no_store = true;
        } else if is("only-if-cached") {
            self.only_if_cached = true;
        } else if is("max-age") {
            self.max_age.get_or_insert(seconds.unwrap_or(0));
        } else if is("min-fresh") {
            self.min_fresh = self.min_fresh.or(seconds);
        } else if is("max-stale") {
            let any = (directive.argument == Argument::None).then_some(MAX_SECONDS);
            self.max_stale = self.max_stale.or(seconds).or(any);
        } else if is("stale-if-error") {
            self.stale_if_error = self.stale_if_error.or(seconds);
        }
    }
}

/// One member of the list, taken apart.
pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: Argument<'a>,
}

/// What follows a directive's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    None,
    Token(&'a [u8]),
    Quoted(&'a [u8]),
    /// Whitespace around the `=`, an unclosed quote, or an empty argument.
    Malformed,
}

impl<'a> Directive<'a> {
    pub(super) fn parse(member: &'a [u8]) -> Self {
        let Some(equals) = member.iter().position(|b| *b == b'=') else {
            return Directive { name: member, argument: Argument::None };
        };
        let name = member.get(..equals).unwrap_or_default();
        let argument = match member.get(equals + 1..).unwrap_or_default() {
            _ if name.last().is_some_and(|b| list::blank(*b)) => Argument::Malformed,
            [b'"', inner @ .., b'"'] => Argument::Quoted(inner),
            text if list::is_token(text) => Argument::Token(text),
            _ => Argument::Malformed,
        };
        Directive { name: list::trim(name), argument }
    }

    /// Seconds; both the token and the quoted form are accepted (RFC 9111 section 5.2).
    fn delta(&self) -> Delta {
        match self.argument {
            Argument::Token(text) | Argument::Quoted(text) => Delta::from_text(text),
            Argument::None | Argument::Malformed => Delta::Invalid,
        }
    }

    /// Only the quoted form narrows a prohibition to fields: `private=1` is no list of fields that
    /// anyone meant.
    fn widen(&self, reach: &mut Reach) {
        match self.argument {
            Argument::Quoted(names) => reach.widen(names),
            _ => *reach = Reach::Whole,
        }
    }
}

#[cfg(test)]
#[path = "cache_control_tests.rs"]
mod tests;
