//! May this response be stored (RFC 9111 section 3), and in what form?

use std::time::Duration;

use http::header::{
    AGE, AUTHORIZATION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, DATE,
    HeaderMap, RANGE, SET_COOKIE,
};
use http::{HeaderName, Method, StatusCode};

use super::control::{self, Control};
use super::freshness::{Lifetimes, Received};
use super::invalidate;
use super::partial::{self, Piece};
use super::policy::Policy;
use super::stored::{Stored, has_validator};
use super::vary::{self, VarySpec};
use super::verdict::Reason;
use super::{Request, freshness, intake, static_files, status};
use crate::clock::Timestamp;
use crate::header::date::{self, Date};
use crate::header::hop_by_hop;

/// A response that may be stored, in the form in which it is.
#[derive(Clone, Debug)]
pub struct Storing {
    /// The status; 200 where a 206 came.
    pub status: StatusCode,
    /// The fields to keep and to show.
    pub headers: HeaderMap,
    /// The fields to keep and not to show.
    pub hidden: HeaderMap,
    /// The fields that only the client whose request fetched this gets: those that no-cache="..."
    /// and private="..." name, such as `Set-Cookie`. Usually empty.
    pub once: HeaderMap,
    /// How long it lives.
    pub lifetimes: Lifetimes,
    /// What selects it among the variants of its URL.
    pub vary: Option<VarySpec>,
    /// Where its bytes belong, if it came as a 206.
    pub piece: Option<Piece>,
    /// When the request was sent.
    pub request_time: Timestamp,
    /// When the head of the response came.
    pub response_time: Timestamp,
}

impl Storing {
    /// The stored response; `object_id` is new; `fill_seq` is the caller's to fill in. Its length is known when `Content-Length` or
    /// `Content-Range` tells it; the store fills it in at the end otherwise.
    pub fn into_stored(self, object_id: u64) -> Stored {
        let told =
            self.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Stored {
            status: self.status,
            total: self.piece.as_ref().map(|piece| piece.total).or(told),
            reach: self.piece.as_ref().and_then(Piece::reach),
            headers: self.headers,
            hidden: self.hidden,
            request_time: self.request_time,
            response_time: self.response_time,
            lifetimes: self.lifetimes,
            vary: self.vary,
            object_id,
            fill_seq: 0,
            parent: None,
            rest_until: None,
        }
    }
}

/// Judges a response to `request`, which was sent at `request_time` and whose head came at
/// `response_time`. A POST may be stored for later GETs where it says that it is what they would
/// get (RFC 9110 section 9.3.3).
///
/// # Errors
/// The reason why it may not be stored.
pub fn storable(
    policy: &Policy,
    request: &Request<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    request_time: Timestamp,
    response_time: Timestamp,
) -> Result<Storing, Reason> {
    check_request(policy, request, status)?;
    // A 206 speaks of the representation that a 200 would hold.
    let kept_as = if status == StatusCode::PARTIAL_CONTENT { StatusCode::OK } else { status };
    let control = Control::of(headers);
    let html = static_files::is_html(headers);
    let force = policy.rule(request, kept_as, html).is_some_and(|(_, rule)| rule.force);
    check_control(policy, request, status, headers, &control, force)?;
    let vary = vary::spec(policy, headers)?;
    let piece =
        (status == StatusCode::PARTIAL_CONTENT).then(|| place(request, headers)).transpose()?;
    // 406 speaks of the request's own `Accept` fields (RFC 9110 section 15.5.7), never of the URL.
    let about_request = status == StatusCode::NOT_ACCEPTABLE || !intake::is_plain(request);
    if status.as_u16() >= 400 && about_request {
        return Err(Reason::OddRequest);
    }
    let received = Received {
        policy,
        request,
        status: kept_as,
        headers,
        control: &control,
        estimate: freshness::may_estimate(request),
        request_time,
        response_time,
    };
    let lifetimes = received.lifetimes(force);
    check_worth(policy, kept_as, headers, &control, &lifetimes)?;
    if *request.method == Method::POST && !speaks_for_get(request, headers, &lifetimes) {
        return Err(Reason::Method);
    }
    let mut kept = headers.clone();
    let Cleaned { hidden, once } = clean(&mut kept, &control, &lifetimes);
    if piece.is_some() {
        kept.remove(CONTENT_RANGE);
        kept.remove(CONTENT_LENGTH);
    }
    Ok(Storing {
        status: kept_as,
        headers: kept,
        hidden,
        once,
        lifetimes,
        vary,
        piece,
        request_time,
        response_time,
    })
}

/// What the request and the site rule out whatever the response says.
fn check_request(policy: &Policy, request: &Request<'_>, status: StatusCode) -> Result<(), Reason> {
    let (get, post) = (*request.method == Method::GET, *request.method == Method::POST);
    if !policy.enabled {
        Err(Reason::CacheOff)
    } else if !get && !post {
        Err(Reason::Method)
    } else if get && intake::has_body(request.headers) {
        Err(Reason::RequestBody)
    } else if policy.wishes(request).no_store {
        Err(Reason::ClientNoStore)
    } else if status::never_stored(status) {
        Err(Reason::Status)
    } else if policy.no_cache_matches(request, Some(status)) {
        Err(Reason::NoCacheRule)
    } else {
        Ok(())
    }
}

