//! The closed list of reasons: why an answer came as it came, in one word, the same in
//! `Cache-Status`, the log, the metrics and `explain`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::header::cache_status::Forward;

/// How an object is obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// From the store, fresh.
    Hit,
    /// From the store, stale, with leave.
    Stale,
    /// From upstream, through the cache.
    Miss,
    /// From upstream, past the cache.
    Pass,
}

impl Verdict {
    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Hit => "hit",
            Verdict::Stale => "stale",
            Verdict::Miss => "miss",
            Verdict::Pass => "pass",
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $verdict:ident, $forward:expr;)+) => {
        /// Why: one variant per decision that the cache can take.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[repr(u8)]
        pub enum Reason { $($(#[doc = $doc])+ $name),+ }

        impl Reason {
            /// Every reason, in the order of [`Reason::index`].
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $word),+ }
            }

            /// What it means, as a sentence for `explain`.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc),+).trim_ascii_start()),+ }
            }

            /// How an object is obtained for this reason, as seen by the request that meets it.
            pub fn verdict(self) -> Verdict {
                match self { $(Reason::$name => Verdict::$verdict),+ }
            }

            /// `fwd` in `Cache-Status` (RFC 9211 section 2.2) when the request goes forward for this
            /// reason; `None` for what is answered from the store.
            pub fn forward(self) -> Option<Forward> {
                match self { $(Reason::$name => $forward),+ }
            }
        }
    };
}

