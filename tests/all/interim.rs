//! Interim responses pass through over HTTP/1.1 and are never mixed up with the final one.

use crate::kit::*;

#[tokio::test]
async fn early_hints_and_processing_are_forwarded() {
    let origin = Origin::start().await;
    origin.on("/x", |_| {
        Reply::ok("x")
            .interim(102, &[])
            .interim(103, &[("Link", "</a.css>; rel=preload"), ("X-Early", "1")])
            .interim(103, &[("Link", "</b.js>; rel=preload")])
            .header("Cache-Control", "max-age=60")
            .header("X-Final", "1")
    });
    let edge = Edge::before(&origin).await;
    let answer = edge.get("/x").await;
    answer.whole(200);
    let lines: Vec<&str> = answer.interim.iter().map(|head| &head.first[9..12]).collect();
    assert_eq!(lines, ["102", "103", "103"]);
    assert_eq!(answer.interim[1].get("link").unwrap(), "</a.css>; rel=preload");
    assert_eq!(answer.interim[2].get("link").unwrap(), "</b.js>; rel=preload");
    assert!(answer.interim.iter().all(|head| head.get("x-final").is_none()));
    assert!(!answer.has("x-early") && !answer.has("link") && answer.has("x-final"));
    let hit = edge.get("/x").await;
    assert!(hit.hit() && hit.interim.is_empty() && !hit.has("link"), "{hit:?}");
}

#[tokio::test]
async fn hints_arrive_before_the_origin_has_decided() {
    let origin = Origin::start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.on("/x", move |_| Reply::ok("x").interim(103, &[("Link", "</a>")]).hold(&held));
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    client.raw(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let early = String::from_utf8(client.tunnel().await).unwrap();
    assert!(early.starts_with("HTTP/1.1 103 ") && early.ends_with("\r\n\r\n"), "{early:?}");
    gate.open();
    assert_eq!(client.answer("GET").await.unwrap().whole(200), b"x");
}

#[tokio::test]
async fn keep_alive_connection_is_in_step_after_hints() {
    let origin = Origin::start().await;
    origin.on("/hints", |_| {
        Reply::ok("with").interim(103, &[("Link", "</a>")]).header("Cache-Control", "no-store")
    });
    origin.on("/plain", |_| Reply::ok("without").header("Cache-Control", "no-store"));
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    for _ in 0..5 {
        let answer = client.get("a.test", "/hints").send().await;
        assert_eq!((answer.whole(200), answer.interim.len()), (b"with".as_slice(), 1));
        let answer = client.get("a.test", "/plain").send().await;
        assert_eq!((answer.whole(200), answer.interim.len()), (b"without".as_slice(), 0));
    }
}

#[tokio::test]
async fn expect_continue_is_answered_here_and_not_passed_on() {
    let origin = Origin::start().await;
    origin.on("/up", |seen| Reply::ok(&seen.body.len().to_string()));
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let head =
        "POST /up HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.raw(head.as_bytes()).await;
    let go_on = client.tunnel().await;
    assert_eq!(&go_on[..12], b"HTTP/1.1 100");
    client.raw(b"hello").await;
    assert_eq!(client.answer("POST").await.unwrap().whole(200), b"5");
    assert_eq!(origin.seen()[0].header("expect"), None);
}
