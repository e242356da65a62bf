//! Carries out what rules decided.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_rules::{Action, Header, query_without};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_body::Body as _;

use super::bench;
use crate::cache::Policy;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::pace::Pace;
use crate::serve::plan::ask_for;
use crate::site::Site;

/// What a set of rules comes to.
pub enum Verdict {
    /// Nothing has answered the request.
    GoOn,
    /// A rule has answered it.
    Answer(Response<Body>),
    /// A rule has refused it in no words of its own.
    Refuse(Refusal),
}

/// What the rules of the request phase came to; the request itself is changed already.
pub struct Effects {
    pub verdict: Verdict,
    /// What the answer's fields become.
    pub edits: Vec<Action>,
    pub pace: Pace,
    pub error_pages: Vec<(Box<[u16]>, Box<str>)>,
    /// The cache policy in place of the site's.
    pub policy: Option<Arc<Policy>>,
    /// What goes to the origin instead of the client's body.
    pub body: Option<Bytes>,
    /// An origin that a rule chose and that the site has not: the site's first is asked.
    pub unknown_origin: Option<Box<str>>,
}

/// Changes a request as its rules say, and gathers what is to be done later.
pub fn change(head: &mut Parts, site: &Site, actions: impl Iterator<Item = Action>) -> Effects {
    let mut pace = Pace::default();
    let mut error_pages = Vec::new();
    let (mut removed, mut target, mut caching, mut body) = (Vec::new(), None, Vec::new(), None);
    let (mut left, mut unknown_origin) = (Vec::with_capacity(actions.size_hint().0), None);
    for action in actions {
        match action {
            Action::RemoveArgument(name) => removed.push(name),
            Action::Rewrite(to) => target = PathAndQuery::try_from(&*to).ok(),
            Action::SetBody(other) => body = Some(Bytes::from(other)),
            Action::SetMethod(method) => ask_by(&mut head.method, method),
            Action::ErrorPage { statuses, location } => error_pages.push((statuses, location)),
            Action::Origin(ref name) if !site.origins.contains_key(name) => {
                unknown_origin = Some(name.clone());
            }
            action if is_of_cache(&action) => caching.push(action),
            action => {
                if !change_fields(&mut head.headers, &action) {
                    left.push(action);
                }
            }
        }
    }
    let (verdict, edits) = split(left, &mut pace);
    if !matches!(verdict, Verdict::GoOn) {
        error_pages.clear();
    }
    if target.is_none() && !removed.is_empty() {
        target = without_arguments(&head.uri, &removed);
    }
    if let Some(target) = target {
        ask_for(&mut head.uri, target);
    }
    let make = |actions: &[Action]| actions.iter().fold((*site.policy).clone(), ruled);
    let policy = (!caching.is_empty()).then(|| bench::policy(&site.policy, caching, make));
    Effects { verdict, edits, pace, error_pages, policy, body, unknown_origin }
}

/// Changes what goes to the origin.
pub fn change_outbound(target: &mut PathAndQuery, headers: &mut HeaderMap, actions: Vec<Action>) {
    for action in actions {
        match &action {
            Action::Rewrite(to) => {
                if let Ok(to) = PathAndQuery::try_from(&**to) {
                    *target = to;
                }
            }
            action => {
                change_fields(headers, action);
            }
        }
    }
}

/// Changes the head of what may be stored; returns the policy to judge it by, if it is another.
pub fn change_stored(
    headers: &mut HeaderMap,
    policy: &Policy,
    actions: Vec<Action>,
) -> Option<Arc<Policy>> {
    let (caching, edits): (Vec<_>, Vec<_>) = actions.into_iter().partition(is_of_cache);
    edit(headers, edits);
    let made = || Arc::new(caching.iter().fold(policy.clone(), ruled));
    (!caching.is_empty()).then(made)
}

/// Changes an answer's fields.
pub fn edit(headers: &mut HeaderMap, edits: impl IntoIterator<Item = Action>) {
    for action in edits {
        match action {
            Action::AddResponseHeader(Header { name, value }) => {
                headers.append(name, value);
            }
            Action::SetResponseHeader(Header { name, value }) => {
                headers.insert(name, value);
            }
            Action::RemoveResponseHeader(name) => drop(headers.remove(name)),
            _ => {}
        }
    }
}

