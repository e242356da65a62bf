//! What the origin says of stored responses, and who hears it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use crate::kit::*;

#[tokio::test]
async fn private_confirmation_stays_with_its_asker() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| match seen.header("if-none-match") {
        None => Reply::ok("x").header("Cache-Control", "max-age=0").header("ETag", "\"1\""),
        Some(_) => Reply::new(304)
            .delay(ms(300))
            .header("ETag", "\"1\"")
            .header("Cache-Control", "private, max-age=60")
            .header("X-User", &seen.header("x-me").unwrap_or_default()),
    });
    let edge = Edge::before(&origin).await;
    edge.get("/x").await.whole(200);
    let (one, other) = tokio::join!(edge.get_with("/x", &[("X-Me", "alice")]), async {
        tokio::time::sleep(ms(100)).await;
        edge.get_with("/x", &[("X-Me", "bob")]).await
    });
    assert_eq!(one.header("x-user"), "alice");
    assert_eq!(other.header("x-user"), "bob", "{:?}", other.head);
}

#[tokio::test]
async fn failing_origin_is_asked_once_for_all_who_wait() {
    let origin = Origin::start().await;
    let count = AtomicUsize::new(0);
    origin.on("/x", move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::ok("x")
            .header("Cache-Control", "max-age=0, stale-if-error=600")
            .header("ETag", "\"1\""),
        _ => Reply::new(503).delay(ms(400)),
    });
    let edge = Edge::before(&origin).await;
    edge.get("/x").await.whole(200);
    let mut clients = JoinSet::new();
    for _ in 0..50 {
        let mut client = edge.client().await;
        clients.spawn(async move { client.get("a.test", "/x").send().await });
    }
    for answer in clients.join_all().await {
        answer.whole(200);
    }
    assert!(origin.count("/x") < 5, "{}", origin.count("/x"));
}

#[tokio::test]
async fn unasked_304_is_the_origins_fault() {
    let origin = Origin::start().await;
    origin.on("/x", |_| {
        Reply::new(304).header("ETag", "\"1\"").header("Cache-Control", "max-age=60")
    });
    let edge = Edge::before(&origin).await;
    let answer = edge.get("/x").await;
    assert_ne!(answer.status, 304, "{:?}", answer.head);
}

#[tokio::test]
async fn answer_overtaken_by_a_change_is_not_stored() {
    // A URL known to be uncacheable is fetched for each client alone; a POST's answer is no fetch.
    for (method, first) in [("GET", "no-store"), ("POST", "max-age=0")] {
        let (origin, gate) = (Origin::start().await, Gate::closed());
        let (held, asked) = (gate.clone(), AtomicUsize::new(0));
        origin.on("/x", move |seen| match asked.fetch_add(1, Ordering::Relaxed) {
            _ if seen.method == "DELETE" => Reply::new(204),
            0 => Reply::ok("first").header("Cache-Control", first),
            1 => Reply::ok("old..........")
                .header("Cache-Control", "max-age=60")
                .header("Content-Location", "/x")
                .after(3, |reply| reply.wait(&held)),
            _ => Reply::ok("new").header("Cache-Control", "max-age=60"),
        });
        let edge = Edge::before(&origin).await;
        edge.get("/x").await.whole(200);
        let mut client = edge.client().await;
        let mut reading = client.ask(method, "a.test", "/x").open().await;
        assert!(reading.more().await);
        let mut other = edge.client().await;
        other.ask("DELETE", "a.test", "/x").send().await.whole(204);
        gate.open();
        reading.rest().await.whole(200);
        tokio::time::sleep(ms(100)).await;
        assert_eq!(edge.get("/x").await.text(), "new", "{method}");
    }
}

#[tokio::test]
async fn confirmation_for_credentials_stays_with_its_asker() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        let reply = match seen.header("if-none-match") {
            Some(_) => Reply::new(304),
            None => Reply::ok("x"),
        };
        let reply = match seen.header("authorization") {
            Some(who) => reply.header("X-User", &who).header("Cache-Control", "max-age=60"),
            None => reply.header("Cache-Control", "max-age=0"),
        };
        reply.header("ETag", "\"1\"")
    });
    let edge = Edge::before(&origin).await;
    for method in ["GET", "HEAD"] {
        edge.get("/x").await.whole(200);
        let mut client = edge.client().await;
        let ask = client.ask(method, "a.test", "/x").header("Authorization", "alice");
        assert_eq!(ask.send().await.header("x-user"), "alice");
        let answer = edge.get("/x").await;
        assert!(!answer.has("x-user"), "{method}: {:?}", answer.head);
    }
}

#[tokio::test]
async fn page_that_is_never_stored_is_confirmed_by_the_origin_itself() {
    let origin = Origin::start().await;
    origin.on("/me", |seen| match seen.header("if-none-match") {
        Some(tag) if tag == "\"1\"" => Reply::new(304).header("ETag", "\"1\""),
        _ => Reply::ok("me").header("Cache-Control", "private").header("ETag", "\"1\""),
    });
    let edge = Edge::before(&origin).await;
    edge.get("/me").await.whole(200);
    let again = edge.get_with("/me", &[("If-None-Match", "\"1\"")]).await;
    assert_eq!(again.status, 304, "{:?}", again.head);
    assert_eq!(edge.get_with("/me", &[("If-None-Match", "\"2\"")]).await.whole(200), b"me");
}
