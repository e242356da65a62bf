//! Usage: what is billed is what clients got and what the log says, over restarts and kills.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use brink::clock::{Clock, Timestamp};
use brink::usage::{self, How, Protocol, Tier, Usage};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::kit::bill::{Kills, at, used};
use crate::kit::*;

/// Requests and bytes by name.
#[derive(Debug, Default, PartialEq)]
struct Tally(BTreeMap<String, (u64, u64)>);

impl Tally {
    fn add(&mut self, name: &str, bytes: u64) {
        let so_far = self.0.entry(name.into()).or_default();
        *so_far = (so_far.0 + 1, so_far.1 + bytes);
    }

    fn of(&self, name: &str) -> (u64, u64) {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// What the access log adds up to, by the same names as usage.
fn logged(log: &Path) -> Tally {
    let mut tally = Tally::default();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let (bytes, status) =
            (line["bytes_out"].as_u64().unwrap(), line["status"].as_u64().unwrap());
        let result = match (word("tier").as_str(), word("cache")) {
            ("edge", _) if status >= 400 => "error".into(),
            (_, none) if none.is_empty() => "edge".into(),
            (_, cache) => cache,
        };
        let transport = if word("tls").is_empty() { "plain" } else { "tls" };
        tally.add("all", bytes);
        tally.add(&format!("site {}", word("site")), bytes);
        tally.add(&format!("/results/{result}"), bytes);
        tally.add(&format!("/tiers/{}", word("tier")), bytes);
        tally.add(&format!("/transports/{transport}"), bytes);
        tally.add(&format!("/protocols/{}", word("proto").replace('/', "~1")), bytes);
        tally.add(&format!("/statuses/{}xx", status / 100), bytes);
    }
    tally
}

/// A node with two sites, plain and over TLS, whose log is a file.
struct Play {
    origin: Origin,
    authority: Authority,
    edge: Edge,
    got: Tally,
}

const LENGTHS: [(&str, u64); 3] = [("/large", 300_000), ("/small", 1000), ("/private", 5000)];

impl Play {
    async fn begin() -> Play {
        let (origin, authority) = (Origin::start().await, Authority::new());
        for (path, length) in LENGTHS {
            let how = if path == "/private" { "private" } else { "max-age=600" };
            origin.serves(path, how, &Proof::new("a.test", path, 1, length));
        }
        let setup = Edge::setup().tls_site("a", &["a.test"], &origin, &authority).tls_site(
            "b",
            &["b.test"],
            &origin,
            &authority,
        );
        let log = setup.path("access.log");
        let table = format!("[telemetry.access_log]\npath = {log:?}");
        let edge = setup.node(&table).start().await;
        Play { origin, authority, edge, got: Tally::default() }
    }

    fn note(&mut self, site: &str, transport: &str, protocol: &str, bytes: usize) {
        let bytes = bytes as u64;
        self.got.add("all", bytes);
        self.got.add(&format!("site {site}"), bytes);
        self.got.add(&format!("/transports/{transport}"), bytes);
        self.got.add(&format!("/protocols/{protocol}"), bytes);
    }

    /// Hits, misses, passes, conditions, ranges and errors, over every protocol.
    async fn round(&mut self) {
        for (client, transport) in [
            (self.edge.client().await, "plain"),
            (self.edge.tls("a.test", &self.authority).await, "tls"),
        ] {
            self.over_http1(client, transport).await;
        }
        for site in ["a", "b"] {
            let host = format!("{site}.test");
            let http2 = self.edge.http2(&host, &self.authority).await;
            for path in ["/large", "/small", "/private", "/missing"] {
                let answer = http2.get(&host, path).await.unwrap();
                self.note(site, "tls", "HTTP~12", answer.body.len());
            }
        }
        // As old as can be: the end of the connection is the end of the body.
        let body = over_http10(self.edge.http, "/small").await;
        self.note("a", "plain", "HTTP~11.0", body.len());
        let refused = self.edge.client().await.get("nobody.test", "/small").send().await;
        assert_eq!(refused.status, 400);
        self.note("", "plain", "HTTP~11.1", refused.body.len());
    }

