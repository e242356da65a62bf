//! The last step: counts the request, writes its line in the access log and bills it to its site.
//!
//! It happens when the response's body is gone, whichever way that came about, so that the line
//! tells the bytes that really left. A client that goes away before its answer begins drops the
//! exchange: that is its end. Only this file writes the access log,
//! and what it says there is what is billed. What the node asks of
//! itself is told to whoever asked, and is in neither.

use std::sync::Arc;

use http::{Response, Version};

use crate::cache::Verdict;
use crate::serve::body::{Body, Broken};
use crate::serve::exchange::Exchange;
use crate::telemetry::{Ended, Outcome, Text, Tier, traffic};
use crate::usage::{self, How, Protocol};

/// Ties an exchange to the body of its response.
pub fn settle(mut exchange: Box<Exchange>, mut response: Response<Body>) -> Response<Body> {
    exchange.record.outcome.status = response.status();
    exchange.record.describe(response.headers());
    // What is at hand leaves at once: one reading of the clock tells both its beginning and its end.
    if !response.body().is_at_hand() {
        exchange.record.outcome.first_byte = Some(exchange.started.elapsed());
    }
    response.body_mut().settles(exchange);
    response
}

impl Exchange {
    /// `bytes` of the body were handed to the connection.
    pub fn sent(&mut self, bytes: usize) {
        self.record.outcome.bytes_out += bytes as u64;
    }

    /// The body ended as it should.
    pub fn ended(&mut self) {
        self.record.outcome.ended = Ended::Whole;
    }

    /// The body was cut.
    pub fn broke(&mut self, _why: &Broken) {
        self.record.outcome.ended = Ended::Cut;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let outcome = &mut self.record.outcome;
        outcome.duration = self.started.elapsed();
        if outcome.ended == Ended::Whole {
            outcome.first_byte.get_or_insert(outcome.duration);
        }
        if let Some(inner) = self.inner.take() {
            return self.tell(*inner);
        }
        traffic::count(&self.record.outcome);
        self.memory.log.write(&self.record);
        self.memory.watch.see(&self.record);
        let end = self.now.plus(self.record.outcome.duration);
        self.memory.meter.request(site(&self.record.site), end, &bill(self));
    }
}

/// The site's name, if a site has the host.
fn site(name: &Text) -> Option<&Arc<str>> {
    match name {
        Text::Shared(name) => Some(name),
        _ => None,
    }
}

/// The request as it is billed.
fn bill(exchange: &Exchange) -> usage::Request {
    let outcome = &exchange.record.outcome;
    let whole = outcome.ended == Ended::Whole && outcome.status.as_u16() == 200;
    let original = exchange.instead_of.filter(|_| whole && outcome.bytes_out > 0);
    usage::Request {
        how: how(outcome),
        tier: match outcome.tier {
            Tier::Memory => usage::Tier::Memory,
            Tier::Disk => usage::Tier::Disk,
            Tier::Origin => usage::Tier::Origin,
            Tier::Edge => usage::Tier::Edge,
        },
        protocol: match outcome.version {
            Version::HTTP_09 | Version::HTTP_10 => Protocol::Http10,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http11,
        },
        tls: exchange.record.tls.is_some(),
        status: outcome.status.as_u16(),
        region: exchange.memory.country(exchange.record.client).map(|country| country.code()),
        bytes: outcome.bytes_out,
        saved: original.map_or(0, |original| original.saturating_sub(outcome.bytes_out)),
    }
}

/// What came of a request, as bills have it: an answer of the edge's own with a status of 400 or more
/// is an error, whatever was decided before.
fn how(outcome: &Outcome) -> How {
    match outcome.verdict {
        _ if outcome.tier == Tier::Edge && outcome.status.as_u16() >= 400 => How::Error,
        Some((Verdict::Hit, _)) => How::Hit,
        Some((Verdict::Stale, _)) => How::Stale,
        Some((Verdict::Miss, _)) => How::Miss,
        Some((Verdict::Pass, _)) => How::Pass,
        None => How::Edge,
    }
}
