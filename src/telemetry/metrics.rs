//! Shows counters in the text format of OpenMetrics, which Prometheus reads.
//!
//! Parts of a node own their counters as statics and bump them without knowing this file; `node`
//! registers each with a name and a sentence. Values are read when somebody scrapes.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry;

use super::traffic::Histogram;
use super::{access_log, process, share, traffic};
use crate::count::{Counter, Gauge};

/// The media type of [`Registry::render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every family that a node shows. Names are given without the prefix `brink_` and, for counters,
/// without the suffix `_total`.
#[derive(Debug)]
pub struct Registry(registry::Registry);

/// Takes the samples of one family while it is scraped.
pub struct Samples<'a, 'b> {
    encoder: &'a mut MetricEncoder<'b>,
    kind: MetricType,
    result: fmt::Result,
}

impl Registry {
    /// A registry of what this module knows by itself: traffic, the access log, the build and the
    /// process.
    pub fn new() -> Self {
        let mut registry = Registry(registry::Registry::default());
        traffic::families(&mut registry);
        registry.counter(
            "access_log_lost",
            "Lines of the access log that were not written.",
            &access_log::LOST,
        );
        registry.counter(
            "access_log_left_out",
            "Lines of the access log that were left out because their site wants a share of them.",
            &share::LEFT_OUT,
        );
        registry.gauges("build_info", "The version of this program.", |samples| {
            samples.push(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        });
        process::families(&mut registry);
        registry
    }

    /// Shows one counter.
    pub fn counter(&mut self, name: &'static str, help: &'static str, counter: &'static Counter) {
        self.counters(name, help, |samples| samples.push(&[], counter.sum()));
    }

    /// Shows one gauge; one that fell below zero shows zero.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, gauge: &'static Gauge) {
        self.gauges(name, help, |samples| {
            samples.push(&[], u64::try_from(gauge.value()).unwrap_or(0));
        });
    }

    /// Shows a family of counters, whose samples `read` pushes at each scrape.
    pub fn counters(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn(&mut Samples<'_, '_>) + Send + Sync + 'static,
    ) {
        self.family(format!("brink_{name}"), help, MetricType::Counter, read);
    }

    /// Shows a family of gauges, whose samples `read` pushes at each scrape.
    pub fn gauges(
        &mut self,
        name: &'static str,
        help: &'static str,
        read: impl Fn(&mut Samples<'_, '_>) + Send + Sync + 'static,
    ) {
        self.family(format!("brink_{name}"), help, MetricType::Gauge, read);
    }

