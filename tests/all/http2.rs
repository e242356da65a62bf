//! HTTP/2 at the front, HTTP/1.1 behind: one store, trailers, many streams.

use tokio::task::JoinSet;

use crate::kit::*;

#[tokio::test]
async fn versions_share_what_is_stored() {
    let (origin, authority) = (Origin::start().await, Authority::new());
    let proof = Proof::new("a.test", "/x", 1, 300_000);
    origin.serves("/x", "max-age=60", &proof);
    let edge = Edge::with_tls(&origin, &authority).await;
    let http2 = edge.http2("a.test", &authority).await;
    let miss = http2.get("a.test", "/x").await.unwrap();
    proof.check_whole(&miss.body);
    let hit = http2.get("a.test", "/x").await.unwrap();
    proof.check_whole(&hit.body);
    assert!(hit.header("cache-status").contains("hit"), "{:?}", hit.headers);
    for field in ["connection", "keep-alive", "transfer-encoding"] {
        assert!(!hit.headers.contains_key(field), "{field}");
    }
    let mut client = edge.tls("a.test", &authority).await;
    assert!(client.get("a.test", "/x").send().await.hit());
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn streams_do_not_wait_for_each_other() {
    let (origin, authority) = (Origin::start().await, Authority::new());
    let gate = Gate::closed();
    let held = gate.clone();
    origin.on("/slow", move |_| Reply::ok("slow").hold(&held));
    for index in 0..90 {
        let path = format!("/{index}");
        let proof = Proof::new("a.test", &path, 1, 20_000 + index);
        origin.serves(&path, "max-age=60", &proof);
    }
    let edge = Edge::with_tls(&origin, &authority).await;
    let http2 = edge.http2("a.test", &authority).await;
    let slow = {
        let http2 = http2.clone();
        tokio::spawn(async move { http2.get("a.test", "/slow").await })
    };
    let mut streams = JoinSet::new();
    for index in 0..90 {
        let http2 = http2.clone();
        streams.spawn(async move {
            let path = format!("/{index}");
            let answer = http2.get("a.test", &path).await.unwrap();
            Proof::new("a.test", &path, 1, 20_000 + index).check_whole(&answer.body);
        });
    }
    streams.join_all().await;
    gate.open();
    assert_eq!(&slow.await.unwrap().unwrap().body[..], b"slow");
}

#[tokio::test]
async fn trailers_and_uploads_pass() {
    let (origin, authority) = (Origin::start().await, Authority::new());
    origin.on("/rpc", |seen| {
        let reply = Reply::new(200).header("Content-Type", "application/grpc");
        reply.bytes(seen.body.clone()).trailer("Grpc-Status", "0")
    });
    let edge = Edge::with_tls(&origin, &authority).await;
    let http2 = edge.http2("a.test", &authority).await;
    let message = Proof::new("a.test", "/rpc", 1, 150_000);
    let mut request = http2.request("POST", "a.test", "/rpc", &message.whole());
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    let answer = http2.send(request).await.unwrap();
    message.check_whole(&answer.body);
    assert_eq!(answer.trailers.expect("trailers")["grpc-status"], "0");
}

#[tokio::test]
async fn cut_body_resets_its_stream_alone() {
    let (origin, authority) = (Origin::start().await, Authority::new());
    origin.on("/cut", |_| Reply::ok("half of it").after(4, Reply::cut));
    origin.on("/x", |_| Reply::ok("x"));
    let edge = Edge::with_tls(&origin, &authority).await;
    let http2 = edge.http2("a.test", &authority).await;
    assert!(http2.get("a.test", "/cut").await.is_err());
    assert_eq!(&http2.get("a.test", "/x").await.unwrap().body[..], b"x");
}

#[tokio::test]
async fn plain_text_http2_is_spoken_only_where_asked_for() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x"));
    let setup = || Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup().listen("h2c = true").start().await;
    let http2 = Http2::plain(edge.http).await;
    assert_eq!(&http2.get("a.test", "/x").await.unwrap().body[..], b"x");
    assert_eq!(edge.get("/x").await.whole(200), b"x");
    let edge = setup().start().await;
    assert!(Http2::plain(edge.http).await.get("a.test", "/x").await.is_err());
}

#[tokio::test]
async fn cookie_crumbs_reach_the_origin_as_one_line() {
    let (origin, authority) = (Origin::start().await, Authority::new());
    origin.on("/x", |_| Reply::ok("x"));
    let edge = Edge::with_tls(&origin, &authority).await;
    let http2 = edge.http2("a.test", &authority).await;
    let mut request = http2.request("GET", "a.test", "/x", b"");
    for crumb in ["a=1", "b=2", "c=3"] {
        request.headers_mut().append("cookie", crumb.parse().unwrap());
    }
    http2.send(request).await.unwrap();
    assert_eq!(origin.seen()[0].head.all("cookie"), ["a=1; b=2; c=3"]);
}
