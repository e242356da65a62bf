//! The arithmetic of freshness, RFC 9111 section 4.2, kept whole so that `explain` can show it.

use std::fmt;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::control::{Control, ControlField};
use super::policy::Policy;
use super::verdict::Reason;
use super::{Request, static_files, status};
use crate::clock::Timestamp;
use crate::header::age::{self, Age};
use crate::header::cache_control::Delta;
use crate::header::date::{self, Date};

/// What decided the lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Nothing did; the lifetime is zero.
    Nothing,
    /// `Age` is there but cannot be trusted, so the lifetime is zero (RFC 9111 section 4.2.1).
    InvalidAge,
    /// `s-maxage` in this field.
    SharedMaxAge(ControlField),
    /// `max-age` in this field.
    MaxAge(ControlField),
    /// `Expires` minus `Date`; an invalid `Expires` is in the past (section 5.3).
    Expires,
    /// Estimated from `Last-Modified` (section 4.2.2).
    Heuristic,
    /// The custom rule of this place in the site's list.
    Rule(u32),
    /// The site's default for the status.
    SiteDefault,
}

impl Source {
    /// Whether the origin or the site said it, rather than an estimate or nobody.
    pub fn is_explicit(self) -> bool {
        !matches!(self, Source::Nothing | Source::InvalidAge | Source::Heuristic)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Nothing => f.write_str("nothing"),
            Source::InvalidAge => f.write_str("invalid Age"),
            Source::SharedMaxAge(field) => write!(f, "{} s-maxage", field.as_str()),
            Source::MaxAge(field) => write!(f, "{} max-age", field.as_str()),
            Source::Expires => f.write_str("Expires"),
            Source::Heuristic => f.write_str("estimate from Last-Modified"),
            Source::Rule(place) => write!(f, "rules[{place}]"),
            Source::SiteDefault => f.write_str("default_ttl"),
        }
    }
}

/// For how long past its lifetime a response may be served, and what forbids it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// How long.
    pub window: Duration,
    /// The directive that forbids it all the same.
    pub refused: Option<Reason>,
}

impl Allowance {
    /// Whether it covers a response that has been stale for `stale`.
    pub fn covers(&self, stale: Duration) -> bool {
        self.refused.is_none() && stale < self.window
    }
}

/// How long a response lives, and how that came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// What decided `fresh`.
    pub source: Source,
    /// The freshness lifetime, compared with the age.
    pub fresh: Duration,
    /// stale-while-revalidate.
    pub stale_while_revalidate: Allowance,
    /// stale-if-error.
    pub stale_if_error: Allowance,
    /// What forbids to serve it stale at all: must-revalidate, proxy-revalidate, s-maxage, no-cache.
    pub stale_refused: Option<Reason>,
    /// Whether the origin must be asked before each use.
    pub no_cache: bool,
    /// Whether the origin says that it does not change while fresh (RFC 8246).
    pub immutable: bool,
    /// `Date`, or when the response came if it has none (`date_value`).
    pub date: Timestamp,
    /// What `Age` said (`age_value`).
    pub age_value: Duration,
    /// How far `Date` lay behind our clock (`apparent_age`).
    pub apparent_age: Duration,
    /// How long the origin took to answer (`response_delay`).
    pub response_delay: Duration,
    /// The age on arrival (`corrected_initial_age`).
    pub corrected_initial_age: Duration,
}

/// The age of a response when it came (section 4.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// `apparent_age`.
    pub apparent_age: Duration,
    /// `response_delay`.
    pub response_delay: Duration,
    /// `corrected_initial_age`.
    pub corrected_initial_age: Duration,
}

impl Arrival {
    /// The age of a response with this `Date` and `Age`, asked for and received at these times.
    pub fn of(
        date: Timestamp,
        age_value: Duration,
        request_time: Timestamp,
        response_time: Timestamp,
    ) -> Self {
        // Dates have no fractions, so both sides of the difference are whole seconds.
        let behind = response_time.seconds().saturating_sub(date.seconds());
        let apparent_age = Duration::from_secs(behind);
        let response_delay = response_time.since(request_time);
        let corrected_initial_age = apparent_age.max(age_value.saturating_add(response_delay));
        Arrival { apparent_age, response_delay, corrected_initial_age }
    }
}

