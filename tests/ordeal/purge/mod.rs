//! Purges beside a full cache: how soon they are acknowledged, that what they name is gone, what they
//! cost everybody else, and that no crash brings anything back.

mod cost;
mod durable;
mod flood;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::kit::*;
use crate::report::Report;
use flood::{Farm, Line, SHARES, ask_all, at};

/// A purge of a tenth of all is acknowledged within so long.
const SOON: Duration = Duration::from_millis(50);
/// Objects that are asked for, of the purged and of the others.
const SAMPLE: usize = 2000;
/// How much worse p90 of other hits may get.
const WORSE: f64 = 1.5;
/// Hits a second whose latency counts, and on how many lines.
const RATE: u32 = 400;
const HIT_LINES: u32 = 4;
/// Purges a second beside them.
const PURGES_BESIDE: u32 = 50;
/// Purges a second that must be sustained, and on how many lines.
const SUSTAINED: u32 = 1000;
const PURGE_LINES: u32 = 16;

/// How long each part is: all of it for a million objects, a trial for few.
#[derive(Clone, Copy)]
struct Scale {
    objects: u32,
    pairs: usize,
    window: Duration,
    sustained: Duration,
    rounds: u32,
    hits: usize,
}

impl Scale {
    fn of(objects: u32) -> Scale {
        let objects = objects.max(2 * SAMPLE as u32 * SHARES / 4);
        match objects >= 500_000 {
            true => Scale {
                objects,
                pairs: 10,
                window: Duration::from_secs(3),
                sustained: Duration::from_secs(10),
                rounds: 100,
                hits: 100_000,
            },
            false => Scale {
                objects,
                pairs: 4,
                window: Duration::from_secs(1),
                sustained: Duration::from_secs(2),
                rounds: 10,
                hits: 12_000,
            },
        }
    }
}

pub async fn run(report: &mut Report, objects: u32) {
    let scale = Scale::of(objects);
    let play = Play::begin(scale, report).await;
    play.dry_run(report).await;
    play.share(report).await;
    play.beside(report).await;
    play.sustained(report).await;
    drop(play);
    cost::run(report, scale.pairs, scale.hits).await;
    durable::run(report, scale.rounds).await;
}

/// A node of memory and disk with so many objects.
struct Play {
    edge: Edge,
    farm: Farm,
    scale: Scale,
    socket: PathBuf,
}

impl Play {
    async fn begin(scale: Scale, report: &mut Report) -> Play {
        let farm = Farm::start(scale.objects).await;
        let setup = Edge::setup().site("a", &farm.site("a.test"));
        let disk = setup.path("disk");
        // Room in memory for about half of them, and on disk for all.
        let memory = (u64::from(scale.objects) * 500).max(8 << 20);
        let setup = setup.node(&format!(
            "[store]\nmemory = \"{memory}B\"\nwindow_time = \"1s\"\ndisk_average_record = \"1KiB\"\n\
             disks = [{{ path = {disk:?}, size = \"4GiB\" }}]\n\
             [telemetry.access_log]\nformat = \"off\""
        ));
        let edge = setup.start().await;
        let start = Instant::now();
        let all: Vec<u32> = (0..scale.objects).collect();
        ask_all(edge.http, &all).await;
        let took = start.elapsed();
        until("the disk has written", async || edge.metric("disk_queue_bytes", "").await == 0.0)
            .await;
        report.figure(format!(
            "{} objects asked for in {took:.1?}: {} in memory, {} records on disk",
            scale.objects,
            edge.metric("cache_objects", "").await,
            edge.metric("disk_records", "").await
        ));
        let socket = edge.path("state/admin.sock");
        Play { edge, farm, scale, socket }
    }

