//! What a scrape shows of the node's parts, beside what `telemetry` counts by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::listen::Meters;
use crate::node::Node;
use crate::site::Report;
use crate::telemetry::Registry;
use crate::telemetry::metrics::Samples;
use crate::upstream::FaultKind;
use crate::{fill, store};

/// How the settings fare.
pub(super) struct Fortune {
    generation: AtomicU64,
    clean: AtomicU64,
    reloads: AtomicU64,
}

impl Fortune {
    /// As of the start.
    pub(super) fn new(report: &Report) -> Self {
        Fortune {
            generation: AtomicU64::new(report.generation),
            clean: AtomicU64::new(u64::from(report.is_clean())),
            reloads: AtomicU64::new(0),
        }
    }

    /// Notes a reload.
    pub(super) fn reloaded(&self, clean: bool, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
        self.clean.store(u64::from(clean), Ordering::Relaxed);
        self.reloads.fetch_add(1, Ordering::Relaxed);
    }
}

/// Shows every part of the node in `registry`.
pub(super) fn register(registry: &mut Registry, node: &Node) {
    settings(registry, node);
    listeners(registry, node);
    cache(registry, node);
    fills(registry, node);
    origins(registry, node);
}

fn settings(registry: &mut Registry, node: &Node) {
    let fortune = Arc::clone(&node.fortune);
    registry.gauges(
        "config_generation",
        "Snapshots of the sites since the start.",
        move |samples| {
            samples.push(&[], fortune.generation.load(Ordering::Relaxed));
        },
    );
    let fortune = Arc::clone(&node.fortune);
    registry.gauges(
        "config_last_reload_success",
        "Whether the last load or reload took every file.",
        move |samples| samples.push(&[], fortune.clean.load(Ordering::Relaxed)),
    );
    let fortune = Arc::clone(&node.fortune);
    registry.counters("config_reloads", "Reloads since the start.", move |samples| {
        samples.push(&[], fortune.reloads.load(Ordering::Relaxed));
    });
    let sites = Arc::clone(node.source.sites());
    registry.gauges("sites", "Sites served.", move |samples| {
        samples.push(&[], sites.snapshot().len() as u64);
    });
}

fn listeners(registry: &mut Registry, node: &Node) {
    type Read = fn(&Meters) -> u64;
    const COUNTERS: [(&str, &str, Read); 13] = [
        ("connections_accepted", "Connections accepted, by serving thread.", |m| m.accepted.sum()),
        ("accept_errors", "Times that accepting failed.", |m| m.accept_errors.sum()),
        ("proxy_protocol_refused", "Connections without the PROXY header they owed.", |m| {
            m.proxy_refused.sum()
        }),
        ("tls_handshakes", "TLS handshakes completed.", |m| m.handshakes.sum()),
        ("tls_resumptions", "TLS handshakes that resumed a session.", |m| m.resumed.sum()),
        ("tls_handshake_failures", "TLS handshakes that failed or took too long.", |m| {
            m.handshakes_failed.sum()
        }),
        ("http1_connections", "HTTP/1 connections.", |m| m.http1.sum()),
        ("http2_connections", "HTTP/2 connections.", |m| m.http2.sum()),
        ("head_timeouts", "Connections closed because a request head took too long.", |m| {
            m.head_timeouts.sum()
        }),
        ("requests_malformed", "Requests that were no valid HTTP.", |m| m.malformed.sum()),
        ("clients_stalled", "Clients cut off because they took too little for too long.", |m| {
            m.stalled.sum()
        }),
        ("slow_bodies", "Request bodies cut off because they came too slowly.", |m| {
            m.slow_bodies.sum()
        }),
        ("connections_aborted", "Connections cut off at the end of a drain.", |m| m.aborted.sum()),
    ];
    let meters: Vec<Arc<Meters>> =
        node.threads.iter().map(|thread| Arc::clone(&thread.meters)).collect();
    for (name, help, read) in COUNTERS {
        let meters = meters.clone();
        registry.counters(name, help, move |samples| by_thread(samples, &meters, read));
    }
    registry.gauges(
        "connections_open",
        "Connections open now, by serving thread.",
        move |samples| {
            by_thread(samples, &meters, |meters| u64::try_from(meters.open.value()).unwrap_or(0));
        },
    );
}

fn by_thread(samples: &mut Samples<'_, '_>, meters: &[Arc<Meters>], read: impl Fn(&Meters) -> u64) {
    for (thread, meters) in meters.iter().enumerate() {
        samples.push(&[("thread", &thread.to_string())], read(meters));
    }
}