impl Lifetimes {
    /// The age at `now` of a response that came at `response_time` (section 4.2.3).
    pub fn age(&self, response_time: Timestamp, now: Timestamp) -> Duration {
        self.corrected_initial_age.saturating_add(now.since(response_time))
    }

    /// Whether the response may answer other requests that wait for it without asking the origin for
    /// each: it arrived fresh and may be used without validation.
    pub fn is_shareable(&self) -> bool {
        !self.no_cache && self.fresh > self.corrected_initial_age
    }
}

impl fmt::Display for Lifetimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |duration: Duration| duration.as_secs_f64();
        write!(
            f,
            "lifetime {}s by {}; age on arrival {}s = max(apparent age {}s, Age {}s + delay {}s)",
            self.fresh.as_secs(),
            self.source,
            seconds(self.corrected_initial_age),
            seconds(self.apparent_age),
            seconds(self.age_value),
            seconds(self.response_delay),
        )?;
        for (name, allowance) in [
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ] {
            if allowance.window > Duration::ZERO {
                write!(f, "; {name} {}s", allowance.window.as_secs())?;
                if let Some(reason) = allowance.refused {
                    write!(f, " (refused: {reason})")?;
                }
            }
        }
        if self.no_cache {
            f.write_str("; no-cache")?;
        }
        if self.immutable {
            f.write_str("; immutable")?;
        }
        Ok(())
    }
}

/// Whether the answer to this request may get an estimated lifetime: not when the request had
/// cookies, for a page that was made for somebody rarely says when it expires.
pub(super) fn may_estimate(request: &Request<'_>) -> bool {
    !request.headers.contains_key(COOKIE)
}

/// A response as it came, before anything is taken out of it.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    pub policy: &'a Policy,
    pub request: &'a Request<'a>,
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub control: &'a Control,
    /// Whether a lifetime may be estimated; see [`may_estimate`].
    pub estimate: bool,
    pub request_time: Timestamp,
    pub response_time: Timestamp,
}

