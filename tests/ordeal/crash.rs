//! The process is killed, or the power is lost, again and again under mixed load: hits, misses,
//! ranges, purges by URL and by tag. Every body proves itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::kit::*;
use crate::mount::Mount;
use crate::report::Report;
use crate::world::{Object, Purging, Tally, World};

const MIB: u64 = 1 << 20;
/// After so long an object must be on disk: a second in the window, and the time to write it.
const FLUSHED: Duration = Duration::from_secs(2);
/// Clients under load.
const CLIENTS: u64 = 4;

/// Kills the process.
pub async fn kill(report: &mut Report, rounds: u32) {
    let mut play = Play::begin(None, "8GiB").await;
    for round in 0..rounds {
        play.load(round, async |edge| edge.stop(true).await).await;
        play.check(report, round).await;
    }
    play.conclude(report, rounds, Some(0.95));
}

/// Takes the power from the file system that holds the disk and the purge journal.
pub async fn power(report: &mut Report, rounds: u32) {
    let mount = match Mount::new(1200 * MIB) {
        Ok(mount) => mount,
        Err(why) => return report.skipped(&why),
    };
    let mut play = Play::begin(Some(&mount), "800MiB").await;
    for round in 0..rounds {
        let power = async |edge: &mut Edge| {
            mount.lose_power().unwrap();
            edge.stop(true).await;
        };
        play.load(round, power).await;
        mount.unmount().unwrap();
        mount.mount().unwrap();
        play.check(report, round).await;
    }
    play.conclude(report, rounds, None);
    drop(play);
}

/// A node, what it is asked for, and what came of it so far.
struct Play {
    edge: Edge,
    world: Arc<World>,
    purging: Arc<Purging>,
    tally: Arc<Tally>,
    /// Objects that must have been on disk at the last crash.
    due: Vec<Arc<Object>>,
    wrong: usize,
    /// Answers after a restart, and how many of them were not right.
    asked: u64,
    bad: u64,
    bytes_due: u64,
    bytes_kept: u64,
    least_kept: f64,
    slowest: Duration,
}

impl Play {
    async fn begin(mount: Option<&Mount>, size: &str) -> Play {
        let world = World::new(4, 480, 20 * MIB).await;
        let setup = Edge::setup().site("a", &site(&["a.test"], &world.origin, ""));
        let folder = mount.map_or(setup.path(""), Mount::path);
        let (disk, state) = (folder.join("disk"), folder.join("state"));
        let setup = setup.state(state.clone()).node(&format!(
            "[store]\nmemory = \"48MiB\"\nwindow_time = \"1s\"\n\
             disks = [{{ path = {disk:?}, size = \"{size}\" }}]"
        ));
        let edge = setup.start().await;
        let purging = Purging { admin: edge.admin, token: state.join("admin.token") };
        let play = Play {
            edge,
            world: Arc::new(world),
            purging: Arc::new(purging),
            tally: Arc::default(),
            due: Vec::new(),
            wrong: 0,
            asked: 0,
            bad: 0,
            bytes_due: 0,
            bytes_kept: 0,
            least_kept: 1.0,
            slowest: Duration::ZERO,
        };
        play.world.sweep(play.edge.http, &play.world.objects, &play.tally).await;
        play
    }

    /// Some seconds of load, in the middle of which the crash comes.
    async fn load(&mut self, round: u32, crash: impl AsyncFnOnce(&mut Edge)) {
        let stop = Arc::new(AtomicBool::new(false));
        let seed = u64::from(round) << 8;
        let http = self.edge.http;
        let tally = Arc::new(Tally::default());
        let mut tasks = tokio::task::JoinSet::new();
        for number in 1..=CLIENTS {
            let (world, tally, stop) = (self.world.clone(), tally.clone(), stop.clone());
            tasks
                .spawn(async move { world.load(http, (seed + number, true), &stop, &tally).await });
        }
        let (world, purging) = (self.world.clone(), self.purging.clone());
        let (purged, stopped) = (tally.clone(), stop.clone());
        tasks.spawn(async move { world.purges(&purging, seed, &stopped, &purged).await });
        tokio::time::sleep(ms(Rng::with_seed(seed).u64(1500..4000))).await;
        self.due = self.world.objects.iter().filter(|it| it.is_older(FLUSHED)).cloned().collect();
        let unanswered = Tally::count(&tally.unanswered);
        crash(&mut self.edge).await;
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        // Nor do those that were purged or fetched anew while it came.
        self.due.retain(|object| object.is_older(FLUSHED));
        // Whoever was answered by nobody after the crash does not count.
        tally.unanswered.store(unanswered, Ordering::Relaxed);
        self.tally.add(&tally);
    }

