//! Pictures that mean harm, many who ask at once, and what a flood of image work does to the hits
//! beside it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brink::image::encode::Target;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::kit::*;
use crate::pictures::{honest, hostile};
use crate::report::Report;

/// A hostile file is refused so soon, or done so soon.
const REFUSED: Duration = Duration::from_millis(200);
const DONE: Duration = Duration::from_secs(2);
/// Clients that ask at once, and for how many pictures.
const CLIENTS: usize = 500;
const VARIANTS: usize = 20;
/// How much worse the hits' p90 may get, by a factor or by a time.
const WORSE: f64 = 1.2;
const LATER: Duration = Duration::from_millis(1);
/// How much worse an honest picture's p90 may get.
const HONEST_WORSE: f64 = 2.0;
/// Pairs of each, and how long each half is.
const PAIRS: usize = 5;
const PART: Duration = Duration::from_secs(3);
/// Requests a second for hits, over a few connections.
const RATE: u32 = 200;
const CONNECTIONS: u32 = 4;
/// Clients that flood.
const FLOOD: usize = 6;

const PHOTOGRAPH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/images/kodim23.png");

/// Nothing is made behind the answers: each picture is one job.
const PLAIN: &str = "[images]\nbackground = 0\n";
/// The same, with workers that wait as long as it takes.
const PATIENT: &str =
    "[images]\nbackground = 0\npriority = \"normal\"\nqueue_wait = \"1m\"\nqueue = 1000\n";

pub async fn run(report: &mut Report) {
    each_hostile_file(report).await;
    many_at_once(report).await;
    hits_beside_a_flood(report).await;
    honest_beside_hostile(report).await;
}

/// A node, and an origin with hostile files at `/h/0` and so on, a page and an honest picture.
struct Play {
    edge: Edge,
    origin: Origin,
    files: Vec<(&'static str, usize)>,
}

impl Play {
    async fn begin(node: &str) -> Play {
        let origin = Origin::start().await;
        let shows = |path: &str, bytes: Vec<u8>| {
            origin.on(path, move |_| {
                Reply::new(200).bytes(bytes.clone()).header("Cache-Control", "max-age=3600")
            });
        };
        let mut files = Vec::new();
        for (number, (name, bytes)) in hostile().into_iter().enumerate() {
            files.push((name, bytes.len()));
            shows(&format!("/h/{number}"), bytes);
        }
        shows("/page", b"a page".to_vec());
        shows("/honest", honest(Target::Jpeg));
        shows("/photograph", std::fs::read(PHOTOGRAPH).unwrap_or(honest(Target::Png)));
        let setup = ["plain", "hostile", "honest"].iter().fold(Edge::setup(), |setup, name| {
            let images = "[images]\nenabled = true\n";
            setup.site(name, &site(&[&format!("{name}.test")], &origin, images))
        });
        Play { edge: setup.node(node).start().await, origin, files }
    }

    /// The status of an answer, and how long it took.
    async fn ask(&self, host: &str, target: &str) -> (u16, Duration) {
        ask(self.edge.http, host, target).await
    }