reasons! {
    // Answered from the store.
    /// What is stored is fresh.
    Fresh = "fresh", Hit, None;
    /// The origin confirmed what is stored (304).
    Revalidated = "revalidated", Hit, Some(Forward::Stale);
    /// Stale, but within stale-while-revalidate; it is refreshed behind the answer (RFC 5861).
    StaleWhileRevalidate = "stale-while-revalidate", Stale, None;
    /// Stale, because the origin failed and stale-if-error or the site allows it (RFC 5861).
    StaleIfError = "stale-if-error", Stale, Some(Forward::Stale);
    /// Stale, because the origin failed a moment ago and is not asked again yet.
    ErrorBackOff = "error-back-off", Stale, None;
    /// Stale, because the origin is unreachable and the site is in offline mode.
    Offline = "offline", Stale, Some(Forward::Stale);
    /// Stale, but the client takes it so (max-stale).
    ClientMaxStale = "client-max-stale", Stale, None;

    // Nothing there, or not usable without asking.
    /// Nothing is stored under this URL.
    UriMiss = "uri-miss", Miss, Some(Forward::UriMiss);
    /// Something is stored under this URL, but for other values of the fields that Vary names.
    VaryMiss = "vary-miss", Miss, Some(Forward::VaryMiss);
    /// Some of the bytes asked for are not stored.
    Partial = "partial", Miss, Some(Forward::Partial);
    /// The lifetime is over.
    Expired = "expired", Miss, Some(Forward::Stale);
    /// The lifetime is over and must-revalidate forbids to serve it stale.
    MustRevalidate = "must-revalidate", Miss, Some(Forward::Stale);
    /// The lifetime is over and proxy-revalidate forbids to serve it stale.
    ProxyRevalidate = "proxy-revalidate", Miss, Some(Forward::Stale);
    /// The lifetime is over and s-maxage forbids to serve it stale (RFC 9111 section 5.2.2.10).
    SharedMaxAge = "s-maxage", Miss, Some(Forward::Stale);
    /// The origin wants to be asked before each use (no-cache).
    NoCache = "no-cache", Miss, Some(Forward::Stale);
    /// The client wants the origin to be asked (no-cache).
    ClientNoCache = "client-no-cache", Miss, Some(Forward::Request);
    /// What is stored is older than the client takes (max-age).
    ClientMaxAge = "client-max-age", Miss, Some(Forward::Request);
    /// What is stored does not stay fresh as long as the client wants (min-fresh).
    ClientMinFresh = "client-min-fresh", Miss, Some(Forward::Request);
    /// The client wants an answer from the store or none, and there is none (only-if-cached).
    OnlyIfCached = "only-if-cached", Miss, Some(Forward::Miss);
    /// This URL did not allow storing a moment ago, so requests do not wait for each other.
    Uncacheable = "uncacheable", Miss, Some(Forward::Miss);

    // The cache is not asked.
    /// The site has switched its cache off.
    CacheOff = "cache-off", Pass, Some(Forward::Bypass);
    /// A no-cache rule of the site matches.
    NoCacheRule = "no-cache-rule", Pass, Some(Forward::Bypass);
    /// The method is neither GET nor HEAD.
    Method = "method", Pass, Some(Forward::Method);
    /// The request has a body, which no key holds.
    RequestBody = "request-body", Pass, Some(Forward::Bypass);
    /// The client wants to change the protocol.
    Upgrade = "upgrade", Pass, Some(Forward::Bypass);

    // The answer is not stored.
    /// The origin forbids storing (no-store).
    NoStore = "no-store", Miss, Some(Forward::Miss);
    /// The answer is for one user (private).
    Private = "private", Miss, Some(Forward::Miss);
    /// The answer sets a cookie.
    SetCookie = "set-cookie", Miss, Some(Forward::Miss);
    /// The request carried Authorization and the answer does not allow sharing (RFC 9111 section 3.5).
    Authorization = "authorization", Miss, Some(Forward::Miss);
    /// The client forbids storing (no-store).
    ClientNoStore = "client-no-store", Miss, Some(Forward::Miss);
    /// Vary is `*`: no other request can match.
    VaryAny = "vary-star", Miss, Some(Forward::Miss);
    /// Vary names a field that the site does not allow.
    VaryRefused = "vary-refused", Miss, Some(Forward::Miss);
    /// Vary changed in a 304, so what was stored can no longer be found rightly.
    VaryChanged = "vary-changed", Miss, Some(Forward::Stale);
    /// The status speaks of this request or connection, not of the URL.
    Status = "status", Miss, Some(Forward::Miss);
    /// must-understand, and the status is not one that we understand.
    NotUnderstood = "not-understood", Miss, Some(Forward::Miss);
    /// Nothing says how long the answer lives, and it has no validator.
    NoFreshness = "no-freshness", Miss, Some(Forward::Miss);
    /// An error in answer to a request that was not plain; it may be the request's fault.
    OddRequest = "odd-request", Miss, Some(Forward::Miss);
    /// A partial answer that cannot be placed: no range was asked, or its Content-Range is wrong.
    PartialUnplaced = "partial-unplaced", Miss, Some(Forward::Miss);
    /// A partial answer in several parts.
    PartialMultiple = "partial-multiple", Miss, Some(Forward::Miss);

    // What the store says.
    /// The object is larger than the store takes.
    TooLarge = "too-large", Miss, Some(Forward::Miss);
    /// The store had no room.
    NoRoom = "no-room", Miss, Some(Forward::Miss);
    /// The URL already has as many variants as the site allows.
    TooManyVariants = "too-many-variants", Miss, Some(Forward::Miss);
    /// The body ended before its announced end.
    Cut = "cut", Miss, Some(Forward::Miss);
    /// The origin failed and nothing may be served instead.
    OriginError = "origin-error", Miss, Some(Forward::Miss);
}

impl Reason {
    /// The place in [`Reason::ALL`], for tables of counters.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether an answer that was not stored for this reason tells something about the next answer
    /// under the same URL, so that requests should not wait for each other for a while. What one
    /// request alone caused tells nothing: a client could switch off collapsing for all others.
    pub fn foretells(self) -> bool {
        matches!(
            self,
            Reason::NoCacheRule
                | Reason::NoStore
                | Reason::Private
                | Reason::SetCookie
                | Reason::VaryAny
                | Reason::VaryRefused
                | Reason::NotUnderstood
                | Reason::NoFreshness
                | Reason::TooLarge
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_tokens_and_indices_are_places() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::COUNT);
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place);
            assert!(reason.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert!(reason.sentence().ends_with('.'), "{reason}");
        }
    }
}
