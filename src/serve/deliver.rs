//! Makes the response out of what was obtained: conditions, ranges, and the fields that say how it
//! came about.

use std::ops::Range;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};

use crate::cache::range::if_range_holds;
use crate::cache::{self, Judgement, Policy, Precondition, Reason, Selection, Stored, Verdict};
use crate::fill::slices::Conductor;
use crate::header::cache_status::{CacheStatus, Forward};
use crate::header::compose;
use crate::header::present::Present;
use crate::header::request_id::X_REQUEST_ID;
use crate::header::{content_range, hop_by_hop, via};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::body::{Body, Source};
use crate::serve::exchange::Exchange;
use crate::serve::plan::Asked;
use crate::serve::range;
use crate::store::Entry;
use crate::telemetry::Tier;
use crate::upstream::Inbound;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_CACHE_HITS: HeaderName = HeaderName::from_static("x-cache-hits");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// An object, and how it was come by.
pub struct Obtained {
    what: What,
    reason: Reason,
    /// Why the origin was asked, if it was.
    forward: Option<Forward>,
    forward_status: Option<StatusCode>,
    stored: bool,
    collapsed: bool,
    /// Fields for this client alone, in place of what is stored for all.
    once: Option<Box<HeaderMap>>,
    further: Further,
}

/// What asks for further bytes of an entry.
#[derive(Default)]
pub struct Further {
    /// For those that it has not, one slice after the other.
    pub slices: Option<Arc<Conductor>>,
    /// For those that the disk loses while they are sent.
    pub rescue: Option<Arc<Conductor>>,
}

enum What {
    /// With the judgement on it, where one led here.
    Entry(Arc<Entry>, Option<Judgement>),
    Stream(Box<Inbound>),
}

impl Obtained {
    /// From the store.
    pub fn stored(entry: Arc<Entry>, judgement: Judgement) -> Self {
        Obtained::of(What::Entry(entry, Some(judgement)), judgement.reason)
    }

    /// From the store although it is stale.
    pub fn stale(entry: Arc<Entry>, reason: Reason) -> Self {
        Obtained::of(What::Entry(entry, None), reason)
    }

    /// From the origin, and shared.
    pub fn fetched(
        entry: Arc<Entry>,
        reason: Reason,
        forward_status: Option<StatusCode>,
        stored: bool,
        collapsed: bool,
    ) -> Self {
        Obtained {
            forward_status,
            stored,
            collapsed,
            ..Obtained::of(What::Entry(entry, None), reason)
        }
    }

    /// From the origin, for this client alone.
    pub fn streamed(inbound: Inbound, reason: Reason) -> Self {
        let forward_status = Some(inbound.head.status);
        Obtained { forward_status, ..Obtained::of(What::Stream(Box::new(inbound)), reason) }
    }

    /// Status and fields as they came.
    pub fn head(&self) -> (StatusCode, &HeaderMap) {
        match &self.what {
            What::Entry(entry, _) => (entry.stored.status, &entry.stored.headers),
            What::Stream(inbound) => (inbound.head.status, &inbound.head.headers),
        }
    }

    /// The entry, if it is one.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match &self.what {
            What::Entry(entry, _) => Some(entry),
            What::Stream(_) => None,
        }
    }

    /// What was made of it, come by as it was.
    pub fn made_into(self, entry: Arc<Entry>) -> Self {
        let (once, further) = (None, Further::default());
        Obtained { what: What::Entry(entry, None), once, further, ..self }
    }

    /// The same with fields for this client alone, in place of what is stored for all.
    pub fn with(mut self, once: HeaderMap) -> Self {
        self.once = (!once.is_empty()).then(|| Box::new(once));
        self
    }

    /// The same, the rest of whose bytes come by slices.
    pub fn by_slices(mut self, conductor: Option<Arc<Conductor>>) -> Self {
        self.further.slices = conductor;
        self
    }

    /// The same, what the disk loses of whose bytes comes from the origin.
    pub fn rescued_by(mut self, conductor: Option<Arc<Conductor>>) -> Self {
        self.further.rescue = conductor;
        self
    }

    /// The same, for which the origin was asked for another reason than the one why it is as it is.
    pub fn wanted_for(mut self, reason: Reason) -> Self {
        self.forward = reason.forward();
        self
    }

    /// The same after the origin was asked and answered with this status.
    pub fn after(mut self, status: StatusCode) -> Self {
        self.forward_status = Some(status);
        self
    }

    fn of(what: What, reason: Reason) -> Self {
        Obtained {
            what,
            reason,
            forward: reason.forward(),
            forward_status: None,
            stored: false,
            collapsed: false,
            once: None,
            further: Further::default(),
        }
    }

    fn cache_status<'a>(&self, name: &'a str, ttl: Option<i64>) -> CacheStatus<'a> {
        let word = self.reason.as_str();
        let forward = self.forward;
        CacheStatus {
            cache: name,
            forward,
            forward_status: self.forward_status.filter(|_| forward.is_some()).map(|s| s.as_u16()),
            ttl,
            stored: self.stored,
            collapsed: self.collapsed,
            key: None,
            // Not told twice where RFC 9211 has the same word, or a plain hit says it all.
            detail: Some(word).filter(|_| {
                self.reason != Reason::Fresh && forward.is_none_or(|f| f.as_str() != word)
            }),
        }
    }
}