    async fn jobs(&self, outcome: &str) -> f64 {
        self.edge.metric("image_jobs", &format!("outcome=\"{outcome}\"")).await
    }
}

async fn ask(address: SocketAddr, host: &str, target: &str) -> (u16, Duration) {
    let mut client = Client::connect(address).await;
    let start = Instant::now();
    let answer = client.get(host, target).attempt().await;
    (answer.map_or(0, |it| it.status), start.elapsed())
}

/// Every file alone: what becomes of it, how soon, and whether the node lives on.
async fn each_hostile_file(report: &mut Report) {
    let play = Play::begin(PATIENT).await;
    // The workers have started.
    play.ask("honest.test", "/honest!/fw/100").await;
    let before = memory(play.edge.pid());
    let (mut refused, mut done) = (BTreeMap::<u16, usize>::new(), 0);
    let (mut slowest_refused, mut slowest_done) = (Duration::ZERO, Duration::ZERO);
    for (number, (name, length)) in play.files.iter().enumerate() {
        play.ask("hostile.test", &format!("/h/{number}")).await;
        let (status, time) =
            play.ask("hostile.test", &format!("/h/{number}!/fw/100/format/webp")).await;
        println!("{name:44} {length:>9} bytes: {status} in {time:.1?}");
        let most = if status == 200 { DONE } else { REFUSED };
        if status >= 500 {
            let log = play.edge.log();
            println!("  {}", log.lines().last().unwrap_or_default());
        }
        if status == 0 || time > most {
            report.missed(format!("{name}: {status} in {time:.1?}"));
        }
        if status == 200 {
            done += 1;
            slowest_done = slowest_done.max(time);
        } else {
            *refused.entry(status).or_default() += 1;
            slowest_refused = slowest_refused.max(time);
        }
        let (page, _) = play.ask("plain.test", "/page").await;
        let (picture, _) = play.ask("honest.test", &format!("/honest!/fw/{}", 101 + number)).await;
        if (page, picture) != (200, 200) {
            report.missed(format!("after {name}: a page {page}, a picture {picture}"));
        }
    }
    let grown = memory(play.edge.pid()).saturating_sub(before) >> 20;
    let lost = play.edge.metric("image_workers_lost", "").await;
    report.figure(format!(
        "{} hostile files: {done} done, the slowest in {slowest_done:.0?}; refused by status \
         {refused:?}, the slowest in {slowest_refused:.0?}",
        play.files.len()
    ));
    report.figure(format!(
        "{lost} workers lost ({} jobs crashed, {} timed out); the node grew by {grown} MiB, all \
         files cached, and took no harm",
        play.jobs("crashed").await,
        play.jobs("timed_out").await,
    ));
}

/// Resident memory of a process, in bytes.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Many ask at the same moment for a few pictures of a photograph that nobody has asked for.
async fn many_at_once(report: &mut Report) {
    let play = Play::begin(PATIENT).await;
    let before = memory(play.edge.pid());
    println!("{CLIENTS} clients at once");
    let start = Instant::now();
    let mut clients = JoinSet::new();
    let gate = Arc::new(tokio::sync::Barrier::new(CLIENTS));
    for number in 0..CLIENTS {
        let (address, gate) = (play.edge.http, gate.clone());
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            gate.wait().await;
            let target = format!("/photograph!/fw/{}/format/webp", 100 + number % VARIANTS);
            client.get("honest.test", &target).attempt().await.map_or(0, |it| it.status)
        });
    }
    let good = clients.join_all().await.into_iter().filter(|status| *status == 200).count();
    let (fetched, jobs) = (play.origin.count("/photograph"), play.jobs("done").await);
    let grown = memory(play.edge.pid()).saturating_sub(before) >> 20;
    report.bound(
        (good, fetched, jobs) == (CLIENTS, 1, VARIANTS as f64),
        format!(
            "{CLIENTS} clients for {VARIANTS} pictures of one photograph: {good} were answered in \
             {:.1?}, {fetched} requests to the origin, {jobs} jobs, {grown} MiB more",
            start.elapsed()
        ),
    );
}

