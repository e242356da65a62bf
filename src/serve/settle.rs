//! The last step: counts the request and writes its line in the access log.
//!
//! It happens when the response's body is gone, whichever way that came about, so that the line
//! tells the bytes that really left. Only this file writes the access log.

use std::time::Instant;

use http::Response;

use crate::serve::body::{Body, Broken};
use crate::serve::exchange::Exchange;
use crate::telemetry::{AccessLog, Ended, Record, traffic};

/// Ties the settlement of an exchange to the body of its response.
pub fn settle(mut exchange: Exchange, mut response: Response<Body>) -> Response<Body> {
    exchange.record.outcome.status = response.status();
    exchange.record.outcome.first_byte = Some(exchange.started.elapsed());
    if let Some(settlement) = exchange.settlement() {
        response.body_mut().settled_by(Box::new(settlement));
    }
    response
}

/// A request that will be settled when this is dropped.
pub struct Settlement {
    record: Record,
    started: Instant,
    log: AccessLog,
}

impl Settlement {
    /// Settles `record` in `log` later; the request's head arrived at `started`.
    pub fn new(record: Record, started: Instant, log: AccessLog) -> Self {
        Settlement { record, started, log }
    }

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

impl Drop for Settlement {
    fn drop(&mut self) {
        self.record.outcome.duration = self.started.elapsed();
        traffic::count(&self.record.outcome);
        self.log.write(&self.record);
    }
}
