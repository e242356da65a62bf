//! What a node bills, and load that is billed while its process is killed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use super::{Client, Edge, Origin, Proof, command, until};

/// What `brink usage` says of a site, or of all.
pub async fn used(edge: &Edge, site: Option<&str>, more: &[&str]) -> Value {
    let socket = edge.path("state/admin.sock").display().to_string();
    let mut arguments = vec!["usage", "--json", "--by", "day", "--socket", &socket];
    if let Some(site) = site {
        arguments.extend(["--site", site]);
    }
    arguments.extend(more);
    let (status, text) = command(&arguments).await;
    assert_eq!(status.code(), Some(0), "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Requests and bytes at a place such as `/results/hit` of a total.
pub fn at(total: &Value, place: &str) -> (u64, u64) {
    let part = total.pointer(place);
    let number = |name: &str| part.and_then(|part| part[name].as_u64()).unwrap_or(0);
    (number("requests"), number("bytes"))
}

/// The length of the one object that is asked for.
const LENGTH: u64 = 2000;
/// Clients under load.
const CLIENTS: usize = 4;
/// Requests whose counts must be on disk before the load begins.
const SETTLED: u64 = 20;

/// A node that is killed under load, and what it must have billed.
pub struct Kills {
    pub edge: Edge,
    _origin: Origin,
    load: Arc<Load>,
    /// What it has billed for sure.
    pub billed: u64,
}

#[derive(Default)]
struct Load {
    started: AtomicU64,
    finished: Mutex<Vec<Instant>>,
}

/// What one kill cost.
#[derive(Debug)]
pub struct Loss {
    /// Requests that clients had in full and nobody is billed for.
    pub requests: u64,
    /// How long before the kill the first of these ended.
    pub time: Duration,
}

impl Kills {
    pub async fn begin() -> Kills {
        let origin = Origin::start().await;
        origin.serves("/x", "max-age=600", &Proof::new("a.test", "/x", 1, LENGTH));
        let edge = Edge::before(&origin).await;
        Kills { edge, _origin: origin, load: Arc::default(), billed: 0 }
    }

    /// Waits until some requests are on the bill, kills the process under load after so long, starts it
    /// again and compares. More than was asked for, or less than was on the bill, fails the test.
    pub async fn round(&mut self, load: Duration) -> Loss {
        self.load.ask(self.edge.http, Some(SETTLED)).await;
        let settled = self.billed + SETTLED;
        until("what is settled is billed", async || self.bill().await >= settled).await;
        let before = self.load.finished();
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (load, http) = (Arc::clone(&self.load), self.edge.http);
            clients.spawn(async move { load.ask(http, None).await });
        }
        tokio::time::sleep(load).await;
        until("there is load", async || self.load.finished() > before).await;
        let killed = Instant::now();
        self.edge.stop(true).await;
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        self.edge.go_on().await;
        let known = self.billed;
        self.billed = self.bill().await;
        let started = self.load.started.load(Ordering::SeqCst);
        assert!(self.billed >= settled.max(known), "{} of {settled} were kept", self.billed);
        assert!(self.billed <= started, "{} billed of {started}", self.billed);
        self.load.since(killed, self.billed)
    }

    /// Ends in good order: now nothing more is lost.
    pub async fn conclude(&mut self) {
        self.load.ask(self.edge.http, Some(SETTLED)).await;
        self.edge.stop(false).await;
        self.edge.go_on().await;
        assert_eq!(self.bill().await, self.billed + SETTLED);
    }

    /// The requests on the bill; their bytes must fit.
    async fn bill(&self) -> u64 {
        let total = used(&self.edge, Some("a"), &[]).await["total"].clone();
        let (requests, bytes) = at(&total, "");
        assert_eq!(bytes, requests * LENGTH, "{total}");
        requests
    }
}

impl Load {
    /// Asks so often, or until nobody answers.
    async fn ask(&self, http: SocketAddr, often: Option<u64>) {
        let Ok(mut client) = Client::attempt(http).await else { return };
        for _ in 0..often.unwrap_or(u64::MAX) {
            self.started.fetch_add(1, Ordering::SeqCst);
            let Ok(answer) = client.get("a.test", "/x").attempt().await else { return };
            if answer.body.len() as u64 != LENGTH {
                return;
            }
            self.finished.lock().unwrap().push(Instant::now());
        }
    }

    fn finished(&self) -> usize {
        self.finished.lock().unwrap().len()
    }

    /// What is missing of that which ended before the kill, and begins to count anew.
    fn since(&self, killed: Instant, billed: u64) -> Loss {
        let mut finished = self.finished.lock().unwrap();
        finished.sort_unstable();
        let missing = finished.len().saturating_sub(billed as usize);
        let first = finished.len() - missing;
        let time = finished.get(first).map(|first| killed.saturating_duration_since(*first));
        // What is lost is not looked for again.
        finished.truncate(first);
        let loss = Loss { requests: missing as u64, time: time.unwrap_or_default() };
        self.started.store(billed.max(first as u64), Ordering::SeqCst);
        loss
    }
}
