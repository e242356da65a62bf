//! The last step: counts the request and writes its line in the access log.
//!
//! It happens when the response's body is gone, whichever way that came about, so that the line
//! tells the bytes that really left. Only this file writes the access log.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use http::Response;

use crate::serve::body::{Body, Broken};
use crate::serve::exchange::Exchange;
use crate::telemetry::{AccessLog, Ended, Record, traffic};

/// Ties the settlement of an exchange to the body of its response.
pub fn settle(exchange: Exchange, mut response: Response<Body>) -> Response<Body> {
    let mut settlement = exchange.record;
    settlement.outcome.status = response.status();
    settlement.outcome.first_byte = Some(exchange.started.elapsed());
    response.body_mut().settled_by(settlement);
    response
}

/// The record of a request that will be settled when this is dropped. It is boxed from the start,
/// since it changes hands several times and is half a kilobyte.
pub struct Settlement(Box<Pending>);

struct Pending {
    record: Record,
    started: Instant,
    log: AccessLog,
}

impl Settlement {
    /// Settles `record` in `log` later; the request's head arrived at `started`.
    pub fn new(record: Record, started: Instant, log: AccessLog) -> Self {
        Settlement(Box::new(Pending { record, started, log }))
    }

    /// `bytes` of the body were handed to the connection.
    pub fn sent(&mut self, bytes: usize) {
        self.outcome.bytes_out += bytes as u64;
    }

    /// The body ended as it should.
    pub fn ended(&mut self) {
        self.outcome.ended = Ended::Whole;
    }

    /// The body was cut.
    pub fn broke(&mut self, _why: &Broken) {
        self.outcome.ended = Ended::Cut;
    }
}

impl Deref for Settlement {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0.record
    }
}

impl DerefMut for Settlement {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.0.record
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        let Pending { record, started, log } = &mut *self.0;
        record.outcome.duration = started.elapsed();
        traffic::count(&record.outcome);
        log.write(record);
    }
}
