//! Rule sets that mean harm: what a request through them costs, and what a site beside them feels.

use std::fs;
use std::time::{Duration, Instant};

use edge_rules::{Limits, Program};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::hostile::{Attack, attack, sets};
use crate::kit::*;
use crate::report::Report;

/// CPU time that rules may add to one request.
const MOST: Duration = Duration::from_millis(5);
/// How much worse the other site's p90 may get.
const WORSE: f64 = 1.2;
/// Requests to each set beside the first, of which the middle one counts.
const REQUESTS: usize = 31;
/// The sets that cost most are tried beside another site.
const WORST: usize = 3;
/// Turns of each, and how long each part of a turn is.
const TURNS: usize = 5;
const PART: Duration = Duration::from_secs(3);
/// Requests a second to the other site, over a few connections, and to the hostile one.
const RATE: u32 = 200;
const CONNECTIONS: u32 = 4;
const HOSTILE_RATE: u32 = 25;

/// A node with a plain site, and two that get the attack: one without rules, one with a set.
struct Play {
    edge: Edge,
    origin: Origin,
    attack: Attack,
}

pub async fn run(report: &mut Report) {
    let play = Play::begin().await;
    let base = middle(play.costs("bare.test", REQUESTS).await);
    report.figure(format!("the request without rules: {base:.2?} of CPU time"));
    println!("{:24} {:>10} {:>10}", "set", "first", "then");
    let mut costly = Vec::new();
    for (name, source) in sets() {
        if let Err(errors) = Program::from_document(&source, &Limits::default()) {
            let told = errors.first().map(|it| it.show("rules", &source).to_string());
            let told = told.unwrap_or_default();
            report
                .figure(format!("{name:24} refused: {}", told.lines().next().unwrap_or_default()));
            continue;
        }
        play.load(&source).await;
        let first = middle(play.costs("hostile.test", 1).await).saturating_sub(base);
        let then = middle(play.costs("hostile.test", REQUESTS).await).saturating_sub(base);
        report.bound(then <= MOST, format!("{name:24} {first:>10.2?} {then:>10.2?}"));
        println!("{name:24} {first:>10.2?} {then:>10.2?}");
        costly.push((then, name, source));
    }
    costly.sort_by_key(|(cost, ..)| std::cmp::Reverse(*cost));
    for (_, name, source) in costly.iter().take(WORST) {
        play.load(source).await;
        play.beside(name, report).await;
    }
}

impl Play {
    async fn begin() -> Play {
        let origin = Origin::start().await;
        origin.on("/page", |_| Reply::ok("a page").header("Cache-Control", "max-age=3600"));
        let setup = ["plain", "bare", "hostile"].iter().fold(Edge::setup(), |setup, name| {
            setup.site(name, &site(&[&format!("{name}.test")], &origin, ""))
        });
        Play { edge: setup.start().await, origin, attack: attack() }
    }

    /// Gives the hostile site other rules.
    async fn load(&self, rules: &str) {
        self.edge.write_site("hostile", &site(&["hostile.test"], &self.origin, rules));
        self.edge.reload().await;
    }

    /// CPU time of the process for each of so many attacks, one after another.
    async fn costs(&self, host: &str, count: usize) -> Vec<Duration> {
        let mut costs = Vec::new();
        for _ in 0..count {
            let before = cpu_time(self.edge.pid());
            strike(self.edge.http, host, &self.attack).await;
            costs.push(cpu_time(self.edge.pid()).saturating_sub(before));
        }
        costs
    }

    /// The plain site's latency alone, beside attacks on a site without rules, and on the hostile one.
    async fn beside(&self, name: &str, report: &mut Report) {
        let mut ratios = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let alone = self.p90(None).await.as_secs_f64();
            let bare = self.p90(Some("bare.test")).await.as_secs_f64();
            let hostile = self.p90(Some("hostile.test")).await.as_secs_f64();
            println!("{name}: p90 {alone:.6} s alone, {bare:.6} beside, {hostile:.6} beside rules");
            ratios.0.push(hostile / bare);
            ratios.1.push(hostile / alone);
        }
        let (ratio, to_alone) = (median(ratios.0), median(ratios.1));
        report.bound(
            ratio <= WORSE,
            format!(
                "beside {name}: p90 of another site {ratio:.2} × that beside the same load without \
                 rules, {to_alone:.2} × that alone"
            ),
        );
    }

    /// The plain site's p90 at its rate, while this host is attacked.
    async fn p90(&self, attacked: Option<&'static str>) -> Duration {
        let mut clients = JoinSet::new();
        let until = Instant::now() + PART;
        let address = self.edge.http;
        for turn in 0..CONNECTIONS {
            clients.spawn(async move {
                let mut client = Client::connect(address).await;
                let mut ticks = ticks(RATE / CONNECTIONS);
                tokio::time::sleep(Duration::from_secs(1) / RATE * turn).await;
                let mut latencies = Vec::new();
                while Instant::now() < until {
                    ticks.tick().await;
                    let start = Instant::now();
                    client.get("plain.test", "/page").send().await.whole(200);
                    latencies.push(start.elapsed());
                }
                latencies
            });
        }
        if let Some(host) = attacked {
            let mut ticks = ticks(HOSTILE_RATE);
            while Instant::now() < until {
                ticks.tick().await;
                strike(address, host, &self.attack).await;
            }
        }
        let mut latencies = clients.join_all().await.concat();
        latencies.sort_unstable();
        latencies[latencies.len() * 9 / 10]
    }
}

fn ticks(rate: u32) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// One attack, on a connection of its own; whatever the answer is.
async fn strike(address: std::net::SocketAddr, host: &str, attack: &Attack) {
    let mut client = Client::connect(address).await;
    let ask = client.ask("POST", host, &format!("{}?{}", attack.path, attack.query));
    let ask = attack.fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    let answer = ask.body(attack.body.as_bytes()).send().await;
    assert!((200..600).contains(&answer.status));
}

/// CPU time of all threads of a process so far.
fn cpu_time(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().filter_map(Result::ok);
    let times = threads.filter_map(|it| fs::read_to_string(it.path().join("schedstat")).ok());
    let nanos = |text: String| text.split_whitespace().next().and_then(|it| it.parse::<u64>().ok());
    Duration::from_nanos(times.filter_map(nanos).sum())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