    /// Some objects, of the share that is purged or of all others.
    fn sample(&self, seed: u64, share: u32, of_it: bool) -> Vec<u32> {
        let mut rng = Rng::with_seed(seed);
        let any = std::iter::repeat_with(move || rng.u32(..self.scale.objects));
        let mut seen = std::collections::HashSet::new();
        let wanted = any.filter(|it| (it % SHARES == share) == of_it && seen.insert(*it));
        // In a trial there may be no more of a share.
        let most = if of_it { (self.scale.objects / SHARES) as usize * 9 / 10 } else { SAMPLE };
        wanted.take(SAMPLE.min(most)).collect()
    }

    /// Counts a tenth of all by its tag, without purging it.
    async fn dry_run(&self, report: &mut Report) {
        let (mut line, start) = (Line::to_admin(&self.socket).await, Instant::now());
        let order = json!({"tags": ["share-0"], "dry_run": true}).to_string();
        let mut got = line.admin("POST", "/v1/purge", &order).await;
        let (first, told) = (start.elapsed(), got.status);
        let mut survey: Value = serde_json::from_str(&got.body).unwrap();
        let estimate = survey["estimate"]["responses"].as_u64().unwrap();
        let target = format!("/v1/purge/surveys/{}", survey["id"].as_str().unwrap());
        while survey["state"] == "running" {
            tokio::time::sleep(ms(50)).await;
            got = line.admin("GET", &target, "").await;
            survey = serde_json::from_str(&got.body).unwrap();
        }
        let (found, share) = (survey["responses"].as_u64().unwrap(), self.scale.objects / SHARES);
        report.bound(
            survey["state"] == "done" && found * 20 >= u64::from(share) * 17 && found <= share.into(),
            format!(
                "a dry run answered {told} after {first:.0?} with an estimate of {estimate}, and found {found} \
                 of {share} after {:.1?}",
                start.elapsed()
            ),
        );
    }

    /// Purges a tenth of all by its tag.
    async fn share(&self, report: &mut Report) {
        let mut line = Line::to_admin(&self.socket).await;
        let mut slowest = Duration::ZERO;
        for share in 0..3 {
            let seed = u64::from(share);
            let (known, others) =
                (self.sample(seed, share, true), self.sample(seed + 10, share, false));
            // What the disk did not take is fetched once more: from now on all of it is there.
            let mut stored = 0;
            for sample in [&known, &others] {
                stored += ask_all(self.edge.http, sample).await.iter().filter(|hit| **hit).count();
            }
            let order = json!({"tags": [format!("share-{share}")], "mode": "hard"});
            slowest = slowest.max(line.purge(&order).await);
            // Those that were just asked for, and others that may lie on disk alone.
            let unseen = self.sample(seed + 20, share, true);
            let mut gone: Vec<u32> = [&*known, &unseen].concat();
            gone.sort_unstable();
            gone.dedup();
            let before: Vec<u32> = gone.iter().map(|number| self.farm.asked(*number)).collect();
            let hits = ask_all(self.edge.http, &gone).await;
            let again =
                gone.iter().zip(&before).filter(|(it, before)| self.farm.asked(**it) > **before);
            let (again, hits) = (again.count(), hits.iter().filter(|hit| **hit).count());
            report.bound(
                hits == 0 && again == gone.len(),
                format!(
                    "of {} purged objects {hits} were hits, {again} asked of the origin again",
                    gone.len()
                ),
            );
            let before = self.farm.asked_of(&others);
            let hits = ask_all(self.edge.http, &others).await.iter().filter(|hit| **hit).count();
            report.bound(
                hits == others.len() && self.farm.asked_of(&others) == before,
                format!("of {} others {hits} were hits ({stored} of both before)", others.len()),
            );
        }
        report.bound(
            slowest <= SOON,
            format!(
                "a purge of {} by tag acknowledged after {slowest:.2?} at most",
                self.scale.objects / SHARES
            ),
        );
    }

