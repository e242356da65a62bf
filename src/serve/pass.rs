//! Past the cache: the request goes to the origin, and its answer to this client alone.

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::cache::{self, Key, KeyRef, Reason, tags};
use crate::clock::Timestamp;
use crate::fill::Answered;
use crate::header::cache_groups::{CACHE_GROUP_INVALIDATION, groups};
use crate::listen::BodyError;
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::deliver::{self, Obtained};
use crate::serve::exchange::Exchange;
use crate::serve::plan::{self, Asked, Plan};
use crate::serve::sent::Sent;
use crate::serve::{forward, tunnel};
use crate::store::rules::Scope;
use crate::upstream::{self, Inbound, Misuse, Upload};

/// Passes a request on.
///
/// # Errors
/// The origin failed, or the client's body was too large.
pub async fn pass(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    sent: Sent,
    reason: Reason,
) -> Result<Response<Body>, Refusal> {
    exchange.decided(reason);
    let (asked_at, newest) = (serve.clock.now(), serve.store.purge_seq());
    let inbound = ask(serve, exchange, asked, stream(asked, sent)).await?;
    if inbound.head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(switch(exchange, asked, inbound));
    }
    let key = key_for_get(serve, asked, &inbound, newest);
    invalidate(serve, asked, &inbound);
    let obtained = match key {
        Some(key) => keep_for_get(serve, asked, &key, inbound, reason, asked_at),
        None => Obtained::streamed(inbound, reason),
    };
    deliver::deliver(serve, exchange, asked, obtained)
}

/// Passes on a GET or HEAD whose URL is remembered as uncacheable, and forgets that when the answer
/// could have been stored: the next request is then a miss like any other.
///
/// # Errors
/// The origin failed.
pub async fn past(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    plan: &Plan,
) -> Result<Obtained, Refusal> {
    exchange.decided(Reason::Uncacheable);
    let sent = serve.clock.now();
    let inbound = ask(serve, exchange, asked, Upload::Empty).await?;
    let (policy, request, head) = (asked.policy(), asked.request(), &inbound.head);
    let now = serve.clock.now();
    if cache::storable(policy, &request, head.status, &head.headers, sent, now).is_ok() {
        serve.store.unmark(plan.key());
    }
    Ok(Obtained::streamed(inbound, Reason::Uncacheable))
}

/// Sends the request to the origin, and notes who answered. The caller has noted why it is asked.
///
/// # Errors
/// The origin's fault.
pub async fn ask(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    upload: Upload,
) -> Result<Inbound, Refusal> {
    let outbound = forward::outbound(serve, exchange, asked, upload);
    match upstream::send(asked.origin(), outbound).await {
        Ok(inbound) => {
            exchange.asked_origin(&Answered::of(&inbound));
            Ok(inbound)
        }
        Err(fault) => {
            exchange.origin_failed(&fault);
            Err(Refusal::from(&fault))
        }
    }
}

/// The client's body, as it comes.
fn stream(asked: &Asked, mut upload: Sent) -> Upload {
    if upload.is_end_stream() {
        return Upload::Empty;
    }
    if let Some(other) = upload.other() {
        return Upload::Whole(other.clone());
    }
    let grpc = asked.head.headers.get(header::CONTENT_TYPE);
    if grpc.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        // A conversation: the client waits for answers before it goes on.
        upload.allow_pauses();
    }
    Upload::Boxed(upload.map_err(blame).boxed_unsync())
}

/// Why the client's body broke off, in the words of those who pass it on.
fn blame(error: BodyError) -> upstream::BoxError {
    match error {
        BodyError::TooSlow => Misuse::TooSlow.into(),
        error if error.is_malformed() => Misuse::Malformed.into(),
        gone => gone.into(),
    }
}

/// RFC 9111 section 4.4, RFC 9875 section 3: what an unsafe method changed is not served from the store
/// any more.
fn invalidate(serve: &Serve, asked: &Asked, inbound: &Inbound) {
    let (request, head) = (asked.request(), &inbound.head);
    let targets = cache::invalidates(&request, head.status, &head.headers);
    for target in targets {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target.as_str(), None),
        };
        let request = cache::Request { path, query, ..request };
        serve
            .flights
            .invalidate(&plan::question(serve, asked.site(), asked.policy(), &request).to_key());
    }
    if cache::is_change(request.method, head.status) {
        let groups = groups(&head.headers, &CACHE_GROUP_INVALIDATION);
        let site = Some(asked.site().number);
        let scope = |group: &String| Scope::Tag(site, tags::group_hash(request.host, group));
        serve.store.make_old(&groups.iter().map(scope).collect::<Vec<_>>());
    }
}

/// What a GET would be looked up by, if the answer to a POST says that it is what that would get and
/// no purge newer than `newest` has made it old on its way.
fn key_for_get(serve: &Serve, asked: &Asked, inbound: &Inbound, newest: u64) -> Option<Key> {
    let headers = &inbound.head.headers;
    if asked.head.method != Method::POST || !headers.contains_key(header::CONTENT_LOCATION) {
        return None;
    }
    let key = plan::question(serve, asked.site(), asked.policy(), &asked.request()).to_key();
    let tags = || tags::numbers(KeyRef::from(&key), headers, headers);
    serve.store.is_current(&key, newest, tags).then_some(key)
}

/// The answer to a POST, stored for later GETs.
fn keep_for_get(
    serve: &Serve,
    asked: &Asked,
    key: &Key,
    inbound: Inbound,
    reason: Reason,
    sent: Timestamp,
) -> Obtained {
    let (request, status) = (asked.request(), inbound.head.status);
    match serve.flights.adopt(asked.policy(), key, &request, inbound, sent) {
        Ok((entry, once)) => Obtained::fetched(entry, reason, Some(status), true, false).with(once),
        Err(inbound) => Obtained::streamed(*inbound, reason),
    }
}

/// The origin agreed to change protocols: from here on bytes go both ways.
fn switch(exchange: &mut Exchange, asked: &mut Asked, inbound: Inbound) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    // `Connection` and `Upgrade` are between client and edge; they say the same here as there.
    *response.headers_mut() = inbound.head.headers;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let (Some(client), Some(origin)) = (asked.upgrade.take(), inbound.upgrade) {
        tunnel::join(client, origin, exchange.connection.drain.clone());
    }
    response
}