fn cache(registry: &mut Registry, node: &Node) {
    let counters = &store::COUNTERS;
    for (name, help, counter) in [
        ("cache_stored", "Responses stored.", &counters.stored),
        ("cache_stored_bytes", "Bytes of them, metadata included.", &counters.stored_bytes),
        ("cache_updated", "Metadata replaced after a 304.", &counters.updated),
        ("cache_removed", "URLs removed by order.", &counters.removed),
        ("cache_evictions", "URLs that went for lack of room.", &counters.evicted),
        (
            "cache_variants_dropped",
            "Variants dropped over the cap of their URL.",
            &counters.variants_dropped,
        ),
        ("cache_no_room", "Reservations that failed even after evicting.", &counters.no_room),
        ("cache_outgrown", "Bodies that were too large to keep.", &counters.outgrown),
        ("cache_cut", "Bodies that were cut.", &counters.cut),
        ("cache_readers_stalled", "Readers cut because they held up a stream.", &counters.stalled),
    ] {
        registry.counter(name, help, counter);
    }
    let held = Arc::clone(&node.store);
    registry.gauges("cache_objects", "URLs stored, by tier.", move |samples| {
        let figures = held.figures();
        samples.push(&[("tier", "window")], figures.window_objects);
        samples.push(&[("tier", "memory")], figures.main_objects);
    });
    let held = Arc::clone(&node.store);
    registry.gauges(
        "cache_bytes",
        "Bytes stored, by tier; `used` counts bodies in flight too.",
        move |samples| {
            let figures = held.figures();
            samples.push(&[("tier", "window")], figures.window_bytes);
            samples.push(&[("tier", "memory")], figures.main_bytes);
            samples.push(&[("tier", "used")], figures.used);
            samples.push(&[("tier", "limit")], figures.limit);
        },
    );
}

fn fills(registry: &mut Registry, node: &Node) {
    let counters = &fill::COUNTERS;
    for (name, help, counter) in [
        ("fill_fetches", "Requests sent to origins through the cache.", &counters.fetches),
        ("fill_revalidated", "Of these, confirmed by a 304.", &counters.revalidated),
        ("fill_bytes", "Bytes of bodies that came through the cache.", &counters.fetched_bytes),
        (
            "fill_collapsed",
            "Clients served by a fetch that another had begun.",
            &counters.collapsed,
        ),
        ("fill_released", "Clients sent on their own way.", &counters.released),
        ("fill_crowded", "Clients refused since too many waited.", &counters.crowded),
        ("fill_overdue", "Waits that took too long.", &counters.overdue),
        ("fill_resumed", "Bodies resumed where they broke off.", &counters.resumed),
        ("fill_deserted", "Fetches cancelled since all clients had left.", &counters.deserted),
    ] {
        registry.counter(name, help, counter);
    }
    let flights = Arc::clone(&node.serve.flights);
    registry.gauges("cache_fill_waiters", "Clients that wait for a fetch.", move |samples| {
        samples.push(&[], flights.under_way().1 as u64);
    });
}

fn origins(registry: &mut Registry, node: &Node) {
    let shared = Arc::clone(&node.upstream);
    registry.counters(
        "origin_connections",
        "How requests to origins came by a connection.",
        move |samples| {
            samples.push(&[("how", "new")], shared.counts.connects.sum());
            samples.push(&[("how", "reused")], shared.counts.reused.sum());
            samples.push(&[("how", "stale")], shared.counts.stale_connections.sum());
        },
    );
    let shared = Arc::clone(&node.upstream);
    registry.counters(
        "origin_retries",
        "Attempts after the first, made or forbidden by the budget.",
        move |samples| {
            samples.push(&[("budget", "spent")], shared.counts.retries.sum());
            samples.push(&[("budget", "exhausted")], shared.counts.retries_over_budget.sum());
        },
    );
    let shared = Arc::clone(&node.upstream);
    registry.counters("origin_faults", "Failed attempts, by what went wrong.", move |samples| {
        for (kind, counter) in FaultKind::ALL.iter().zip(&shared.counts.faults) {
            samples.nonzero(&[("fault", kind.text())], counter.sum());
        }
    });
    let shared = Arc::clone(&node.upstream);
    registry.gauges(
        "origin_idle_connections",
        "Idle connections kept to origins.",
        move |samples| {
            samples.push(&[], u64::from(shared.idle_connections()));
        },
    );
}