    /// The latency of other hits, with purges and without.
    async fn beside(&self, report: &mut Report) {
        let others = self.sample(99, 0, false);
        ask_all(self.edge.http, &others).await;
        let (mut ratios, mut quiet_all, mut busy_all) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..self.scale.pairs {
            let mut p90 = [0.0; 2];
            for turn in 0..2 {
                let busy = (pair + turn) % 2;
                p90[busy] = self.p90(&others, busy == 1).await.as_secs_f64() * 1e6;
            }
            let [quiet, busy] = p90;
            println!("p90 {quiet:.0} µs quiet, {busy:.0} µs with purges");
            ratios.push(busy / quiet);
            quiet_all.push(quiet);
            busy_all.push(busy);
        }
        let ratio = at(ratios, 0.5);
        report.bound(
            ratio <= WORSE,
            format!(
                "p90 of other hits {ratio:.2} × beside {PURGES_BESIDE} purges/s ({:.0} µs against {:.0} µs)",
                at(busy_all, 0.5),
                at(quiet_all, 0.5)
            ),
        );
    }

    /// The latency of hits at their rate, with purges of a tenth of all, of tags and of URLs or without.
    async fn p90(&self, others: &[u32], busy: bool) -> Duration {
        let (node, until) = (self.edge.http, Instant::now() + self.scale.window);
        let mut clients = JoinSet::new();
        for turn in 0..HIT_LINES {
            let mine: Vec<u32> =
                others.iter().skip(turn as usize).step_by(HIT_LINES as usize).copied().collect();
            clients.spawn(async move {
                let mut line = Line::to(node).await;
                tokio::time::sleep(Duration::from_secs(1) / RATE * turn).await;
                let mut ticks = ticks(RATE / HIT_LINES, MissedTickBehavior::Delay);
                let mut latencies = Vec::new();
                for number in mine.iter().cycle().take_while(|_| Instant::now() < until) {
                    ticks.tick().await;
                    let start = Instant::now();
                    line.ask(&[*number]).await;
                    latencies.push(start.elapsed());
                }
                latencies
            });
        }
        if busy {
            let mut line = Line::to_admin(&self.socket).await;
            let mut ticks = ticks(PURGES_BESIDE, MissedTickBehavior::Delay);
            for number in (0u32..).take_while(|_| Instant::now() < until) {
                ticks.tick().await;
                // None of them names what is asked for.
                let order = match number % 3 {
                    0 => json!({"tags": ["share-0"], "mode": "hard"}),
                    1 => json!({"tags": [format!("nobody-{number}")]}),
                    _ => json!({"urls": [format!("http://a.test/nobody/{number}")]}),
                };
                line.purge(&order).await;
            }
        }
        at(clients.join_all().await.concat(), 0.9)
    }

    /// Many purges a second for a while, each acknowledged.
    async fn sustained(&self, report: &mut Report) {
        let length = self.scale.sustained;
        let each = SUSTAINED.div_ceil(PURGE_LINES);
        let mut clients = JoinSet::new();
        let start = Instant::now();
        for turn in 0..PURGE_LINES {
            let socket = self.socket.clone();
            clients.spawn(async move {
                let mut line = Line::to_admin(&socket).await;
                let (mut latencies, wanted) = (Vec::new(), each * length.as_secs() as u32);
                for number in 0..wanted {
                    let due = start + Duration::from_secs(1) / each * number;
                    tokio::time::sleep_until(due.into()).await;
                    line.purge(&json!({"urls": [format!("http://a.test/gone/{turn}/{number}")]}))
                        .await;
                    // From when it should have been ordered: a queue counts.
                    latencies.push(due.elapsed());
                }
                latencies
            });
        }
        let latencies = clients.join_all().await.concat();
        let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
        let (middle, p99) = (at(latencies.clone(), 0.5), at(latencies.clone(), 0.99));
        report.bound(
            rate >= f64::from(SUSTAINED),
            format!(
                "{} purges acknowledged, {rate:.0} a second for {length:?}: the middle one after {middle:.1?}, \
                 p99 {p99:.1?}",
                latencies.len()
            ),
        );
    }
}

fn ticks(rate: u32, missed: MissedTickBehavior) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(missed);
    ticks
}