    async fn over_http1(&mut self, mut client: Client, transport: &str) {
        let tag = Proof::new("a.test", "/large", 1, 300_000).etag();
        for (method, path, name, value, status) in [
            ("GET", "/large", "X-Nothing", "", 200),
            ("GET", "/large", "If-None-Match", tag.as_str(), 304),
            ("GET", "/large", "Range", "bytes=10-99", 206),
            ("GET", "/large", "Range", "bytes=0-9,100-109", 206),
            ("GET", "/large", "Range", "bytes=900000-", 416),
            ("HEAD", "/large", "X-Nothing", "", 200),
            ("GET", "/small", "X-Nothing", "", 200),
            ("GET", "/small", "If-Match", "\"another\"", 412),
            ("GET", "/private", "X-Nothing", "", 200),
            ("GET", "/missing", "X-Nothing", "", 404),
            ("GET", "/fresh", "Cache-Control", "only-if-cached", 504),
            ("POST", "/small", "X-Nothing", "", 200),
        ] {
            let answer = client.ask(method, "a.test", path).header(name, value).send().await;
            assert_eq!(
                (answer.status, &answer.end),
                (status, &End::Clean),
                "{method} {path} {value}"
            );
            self.note("a", transport, "HTTP~11.1", answer.body.len());
        }
    }

