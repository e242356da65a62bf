//! What is known about the request at hand: owned by its task, then by the response's body, never
//! shared. It is boxed once, and whoever drops it settles the request ([`super::settle`]).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use tokio::sync::oneshot;

use crate::cache::Reason;
use crate::clock::Timestamp;
use crate::fill::Answered;
use crate::header::request_id;
use crate::listen::{self, Connection};
use crate::serve::Serve;
use crate::serve::identify::{Identity, Memory};
use crate::serve::pages::Wish;
use crate::serve::rules::Ruled;
use crate::site::Side;
use crate::store::Ahead;
use crate::telemetry::{Details, Ended, Origin, Outcome, Record, Tier, traffic};
use crate::upstream::{Fault, Scheme};

/// What the log says of a client that went away before its answer began, as nginx does.
const CLIENT_GONE: u16 = 499;

/// One request and what has come of it so far.
pub struct Exchange {
    /// The connection that the request came on.
    pub connection: Arc<Connection>,
    /// When its head had been read, by the node's clock.
    pub now: Timestamp,
    /// The same moment, for measuring durations.
    pub started: Instant,
    /// The request's id, told to the client, the origin and the log.
    pub request_id: HeaderValue,
    /// What the access log will say.
    pub record: Record,
    /// Who is asked, once it is known.
    pub identity: Option<Arc<Identity>>,
    /// What earlier requests of the connection found out.
    pub memory: Arc<Memory>,
    /// Whether what is sent was brought up from disk for this request.
    pub brought: bool,
    /// What was read of a body on disk to see whether it can be read.
    pub ahead: Option<Ahead>,
    /// The size of the original that a picture is sent in place of.
    pub instead_of: Option<u64>,
    /// What the customer's rules left for the rest of the request.
    pub ruled: Option<Box<Ruled>>,
    /// What the site's own pages for errors need to know.
    pub wish: Wish,
    /// What the node wants that asks itself; none where a client asks.
    pub inner: Option<Box<Inner>>,
}

/// A request that the node makes itself. It is no client's: neither logged, nor billed, nor counted
/// with theirs, nor held back to a rate. What it costs the origin is counted and billed as ever.
pub struct Inner {
    /// What a client would have spoken.
    pub scheme: Scheme,
    /// Whose rules it gets.
    pub side: Side,
    /// Why it was refused, if it was.
    pub refused: Option<Cow<'static, str>>,
    /// Who is told what came of it.
    pub asker: oneshot::Sender<Told>,
}

/// What came of a request that the node made itself.
#[derive(Debug)]
pub struct Told {
    /// All that is known of how it went.
    pub outcome: Outcome,
    /// Why it was refused, if it was.
    pub refused: Option<Cow<'static, str>>,
    /// Why the origin did not answer it, a word of RFC 9209.
    pub fault: Option<&'static str>,
}

impl Exchange {
    /// Begins the exchange of a request whose head was read just now.
    pub fn begin(
        serve: &Serve,
        connection: &Arc<Connection>,
        memory: &Arc<Memory>,
        request: &Request<listen::Body>,
    ) -> Box<Self> {
        let request_id = request_id::fresh();
        let started = Instant::now();
        let now = serve.clock.at(started);
        let headers = request.headers();
        let record = Record {
            outcome: Outcome {
                version: request.version(),
                method: request.method().clone(),
                status: StatusCode::from_u16(CLIENT_GONE).unwrap_or(StatusCode::REQUEST_TIMEOUT),
                tier: Tier::Edge,
                ended: Ended::ClientGone,
                ..Outcome::default()
            },
            time: now,
            request_id: request_id.clone().into(),
            client: connection.peer.ip(),
            host: headers.get(header::HOST).into(),
            target: request.uri().clone(),
            tls: connection.tls.as_ref().map(|tls| tls.version),
            user_agent: headers.get(header::USER_AGENT).into(),
            referer: headers.get(header::REFERER).into(),
            details: memory.log.wants_details().then(|| details(connection, request)),
            ..Record::default()
        };
        let (connection, memory) = (Arc::clone(connection), Arc::clone(memory));
        Box::new(Exchange {
            connection,
            now,
            started,
            request_id,
            record,
            identity: None,
            memory,
            brought: false,
            ahead: None,
            instead_of: None,
            ruled: None,
            wish: Wish::default(),
            inner: None,
        })
    }

    /// Ends a request of the node's own.
    pub(super) fn tell(&mut self, inner: Inner) {
        let outcome = std::mem::take(&mut self.record.outcome);
        let fault = self.record.origin.as_ref().and_then(|origin| origin.fault);
        // Whoever asked may have given up.
        let _ = inner.asker.send(Told { outcome, refused: inner.refused, fault });
    }

    /// Notes the status that the origin gave what is sent, whenever that was.
    pub fn comes_of(&mut self, status: StatusCode) {
        if let Some(details) = &mut self.record.details {
            details.source = Some(status);
        }
    }

    /// What the client spoke.
    pub fn scheme(&self) -> Scheme {
        match &self.inner {
            Some(inner) => inner.scheme,
            None if self.connection.tls.is_some() => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// Notes the hash of the key that the cache was asked under.
    pub fn keyed(&mut self, hash: u64) {
        self.record.key = Some(hash);
    }

    /// Notes how the object is obtained; the word goes into the log, the metrics and `Cache-Status`.
    pub fn decided(&mut self, reason: Reason) {
        self.record.outcome.verdict = Some((reason.verdict(), reason));
    }

    /// Notes what the origin answered to this request.
    pub fn asked_origin(&mut self, answered: &Answered) {
        let origin = Origin {
            server: Arc::clone(&answered.server).into(),
            status: Some(answered.status),
            connect: answered.timings.connect,
            first_byte: Some(answered.timings.first_byte),
            fault: None,
        };
        traffic::count_origin(&origin);
        self.record.origin = Some(Box::new(origin));
    }

    /// Notes why the origin did not answer this request.
    pub fn origin_failed(&mut self, fault: &Fault) {
        tracing::debug!(%fault, "an origin failed");
        let origin = Origin {
            server: fault.server.clone().map(Into::into).unwrap_or_default(),
            fault: Some(fault.kind.proxy_status()),
            ..Origin::default()
        };
        traffic::count_origin(&origin);
        self.record.origin = Some(Box::new(origin));
    }
}

/// What a request tells beyond what every form of the log wants.
fn details(connection: &Connection, request: &Request<listen::Body>) -> Box<Details> {
    let announced = || request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    let request_length = if request.body().is_end_stream() { Some(0) } else { announced() };
    let server = Some(connection.local.ip());
    Box::new(Details { server, request_length, ..Details::default() })
}