/// Parts the answer that a rule makes, if one does, from what happens to any answer.
pub fn split(actions: Vec<Action>, pace: &mut Pace) -> (Verdict, Vec<Action>) {
    let mut verdict = Verdict::GoOn;
    let mut edits = Vec::with_capacity(actions.len());
    for action in actions {
        match action {
            Action::Redirect { status, location } => {
                verdict = Verdict::Answer(redirect(status, &location));
            }
            Action::Respond { status, body, content_type } => {
                verdict = respond(status, body, content_type.as_deref());
            }
            Action::LimitRate(rate) => pace.rate = rate,
            Action::LimitRateAfter(after) => pace.after = after,
            edit => edits.push(edit),
        }
    }
    (verdict, edits)
}

/// Changes a request's fields; false if the action is about something else.
fn change_fields(headers: &mut HeaderMap, action: &Action) -> bool {
    match action {
        Action::AddRequestHeader(Header { name, value }) => {
            headers.append(name.clone(), value.clone());
        }
        Action::SetRequestHeader(Header { name, value }) => {
            headers.insert(name.clone(), value.clone());
        }
        Action::RemoveRequestHeader(name) => drop(headers.remove(name)),
        _ => return false,
    }
    true
}

/// Whether an action is about what is cached, and how.
fn is_of_cache(action: &Action) -> bool {
    matches!(
        action,
        Action::CacheTtl(_)
            | Action::CacheStale(_)
            | Action::CacheBypass
            | Action::CacheKey(_)
            | Action::CacheTag(_)
            | Action::Origin(_)
    )
}

/// A cache policy as such an action changes it.
fn ruled(mut policy: Policy, action: &Action) -> Policy {
    let seconds = |count: &u32| Duration::from_secs(u64::from(*count));
    match action {
        Action::CacheTtl(ttl) => policy.living(seconds(ttl)),
        Action::CacheStale(window) => policy.stale_for(seconds(window)),
        Action::CacheBypass => policy.bypassing(),
        Action::CacheKey(text) => {
            policy.key_texts.push(text.clone());
            policy
        }
        Action::CacheTag(tag) => {
            if !policy.tags.contains(tag) {
                policy.tags.push(tag.clone());
            }
            policy
        }
        Action::Origin(name) => {
            policy.origin = Some(name.clone());
            policy
        }
        _ => policy,
    }
}

/// An answer that sends the client elsewhere.
pub fn redirect(status: u16, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND);
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// An answer in a rule's own words; a refusal without words is told like any other.
fn respond(status: u16, body: Box<[u8]>, content_type: Option<&str>) -> Verdict {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    if status >= 400 && body.is_empty() {
        let number = u32::from(status) * 100_000 + 10_999;
        return Verdict::Refuse(Refusal::client(code, number, "edge rule triggered"));
    }
    let bodiless = matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut response =
        Response::new(if bodiless { Body::empty() } else { Body::whole(Bytes::from(body)) });
    *response.status_mut() = code;
    let kind = content_type.unwrap_or("text/plain; charset=utf-8");
    if !response.body().is_end_stream()
        && let Ok(kind) = HeaderValue::try_from(kind)
    {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Verdict::Answer(response)
}

/// The path and query without some arguments.
fn without_arguments(uri: &Uri, removed: &[Box<[u8]>]) -> Option<PathAndQuery> {
    let target = match query_without(uri.query()?, removed.iter().map(|name| &**name)) {
        None => uri.path().to_owned(),
        Some(kept) => format!("{}?{kept}", uri.path()),
    };
    PathAndQuery::try_from(target).ok()
}

/// Makes the request one by another method. One by HEAD stays so, and no other becomes one: whether
/// its answer has a body is between the client and us.
fn ask_by(method: &mut Method, other: &str) {
    if *method != Method::HEAD
        && other != "HEAD"
        && let Ok(other) = Method::from_bytes(other.as_bytes())
    {
        *method = other;
    }
}
