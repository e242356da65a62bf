//! How much of what is asked for does the disk store have, and what does it write for that?
//!
//! `cargo bench --bench replay [-- TRACES]`. Replays the two traces in the folder TRACES
//! (`../shared/data/traces`) if they are there and can be unpacked by `xz`, and always a synthetic
//! mix, through the shipped policy on a fake disk of a tenth of the trace's footprint with a window
//! of 3 % of that in memory. Each peer has as many bytes as the two together. Fails below the bounds.

use std::error::Error;
use std::path::PathBuf;

mod belady;
#[path = "../../src/store/disk/ghosts.rs"]
mod ghosts;
mod mix;
mod node;
mod peers;
#[path = "../../src/store/disk/policy.rs"]
mod policy;
mod trace;
#[path = "../../src/store/disk/worth.rs"]
mod worth;

use belady::Belady;
use node::Node;
use peers::{Cache, Lru, MokaAlone, S3Fifo, Sieve, WTinyLfu};
use trace::Trace;

/// The store's default: bytes that may be written per 100 bytes that come from origins.
const BUDGET: u32 = 120;

/// What a replay came to, in percent; `writes` of the bytes that came from origins, 0 for peers.
#[derive(Clone, Copy, Default)]
struct Score {
    objects: f64,
    bytes: f64,
    writes: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let traces = traces(&folder.map_or("../shared/data/traces".into(), PathBuf::from));
    println!("| trace | policy | object hits | byte hits | written / missed bytes |");
    println!("|---|---|---|---|---|");
    let mut sums: Vec<(&str, Score)> = Vec::new();
    for trace in &traces {
        for (place, (peer, score)) in scores(trace).into_iter().enumerate() {
            print(trace.name, peer, score);
            if sums.len() == place {
                sums.push((peer, Score::default()));
            }
            let sum = &mut sums[place].1;
            sum.objects += score.objects / traces.len() as f64;
            sum.bytes += score.bytes / traces.len() as f64;
            sum.writes += score.writes / traces.len() as f64;
        }
    }
    sums.iter().for_each(|(peer, score)| print("mean", peer, *score));
    budgets(&traces);
    judge(&sums, traces.len())
}

/// The traces that there are.
fn traces(folder: &std::path::Path) -> Vec<Trace> {
    let pages = Trace::read("CDN pages", &folder.join("adaptsize-sample.trace.xz"), 1);
    let video = Trace::read("CDN video", &folder.join("jedi-video.csv.xz"), 1000);
    let traces: Vec<Trace> = [pages, video].into_iter().flatten().chain([mix::mix()]).collect();
    for trace in &traces {
        println!(
            "{}: {} requests for {} objects, {:.0} % of them asked for once, {} MB in all; \
             disk {} MB",
            trace.name,
            trace.requests.len(),
            trace.objects,
            percent(trace.once() as u64, trace.objects as u64),
            trace.footprint / 1_000_000,
            disk(trace) / 1_000_000,
        );
    }
    traces
}

/// Bytes of the disk, and of the window.
fn disk(trace: &Trace) -> u64 {
    trace.footprint / 10
}

fn window(trace: &Trace) -> u64 {
    disk(trace) * 3 / 100
}

fn scores(trace: &Trace) -> Vec<(&'static str, Score)> {
    let all = disk(trace) + window(trace);
    let peers: [(&str, Box<dyn Cache>); 6] = [
        ("LRU", Box::new(Lru::new(all))),
        ("SIEVE", Box::new(Sieve::new(all))),
        ("S3-FIFO", Box::new(S3Fifo::new(all))),
        ("W-TinyLFU", Box::new(WTinyLfu::new(all))),
        ("moka alone", Box::new(MokaAlone::new(all))),
        ("Belady-size", Box::new(Belady::new(all, trace))),
    ];
    let ours = ("**brink**", ours(trace, BUDGET));
    let peers = peers.into_iter().map(|(name, mut peer)| (name, replay(trace, &mut *peer)));
    [ours].into_iter().chain(peers).collect()
}

fn ours(trace: &Trace, budget: u32) -> Score {
    let average = trace.footprint / trace.objects as u64;
    let mut node = Node::new(disk(trace), window(trace), average, budget);
    let score = replay(trace, &mut node);
    Score { writes: percent(node.written, node.fetched), ..score }
}

fn replay(trace: &Trace, cache: &mut dyn Cache) -> Score {
    let (mut hits, mut hit_bytes, mut bytes) = (0, 0, 0);
    for request in &trace.requests {
        bytes += request.bytes;
        if cache.ask(request.id, request.bytes) {
            hits += 1;
            hit_bytes += request.bytes;
        }
    }
    let objects = percent(hits, trace.requests.len() as u64);
    Score { objects, bytes: percent(hit_bytes, bytes), writes: 0.0 }
}

fn percent(part: u64, all: u64) -> f64 {
    part as f64 * 100.0 / all as f64
}

fn print(trace: &str, policy: &str, score: Score) {
    let Score { objects, bytes, writes } = score;
    let writes = if writes > 0.0 { format!("{:.2}", writes / 100.0) } else { "-".into() };
    println!("| {trace} | {policy} | {objects:.2} | {bytes:.2} | {writes} |");
}

/// What less, and more, writing comes to.
fn budgets(traces: &[Trace]) {
    println!("\n| write budget | object hits, mean | byte hits, mean | written / missed bytes |");
    println!("|---|---|---|---|");
    for budget in [10, 30, 50, 80, 100, BUDGET, 200] {
        let scores: Vec<Score> = traces.iter().map(|trace| ours(trace, budget)).collect();
        let mean = |of: fn(&Score) -> f64| scores.iter().map(of).sum::<f64>() / traces.len() as f64;
        let (objects, bytes) = (mean(|it| it.objects), mean(|it| it.bytes));
        println!(
            "| {budget} % | {objects:.2} | {bytes:.2} | {:.2} |",
            mean(|it| it.writes) / 100.0
        );
    }
}

/// Whether the means keep to the bounds, which are for all three traces.
fn judge(means: &[(&str, Score)], traces: usize) -> Result<(), Box<dyn Error>> {
    let of = |name| means.iter().find(|(peer, _)| *peer == name).map(|(_, score)| *score);
    let (Some(ours), Some(lru), Some(best)) = (of("**brink**"), of("LRU"), of("Belady-size"))
    else {
        return Err("a row is missing".into());
    };
    let (objects, bytes) = (ours.objects - lru.objects, ours.bytes - lru.bytes);
    let below = best.objects - ours.objects;
    println!(
        "\nagainst LRU: {objects:+.2} points of object hits, {bytes:+.2} of byte hits; {below:.2} \
         points of object hits below Belady-size"
    );
    if traces == 3 && (objects < 4.0 || bytes < -1.0 || ours.writes > 120.0 || below > 7.0) {
        return Err("out of bounds: +4, -1, 1.2 x the missed bytes, 7".into());
    }
    Ok(())
}