    /// Starts the node again, and asks for everything.
    async fn check(&mut self, report: &mut Report, round: u32) {
        let sent = |due: &[Arc<Object>]| due.iter().map(|object| object.sent()).sum::<u64>();
        let before = sent(&self.due);
        let start = Instant::now();
        self.edge.go_on().await;
        let tally = Tally::default();
        let first = &self.world.objects[..1];
        self.world.sweep(self.edge.http, first, &tally).await;
        let response = start.elapsed();
        self.slowest = self.slowest.max(response);
        if response > Duration::from_secs(1) {
            report.missed(format!("round {round}: first response after {response:?}"));
        }
        let due: u64 = self.due.iter().map(|object| object.length).sum();
        self.world.sweep(self.edge.http, &self.due, &tally).await;
        let again = sent(&self.due) - before;
        let kept = due.saturating_sub(again);
        self.bytes_due += due;
        self.bytes_kept += kept;
        if due > 0 {
            let share = kept as f64 / due as f64;
            self.least_kept = self.least_kept.min(share);
            if share < 0.95 {
                println!("round {round}: kept {:.1} % of {} MiB", share * 100.0, due / MIB);
            }
        }
        self.world.sweep(self.edge.http, &self.world.objects, &tally).await;
        self.tally.add(&tally);
        for what in self.tally.wrong() {
            report.missed(format!("round {round}: {what}"));
            self.wrong += 1;
        }
        let bad = tally.bad();
        if bad > 0 {
            let edge = &self.edge;
            println!(
                "round {round}: {bad} not right; the disk had {} reads of what was gone, {} of what was \
                 damaged, {} segments reclaimed; the last one was {}",
                edge.metric("disk_reads", "how=\"absent\"").await,
                edge.metric("disk_reads", "how=\"damaged\"").await,
                edge.metric("disk_reclaimed", "").await,
                tally.last_trouble()
            );
        }
        self.bad += bad;
        self.asked += bad + Tally::count(&tally.right);
    }

    fn conclude(&self, report: &mut Report, rounds: u32, least: Option<f64>) {
        let tally = &self.tally;
        let (right, hits) = (Tally::count(&tally.right), Tally::count(&tally.hits));
        let (purges, cut) = (Tally::count(&tally.purges), Tally::count(&tally.cut));
        report.figure(format!(
            "{rounds} rounds, {right} right answers ({hits} hits), {purges} purges acknowledged, \
             {cut} cut (most by the crash), {} refused, {} unanswered, {} MiB of objects",
            Tally::count(&tally.refused),
            Tally::count(&tally.unanswered),
            self.world.bytes() / MIB
        ));
        report.bound(self.wrong == 0, format!("{} wrong or purged answers", self.wrong));
        report.bound(
            self.bad * 1000 <= self.asked,
            format!("{} of {} not right after a restart", self.bad, self.asked),
        );
        let kept = self.bytes_kept as f64 / self.bytes_due.max(1) as f64;
        report.bound(
            least.is_none_or(|least| kept >= least),
            format!(
                "kept {:.2} % of {} MiB older than {FLUSHED:?} (least in a round {:.2} %)",
                kept * 100.0,
                self.bytes_due / MIB,
                self.least_kept * 100.0
            ),
        );
        report.bound(
            self.slowest <= Duration::from_secs(1),
            format!("first response at most {} ms after the start", self.slowest.as_millis()),
        );
    }
}
