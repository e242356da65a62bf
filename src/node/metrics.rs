//! What a scrape shows of the node's parts, beside what `telemetry` counts by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::audit;
use crate::image::workers;
use crate::listen::Meters;
use crate::node::{Node, push};
use crate::serve::{purge, rules};
use crate::site::Report;
use crate::store::disk::{self, DiskFigures};
use crate::telemetry::metrics::Samples;
use crate::telemetry::{Registry, watch};
use crate::upstream::FaultKind;
use crate::{fill, store, usage as used};

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

    /// Notes a change of one site.
    pub(super) fn changed(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
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
    disks(registry, node);
    purges(registry, node);
    fills(registry, node);
    edge_rules(registry);
    image_work(registry);
    origins(registry, node);
    usage(registry, node);
    registry.counter(
        "tail_missed",
        "Lines that whoever follows requests was too slow to take.",
        &watch::MISSED,
    );
    registry.counter("audit_lost", "Lines of the audit log that were not written.", &audit::LOST);
    registry.counter(
        "audit_left_out",
        "Lines of the audit log about strangers beyond the first of each minute.",
        &audit::LEFT_OUT,
    );
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
    let geo = Arc::clone(&node.serve.geo);
    registry.gauges(
        "geo_built_timestamp_seconds",
        "When each database of [geo] was made, in seconds since 1970.",
        move |samples| {
            for (database, built) in geo.built() {
                samples.push(&[("database", database)], built);
            }
        },
    );
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
        ("cache_brought", "URLs brought up from disk.", &counters.brought),
        ("cache_spilled", "Bodies that went to disk as they came.", &counters.spilled),
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

fn disks(registry: &mut Registry, node: &Node) {
    let counters = &disk::COUNTERS;
    for (name, help, counter) in [
        ("disk_read_bytes", "Bytes read from disk and verified.", &counters.read_bytes),
        ("disk_records_written", "Records written to disk.", &counters.written),
        ("disk_written_bytes", "Their bytes as they lie there.", &counters.written_bytes),
        ("disk_reclaimed", "Segments emptied to be written again.", &counters.reclaimed),
        ("disk_reinserted_bytes", "Bytes copied out of them.", &counters.reinserted_bytes),
        ("disk_evicted", "Records that went.", &counters.evicted),
        ("disk_recovered", "Records found at the start.", &counters.recovered),
        ("disk_formatted", "Stores made, or made anew since unreadable.", &counters.formatted),
        ("disk_snapshots", "Snapshots of the index written.", &counters.snapshots),
        ("disk_sick", "Times that a disk fell sick or was full.", &counters.fell_sick),
        ("disk_healed", "Times that a disk came back.", &counters.healed),
        ("disk_checksum_failures", "Blocks that were damaged.", &counters.checksum_failures),
        ("disk_mismatches", "Records not where they belong.", &counters.mismatches),
    ] {
        registry.counter(name, help, counter);
    }
    disk_words(registry);
    type Read = fn(&DiskFigures) -> u64;
    const GAUGES: [(&str, &str, Read); 8] = [
        ("disk_up", "Whether the disk is in use: 0 while it is sick.", |d| {
            u64::from(d.state != "sick")
        }),
        ("disk_capacity_bytes", "Bytes that the store may fill.", |d| d.capacity),
        ("disk_live_bytes", "Bytes of records that can be found.", |d| d.live_bytes),
        ("disk_records", "Records that can be found.", |d| d.records),
        ("disk_free_segments", "Segments to be written.", |d| d.free.into()),
        ("disk_proved_segments", "Segments of what was asked for again.", |d| d.proved.into()),
        ("disk_queue_bytes", "Bytes that wait to be written.", |d| d.queued),
        ("disk_index_bytes", "Memory that the index takes.", |d| d.index),
    ];
    for (name, help, read) in GAUGES {
        let store = Arc::clone(&node.store);
        registry.gauges(name, help, move |samples| {
            for figures in store.disk_figures() {
                samples.push(&[("disk", &figures.path.display().to_string())], read(&figures));
            }
        });
    }
}

fn purges(registry: &mut Registry, node: &Node) {
    let rules = &store::rules::COUNTERS;
    for (name, help, counter) in [
        ("purge_rules_added", "Purge rules added.", &rules.added),
        ("purge_rules_merged", "Those that went and hold for all that is older.", &rules.merged),
        ("purge_found_dead", "Look-ups that met a purged object.", &rules.dead),
        ("purge_found_stale", "Look-ups that met one made stale.", &rules.stale),
    ] {
        registry.counter(name, help, counter);
    }
    registry.histograms(
        "purge_seconds",
        "How long purges took until they were durable, by what was named.",
        "scope",
        purge::SECONDS.iter().map(|(name, histogram)| (*name, histogram)).collect(),
    );
    let held = Arc::clone(&node.store);
    registry.gauges("purge_rules", "Purge rules held.", move |samples| {
        samples.push(&[], held.purge_rules() as u64);
    });
}

fn disk_words(registry: &mut Registry) {
    let counters = &disk::COUNTERS;
    registry.counters("disk_reads", "Reads from disk, by how they went.", |samples| {
        for (how, counter) in [
            ("hit", &counters.hits),
            ("absent", &counters.absent),
            ("damaged", &counters.damaged),
            ("slow", &counters.slow),
            ("sick", &counters.sick),
            ("failed", &counters.failed),
        ] {
            samples.push(&[("how", how)], counter.sum());
        }
    });
    registry.counters("disk_refused", "Writes that did not happen, by why.", |samples| {
        for (why, counter) in [
            ("policy", &counters.refused),
            ("queue", &counters.dropped),
            ("disk", &counters.unwritable),
        ] {
            samples.push(&[("why", why)], counter.sum());
        }
    });
    registry.counters("disk_errors", "I/O errors, by what was done.", |samples| {
        samples.push(&[("io", "read")], counters.read_errors.sum());
        samples.push(&[("io", "write")], counters.write_errors.sum());
    });
}

fn edge_rules(registry: &mut Registry) {
    let counters = &rules::COUNTERS;
    registry.counters("edge_rules", "Customers' rules, by what became of them.", move |samples| {
        samples.push(&[("outcome", "matched")], counters.matched.sum());
        samples.push(&[("outcome", "answered")], counters.answered.sum());
        samples.push(&[("outcome", "failed")], counters.failed.sum());
    });
    registry.counters(
        "edge_rules_exhausted",
        "Evaluations of customers' rules that a budget ended.",
        move |samples| samples.push(&[], counters.exhausted.sum()),
    );
    registry.counters("edge_rules_steps", "Steps that customers' rules took.", move |samples| {
        samples.push(&[], counters.steps.sum())
    });
}

fn image_work(registry: &mut Registry) {
    let counters = &workers::counters::COUNTERS;
    registry.counters("image_jobs", "Work on images, by how it went.", |samples| {
        for (outcome, counter) in [
            ("done", &counters.done),
            ("busy", &counters.busy),
            ("timed_out", &counters.timed_out),
            ("crashed", &counters.crashed),
            ("unavailable", &counters.unavailable),
            ("too_large", &counters.too_large),
        ] {
            samples.push(&[("outcome", outcome)], counter.sum());
        }
    });
    registry.gauge("image_jobs_waiting", "Images that wait for a worker.", &counters.waiting);
    registry.counters("image_cpu_milliseconds", "Processor time of work on images.", |samples| {
        samples.push(&[], counters.cpu_micros.sum() / 1000);
    });
    for (name, help, counter) in [
        ("image_workers_started", "Image workers started.", &counters.started),
        ("image_workers_worn", "Those replaced after their number of jobs.", &counters.worn),
        ("image_workers_lost", "Those that failed or were killed.", &counters.lost),
    ] {
        registry.counter(name, help, counter);
    }
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
        ("fill_slices", "Slices asked for after the first.", &counters.slices),
        ("fill_read_ahead", "Of these, asked for ahead of a client.", &counters.read_ahead),
        ("fill_unsliced", "URLs that cannot be fetched by slices.", &counters.unsliced),
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

fn usage(registry: &mut Registry, node: &Node) {
    registry.counter("usage_lost", "Counts of sites that found no room in memory.", &used::LOST);
    registry.counter(
        "usage_flush_failures",
        "Times that usage could not be written; it stayed in memory.",
        &used::FLUSH_FAILURES,
    );
    registry.counter(
        "usage_push_failures",
        "Batches of records of usage that could not be sent.",
        &push::FAILURES,
    );
    let usage = node.usage.clone();
    registry.gauges(
        "usage_records_waiting",
        "Records of usage that are not acknowledged yet.",
        move |samples| samples.push(&[], usage.waiting()),
    );
}
