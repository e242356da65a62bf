//! Reload and drain under steady load: nothing fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use tokio::task::JoinSet;

use crate::kit::*;

/// What the load has seen so far.
#[derive(Default)]
struct Tally {
    good: AtomicUsize,
    failed: std::sync::Mutex<Vec<String>>,
    /// Once the node drains, a refused connection is no failure.
    draining: AtomicBool,
    stop: AtomicBool,
}

impl Tally {
    fn count(&self, what: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => drop(self.good.fetch_add(1, Relaxed)),
            Err(error) => self.failed.lock().unwrap().push(format!("{what}: {error}")),
        }
    }

    fn over(&self) -> bool {
        self.stop.load(Relaxed)
    }
}

const LONG: u64 = 200_000;

fn proof(path: &str, length: u64) -> Proof {
    Proof::new("a.test", path, 1, length)
}

fn judge(path: &str, length: u64, status: u16, body: &[u8], end: &End) -> Result<(), String> {
    let good = status == 200 && *end == End::Clean && body == proof(path, length).whole();
    if good { Ok(()) } else { Err(format!("{status}, {} bytes, {end:?}", body.len())) }
}

/// Asks for `path` again and again over HTTP/1.1, on one connection as long as it lasts.
async fn ask_on_and_on(address: SocketAddr, path: &'static str, length: u64, tally: Arc<Tally>) {
    while !tally.over() {
        let mut client = match Client::attempt(address).await {
            Ok(client) => client,
            Err(_) if tally.draining.load(Relaxed) => return,
            Err(error) => return tally.count(path, Err(error.to_string())),
        };
        while !tally.over() {
            let answer = client.get("a.test", path).attempt().await;
            let last = answer.as_ref().map_or(true, |it| it.header("connection") == "close");
            let outcome = answer.map_err(|broken| broken.0);
            tally.count(
                path,
                outcome.and_then(|it| judge(path, length, it.status, &it.body, &it.end)),
            );
            if last {
                break;
            }
        }
    }
}

/// The same over HTTP/2, a new connection whenever the old one is told to go away.
async fn ask_over_http2(address: SocketAddr, authority: Arc<Authority>, tally: Arc<Tally>) {
    while !tally.over() {
        let http2 = match Http2::attempt(address, "a.test", &authority).await {
            Ok(http2) => http2,
            Err(_) if tally.draining.load(Relaxed) => return,
            Err(error) => return tally.count("h2", Err(error.to_string())),
        };
        while !tally.over() {
            match http2.get("a.test", "/short").await {
                Ok(answer) => {
                    let status = answer.status.as_u16();
                    tally.count("h2", judge("/short", 1000, status, &answer.body, &End::Clean));
                }
                Err(error) if http2::unsent(&error) => break,
                Err(error) => tally.count("h2", Err(format!("{error:?}"))),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_reloads_and_a_drain_fail_nobody() {
    let (origin, authority) = (Origin::start().await, Arc::new(Authority::new()));
    origin.serves("/short", "max-age=600", &proof("/short", 1000));
    origin.on("/long", |_| {
        Reply::proof(&proof("/long", LONG)).header("Cache-Control", "no-store").drip(20, ms(100))
    });
    let mut edge = Edge::with_tls(&origin, &authority).await;
    let tally = Arc::new(Tally::default());
    let mut load = JoinSet::new();
    for _ in 0..8 {
        load.spawn(ask_on_and_on(edge.http, "/short", 1000, tally.clone()));
        load.spawn(ask_on_and_on(edge.http, "/long", LONG, tally.clone()));
    }
    for _ in 0..4 {
        load.spawn(ask_over_http2(edge.https, authority.clone(), tally.clone()));
    }
    let document = std::fs::read_to_string(edge.path("sites.d/a.toml")).unwrap();
    for turn in 0..20 {
        edge.write_site("a", &format!("{document}[respond]\nx_cache = {}\n", turn % 2 == 0));
        edge.reload().await;
        let expected = if turn % 2 == 0 { "HIT" } else { "" };
        until("the change counts", async || edge.get("/short").await.header("x-cache") == expected)
            .await;
    }
    tally.draining.store(true, Relaxed);
    edge.signal("TERM");
    assert!(edge.ended().await.success(), "{}", edge.log());
    tally.stop.store(true, Relaxed);
    load.join_all().await;
    let failed = tally.failed.lock().unwrap();
    let good = tally.good.load(Relaxed);
    assert!(
        failed.is_empty() && good > 1000,
        "{} of {good} failed: {:?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
}

#[tokio::test]
async fn drain_says_not_ready_and_finishes_what_runs() {
    let origin = Origin::start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.on("/x", move |_| Reply::ok("whole body").after(5, |reply| reply.wait(&held)));
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let mut edge = setup.listen("drain_delay = \"1s\"").start().await;
    let mut client = edge.client().await;
    let mut reading = client.get("a.test", "/x").open().await;
    assert!(reading.more().await);
    edge.signal("TERM");
    until("not ready", async || !matches!(edge.admin("/readyz").await, Some((200, _)))).await;
    // During the delay the node still takes what load balancers send.
    assert_eq!(edge.get("/nothing").await.status, 404);
    tokio::time::sleep(ms(1500)).await;
    gate.open();
    assert_eq!(reading.rest().await.whole(200), b"whole body");
    assert!(edge.ended().await.success());
}
