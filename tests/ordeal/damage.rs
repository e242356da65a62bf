//! Damage of many kinds is done to the disk file of a node that is stopped. Then the node must start,
//! serve what is good, and never finish a response with a damaged byte.

use std::collections::BTreeMap;
use std::fs;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::harm::{KINDS, harmed};
use crate::kit::*;
use crate::report::Report;
use crate::world::{Tally, World};

const OBJECTS: usize = 160;
/// So often all is asked for at most until all is right.
const PASSES: u32 = 6;
const FILE: &str = "disk/brink.store";

/// Files of stopped nodes.
pub struct Stores {
    /// After a clean end: with a snapshot.
    pub clean: Vec<u8>,
    pub killed: Vec<u8>,
    /// The same store with half of the objects.
    pub older: Vec<u8>,
    pub foreign: Vec<u8>,
}

/// What one kind came to.
#[derive(Default)]
struct Sum {
    runs: u64,
    cut: u64,
    unanswered: u64,
    /// Most times that all was asked for until all was right.
    passes: u32,
    kept: f64,
    least: f64,
    trouble: Vec<String>,
}

pub async fn run(report: &mut Report, seeds: u32) {
    let stores = Arc::new(Stores::make().await);
    let workers = (0..2).map(async |turn| {
        let mut worker = Worker::new(stores.clone()).await;
        for seed in (turn..seeds).step_by(2) {
            for kind in 0..KINDS.len() {
                worker.case(kind, seed).await;
            }
        }
        worker.sums
    });
    let mut all = BTreeMap::<usize, Sum>::new();
    for (kind, sum) in join_all(workers).await.into_iter().flatten() {
        let total = all.entry(kind).or_insert_with(|| Sum { least: 100.0, ..Sum::default() });
        total.runs += sum.runs;
        total.cut += sum.cut;
        total.unanswered += sum.unanswered;
        total.passes = total.passes.max(sum.passes);
        total.kept += sum.kept;
        total.least = total.least.min(sum.least);
        total.trouble.extend(sum.trouble);
    }
    for (kind, sum) in all {
        let (name, _, bound) = KINDS[kind];
        let kept = sum.kept / sum.runs as f64;
        let trouble = sum.trouble.len();
        sum.trouble.into_iter().for_each(|what| report.missed(what));
        report.bound(
            kept >= bound && trouble == 0,
            format!(
                "{name:16} {:3} starts, {trouble} wrong, {:3} cut, {:3} unanswered, all right in \
                 {} passes; {kept:5.1} % of bytes kept (least {:.1} %)",
                sum.runs, sum.cut, sum.unanswered, sum.passes, sum.least
            ),
        );
    }
}

/// A node whose disk is replaced again and again.
struct Worker {
    stores: Arc<Stores>,
    world: World,
    edge: Edge,
    sums: BTreeMap<usize, Sum>,
}

impl Worker {
    async fn new(stores: Arc<Stores>) -> Worker {
        let (edge, world) = node().await;
        Worker { stores, world, edge, sums: BTreeMap::new() }
    }

    async fn case(&mut self, kind: usize, seed: u32) {
        let (name, harm, _) = KINDS[kind];
        self.edge.stop(true).await;
        let bytes = harmed(harm, &self.stores, u64::from(seed));
        fs::write(self.edge.path(FILE), bytes).unwrap();
        let sum = self.sums.entry(kind).or_insert_with(|| Sum { least: 100.0, ..Sum::default() });
        sum.runs += 1;
        if AssertUnwindSafe(self.edge.go_on()).catch_unwind().await.is_err() {
            sum.trouble.push(format!("{name}, seed {seed}: the node does not start"));
            return;
        }
        let sent = || self.world.objects.iter().map(|object| object.sent()).sum::<u64>();
        let before = sent();
        let first = Tally::default();
        self.world.sweep(self.edge.http, &self.world.objects, &first).await;
        let again = sent() - before;
        let kept =
            100.0 * self.world.bytes().saturating_sub(again) as f64 / self.world.bytes() as f64;
        sum.kept += kept;
        sum.least = sum.least.min(kept);
        sum.cut += Tally::count(&first.cut);
        sum.unanswered += Tally::count(&first.unanswered);
        let mut wrong = first.wrong();
        if Tally::count(&first.refused) > 0 {
            wrong.push(format!("refused: {}", first.last_trouble()));
        }
        // A response whose head was out when the damage was met is cut, and gets further each time.
        let mut passes = 1;
        let mut last = first;
        while last.bad() > 0 && passes < PASSES {
            last = Tally::default();
            self.world.sweep(self.edge.http, &self.world.objects, &last).await;
            wrong.extend(last.wrong());
            passes += 1;
        }
        sum.passes = sum.passes.max(passes);
        if last.bad() > 0 {
            wrong.push(format!("not whole after {PASSES} times: {}", last.last_trouble()));
        }
        sum.trouble.extend(wrong.into_iter().map(|what| format!("{name}, seed {seed}: {what}")));
    }
}

/// A node with a small disk, and what it is asked for.
async fn node() -> (Edge, World) {
    let world = World::new(7, OBJECTS, 2 << 20).await;
    let setup = Edge::setup().site("a", &site(&["a.test"], &world.origin, ""));
    let disk = setup.path("disk");
    let table = format!(
        "[store]\nmemory = \"512MiB\"\nwindow_time = \"1s\"\n\
         disks = [{{ path = {disk:?}, size = \"64MiB\" }}]"
    );
    (setup.node(&table).start().await, world)
}

impl Stores {
    async fn make() -> Stores {
        let (foreign, _) = Stores::fill().await;
        let (killed, mut edge) = Stores::fill().await;
        let older = fs::read(edge.path("older")).unwrap();
        edge.go_on().await;
        edge.stop(false).await;
        let clean = fs::read(edge.path(FILE)).unwrap();
        Stores { clean, killed, older, foreign }
    }

    /// The file of a node that was filled and killed, and in its folder an `older` one.
    async fn fill() -> (Vec<u8>, Edge) {
        let (mut edge, world) = node().await;
        let (half, rest) = world.objects.split_at(OBJECTS / 2);
        for (part, name) in [(half, "older"), (rest, "newer")] {
            let tally = Tally::default();
            world.sweep(edge.http, part, &tally).await;
            assert_eq!(Tally::count(&tally.right), part.len() as u64);
            until("all is on disk", async || {
                edge.metric("cache_objects", "window").await == 0.0
                    && edge.metric("disk_queue_bytes", "").await == 0.0
            })
            .await;
            tokio::time::sleep(ms(500)).await;
            edge.stop(true).await;
            fs::copy(edge.path(FILE), edge.path(name)).unwrap();
            if name == "older" {
                edge.go_on().await;
            }
        }
        (fs::read(edge.path(FILE)).unwrap(), edge)
    }
}