/// Plain hits at a fixed rate, without and with a flood of new pictures, back to back.
async fn hits_beside_a_flood(report: &mut Report) {
    let play = Play::begin(PLAIN).await;
    play.ask("plain.test", "/page").await;
    play.ask("hostile.test", "/photograph!/fw/700").await;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let jobs = play.jobs("done").await;
    for turn in 0..PAIRS {
        alone.push(hits(play.edge.http).await);
        let flood = Flood::begin(&play, turn, |_, number| {
            format!(
                "/photograph!/fw/{}/format/webp/quality/{}",
                20 + number % 700,
                20 + number / 700 % 70
            )
        });
        beside.push(hits(play.edge.http).await);
        flood.end().await;
    }
    let jobs = play.jobs("done").await - jobs;
    let pairs = || alone.iter().zip(&beside);
    let ratio = median(pairs().map(|(a, b)| b.as_secs_f64() / a.as_secs_f64()).collect());
    let later = median(pairs().map(|(a, b)| b.as_secs_f64() - a.as_secs_f64()).collect());
    report.bound(
        ratio <= WORSE || later <= LATER.as_secs_f64(),
        format!(
            "hits at {RATE}/s beside a flood of {FLOOD} clients ({jobs} pictures made): p90 {:.2?} \
             alone, {:.2?} beside; by pairs {ratio:.2} ×, {:+.2} ms",
            middle(&alone),
            middle(&beside),
            later * 1000.0
        ),
    );
}

/// The p90 of plain hits at their rate.
async fn hits(address: SocketAddr) -> Duration {
    let mut clients = JoinSet::new();
    let until = Instant::now() + PART;
    for turn in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            tokio::time::sleep(Duration::from_secs(1) / RATE * turn).await;
            let mut ticks = tokio::time::interval(Duration::from_secs(1) * CONNECTIONS / RATE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
    p90(clients.join_all().await.concat())
}

/// New pictures of an honest file, without and with hostile files beside them, back to back.
async fn honest_beside_hostile(report: &mut Report) {
    let play = Play::begin(PATIENT).await;
    play.ask("honest.test", "/honest!/fw/639").await;
    for number in 0..play.files.len() {
        play.ask("hostile.test", &format!("/h/{number}")).await;
    }
    let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..PAIRS {
        let plain = honest_pictures(&play, turn * 2, report).await;
        let files = play.files.len();
        let flood = Flood::begin(&play, turn, move |client, number| {
            let file = (number / FLOOD * 7 + client * 11) % files;
            format!("/h/{file}!/fw/{}/format/webp", 10 + number % 3000)
        });
        let pressed = honest_pictures(&play, turn * 2 + 1, report).await;
        flood.end().await;
        ratios.push(pressed.as_secs_f64() / plain.as_secs_f64());
        alone.push(plain);
        beside.push(pressed);
    }
    let ratio = median(ratios);
    report.bound(
        ratio <= HONEST_WORSE,
        format!(
            "honest pictures beside {FLOOD} clients with hostile ones: p90 {:.1?} alone, {:.1?} \
             beside; by pairs {ratio:.2} ×; {} workers lost",
            middle(&alone),
            middle(&beside),
            play.edge.metric("image_workers_lost", "").await
        ),
    );
}

/// The p90 of pictures that nobody has asked for, one after another.
async fn honest_pictures(play: &Play, part: usize, report: &mut Report) -> Duration {
    let (until, mut times, mut number) = (Instant::now() + PART, Vec::new(), 0);
    while Instant::now() < until {
        number += 1;
        let target = format!("/honest!/fw/200/format/webp/border/{}x{number}", part + 1);
        let (status, time) = play.ask("honest.test", &target).await;
        if status != 200 {
            report.missed(format!("{target}: {status}"));
        }
        times.push(time);
    }
    p90(times)
}

/// Clients that ask for one new picture after another.
struct Flood {
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Flood {
    /// `target` makes the path of a client's picture from a number that comes once.
    fn begin(
        play: &Play,
        turn: usize,
        target: impl Fn(usize, usize) -> String + Send + Clone + 'static,
    ) -> Flood {
        let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for client in 0..FLOOD {
            let (address, stop, target) = (play.edge.http, stop.clone(), target.clone());
            clients.spawn(async move {
                let mut number = turn * 1000 + client;
                while !stop.load(Ordering::Relaxed) {
                    number += FLOOD;
                    ask(address, "hostile.test", &target(client, number)).await;
                }
            });
        }
        Flood { stop, clients }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

fn p90(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 9 / 10]
}

fn middle(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}

fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}
