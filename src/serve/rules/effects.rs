//! Carries out what rules decided.

use bytes::Bytes;
use edge_rules::{Action, Header};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use http_body::Body as _;

use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::pace::Pace;
use crate::serve::rules::Ruled;

/// How a request goes on after its rules.
pub enum Verdict {
    /// Nothing has answered it.
    GoOn,
    /// A rule has answered it.
    Answer(Response<Body>),
    /// A rule has refused it in no words of its own.
    Refuse(Refusal),
}

/// Changes a request as its rules say, and keeps for later what is about its answer.
pub fn change(head: &mut Parts, ruled: &mut Ruled, actions: Vec<Action>) -> Verdict {
    let mut removed = Vec::new();
    let mut target = None;
    for action in actions {
        match action {
            Action::AddRequestHeader(header) => add(&mut head.headers, &header),
            Action::SetRequestHeader(header) => set(&mut head.headers, &header),
            Action::RemoveRequestHeader(name) => drop(head.headers.remove(&*name)),
            Action::RemoveArgument(name) => removed.push(name),
            Action::Rewrite(to) => target = Some(to),
            Action::Redirect { status, location } => {
                ruled.error_pages.clear();
                return Verdict::Answer(redirect(status, &location));
            }
            Action::Respond { status, body, content_type } => {
                ruled.error_pages.clear();
                return respond(status, body, content_type.as_deref());
            }
            Action::LimitRate(rate) => ruled.pace.rate = rate,
            Action::LimitRateAfter(after) => ruled.pace.after = after,
            Action::ErrorPage { statuses, location } => {
                ruled.error_pages.push((statuses, location))
            }
            edit => ruled.response.push(edit),
        }
    }
    let target = match target {
        Some(target) => PathAndQuery::try_from(&*target).ok(),
        None if removed.is_empty() => None,
        None => without_arguments(&head.uri, &removed),
    };
    if let Some(target) = target {
        ask_for(&mut head.uri, target);
    }
    Verdict::GoOn
}

/// Changes an answer's fields as the rules say; a rule may answer anew, which ends them.
pub fn change_answer(headers: &mut HeaderMap, pace: &mut Pace, actions: Vec<Action>) -> Verdict {
    for action in actions {
        match action {
            Action::AddResponseHeader(header) => add(headers, &header),
            Action::SetResponseHeader(header) => set(headers, &header),
            Action::RemoveResponseHeader(name) => drop(headers.remove(&*name)),
            Action::LimitRate(rate) => pace.rate = rate,
            Action::LimitRateAfter(after) => pace.after = after,
            Action::Redirect { status, location } => {
                return Verdict::Answer(redirect(status, &location));
            }
            Action::Respond { status, body, content_type } => {
                return respond(status, body, content_type.as_deref());
            }
            _ => {}
        }
    }
    Verdict::GoOn
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

fn add(headers: &mut HeaderMap, header: &Header) {
    if let Some((name, value)) = line(header) {
        headers.append(name, value);
    }
}

fn set(headers: &mut HeaderMap, header: &Header) {
    if let Some((name, value)) = line(header) {
        headers.insert(name, value);
    }
}

/// A header as it goes out; rules make none that could not.
fn line(header: &Header) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
    Some((name, HeaderValue::from_bytes(&header.value).ok()?))
}

/// The path and query without some arguments.
fn without_arguments(uri: &Uri, removed: &[Box<[u8]>]) -> Option<PathAndQuery> {
    let is_removed = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        removed.iter().any(|gone| **gone == *name.as_bytes())
    };
    let kept: Vec<&str> = uri.query()?.split('&').filter(|pair| !is_removed(pair)).collect();
    let target = match kept.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), kept.join("&")),
    };
    PathAndQuery::try_from(target).ok()
}

/// Makes the request one for another path and query.
fn ask_for(uri: &mut Uri, target: PathAndQuery) {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}