    /// Shows one histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        histogram: &'static Histogram,
    ) {
        self.family(format!("brink_{name}"), help, MetricType::Histogram, |samples| {
            samples.distribution(&[], histogram);
        });
    }

    /// Shows histograms that differ in one label.
    pub fn histograms(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        histograms: Vec<(&'static str, &'static Histogram)>,
    ) {
        self.family(format!("brink_{name}"), help, MetricType::Histogram, move |samples| {
            for (value, histogram) in &histograms {
                samples.distribution(&[(label, value)], histogram);
            }
        });
    }

    /// The text of a scrape, of the media type [`CONTENT_TYPE`].
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(16 << 10);
        // Only a writer can fail, and a string does not.
        let _ = text::encode(&mut out, &self.0);
        out
    }

    /// Shows a family under its full name.
    pub(super) fn family(
        &mut self,
        name: String,
        help: &'static str,
        kind: MetricType,
        read: impl Fn(&mut Samples<'_, '_>) + Send + Sync + 'static,
    ) {
        self.0.register_collector(Box::new(Family { name, help, kind, read: Box::new(read) }));
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Samples<'_, '_> {
    /// Adds one sample. Labels must be few and from closed lists: never a URL, a host or a client.
    pub fn push(&mut self, labels: &[(&str, &str)], value: u64) {
        let kind = self.kind;
        self.with(labels, |encoder| match kind {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
            _ => encoder.encode_gauge(&value),
        });
    }

    /// Adds one sample unless it is zero: for tables most of which is never used.
    pub fn nonzero(&mut self, labels: &[(&str, &str)], value: u64) {
        if value > 0 {
            self.push(labels, value);
        }
    }

    /// Adds one sample with a fraction.
    pub fn push_fraction(&mut self, labels: &[(&str, &str)], value: f64) {
        let kind = self.kind;
        self.with(labels, |encoder| match kind {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            _ => encoder.encode_gauge(&value),
        });
    }

    fn distribution(&mut self, labels: &[(&str, &str)], histogram: &Histogram) {
        let (sum, buckets) = histogram.read();
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.with(labels, |encoder| {
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        });
    }

    fn with(
        &mut self,
        labels: &[(&str, &str)],
        encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) {
        if self.result.is_err() {
            return;
        }
        self.result = if labels.is_empty() {
            encode(self.encoder)
        } else {
            self.encoder.encode_family(&labels).and_then(|mut encoder| encode(&mut encoder))
        };
    }
}

struct Family {
    name: String,
    help: &'static str,
    kind: MetricType,
    read: Box<dyn Fn(&mut Samples<'_, '_>) + Send + Sync>,
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Family {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = encoder.encode_descriptor(&self.name, self.help, None, self.kind)?;
        let mut samples = Samples { encoder: &mut encoder, kind: self.kind, result: Ok(()) };
        (self.read)(&mut samples);
        samples.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::verdict::{Reason, Verdict};
    use crate::telemetry::record::{Ended, Origin, Outcome, Tier};
    use http::{Method, StatusCode, Version};
    use std::time::Duration;

    /// The value of a series; zero when it is not shown.
    fn value(text: &str, series: &str) -> f64 {
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        found.map_or(0.0, |value| value.parse().unwrap())
    }

    #[test]
    fn what_was_counted_is_shown() {
        let reason = Reason::ALL[0];
        let before = Registry::new().render();
        traffic::count(&Outcome {
            version: Version::HTTP_2,
            method: Method::from_bytes(b"BREW").unwrap(),
            status: StatusCode::IM_A_TEAPOT,
            verdict: Some((Verdict::Stale, reason)),
            tier: Tier::Memory,
            bytes_out: 7,
            first_byte: None,
            duration: Duration::from_millis(60),
            ended: Ended::Whole,
        });
        traffic::count_origin(&Origin { first_byte: Some(Duration::ZERO), ..Origin::default() });
        let text = Registry::new().render();
        // Other tests of this process count too, so a series grew by this much at least.
        for (series, growth) in [
            (
                "brink_http_requests_total{proto=\"HTTP/2\",method=\"other\",code_class=\"4xx\",\
                 cache=\"stale\"}",
                1.0,
            ),
            ("brink_http_request_duration_seconds_bucket{le=\"0.075\",cache=\"stale\"}", 1.0),
            ("brink_http_request_duration_seconds_bucket{le=\"+Inf\",cache=\"stale\"}", 1.0),
            ("brink_http_request_duration_seconds_sum{cache=\"stale\"}", 0.059),
            ("brink_response_bytes_total{tier=\"memory\"}", 7.0),
            (
                &format!(
                    "brink_cache_lookups_total{{result=\"stale\",reason=\"{}\"}}",
                    reason.as_str()
                ),
                1.0,
            ),
            ("brink_origin_requests_total{result=\"fault\"}", 1.0),
            ("brink_origin_ttfb_seconds_count", 1.0),
        ] {
            let grown = value(&text, series) - value(&before, series);
            assert!(grown >= growth, "{series} grew by {grown}\n{text}");
        }
        let version = format!("brink_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        assert_eq!(value(&text, &version), 1.0);
        assert!(value(&text, "process_resident_memory_bytes") > 0.0);
        assert!(text.contains("\nbrink_access_log_lost_total "));
        assert!(text.contains("\nprocess_cpu_seconds_total "));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_duration_falls_into_the_bucket_that_bounds_it() {
        let histogram = Histogram::new();
        for millis in [0, 5, 6, 60, 20_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let (sum, buckets) = histogram.read();
        assert_eq!(sum, 20.071);
        let filled: Vec<_> = buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.005, 2), (0.01, 1), (0.075, 1), (f64::INFINITY, 1)]);
    }

    #[test]
    fn parts_of_the_node_add_their_own() {
        static OBJECTS: Gauge = Gauge::new();
        static EVICTED: Counter = Counter::new();
        let mut registry = Registry::new();
        registry.gauge("cache_objects", "Objects.", &OBJECTS);
        registry.counter("cache_evictions", "Evictions.", &EVICTED);
        registry.gauges("connections", "Connections.", |samples| {
            for thread in 0..2u64 {
                samples.push(&[("thread", &thread.to_string())], thread + 5);
            }
        });
        OBJECTS.set(3);
        EVICTED.add(2);
        let text = registry.render();
        for (series, expected) in [
            ("brink_cache_objects", 3.0),
            ("brink_cache_evictions_total", 2.0),
            ("brink_connections{thread=\"0\"}", 5.0),
            ("brink_connections{thread=\"1\"}", 6.0),
        ] {
            assert_eq!(value(&text, series), expected, "{series}\n{text}");
        }
    }
}