/// Makes the response.
///
/// # Errors
/// The client's conditions or ranges cannot be met: 412 or 416.
pub fn deliver(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    mut obtained: Obtained,
) -> Result<Response<Body>, Refusal> {
    exchange.decided(obtained.reason);
    exchange.comes_of(obtained.head().0);
    let (mut response, ttl, hits) = match &mut obtained.what {
        What::Entry(entry, judged) => {
            exchange.record.outcome.tier = match obtained.reason.verdict() {
                Verdict::Miss | Verdict::Pass if !obtained.collapsed => Tier::Origin,
                _ if exchange.brought || entry.body.whole().is_none() && entry.body.is_filed() => {
                    Tier::Disk
                }
                _ => Tier::Memory,
            };
            let judgement = judged.unwrap_or_else(|| judge_now(serve, asked, entry));
            let once = obtained.once.as_deref();
            let sent = once.and_then(|once| range::as_sent(entry, once));
            let further = std::mem::take(&mut obtained.further);
            let mut response = from_entry(asked, entry, &judgement, sent, further)?;
            if let Some(once) = once {
                add_once(&mut response, once);
            }
            if let Some(ahead) = exchange.ahead.take() {
                response.body_mut().begin_with(ahead);
            }
            (response, Some(judgement.ttl), entry.hits())
        }
        What::Stream(_) => (Response::new(Body::empty()), None, 0),
    };
    let status = obtained.cache_status(&serve.name, ttl);
    let reason = obtained.reason;
    let mut version = Version::HTTP_11;
    if let What::Stream(inbound) = obtained.what {
        exchange.record.outcome.tier = Tier::Origin;
        version = inbound.head.version;
        response = from_stream(asked, *inbound);
    }
    let headers = response.headers_mut();
    status.append(headers);
    match &serve.via {
        Some(value) if version == Version::HTTP_11 => {
            headers.append(header::VIA, value.clone());
        }
        _ => via::append(headers, version, &serve.name),
    }
    headers.insert(X_REQUEST_ID, exchange.request_id.clone());
    if asked.site().respond.x_cache {
        tell_x_cache(headers, reason, hits);
    }
    if asked.site().respond.server_timing {
        tell_timing(headers, exchange, reason);
    }
    Ok(response)
}

/// The age and freshness of what has just come, or comes although it is stale.
fn judge_now(serve: &Serve, asked: &Asked, entry: &Entry) -> Judgement {
    cache::judge(asked.policy(), &asked.request(), &entry.stored, serve.clock.now())
}

/// Fields that are for the client that asked the origin and for no other.
fn add_once(response: &mut Response<Body>, once: &HeaderMap) {
    let partial = response.status() == StatusCode::PARTIAL_CONTENT;
    for (name, value) in once {
        if *name != header::CONTENT_RANGE {
            response.headers_mut().append(name, value.clone());
        } else if partial && response.headers().contains_key(header::CONTENT_RANGE) {
            response.headers_mut().insert(name, value.clone());
        }
    }
}