/// What the origin's directives rule out.
fn check_control(
    policy: &Policy,
    request: &Request<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    control: &Control,
    force: bool,
) -> Result<(), Reason> {
    let directives = &control.directives;
    // must-understand makes no-store void for a cache that understands the status, and forbids
    // storing to one that does not (section 5.2.2.3).
    if directives.must_understand && !status::understood(status) {
        return Err(Reason::NotUnderstood);
    }
    if directives.no_store && !directives.must_understand && !force {
        return Err(Reason::NoStore);
    }
    if directives.private.is_whole() && !force {
        return Err(Reason::Private);
    }
    let listed = |name: &HeaderName| {
        directives.private.fields().contains(name) || directives.no_cache.fields().contains(name)
    };
    if headers.contains_key(SET_COOKIE) && !policy.store_set_cookie && !listed(&SET_COOKIE) {
        return Err(Reason::SetCookie);
    }
    match is_for_credentials(policy, request, control) {
        true => Err(Reason::Authorization),
        false => Ok(()),
    }
}

/// Whether the answer is for the client's credentials alone: it may be shared only with a directive
/// that allows a shared cache to do so (section 3.5).
pub(super) fn is_for_credentials(
    policy: &Policy,
    request: &Request<'_>,
    control: &Control,
) -> bool {
    let directives = &control.directives;
    let shared = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    request.headers.contains_key(AUTHORIZATION) && !shared && !policy.store_authorized
}

/// Whether anything can come of storing it: it is or may become usable without its body being sent
/// again. Section 3 also wants an explicit lifetime, `public`, or a status that allows estimates.
fn check_worth(
    policy: &Policy,
    status: StatusCode,
    headers: &HeaderMap,
    control: &Control,
    lifetimes: &Lifetimes,
) -> Result<(), Reason> {
    let allowed = lifetimes.source.is_explicit()
        || control.directives.public
        || control.directives.no_cache.is_whole()
        || status::heuristic(status);
    let some = |duration: Duration| duration > Duration::ZERO;
    let usable = some(lifetimes.fresh) && !lifetimes.no_cache
        || has_validator(headers)
        || some(lifetimes.stale_while_revalidate.window)
        || some(lifetimes.stale_if_error.window)
        || policy.offline;
    if allowed && usable { Ok(()) } else { Err(Reason::NoFreshness) }
}

/// Whether a POST's response is what a GET of the same URL would get: a 200 with an explicit
/// lifetime whose `Content-Location` is the URL itself.
fn speaks_for_get(request: &Request<'_>, headers: &HeaderMap, lifetimes: &Lifetimes) -> bool {
    let own = match request.query {
        Some(query) => format!("{}?{query}", request.path),
        None => request.path.to_owned(),
    };
    lifetimes.source.is_explicit()
        && lifetimes.is_shareable()
        && headers
            .get(CONTENT_LOCATION)
            .and_then(|value| invalidate::same_origin(request, value.to_str().ok()?))
            .is_some_and(|target| target == own)
}

fn place(request: &Request<'_>, headers: &HeaderMap) -> Result<Piece, Reason> {
    let multiple = headers.get(CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"multipart/byteranges")
    });
    if multiple {
        return Err(Reason::PartialMultiple);
    }
    if !request.headers.contains_key(RANGE) {
        return Err(Reason::PartialUnplaced);
    }
    partial::place(headers).ok_or(Reason::PartialUnplaced)
}

/// What [`clean`] took out of a response's fields.
pub(super) struct Cleaned {
    /// Kept, but never shown.
    pub hidden: HeaderMap,
    /// Not kept, but shown to one client.
    pub once: HeaderMap,
}

/// Takes out what is not stored (section 3.1). A `Date` is put in where there was none (RFC 9110
/// section 6.6.1).
pub(super) fn clean(headers: &mut HeaderMap, control: &Control, lifetimes: &Lifetimes) -> Cleaned {
    hop_by_hop::strip_for_storing(headers);
    // Sections 5.2.2.4 and 5.2.2.7: named fields are for one client only.
    let directives = &control.directives;
    let named = directives.no_cache.fields().iter().chain(directives.private.fields());
    let mut once = HeaderMap::new();
    for name in named {
        move_field(headers, &mut once, name);
    }
    headers.remove(AGE);
    if !matches!(date::date(headers), Date::At(_)) {
        headers.insert(DATE, date::format(lifetimes.date));
    }
    Cleaned { hidden: control::hide(headers), once }
}

/// Moves every line of a field from one message to another.
pub(super) fn move_field(from: &mut HeaderMap, to: &mut HeaderMap, name: &HeaderName) {
    for value in from.get_all(name) {
        to.append(name, value.clone());
    }
    from.remove(name);
}

#[cfg(test)]
#[path = "storable_tests.rs"]
mod tests;
