//! The last step: counts the request and writes its line in the access log.
//!
//! It happens when the response's body is gone, whichever way that came about, so that the line
//! tells the bytes that really left. A client that goes away before its answer begins drops the
//! exchange: that is its end. Only this file writes the access log.

use http::Response;

use crate::serve::body::{Body, Broken};
use crate::serve::exchange::Exchange;
use crate::telemetry::{Ended, traffic};

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
        traffic::count(&self.record.outcome);
        self.memory.log.write(&self.record);
    }
}
