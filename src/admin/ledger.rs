//! Writes every order down, and carries each out to its end even if who sent it goes away.
//!
//! A request that changes something is carried out in a task of its own; what came of it is in the
//! audit log before the answer leaves. An `Idempotency-Key` makes that an order that is sent again is
//! not carried out again: it gets the first one's answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::admin::Admin;
use crate::admin::access::Caller;
use crate::admin::problem::Problem;
use crate::audit::Event;
use crate::clock::Timestamp;

/// What an answer says of itself to the audit log.
#[derive(Clone)]
pub(super) struct Noted(pub String);

impl IntoResponseParts for Noted {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}

/// Answers that are kept for orders that are sent again.
#[derive(Default)]
pub struct Answered(Mutex<HashMap<[u8; 32], Kept>>);

struct Kept {
    /// Of the order itself.
    order: [u8; 32],
    since: Timestamp,
    /// Nothing while it is carried out.
    answer: Option<(StatusCode, HeaderMap, Bytes)>,
}

/// The field that names an order.
const KEY: &str = "idempotency-key";
/// The longest such name.
const KEY_MOST: usize = 255;
/// How long an answer is kept.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// How many answers are kept.
const ANSWERS: usize = 10_000;
/// The largest answer that is kept; no order's is larger.
const ANSWER_MOST: usize = 1 << 20;
/// The largest body that any order may have.
pub(super) const BODY_MOST: usize = 16 << 20;
/// How much of a request's target is noted.
const ACTION_MOST: usize = 512;

/// Stands before the routes.
pub(super) async fn keep(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let task = tokio::spawn(async move { carry_out(&admin, request, next).await });
    task.await.unwrap_or_else(|_| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "the order broke; the log of events says where").into_response()
    })
}

async fn carry_out(admin: &Admin, request: Request, next: Next) -> Response {
    let caller = request.extensions().get::<Caller>().cloned();
    let target = request.uri().path_and_query().map_or("", |it| it.as_str());
    let mut action = format!("{} {target}", request.method());
    action.truncate(action.floor_char_boundary(ACTION_MOST));
    let mut response = match request.headers().contains_key(KEY) {
        false => next.run(request).await,
        true => once(admin, request, next).await,
    };
    let Noted(detail) = response.extensions_mut().remove().unwrap_or(Noted(String::new()));
    let caller = caller.or_else(|| response.extensions_mut().remove());
    if let Some(caller) = caller {
        let status = response.status().as_u16();
        admin.serve.audit.note(Event { actor: caller.actor(), action, status, detail }).await;
    }
    response
}

/// Carries an order out unless it was before.
async fn once(admin: &Admin, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MOST).await else {
        return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
            .into_response();
    };
    let key = parts.headers.get(KEY).map_or(&[][..], |key| key.as_bytes());
    if key.is_empty() || key.len() > KEY_MOST {
        let message = format!("an Idempotency-Key has 1 to {KEY_MOST} bytes");
        return Problem::new(StatusCode::BAD_REQUEST, message).into_response();
    }
    // Whoever signs is known only behind here, by that field.
    let signature = parts.headers.get(header::AUTHORIZATION).map_or(&[][..], |it| it.as_bytes());
    let caller = parts.extensions.get::<Caller>();
    let name = hash(&[caller.map_or(signature, |caller| caller.name.as_bytes()), key]);
    let (method, target) = (parts.method.as_str(), parts.uri.to_string());
    let order = hash(&[method.as_bytes(), target.as_bytes(), &body]);
    let now = admin.serve.clock.now();
    match admin.answered.find(name, order, now) {
        Ok(None) => {}
        Ok(Some(response)) => return response,
        Err(problem) => return problem.into_response(),
    }
    let unfinished = Unfinished { answered: &admin.answered, name };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, ANSWER_MOST).await else {
        let message = "the answer was too large to be kept";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, message).into_response();
    };
    unfinished.done((parts.status, parts.headers.clone(), body.clone()));
    Response::from_parts(parts, Body::from(body))
}

/// An order that is forgotten if it breaks.
struct Unfinished<'a> {
    answered: &'a Answered,
    name: [u8; 32],
}

impl Unfinished<'_> {
    /// Keeps the answer, unless it is one that may be another the next time.
    fn done(self, answer: (StatusCode, HeaderMap, Bytes)) {
        if !answer.0.is_server_error()
            && let Some(kept) = self.answered.0.lock().get_mut(&self.name)
        {
            kept.answer = Some(answer);
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut all = self.answered.0.lock();
        if all.get(&self.name).is_some_and(|kept| kept.answer.is_none()) {
            all.remove(&self.name);
        }
    }
}

impl Answered {
    /// The answer to an order that was sent before; nothing if it is to be carried out now.
    fn find(
        &self,
        name: [u8; 32],
        order: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Response>, Problem> {
        let mut all = self.0.lock();
        all.retain(|_, kept| kept.answer.is_none() || now.since(kept.since) < KEEP);
        if let Some(kept) = all.get(&name) {
            if kept.order != order {
                return Err(Problem::wrong("this Idempotency-Key was another order's"));
            }
            let Some((status, headers, body)) = &kept.answer else {
                let message = "this very order is being carried out";
                return Err(Problem::new(StatusCode::CONFLICT, message));
            };
            let mut response = Response::new(Body::from(body.clone()));
            (*response.status_mut(), *response.headers_mut()) = (*status, headers.clone());
            let again = http::HeaderValue::from_static("true");
            response.headers_mut().insert("idempotency-replayed", again);
            response.headers_mut().remove(header::DATE);
            response.extensions_mut().insert(Noted("sent again: answered as before".into()));
            return Ok(Some(response));
        }
        if all.len() >= ANSWERS {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.since).map(|(name, _)| *name);
            oldest.and_then(|name| all.remove(&name));
        }
        all.insert(name, Kept { order, since: now, answer: None });
        Ok(None)
    }
}

/// A hash of several texts, none of which can run into the next.
fn hash(texts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