impl Received<'_> {
    /// All the arithmetic.
    pub(super) fn lifetimes(&self, force: bool) -> Lifetimes {
        let directives = &self.control.directives;
        let age = age::parse(self.headers);
        let date = date::date(self.headers).moment().unwrap_or(self.response_time);
        let age_value = match age {
            Age::Seconds(seconds) => Duration::from_secs(seconds),
            Age::Absent | Age::Invalid => Duration::ZERO,
        };
        let arrival = Arrival::of(date, age_value, self.request_time, self.response_time);
        let Arrival { apparent_age, response_delay, corrected_initial_age } = arrival;
        let no_cache = directives.no_cache.is_whole() && !force;
        let stale_refused = self.stale_refused(no_cache);
        let (source, fresh) = match (self.by_site(true), age) {
            (Some((source, lifetime)), _) => (source, lifetime + corrected_initial_age),
            (None, Age::Invalid) => (Source::InvalidAge, Duration::ZERO),
            (None, _) => self.by_others(date, corrected_initial_age),
        };
        Lifetimes {
            source,
            fresh: self.capped(fresh, corrected_initial_age),
            stale_while_revalidate: allowance(
                self.policy.stale_while_revalidate,
                directives.stale_while_revalidate,
                stale_refused,
            ),
            stale_if_error: allowance(
                self.policy.stale_if_error,
                directives.stale_if_error,
                stale_refused,
            ),
            stale_refused,
            no_cache,
            immutable: directives.immutable,
            date,
            age_value,
            apparent_age,
            response_delay,
            corrected_initial_age,
        }
    }

    /// The lifetime that the site's rules give, counted from arrival: custom rules before the origin
    /// has its say, defaults after.
    fn by_site(&self, rules: bool) -> Option<(Source, Duration)> {
        if rules {
            let html = static_files::is_html(self.headers);
            let (place, rule) = self.policy.rule(self.request, self.status, html)?;
            return Some((Source::Rule(place as u32), rule.lifetime));
        }
        let found =
            self.policy.defaults.iter().find(|entry| status::allows(&entry.status, self.status))?;
        let fits = !self.policy.default_static_only
            || static_files::is_static(self.request.path, self.headers);
        fits.then_some((Source::SiteDefault, found.lifetime))
    }

    fn by_others(&self, date: Timestamp, arrival: Duration) -> (Source, Duration) {
        if let Some(explicit) = self.explicit(date) {
            return explicit;
        }
        if let Some((source, lifetime)) = self.by_site(false) {
            return (source, lifetime + arrival);
        }
        self.heuristic(date).unwrap_or((Source::Nothing, Duration::ZERO))
    }

    /// s-maxage, max-age, Expires: the first that is there counts, valid or not (section 4.2.1).
    fn explicit(&self, date: Timestamp) -> Option<(Source, Duration)> {
        let Control { field, directives, expires } = self.control;
        if let Some(delta) = directives.s_maxage {
            return Some((Source::SharedMaxAge(*field), Duration::from_secs(delta.seconds())));
        }
        if let Some(delta) = directives.max_age {
            return Some((Source::MaxAge(*field), Duration::from_secs(delta.seconds())));
        }
        match expires {
            Date::Absent => None,
            Date::Invalid => Some((Source::Expires, Duration::ZERO)),
            Date::At(expires) => {
                let seconds = expires.seconds().saturating_sub(date.seconds());
                Some((Source::Expires, Duration::from_secs(seconds)))
            }
        }
    }

    /// A fraction of the time since the last change (section 4.2.2), for statuses that allow it or
    /// with `public`.
    fn heuristic(&self, date: Timestamp) -> Option<(Source, Duration)> {
        let allowed = status::heuristic(self.status) || self.control.directives.public;
        let percent = self.policy.heuristic_percent;
        if !allowed || percent == 0 || !self.estimate {
            return None;
        }
        let modified = date::last_modified(self.headers).moment()?;
        let lifetime = date.since(modified) * percent / 100;
        (lifetime > Duration::ZERO)
            .then(|| (Source::Heuristic, lifetime.min(self.policy.heuristic_max)))
    }

    /// What forbids stale answers; must-revalidate is the strictest and so is named first.
    fn stale_refused(&self, no_cache: bool) -> Option<Reason> {
        let directives = &self.control.directives;
        if directives.must_revalidate {
            Some(Reason::MustRevalidate)
        } else if directives.proxy_revalidate {
            Some(Reason::ProxyRevalidate)
        } else if no_cache {
            Some(Reason::NoCache)
        } else if directives.s_maxage.is_some() {
            Some(Reason::SharedMaxAge)
        } else {
            None
        }
    }

    /// Errors live at most as long as the site allows, counted from arrival.
    fn capped(&self, fresh: Duration, arrival: Duration) -> Duration {
        match self.policy.max_negative {
            Some(most) if self.status.as_u16() >= 400 => fresh.min(most + arrival),
            _ => fresh,
        }
    }
}

/// The site's own window overrides what s-maxage implies; what the origin says in so many words
/// (must-revalidate, proxy-revalidate, no-cache) it does not.
fn allowance(site: Option<Duration>, origin: Option<Delta>, refused: Option<Reason>) -> Allowance {
    match site {
        Some(window) => {
            Allowance { window, refused: refused.filter(|reason| *reason != Reason::SharedMaxAge) }
        }
        None => {
            let window = Duration::from_secs(origin.map_or(0, Delta::seconds));
            Allowance { window, refused }
        }
    }
}

#[cfg(test)]
#[path = "freshness_tests.rs"]
mod tests;