    /// Bytes of bodies that the origin has sent, and to how many requests.
    fn asked_of_origin(&self) -> (u64, u64) {
        let seen = self.origin.seen();
        let missing = "no such path".len() as u64;
        let length = |path: &str| LENGTHS.iter().find(|it| it.0 == path).map(|it| it.1);
        let sent = seen.iter().filter(|it| it.method != "HEAD");
        let bytes = sent.map(|it| match it.header("if-none-match") {
            Some(_) => 0,
            None => length(it.path()).unwrap_or(missing),
        });
        (seen.len() as u64, bytes.sum())
    }
}

/// The body of what comes back over HTTP/1.0.
async fn over_http10(edge: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(edge).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: a.test\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 200 "), "{:?}", String::from_utf8_lossy(&answer));
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    answer.split_off(end + 4)
}

#[tokio::test]
async fn usage_is_what_clients_counted_and_what_the_log_says_over_clean_restarts() {
    let mut play = Play::begin().await;
    for _ in 0..3 {
        play.round().await;
        play.edge.stop(false).await;
        play.edge.go_on().await;
    }
    let log = logged(&play.edge.path("access.log"));
    let all = used(&play.edge, None, &[]).await["total"].clone();
    assert_eq!(at(&all, ""), play.got.of("all"));
    assert_eq!(at(&all, ""), log.of("all"));
    for (name, expected) in &log.0 {
        if let Some(site) = name.strip_prefix("site ") {
            let total = used(&play.edge, Some(site), &[]).await["total"].clone();
            assert_eq!((at(&total, ""), play.got.of(name)), (*expected, *expected), "{name}");
        } else if name != "all" {
            assert_eq!(at(&all, name), *expected, "{name}: {all}");
        }
    }
    // The log has every way to be counted, and the client the same of those that it can tell.
    for name in ["hit", "miss", "pass", "error"].map(|word| format!("/results/{word}")) {
        assert!(log.of(&name).0 > 0, "{name}: {log:?}");
    }
    for (name, got) in &play.got.0 {
        assert_eq!(log.of(name), *got, "{name}");
    }
    assert_eq!(at(&all, "/origin"), play.asked_of_origin());
}

#[tokio::test]
async fn a_body_that_is_cut_is_billed_as_far_as_it_went() {
    let play = Play::begin().await;
    let gate = Gate::closed();
    let held = gate.clone();
    let cut = move |reply: Reply| reply.wait(&held).cut();
    play.origin.on("/cut", move |_| Reply::ok("half of it").after(4, &cut));
    let mut client = play.edge.client().await;
    let mut answer = client.get("a.test", "/cut").open().await;
    assert!(answer.more().await);
    gate.open();
    let answer = answer.rest().await;
    assert!(answer.end != End::Clean && answer.body == b"half", "{answer:?}");
    until("it is counted", async || {
        at(&used(&play.edge, Some("a"), &[]).await["total"], "") == (1, 4)
    })
    .await;
}

#[tokio::test]
async fn a_kill_costs_what_was_not_written_and_nothing_is_counted_twice() {
    let mut kills = Kills::begin().await;
    for _ in 0..3 {
        kills.round(ms(0)).await;
    }
    kills.conclude().await;
}

#[tokio::test]
async fn failures_of_rules_pictures_and_countries_are_on_the_bill() {
    const PHOTOGRAPH: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/images/kodim23.png");
    let photograph = std::fs::read(PHOTOGRAPH).unwrap();
    let size = photograph.len() as u64;
    let origin = Origin::start().await;
    origin.on("/a.png", move |_| {
        let reply = Reply::new(200).bytes(photograph.clone()).header("Content-Type", "image/png");
        reply.header("Cache-Control", "max-age=3600").header("ETag", "\"original\"")
    });
    origin.on("/rule", |_| Reply::ok("as if there were none"));
    let more = "[images]\nenabled = true\n[[rules]]\n\
                text = \"$WHEN($MATCH($_URI, '^/rule'))$ADD_REQ_HEADER(X-A, $_COOKIE_id)\"\n";
    let countries = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/geo/both.mmdb")
        .display()
        .to_string();
    let node = format!(
        "[geo]\ncountry = {countries:?}\n[images]\npriority = \"normal\"\nqueue_wait = \"1m\"\n\
         time_limit = \"1m\"\ncpu_limit = \"1m\"\nbackground = 0"
    );
    let mut edge = Edge::setup()
        .site("a", &site(&["a.test"], &origin, more))
        .listen("proxy_protocol.trusted = [\"127.0.0.0/8\"]")
        .node(&node)
        .start()
        .await;
    let (mut sent, mut saved) = (Vec::new(), 0);
    for (source, path) in [
        ("192.0.2.7", "/a.png!/fw/96/format/webp"),
        ("192.0.2.7", "/a.png!/fw/96/format/webp"),
        ("198.51.100.7", "/a.png!/info"),
        ("203.0.114.7", "/rule"),
    ] {
        let preface = format!("PROXY TCP4 {source} 192.0.2.1 50000 80\r\n");
        let mut client = Client::preceded(edge.http, preface.as_bytes()).await;
        let answer = client.get("a.test", path).send().await;
        let bytes = answer.whole(200).len() as u64;
        sent.push(bytes);
        saved += if path.contains("webp") { size - bytes } else { 0 };
    }
    edge.stop(false).await;
    edge.go_on().await;
    let total = used(&edge, Some("a"), &[]).await["total"].clone();
    assert_eq!(at(&total, "/regions/CN"), (2, sent[0] + sent[1]), "{total}");
    assert_eq!(at(&total, "/regions/HK"), (1, sent[2]), "{total}");
    assert_eq!(total["regions"].as_object().unwrap().len(), 2, "{total}");
    let images = &total["images"];
    assert_eq!((&images["made"], &images["saved_bytes"]), (&2.into(), &saved.into()), "{total}");
    assert!(images["cpu_microseconds"].as_u64().unwrap() > 0, "{total}");
    assert_eq!(total["rule_failures"], 1, "{total}");
}

/// Counts of two sites a day ago, as a node left them behind.
fn left_behind(folder: &Path) -> u64 {
    let start = (Clock::system().now().seconds() - 86_400) / 300 * 300;
    let clock = Clock::manual(Timestamp::from_seconds(start));
    let settings = usage::Settings::default();
    let before = Usage::open(&settings, folder, "brink", clock.clone()).unwrap();
    for (site, bytes) in [("shop", 1000), ("news", 20), ("shop", 300)] {
        let request = usage::Request {
            how: How::Hit,
            tier: Tier::Memory,
            protocol: Protocol::Http2,
            tls: true,
            status: 200,
            region: None,
            bytes,
            saved: 0,
        };
        before.meter().request(Some(&site.into()), clock.now(), &request);
    }
    before.close();
    start
}

async fn ask_admin(edge: &Edge, method: &str, target: &str, body: &str) -> (u16, String) {
    let token = std::fs::read_to_string(edge.path("state/admin.token")).unwrap();
    let mut client = Client::connect(edge.admin).await;
    let ask = client
        .ask(method, &edge.admin.to_string(), target)
        .header("Authorization", &format!("Bearer {}", token.trim()));
    let ask = match body {
        "" => ask,
        _ => ask.header("Content-Type", "application/json").body(body.as_bytes()),
    };
    let answer = ask.send().await;
    (answer.status, answer.text())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn records_are_there_to_fetch_until_they_are_acknowledged_and_after() {
    let origin = Origin::start().await;
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let start = left_behind(&setup.path("state"));
    let mut edge = setup.start().await;
    let export = async |edge: &Edge, query: &str| {
        let (status, text) = ask_admin(edge, "GET", &format!("/v1/usage/export{query}"), "").await;
        assert_eq!(status, 200, "{text}");
        lines(&text)
    };
    until("the records are there", async || export(&edge, "").await.len() == 2).await;
    let all = export(&edge, "?after=0").await;
    let told: Vec<_> = all
        .iter()
        .map(|it| (it["seq"].as_u64(), it["site"].as_str(), it["bytes"].as_u64()))
        .collect();
    assert_eq!(told, [(Some(1), Some("news"), Some(20)), (Some(2), Some("shop"), Some(1300))]);
    assert_eq!(all[0]["start"], usage::print_moment(start));
    assert_eq!(export(&edge, "?limit=1").await, all[..1]);
    assert_eq!(export(&edge, "?after=1").await, all[1..]);
    for (method, target, body, status) in [
        ("POST", "/v1/usage/export/ack", "{\"seq\":3}", 422),
        ("POST", "/v1/usage/export/ack", "{\"seq\":-1}", 422),
        ("GET", "/v1/usage/export?after=3", "", 422),
        ("GET", "/v1/usage/export?after=x", "", 400),
        ("GET", "/v1/usage?by=week", "", 422),
        ("GET", "/v1/usage?from=yesterday", "", 422),
        ("GET", "/v1/usage?by=5m&from=2026-01-01&to=2026-02-02", "", 422),
        ("GET", "/v1/usage?sight=a", "", 400),
        ("GET", "/v1/usage?site=nobody", "", 404),
        ("GET", "/v1/usage?site=a", "", 200),
        ("POST", "/v1/usage/export/ack", "{\"seq\":1}", 200),
    ] {
        let (got, text) = ask_admin(&edge, method, target, body).await;
        assert_eq!(got, status, "{target} {body}: {text}");
    }
    edge.restart().await;
    assert_eq!(export(&edge, "").await, all[1..]);
    assert_eq!(export(&edge, "?after=0").await, all);
    let two_days = (start - 86_400).to_string();
    let shop = used(&edge, Some("shop"), &["--from", &two_days]).await;
    assert_eq!(at(&shop["total"], "/results/hit"), (2, 1300));
    let (_, table) = command(&[
        "usage",
        "--from",
        &two_days,
        "--socket",
        &edge.path("state/admin.sock").display().to_string(),
    ])
    .await;
    assert!(table.starts_with("all sites, ") && table.contains("1.32 kB"), "{table}");
}

#[tokio::test]
async fn records_are_posted_until_they_are_taken_and_never_again() {
    let (origin, receiver) = (Origin::start().await, Origin::start().await);
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    left_behind(&setup.path("state"));
    let busy = std::sync::atomic::AtomicBool::new(true);
    receiver.on("/usage", move |_| {
        let refused = busy.swap(false, std::sync::atomic::Ordering::SeqCst);
        Reply::new(if refused { 503 } else { 204 })
    });
    let url = format!("{}/usage?node=1", receiver.url());
    let mut edge = setup.node(&format!("[usage.push]\nurl = {url:?}\nbatch = 1")).start().await;
    until("all is acknowledged", async || {
        receiver.count("/usage") >= 3 && edge.metric("usage_records_waiting", "").await == 0.0
    })
    .await;
    assert_eq!(edge.metric("usage_push_failures", "").await, 1.0);
    edge.restart().await;
    until("usage is written again", async || edge.admin("/readyz").await.is_some()).await;
    edge.stop(false).await;
    let seen = receiver.seen();
    let ids: Vec<Vec<Value>> = seen
        .iter()
        .map(|it| {
            lines(&String::from_utf8_lossy(&it.body)).iter().map(|it| it["id"].clone()).collect()
        })
        .collect();
    // The first was refused, and came again as it was.
    assert_eq!((ids.len(), ids[0].len()), (3, 1), "{ids:?}");
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    assert_eq!(seen[0].target, "/usage?node=1");
    assert_eq!(seen[0].header("content-type").as_deref(), Some("application/x-ndjson"));
}

#[tokio::test]
async fn a_node_that_counts_nothing_says_so() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x"));
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup.node("[usage]\nenabled = false").start().await;
    assert_eq!(edge.get("/x").await.whole(200), b"x");
    let (status, text) = ask_admin(&edge, "GET", "/v1/usage", "").await;
    assert!(status == 404 && text.contains("[usage]"), "{status} {text}");
    assert!(!edge.path("state/usage.redb").exists());
}
