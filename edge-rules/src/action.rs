//! What rules decide: the closed list of things that an edge does for them.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// One effect. Names and values of headers, targets and locations are safe to send: they hold no
/// CR, LF, NUL or other control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Give the request one more header line.
    AddRequestHeader(Header),
    /// Give the request this header instead of any of its name.
    SetRequestHeader(Header),
    /// Take all request headers of this name away.
    RemoveRequestHeader(HeaderName),
    /// Give the response one more header line, also one that the edge makes.
    AddResponseHeader(Header),
    /// Give the response this header instead of any of its name.
    SetResponseHeader(Header),
    /// Take all response headers of this name away.
    RemoveResponseHeader(HeaderName),
    /// Take an argument out of the query.
    RemoveArgument(Box<[u8]>),
    /// Ask with another method.
    SetMethod(&'static str),
    /// Send another body.
    SetBody(Box<[u8]>),
    /// Ask for this path and query; decided when all rules have run, and so the last action.
    Rewrite(Box<str>),
    /// Answer with a redirect; ends the set.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`.
        location: Box<str>,
    },
    /// Answer with this; ends the set.
    Respond {
        /// 200 to 599.
        status: u16,
        /// The body, often empty.
        body: Box<[u8]>,
        /// The `Content-Type`, if one is named.
        content_type: Option<Box<str>>,
    },
    /// Send no faster than this, in bytes a second.
    LimitRate(u64),
    /// Begin to hold back after so many bytes of the body.
    LimitRateAfter(u64),
    /// Answer 302 to a page when the origin answers one of these statuses.
    ErrorPage {
        /// The origin's statuses.
        statuses: Box<[u16]>,
        /// The page.
        location: Box<str>,
    },
    /// Keep the answer for so many seconds.
    CacheTtl(u32),
    /// Serve it stale for so many seconds after that.
    CacheStale(u32),
    /// Tell objects apart by this text too.
    CacheKey(Box<[u8]>),
    /// Give the object a tag for purging.
    CacheTag(Box<str>),
    /// Neither look in the cache nor keep the answer.
    CacheBypass,
    /// Ask this origin of the site.
    Origin(Box<str>),
}

/// A query without the arguments of some names, which are compared as they stand there; none if no
/// argument is left.
pub fn query_without<'n>(
    query: &str,
    removed: impl IntoIterator<Item = &'n [u8]>,
) -> Option<String> {
    let mut removed: Vec<&[u8]> = removed.into_iter().collect();
    removed.sort_unstable();
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().len();
    let is_kept = |pair: &&str| {
        let name = pair.as_bytes().get(..name(pair)).unwrap_or_default();
        removed.binary_search(&name).is_err()
    };
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// A header line.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The name.
    pub name: HeaderName,
    /// The value.
    pub value: HeaderValue,
}

impl Action {
    /// The word for it in a trace.
    pub fn word(&self) -> &'static str {
        match self {
            Action::AddRequestHeader(_) => "add_request_header",
            Action::SetRequestHeader(_) => "set_request_header",
            Action::RemoveRequestHeader(_) => "remove_request_header",
            Action::AddResponseHeader(_) => "add_response_header",
            Action::SetResponseHeader(_) => "set_response_header",
            Action::RemoveResponseHeader(_) => "remove_response_header",
            Action::RemoveArgument(_) => "remove_argument",
            Action::SetMethod(_) => "set_method",
            Action::SetBody(_) => "set_body",
            Action::Rewrite(_) => "rewrite",
            Action::Redirect { .. } => "redirect",
            Action::Respond { .. } => "respond",
            Action::LimitRate(_) => "limit_rate",
            Action::LimitRateAfter(_) => "limit_rate_after",
            Action::ErrorPage { .. } => "error_page",
            Action::CacheTtl(_) => "cache_ttl",
            Action::CacheStale(_) => "cache_stale",
            Action::CacheKey(_) => "cache_key",
            Action::CacheTag(_) => "cache_tag",
            Action::CacheBypass => "cache_bypass",
            Action::Origin(_) => "origin",
        }
    }
}

/// Its word and what it is about, as tables of tests expect it.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        let text = String::from_utf8_lossy;
        match self {
            Action::AddRequestHeader(it)
            | Action::SetRequestHeader(it)
            | Action::AddResponseHeader(it)
            | Action::SetResponseHeader(it) => {
                write!(f, "{word} {}: {}", it.name, text(it.value.as_bytes()))
            }
            Action::RemoveRequestHeader(it) | Action::RemoveResponseHeader(it) => {
                write!(f, "{word} {it}")
            }
            Action::Rewrite(it) | Action::CacheTag(it) | Action::Origin(it) => {
                write!(f, "{word} {it}")
            }
            Action::RemoveArgument(it) | Action::SetBody(it) | Action::CacheKey(it) => {
                write!(f, "{word} {}", text(it))
            }
            Action::SetMethod(it) => write!(f, "{word} {it}"),
            Action::Redirect { status, location } => write!(f, "{word} {status} {location}"),
            Action::Respond { status, .. } => write!(f, "{word} {status}"),
            Action::LimitRate(it) | Action::LimitRateAfter(it) => write!(f, "{word} {it}"),
            Action::ErrorPage { statuses, location } => {
                f.write_str(word)?;
                statuses.iter().try_for_each(|status| write!(f, " {status}"))?;
                write!(f, " {location}")
            }
            Action::CacheTtl(it) | Action::CacheStale(it) => write!(f, "{word} {it}"),
            Action::CacheBypass => f.write_str(word),
        }
    }
}