/// The response that a stored object makes for this request. `sent` are the bytes that the origin
/// chose to send to this very client.
fn from_entry(
    asked: &Asked,
    entry: &mut Arc<Entry>,
    judgement: &Judgement,
    sent: Option<Range<u64>>,
    further: Further,
) -> Result<Response<Body>, Refusal> {
    let (stored, policy) = (&entry.stored, asked.policy());
    let (method, fields, present) = (&asked.head.method, &asked.head.headers, asked.present);
    let precondition = match present.has(Present::CONDITIONS) {
        true => cache::precondition(method, fields, stored.status, &stored.headers),
        false => Precondition::Proceed,
    };
    let selection = match present.has(Present::RANGE) {
        true => chosen(policy, method, fields, stored, sent),
        false => Selection::Whole,
    };
    let mut headers = Entry::take_headers(entry);
    let stored = &entry.stored;
    headers.insert(header::AGE, compose::number(judgement.age.as_secs()));
    let request = asked.request();
    if let Some(max_age) =
        cache::browser_max_age(policy, &request, stored.status, judgement, &stored.lifetimes)
    {
        cache::browser::tell(&mut headers, max_age);
    }
    let mut status = stored.status;
    let body = match precondition {
        Precondition::Failed => {
            let refusal =
                Refusal::client(StatusCode::PRECONDITION_FAILED, 41_210_000, "another version");
            return Err(refusal);
        }
        Precondition::NotModified => {
            status = StatusCode::NOT_MODIFIED;
            cache::precondition::not_modified_headers(&mut headers);
            Body::empty()
        }
        Precondition::Proceed => match selection {
            Selection::Whole => whole(method, entry, &mut headers, further),
            Selection::One(range) => {
                status = StatusCode::PARTIAL_CONTENT;
                range::one(entry, range, &mut headers, further)
            }
            Selection::Many(ranges) => {
                status = StatusCode::PARTIAL_CONTENT;
                range::many(entry, ranges, &mut headers)
            }
            Selection::Unsatisfiable => return Err(unsatisfiable(entry)),
        },
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The bytes to send: what the origin sent for this client's range, else what we make of it.
fn chosen(
    policy: &Policy,
    method: &Method,
    fields: &HeaderMap,
    stored: &Stored,
    sent: Option<Range<u64>>,
) -> Selection {
    match sent {
        // An origin that knows no If-Range may have sent a part of another version.
        Some(range)
            if fields.contains_key(header::RANGE) && if_range_holds(fields, &stored.headers) =>
        {
            Selection::One(range)
        }
        _ => cache::select(policy, method, fields, stored),
    }
}

fn whole(method: &Method, entry: &Arc<Entry>, headers: &mut HeaderMap, further: Further) -> Body {
    if *method == Method::HEAD {
        if let Some(total) = entry.stored.total.or(entry.body.total()) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
        }
        return Body::empty();
    }
    match entry.body.whole() {
        Some(bytes) => Body::whole(bytes.clone()),
        None => match (further.slices, entry.stored.total) {
            (Some(conductor), Some(total)) => Body::by_slices(conductor, entry, 0..total),
            _ => Body::stored(entry, 0..u64::MAX, further.rescue),
        },
    }
}

fn unsatisfiable(entry: &Entry) -> Refusal {
    let refusal =
        Refusal::client(StatusCode::RANGE_NOT_SATISFIABLE, 41_610_003, "illegal range portion");
    match entry.stored.total {
        Some(total) => refusal.with(header::CONTENT_RANGE, content_range::unsatisfied(total)),
        None => refusal,
    }
}

/// The origin's response for this client alone.
fn from_stream(asked: &Asked, inbound: Inbound) -> Response<Body> {
    let mut response = Response::new(if asked.head.method == Method::HEAD {
        Body::empty()
    } else {
        Body::new(Source::Upstream(Box::new(inbound.body)))
    });
    *response.status_mut() = inbound.head.status;
    *response.headers_mut() = inbound.head.headers;
    hop_by_hop::strip(response.headers_mut());
    // What was meant for us alone stays with us (RFC 9213 section 2.1).
    let _ = cache::control::hide(response.headers_mut());
    response
}

/// The word that browser extensions know.
fn x_cache(reason: Reason) -> &'static str {
    match (reason, reason.verdict()) {
        (Reason::Revalidated, _) => "REVALIDATED",
        (_, Verdict::Hit) => "HIT",
        (_, Verdict::Stale) => "STALE",
        (_, Verdict::Miss) => "MISS",
        (_, Verdict::Pass) => "BYPASS",
    }
}

fn tell_x_cache(headers: &mut HeaderMap, reason: Reason, hits: u32) {
    headers.insert(X_CACHE, HeaderValue::from_static(x_cache(reason)));
    headers.insert(X_CACHE_HITS, HeaderValue::from(hits));
}

fn tell_timing(headers: &mut HeaderMap, exchange: &Exchange, reason: Reason) {
    let edge = exchange.started.elapsed().as_secs_f64() * 1e3;
    let origin = exchange.record.origin.as_ref().and_then(|origin| origin.first_byte);
    let mut text = format!("cdn-cache;desc={}, edge;dur={edge:.1}", x_cache(reason));
    if let Some(origin) = origin {
        text.push_str(&format!(", origin;dur={:.1}", origin.as_secs_f64() * 1e3));
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.append(SERVER_TIMING, value);
    }
}
