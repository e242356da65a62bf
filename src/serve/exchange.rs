//! What is known about the request at hand: small, owned by its task, never shared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, header};
use hyper::body::Incoming;

use crate::cache::{Reason, Verdict};
use crate::clock::Timestamp;
use crate::listen::Connection;
use crate::site::Site;
use crate::telemetry::{self, Ended, Origin, Outcome, Record, Text, Tier};

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
    /// The site that is asked for, once it is known.
    pub site: Option<Arc<Site>>,
}

impl Exchange {
    /// Begins the exchange of a request whose head was read just now.
    pub fn begin(connection: &Arc<Connection>, request: &Request<Incoming>, now: Timestamp) -> Self {
        let request_id = fresh_id();
        let headers = request.headers();
        let record = Record {
            outcome: Outcome {
                version: request.version(),
                method: request.method().clone(),
                status: http::StatusCode::INTERNAL_SERVER_ERROR,
                verdict: None,
                tier: Tier::Edge,
                bytes_out: 0,
                first_byte: None,
                duration: Duration::ZERO,
                ended: Ended::ClientGone,
            },
            time: now,
            request_id: Text::Field(request_id.clone()),
            site: Text::Absent,
            client: connection.peer.ip(),
            host: headers.get(header::HOST).into(),
            target: request.uri().clone(),
            key: None,
            origin: None,
            tls: connection.tls.as_ref().map(|tls| tls.version_name()),
            user_agent: headers.get(header::USER_AGENT).into(),
            referer: headers.get(header::REFERER).into(),
            error_id: Text::Absent,
            code: None,
        };
        Exchange {
            connection: Arc::clone(connection),
            now,
            started: Instant::now(),
            request_id,
            record,
            site: None,
        }
    }

    /// Notes how the object is obtained; the word goes into the log, the metrics and `Cache-Status`.
    pub fn decided(&mut self, verdict: Verdict, reason: Reason) {
        self.record.outcome.verdict = Some((verdict, reason));
    }

    /// Notes what the origin did for this request.
    pub fn asked_origin(&mut self, origin: Origin) {
        self.record.origin = Some(origin);
        self.record.outcome.tier = telemetry::Tier::Origin;
    }
}

/// A new request id: 128 random bits as 32 hex digits.
fn fresh_id() -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bits = fastrand::u128(..);
    let digits: [u8; 32] =
        std::array::from_fn(|at| DIGITS.get((bits >> (4 * at)) as usize & 15).copied().unwrap_or(b'0'));
    HeaderValue::from_bytes(&digits).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_hex_and_differ() {
        let (one, other) = (fresh_id(), fresh_id());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.as_bytes().iter().all(u8::is_ascii_hexdigit));
    }
}
