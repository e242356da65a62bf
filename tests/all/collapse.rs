//! One fetch for many askers: flights.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::kit::*;

const PATH: &str = "/slow";

fn proof() -> Proof {
    Proof::new("a.test", PATH, 1, 200_000)
}

/// An origin that sends half of a body, waits for `gate`, and goes on with `rest`.
async fn halting(gate: &Gate, rest: fn(Reply) -> Reply) -> Origin {
    let origin = Origin::start().await;
    let gate = gate.clone();
    origin.on(PATH, move |_| {
        let reply = Reply::proof(&proof()).header("Cache-Control", "max-age=60");
        reply.after(100_000, |reply| rest(reply.wait(&gate)))
    });
    origin
}

/// Opens `count` clients that read some of the body, and then all of it once the gate is open.
async fn crowd(edge: &Edge, count: usize, gate: &Gate) -> Vec<Answer> {
    let mut clients = JoinSet::new();
    let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..count {
        let mut client = edge.client().await;
        let begun = begun.clone();
        clients.spawn(async move {
            let mut reading = client.get("a.test", PATH).open().await;
            assert!(reading.more().await, "no first bytes: {:?}", reading.answer);
            begun.send(()).unwrap();
            reading.rest().await
        });
    }
    for _ in 0..count {
        tokio::time::timeout(PATIENCE, beginnings.recv()).await.expect("first bytes in time");
    }
    gate.open();
    clients.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousand_clients_cost_one_request_and_stream_while_it_grows() {
    let gate = Gate::closed();
    let origin = halting(&gate, |reply| reply).await;
    let edge = Edge::before(&origin).await;
    let answers = crowd(&edge, 1000, &gate).await;
    let whole = proof().whole();
    assert!(answers.iter().all(|answer| answer.whole(200) == whole));
    assert_eq!(origin.count(PATH), 1);
    let collapsed = answers.iter().filter(|it| it.cache_status().contains("collapsed")).count();
    assert_eq!(collapsed, 999, "{}", answers[0].cache_status());
    proof().check_whole(edge.get(PATH).await.whole(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origin_that_dies_half_way_gives_nobody_a_clean_end() {
    for chunked in [false, true] {
        let gate = Gate::closed();
        let rest: fn(Reply) -> Reply =
            if chunked { |reply| reply.chunked().cut() } else { Reply::cut };
        let origin = halting(&gate, rest).await;
        let edge = Edge::before(&origin).await;
        for answer in crowd(&edge, 100, &gate).await {
            assert_eq!(answer.status, 200);
            proof().check(0, &answer.body);
            assert!(matches!(answer.end, End::Cut(_)), "clean end: {:?}", answer.head);
        }
        // Nothing of it is served later: the origin is asked again.
        let before = origin.count(PATH);
        let answer = edge.get(PATH).await;
        assert!(!answer.hit() && matches!(answer.end, End::Cut(_)), "{:?}", answer.head);
        assert!(origin.count(PATH) > before);
    }
}

#[tokio::test]
async fn uncacheable_answer_lets_all_go_at_once() {
    let origin = Origin::start().await;
    origin.on(PATH, |_| Reply::ok("x").delay(ms(300)).header("Cache-Control", "no-store"));
    let edge = Edge::before(&origin).await;
    let start = std::time::Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let mut client = edge.client().await;
        clients.spawn(async move { client.get("a.test", PATH).send().await });
    }
    for answer in clients.join_all().await {
        assert_eq!(answer.whole(200), b"x");
    }
    // One wait for the leader and one beside each other, not fifty in a row.
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(origin.count(PATH), 50);
}

#[tokio::test]
async fn flight_outlives_the_client_that_began_it() {
    let gate = Gate::closed();
    let origin = halting(&gate, |reply| reply).await;
    let edge = Edge::before(&origin).await;
    let mut leader = edge.client().await;
    assert!(leader.get("a.test", PATH).open().await.more().await);
    let mut follower = edge.client().await;
    let mut reading = follower.get("a.test", PATH).open().await;
    drop(leader);
    assert!(reading.more().await);
    gate.open();
    proof().check_whole(reading.rest().await.whole(200));
    assert_eq!(origin.count(PATH), 1);
}

#[tokio::test]
async fn slow_reader_holds_up_nobody() {
    let gate = Gate::closed();
    let origin = halting(&gate, |reply| reply).await;
    let edge = Edge::before(&origin).await;
    let mut slow = edge.client().await;
    let reading = slow.get("a.test", PATH).open().await;
    gate.open();
    let answer = tokio::time::timeout(Duration::from_secs(5), edge.get(PATH)).await.unwrap();
    proof().check_whole(answer.whole(200));
    proof().check_whole(reading.rest().await.whole(200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_too_large_to_keep_reaches_all_who_waited() {
    let origin = Origin::start().await;
    let big = Proof::new("a.test", "/x", 1, 6_000_000);
    let gate = Gate::closed();
    let (held, sent) = (gate.clone(), big.clone());
    origin.on("/x", move |_| Reply::proof(&sent).header("Cache-Control", "max-age=60").hold(&held));
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup.node("[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"").start().await;
    let mut clients = JoinSet::new();
    for _ in 0..60 {
        let mut client = edge.client().await;
        clients.spawn(async move { client.get("a.test", "/x").send().await });
    }
    until("all wait", async || origin.count("/x") > 0).await;
    tokio::time::sleep(ms(500)).await;
    gate.open();
    let answers = clients.join_all().await;
    let cut = answers.iter().filter(|a| a.end != End::Clean).count();
    assert_eq!(cut, 0, "cut of {} asked {}", answers.len(), origin.count("/x"));
}

#[tokio::test]
async fn late_comer_to_an_outgrown_body_gets_one_of_its_own() {
    let origin = Origin::start().await;
    let big = Proof::new("a.test", "/x", 1, 20_000_000);
    let sent = big.clone();
    origin.on("/x", move |_| Reply::proof(&sent).header("Cache-Control", "max-age=60").chunked());
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup.node("[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"").start().await;
    let mut slow = edge.client().await;
    let mut reading = slow.get("a.test", "/x").open().await;
    reading.more().await;
    tokio::time::sleep(ms(700)).await;
    let mut late = edge.client().await;
    let mut answer = late.get("a.test", "/x").open().await;
    answer.more().await;
    let (one, two) = tokio::join!(reading.rest(), answer.rest());
    assert_eq!(one.end, End::Clean);
    assert_eq!(two.end, End::Clean, "{:?} {}", two.head, two.body.len());
}

#[tokio::test]
async fn client_of_http_1_0_sees_a_reset_where_a_body_breaks_off() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("half").chunked().header("Cache-Control", "max-age=60").cut());
    let edge = Edge::before(&origin).await;
    let mut stream = tokio::net::TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.0\r\nHost: a.test\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    let ended = stream.read_to_end(&mut seen).await;
    assert!(ended.is_err(), "clean end after {:?}", String::from_utf8_lossy(&seen));
}
