//! What the edge refuses by itself, and how it says so.

use crate::kit::*;

async fn edge_with(more: &str) -> (Origin, Edge) {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x").header("Cache-Control", "max-age=60"));
    let edge = Edge::with(&origin, more).await;
    (origin, edge)
}

/// Sends `bytes` and gives the status of what comes, if anything does.
async fn status_of(edge: &Edge, bytes: &str) -> Option<u16> {
    let mut client = edge.client().await;
    client.raw(bytes.as_bytes()).await;
    client.answer("GET").await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn unknown_and_missing_hosts_get_400_with_their_codes() {
    let (origin, edge) = edge_with("").await;
    let mut client = edge.client().await;
    let answer = client.get("nobody.test", "/x").send().await;
    assert_eq!((answer.status, answer.header("x-error-code").as_str()), (400, "40010041"));
    let mut client = edge.client().await;
    client.raw(b"GET /x HTTP/1.1\r\n\r\n").await;
    let answer = client.answer("GET").await.unwrap();
    assert_eq!((answer.status, answer.header("x-error-code").as_str()), (400, "40010040"));
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn requests_that_can_be_read_two_ways_reach_nobody() {
    let (origin, edge) = edge_with("").await;
    for head in [
        "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6",
        "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5",
        "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0x5",
        "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked",
        "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity",
        "GET /x HTTP/1.1\r\nHost: a.test\r\nHost: b.test",
        "GET /x HTTP/1.1\r\nHost: a.test\r\nX : 1",
        "GET /x HTTP/1.1\r\nHost: a.test\r\nX: 1\r\n folded",
        "GET /x HTTP/1.1\r\nHost: a.test\r\nX: a\0b",
        "GET http://b.test/x HTTP/1.1\r\nHost: a.test",
        "GET /x\t HTTP/1.1\r\nHost: a.test",
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test",
        "TRACE /x HTTP/1.1\r\nHost: a.test",
    ] {
        let status = status_of(&edge, &format!("{head}\r\n\r\n")).await;
        assert!(status.is_none_or(|it| (400..=501).contains(&it)), "{head:?}: {status:?}");
    }
    assert_eq!((origin.seen().len(), origin.illegal()), (0, vec![]));
    assert_eq!(edge.get("/x").await.whole(200), b"x");
}

#[tokio::test]
async fn length_beside_chunks_is_harmless() {
    let (origin, edge) = edge_with("").await;
    origin.on("/up", |seen| Reply::ok(&String::from_utf8_lossy(&seen.body)));
    let mut client = edge.client().await;
    let head =
        "POST /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked";
    client.raw(format!("{head}\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /x HTTP/1.1\r\n").as_bytes()).await;
    // Either refused, or read as chunks (RFC 9112 section 6.3) and the connection then closed.
    if let Ok(answer) = client.answer("POST").await {
        assert!(answer.status == 400 || answer.body == b"ab", "{answer:?}");
        assert!(answer.header("connection").contains("close"), "{:?}", answer.head);
    }
    assert_eq!((origin.count("/x"), origin.illegal()), (0, vec![]));
}

#[tokio::test]
async fn refusals_name_themselves() {
    let (mut origin, edge) = edge_with("[respond]\nerrors = \"json\"").await;
    origin.kill().await;
    let answer = edge.get("/x").await;
    assert!((502..=504).contains(&answer.status), "{:?}", answer.head);
    let code = answer.header("x-error-code");
    assert!(code.len() == 8 && code.starts_with(&answer.status.to_string()), "{code}");
    assert!(answer.text().contains(&code), "{}", answer.text());
    assert_eq!(answer.header("content-type").split(';').next(), Some("application/json"));
    assert!(answer.header("proxy-status").contains("error="), "{:?}", answer.head);
    assert!(answer.has("x-request-id") && answer.has("cache-status"), "{:?}", answer.head);
}

#[tokio::test]
async fn loops_end() {
    let (origin, edge) = edge_with("").await;
    let once = edge.get_with("/x", &[("CDN-Loop", "another; v=1")]).await;
    once.whole(200);
    let seen = origin.seen()[0].header("cdn-loop").unwrap();
    assert!(seen.starts_with("another") && seen.contains("brink"), "{seen}");
    assert!(origin.seen()[0].header("via").is_some());
    let status = edge.get_with("/y", &[("CDN-Loop", &seen)]).await.status;
    assert_eq!(status, 508, "its own token came back");
    assert_eq!(origin.count("/y"), 0);
}

#[tokio::test]
async fn body_that_a_hit_leaves_unread_is_no_request() {
    let (origin, edge) = edge_with("").await;
    edge.get("/x").await.whole(200);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut client = edge.client().await;
    let answer = client.get("a.test", "/x").body(hidden.as_bytes()).send().await;
    assert!(answer.status == 200 || answer.status >= 400, "{:?}", answer.head);
    if !answer.header("connection").contains("close") {
        assert_eq!(client.get("a.test", "/x").send().await.whole(200), b"x");
    }
    assert_eq!(origin.count("/hidden"), 0);
}

#[tokio::test]
async fn too_large_is_refused_with_its_status() {
    let (origin, edge) = edge_with("[respond]\nerrors = \"json\"\nmax_upload = \"10KiB\"").await;
    origin.on("/up", |seen| Reply::ok(&seen.body.len().to_string()));
    let long = "x".repeat(20_000);
    assert_eq!(edge.get(&format!("/{long}")).await.status, 414);
    assert_eq!(edge.get_with("/x", &[("X-Long", &long)]).await.status, 431);
    let mut client = edge.client().await;
    assert_eq!(client.ask("POST", "a.test", "/up").body(&[b'x'; 10_240]).send().await.status, 200);
    let answer = client.ask("POST", "a.test", "/up").body(long.as_bytes()).send().await;
    assert_eq!((answer.status, answer.header("x-error-code").as_str()), (413, "41310001"));
}

#[tokio::test]
async fn upload_that_breaks_its_framing_or_stalls_is_the_clients_fault() {
    let origin = Origin::start().await;
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup.listen("body_grace = \"1s\"").start().await;
    let head = "POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunk in ["5\r\nhello\r\nZZ\r\n", "5\r\nhelloXX0\r\n\r\n", "-5\r\n", "5\nhello"] {
        assert_eq!(status_of(&edge, &format!("{head}{chunk}")).await, Some(400), "{chunk:?}");
    }
    assert_eq!(status_of(&edge, &format!("{head}5\r\nhello\r\n")).await, Some(408));
    assert_eq!(origin.count("/x"), 0);
}
