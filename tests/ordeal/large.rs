//! Objects that are larger than anything: how much memory they take, and how much of them is asked
//! of the origin.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::kit::*;
use crate::report::Report;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub async fn run(report: &mut Report) {
    for disk in [true, false] {
        whole(report, disk).await;
    }
    one_byte(report).await;
}

/// A 10 GiB object to one client, through a node that may use 256 MiB.
async fn whole(report: &mut Report, disk: bool) {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/large", 1, 10 * GIB);
    let asked = serve(&origin, "/large", &proof);
    let edge = node(&origin, disk).await;
    let idle = memory(edge.pid()).0;
    let mut client = edge.client().await;
    let begun = Instant::now();
    let mut reading = client.get("a.test", "/large").open().await;
    let (mut at, mut wrong) = (0, 0u64);
    // The peak of each tenth of the way.
    let mut peaks = [(0, 0); 10];
    let mut looked = Instant::now();
    while reading.more().await {
        let bytes = std::mem::take(&mut reading.answer.body);
        wrong += u64::from(!proof.matches(at, &bytes));
        at += bytes.len() as u64;
        if looked.elapsed() > Duration::from_millis(50) {
            looked = Instant::now();
            let (rss, pss) = memory(edge.pid());
            let peak = &mut peaks[(at * 10 / (proof.length() + 1)) as usize];
            *peak = (peak.0.max(rss), peak.1.max(pss));
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let what = if disk { "with a disk of 4 GiB" } else { "without a disk" };
    let end = &reading.answer.end;
    report.bound(
        wrong == 0 && at == proof.length() && *end == End::Clean,
        format!(
            "10 GiB {what}: {at} bytes, {wrong} wrong pieces, {end:?}, {:.0} MiB/s",
            (at / MIB) as f64 / seconds
        ),
    );
    let most = |half: &[(u64, u64)]| half.iter().map(|peak| peak.0).max().unwrap_or_default();
    let (early, late) = (most(&peaks[..5]), most(&peaks[5..]));
    let pss = peaks.iter().map(|peak| peak.1).max().unwrap_or_default();
    // A quarter beyond the budget is for what is no cache: threads, connections, the allocator.
    report.bound(
        early.max(late) <= 320 * MIB && late <= early + 32 * MIB,
        format!(
            "10 GiB {what}: peak RSS {} MiB (first half {}, second {}; idle {}), peak PSS {} MiB",
            early.max(late) / MIB,
            early / MIB,
            late / MIB,
            idle / MIB,
            pss / MIB
        ),
    );
    report.figure(format!(
        "10 GiB {what}: {} requests to the origin",
        asked.0.load(Ordering::Relaxed)
    ));
}

/// One byte of a 1 GiB object that is not cached.
async fn one_byte(report: &mut Report) {
    let origin = Origin::start().await;
    let edge = node(&origin, true).await;
    for (number, at) in [0, GIB / 2 + 5, GIB - 1].into_iter().enumerate() {
        let path = format!("/{number}");
        let proof = Proof::new("a.test", &path, 1, GIB);
        let asked = serve(&origin, &path, &proof);
        let answer = edge.get_with(&path, &[("Range", &format!("bytes={at}-{at}"))]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let good = answer.status == 206 && proof.matches(at, &answer.body);
        let (requests, bytes) = (asked.0.load(Ordering::Relaxed), asked.1.load(Ordering::Relaxed));
        report.bound(
            good && bytes <= 2 * MIB && requests <= 2,
            format!("byte {at} of 1 GiB: {requests} requests to the origin for {bytes} bytes"),
        );
    }
}

async fn node(origin: &Origin, disk: bool) -> Edge {
    let setup = Edge::setup().site("a", &site(&["a.test"], origin, ""));
    let disks = match disk {
        true => format!("disks = [{{ path = {:?}, size = \"4GiB\" }}]", setup.path("disk")),
        false => String::new(),
    };
    setup.node(&format!("[store]\nmemory = \"256MiB\"\n{disks}")).start().await
}

/// Serves `proof`; counts requests and bytes.
fn serve(origin: &Origin, path: &str, proof: &Proof) -> Arc<(AtomicU64, AtomicU64)> {
    let counts = Arc::<(AtomicU64, AtomicU64)>::default();
    let (proof, asked) = (proof.clone(), counts.clone());
    origin.on(path, move |seen| {
        let reply = Reply::part(seen, &proof);
        asked.0.fetch_add(1, Ordering::Relaxed);
        asked.1.fetch_add(reply.length(), Ordering::Relaxed);
        reply.header("Cache-Control", "max-age=3600").header("ETag", &proof.etag())
    });
    counts
}

/// Resident and proportional bytes of a process.
fn memory(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    (kib("Rss:").unwrap_or_default() * 1024, kib("Pss:").unwrap_or_default() * 1024)
}
