//! Counts requests: fixed tables of [`Counter`]s, indexed by closed lists of words.
//!
//! Nothing is looked up and nothing is shared between cores on a request's path: the place of a
//! counter is arithmetic, and a counter has a cache line per thread.

use std::time::Duration;

use http::{Method, StatusCode, Version};

use super::metrics::Registry;
use super::record::{Origin, Outcome, Tier};
use crate::cache::verdict::{Reason, Verdict};
use crate::count::Counter;

const PROTOCOLS: [&str; 3] = ["HTTP/1.0", "HTTP/1.1", "HTTP/2"];
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// The verdicts, and `none` where the edge answered by itself.
const CACHE: [&str; 5] = ["hit", "stale", "miss", "pass", "none"];
/// What came of asking an origin: the class of its status, or no response.
const RESULTS: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "fault"];

/// The bounds that OpenTelemetry's `http.server.request.duration` prescribes, in microseconds.
const BOUNDS: [u64; 14] = [
    5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// By cache, class, method and protocol.
static REQUESTS: [[[[Counter; PROTOCOLS.len()]; METHODS.len()]; CLASSES.len()]; CACHE.len()] =
    [const { [const { [const { [const { Counter::new() }; _] }; _] }; _] }; _];
static DURATIONS: [Histogram; CACHE.len()] = [const { Histogram::new() }; _];
static BYTES: [Counter; Tier::ALL.len()] = [const { Counter::new() }; _];
/// By verdict and reason.
static LOOKUPS: [[Counter; Reason::COUNT]; CACHE.len() - 1] =
    [const { [const { Counter::new() }; _] }; _];
static ORIGIN_REQUESTS: [Counter; RESULTS.len()] = [const { Counter::new() }; _];
static ORIGIN_FIRST_BYTE: Histogram = Histogram::new();

/// How often durations fell between given bounds.
#[derive(Debug)]
pub struct Histogram {
    /// One for each of [`BOUNDS`] and one for all above.
    buckets: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// A histogram of nothing yet, with the bounds of OpenTelemetry's request durations.
    pub const fn new() -> Self {
        Histogram { buckets: [const { Counter::new() }; _], micros: Counter::new() }
    }

    /// Counts one duration.
    pub fn observe(&self, duration: Duration) {
        let micros = duration.as_secs().saturating_mul(1_000_000);
        let micros = micros.saturating_add(u64::from(duration.subsec_micros()));
        let place = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        bump(self.buckets.get(place));
        self.micros.add(micros);
    }

    /// The sum in seconds and, per bound in seconds, how many fell below it and above the one before.
    pub(super) fn read(&self) -> (f64, [(f64, u64); BOUNDS.len() + 1]) {
        let mut buckets = [(f64::INFINITY, 0); BOUNDS.len() + 1];
        for ((shown, counter), bound) in buckets
            .iter_mut()
            .zip(&self.buckets)
            .zip(BOUNDS.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]))
        {
            *shown = (bound, counter.sum());
        }
        (self.micros.sum() as f64 / 1e6, buckets)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Counts a finished request. `serve` calls this once for each.
pub fn count(outcome: &Outcome) {
    let cache = outcome.verdict.map_or(CACHE.len() - 1, |(verdict, _)| verdict_place(verdict));
    let requests = REQUESTS
        .get(cache)
        .and_then(|by_class| by_class.get(class(outcome.status)))
        .and_then(|by_method| by_method.get(method_place(&outcome.method)))
        .and_then(|by_protocol| by_protocol.get(protocol_place(outcome.version)));
    bump(requests);
    if let Some(histogram) = DURATIONS.get(cache) {
        histogram.observe(outcome.duration);
    }
    if let Some(bytes) = BYTES.get(tier_place(outcome.tier)) {
        bytes.add(outcome.bytes_out);
    }
    if let Some((_, reason)) = outcome.verdict {
        bump(LOOKUPS.get(cache).and_then(|by_reason| by_reason.get(reason.index())));
    }
}

/// Counts a request that an origin was asked. Whoever made it calls this once, not once for each
/// client that waited for its response.
pub fn count_origin(origin: &Origin) {
    bump(ORIGIN_REQUESTS.get(origin.status.map_or(RESULTS.len() - 1, class)));
    if let Some(first_byte) = origin.first_byte {
        ORIGIN_FIRST_BYTE.observe(first_byte);
    }
}

/// Shows the tables of this module in a registry.
pub(super) fn families(registry: &mut Registry) {
    registry.counters("http_requests", "Requests that were answered.", |samples| {
        for (cache, by_class) in CACHE.iter().zip(&REQUESTS) {
            for (class, by_method) in CLASSES.iter().zip(by_class) {
                for (method, by_protocol) in METHODS.iter().zip(by_method) {
                    for (proto, counter) in PROTOCOLS.iter().zip(by_protocol) {
                        samples.nonzero(
                            &[
                                ("proto", proto),
                                ("method", method),
                                ("code_class", class),
                                ("cache", cache),
                            ],
                            counter.sum(),
                        );
                    }
                }
            }
        }
    });
    registry.histograms(
        "http_request_duration_seconds",
        "From the head of a request to the end of its response.",
        "cache",
        CACHE.into_iter().zip(&DURATIONS).collect(),
    );
    registry.counters("response_bytes", "Bytes of bodies sent, by where they came from.", |s| {
        for (tier, counter) in Tier::ALL.iter().zip(&BYTES) {
            s.push(&[("tier", tier.as_str())], counter.sum());
        }
    });
    registry.counters("cache_lookups", "Verdicts of the cache and their reasons.", |samples| {
        for (result, by_reason) in CACHE.iter().zip(&LOOKUPS) {
            for (reason, counter) in Reason::ALL.iter().zip(by_reason) {
                samples.nonzero(&[("result", result), ("reason", reason.as_str())], counter.sum());
            }
        }
    });
    registry.counters("origin_requests", "Requests to origins, by class of status.", |samples| {
        for (result, counter) in RESULTS.iter().zip(&ORIGIN_REQUESTS) {
            samples.push(&[("result", result)], counter.sum());
        }
    });
    registry.histogram(
        "origin_ttfb_seconds",
        "From a request to an origin to the first byte of its response.",
        &ORIGIN_FIRST_BYTE,
    );
}

fn bump(counter: Option<&Counter>) {
    if let Some(counter) = counter {
        counter.bump();
    }
}

fn class(status: StatusCode) -> usize {
    usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1
}

/// The place in [`METHODS`].
fn method_place(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        _ => METHODS.len() - 1,
    }
}

fn protocol_place(version: Version) -> usize {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => 0,
        Version::HTTP_2 => 2,
        _ => 1,
    }
}

fn tier_place(tier: Tier) -> usize {
    match tier {
        Tier::Memory => 0,
        Tier::Disk => 1,
        Tier::Origin => 2,
        Tier::Edge => 3,
    }
}

fn verdict_place(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Hit => 0,
        Verdict::Stale => 1,
        Verdict::Miss => 2,
        Verdict::Pass => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_counted_under_its_name() {
        for (place, name) in METHODS.iter().enumerate() {
            assert_eq!(method_place(&Method::from_bytes(name.as_bytes()).unwrap()), place);
        }
        assert_eq!(METHODS.get(method_place(&Method::TRACE)), Some(&"other"));
    }
}
