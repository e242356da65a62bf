//! May a stored response answer this request (RFC 9111 section 4)?

use std::time::Duration;

use http::StatusCode;

use super::Request;
use super::freshness::Lifetimes;
use super::policy::Policy;
use super::status;
use super::stored::Stored;
use super::verdict::Reason;
use crate::clock::Timestamp;
use crate::header::cache_control::Wishes;

/// What to do with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Serve it.
    Fresh,
    /// Serve it and refresh it behind the answer.
    StaleWhileRevalidate,
    /// Serve it although it is stale, and leave the origin alone.
    Stale,
    /// Ask the origin first.
    Revalidate,
}

/// The judgement on one stored response and the figures that it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What to do.
    pub reuse: Reuse,
    /// Why.
    pub reason: Reason,
    /// The age now; the `Age` field has its whole seconds.
    pub age: Duration,
    /// Seconds of freshness left, rounded down; negative when stale. `ttl` in `Cache-Status`.
    pub ttl: i64,
}

/// Judges `stored` for `request` at `now`. The caller has found it by key and variant.
pub fn judge(policy: &Policy, request: &Request<'_>, stored: &Stored, now: Timestamp) -> Judgement {
    let lifetimes = &stored.lifetimes;
    let age = lifetimes.age(stored.response_time, now);
    let wishes = policy.wishes(request);
    let (reuse, reason) = decide(policy, stored, &wishes, age, now);
    Judgement { reuse, reason, age, ttl: time_left(lifetimes.fresh, age) }
}

fn decide(
    policy: &Policy,
    stored: &Stored,
    wishes: &Wishes,
    age: Duration,
    now: Timestamp,
) -> (Reuse, Reason) {
    let lifetimes = &stored.lifetimes;
    if lifetimes.no_cache {
        return (Reuse::Revalidate, Reason::NoCache);
    }
    if wishes.no_cache {
        return (Reuse::Revalidate, Reason::ClientNoCache);
    }
    let fresh = lifetimes.fresh > age;
    // RFC 8246 section 2: while fresh, an immutable response need not be validated for a client
    // that merely reloads (max-age=0).
    let too_old = wishes.max_age.is_some_and(|most| age > Duration::from_secs(most));
    if too_old && !(fresh && lifetimes.immutable) {
        return (Reuse::Revalidate, Reason::ClientMaxAge);
    }
    if fresh {
        let left = lifetimes.fresh - age;
        return match wishes.min_fresh {
            Some(least) if left < Duration::from_secs(least) => {
                (Reuse::Revalidate, Reason::ClientMinFresh)
            }
            _ => (Reuse::Fresh, Reason::Fresh),
        };
    }
    let resting = stored.rest_until.is_some_and(|until| now < until);
    stale(policy, lifetimes, wishes, age - lifetimes.fresh, resting)
}

/// What becomes of a response that has been stale for `stale`, while the origin rests after a
/// failure or not. A failure lets only those requests have stale answers that could have had one
/// when it happened.
fn stale(
    policy: &Policy,
    lifetimes: &Lifetimes,
    wishes: &Wishes,
    stale: Duration,
    resting: bool,
) -> (Reuse, Reason) {
    let behind = lifetimes.stale_while_revalidate.covers(stale);
    if resting && (behind || on_error(policy, lifetimes, wishes, stale, true).is_some()) {
        return (Reuse::Stale, Reason::ErrorBackOff);
    }
    if behind {
        return (Reuse::StaleWhileRevalidate, Reason::StaleWhileRevalidate);
    }
    let patient = wishes.max_stale.is_some_and(|most| stale <= Duration::from_secs(most));
    match lifetimes.stale_refused {
        None if patient => (Reuse::Stale, Reason::ClientMaxStale),
        // The word for what forbids it, where something else would have allowed it.
        Some(word) if patient || stale < lifetimes.stale_while_revalidate.window => {
            (Reuse::Revalidate, word)
        }
        _ => (Reuse::Revalidate, Reason::Expired),
    }
}

/// How a question to the origin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It answered with this status.
    Status(StatusCode),
    /// It could not be reached, or the answer broke off before it could be used.
    Unreachable,
}

/// Whether `stored` may be served because the origin failed, and with which reason: RFC 5861
/// section 4 (stale-if-error of the origin, the client or the site), or offline mode (feature F19).
/// A stored response that is still fresh may always be.
pub fn usable_on_error(
    policy: &Policy,
    request: &Request<'_>,
    stored: &Stored,
    failure: Failure,
    now: Timestamp,
) -> Option<Reason> {
    let (failed, unreachable) = match failure {
        Failure::Status(status) => {
            (status::is_failure(status), matches!(status.as_u16(), 502 | 504))
        }
        Failure::Unreachable => (true, true),
    };
    let lifetimes = &stored.lifetimes;
    if !failed || lifetimes.no_cache {
        return None;
    }
    let age = lifetimes.age(stored.response_time, now);
    if lifetimes.fresh > age {
        return Some(Reason::StaleIfError);
    }
    on_error(policy, lifetimes, &policy.wishes(request), age - lifetimes.fresh, unreachable)
}

/// Whether and why an error lets a response be served that has been stale for `stale`.
fn on_error(
    policy: &Policy,
    lifetimes: &Lifetimes,
    wishes: &Wishes,
    stale: Duration,
    unreachable: bool,
) -> Option<Reason> {
    if lifetimes.stale_if_error.covers(stale) {
        return Some(Reason::StaleIfError);
    }
    // Offline mode is the site's word, as its own windows are: it goes before what s-maxage implies.
    let refused = lifetimes.stale_refused;
    if policy.offline && unreachable && matches!(refused, None | Some(Reason::SharedMaxAge)) {
        return Some(Reason::Offline);
    }
    let patient = wishes.stale_if_error.is_some_and(|most| stale < Duration::from_secs(most));
    (patient && refused.is_none()).then_some(Reason::StaleIfError)
}

/// Seconds left, rounded towards the past.
fn time_left(fresh: Duration, age: Duration) -> i64 {
    let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match fresh.checked_sub(age) {
        Some(left) => whole(left.as_secs()),
        None => {
            let over = age - fresh;
            -whole(over.as_secs() + u64::from(over.subsec_nanos() > 0))
        }
    }
}

#[cfg(test)]
#[path = "reuse_tests.rs"]
mod tests;
