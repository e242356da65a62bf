//! Upgrade and WebSocket: a tunnel opens after a 101 and not before.

use crate::kit::*;

#[tokio::test]
async fn websocket_bytes_pass_both_ways_after_101() {
    let origin = Origin::start().await;
    origin.on("/chat", |seen| {
        let key = seen.header("sec-websocket-key").unwrap_or_default();
        Reply::upgrade("websocket").header("Sec-WebSocket-Accept", &key)
    });
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let ask = client.get("a.test", "/chat").header("Connection", "Upgrade");
    let ask = ask.header("Upgrade", "websocket").header("Sec-WebSocket-Key", "k");
    let answer = ask.header("Sec-WebSocket-Version", "13").send().await;
    assert_eq!(answer.status, 101, "{:?}", answer.head);
    assert_eq!(answer.header("sec-websocket-accept"), "k");
    assert!(answer.header("upgrade").eq_ignore_ascii_case("websocket"));
    for text in ["one", "two", "three"] {
        client.raw(text.as_bytes()).await;
        assert_eq!(client.tunnel().await, text.as_bytes());
    }
}

#[tokio::test]
async fn refused_upgrade_is_an_answer_like_any_other() {
    let origin = Origin::start().await;
    origin.on("/chat", |_| Reply::text(426, "no").header("Upgrade", "other"));
    origin.on("/next", |_| Reply::ok("next"));
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let ask = client.get("a.test", "/chat").header("Connection", "Upgrade");
    assert_eq!(ask.header("Upgrade", "websocket").send().await.whole(426), b"no");
    // Whatever comes now is a request, not the bytes of a tunnel.
    assert_eq!(client.get("a.test", "/next").send().await.whole(200), b"next");
    assert_eq!(origin.illegal(), []);
}

#[tokio::test]
async fn h2c_upgrade_is_not_passed_on() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x"));
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let ask = client.get("a.test", "/x").header("Connection", "Upgrade, HTTP2-Settings");
    let answer = ask.header("Upgrade", "h2c").header("HTTP2-Settings", "AAMAAABk").send().await;
    assert_eq!(answer.whole(200), b"x");
    assert_eq!(origin.seen()[0].header("upgrade"), None);
    assert_eq!(origin.seen()[0].header("http2-settings"), None);
}

#[tokio::test]
async fn upgrade_that_connection_does_not_name_is_not_passed_on() {
    let origin = Origin::start().await;
    origin.on("/chat", |seen| match seen.header("upgrade") {
        Some(protocol) => Reply::upgrade(&protocol),
        None => Reply::ok("no tunnel"),
    });
    let edge = Edge::before(&origin).await;
    let answer = edge.get_with("/chat", &[("Upgrade", "websocket")]).await;
    assert_eq!(answer.whole(200), b"no tunnel");
}

#[tokio::test]
async fn event_stream_is_not_held_back() {
    let origin = Origin::start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.on("/events", move |_| {
        let reply = Reply::new(200).header("Content-Type", "text/event-stream").chunked();
        let reply = reply.header("Cache-Control", "no-store").bytes(b"data: 1\n\n".to_vec());
        reply.wait(&held).bytes(b"data: 2\n\n".to_vec())
    });
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let mut reading = client.get("a.test", "/events").open().await;
    assert!(reading.more().await);
    assert_eq!(reading.answer.text(), "data: 1\n\n");
    gate.open();
    assert_eq!(reading.rest().await.whole(200), b"data: 1\n\ndata: 2\n\n");
}
