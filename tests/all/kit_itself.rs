//! The kit, tried without an edge between: a judge that nods at everything judges nothing.

use crate::kit::*;

#[tokio::test]
async fn client_and_origin_understand_each_other() {
    let origin = Origin::start().await;
    let proof = Proof::new("a", "/x", 1, 100_000);
    origin.serves("/x", "max-age=60", &proof);
    let mut client = Client::connect(origin.address).await;
    let answer = client.get("a.test", "/x?q").send().await;
    proof.check_whole(answer.whole(200));
    let answer = client.get("a.test", "/x").header("If-None-Match", &proof.etag()).send().await;
    assert_eq!(answer.whole(304), b"");
    assert_eq!(client.ask("POST", "a.test", "/y").body(b"abc").send().await.status, 404);
    assert_eq!((origin.count("/x"), origin.connections(), origin.illegal()), (2, 1, vec![]));
    assert_eq!(origin.seen()[2].body, b"abc");
}

#[tokio::test]
async fn cut_bodies_are_seen_as_cut() {
    let origin = Origin::start().await;
    origin.on("/cut", |_| Reply::ok("half ").after(3, Reply::cut));
    origin.on("/chunks", |_| Reply::ok("half ").chunked().cut());
    origin.on("/short", |_| Reply::ok("four").claim(5).cut());
    origin.on("/whole", |_| Reply::ok("half").chunked().trailer("X-Sum", "9").drip(2, ms(5)));
    for path in ["/cut", "/chunks", "/short"] {
        let answer = Client::connect(origin.address).await.get("a", path).send().await;
        assert!(matches!(answer.end, End::Cut(_)), "{path}: {answer:?}");
    }
    let answer = Client::connect(origin.address).await.get("a", "/whole").send().await;
    assert_eq!(answer.whole(200), b"half");
    assert_eq!(answer.trailers, [("X-Sum".into(), "9".into())]);
}

#[tokio::test]
async fn gates_interim_heads_and_tunnels_work() {
    let origin = Origin::start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    origin.on("/held", move |_| Reply::ok("first last").after(5, |reply| reply.wait(&held)));
    origin.on("/hints", |_| Reply::ok("x").interim(103, &[("Link", "</a.css>")]));
    origin.on("/socket", |_| Reply::upgrade("echo"));
    let mut client = Client::connect(origin.address).await;
    let mut reading = client.get("a", "/held").open().await;
    assert!(reading.more().await);
    assert_eq!(reading.answer.text(), "first");
    gate.open();
    assert_eq!(reading.rest().await.whole(200), b"first last");
    let answer = client.get("a", "/hints").send().await;
    assert_eq!(answer.interim[0].get("link").unwrap(), "</a.css>");
    assert_eq!(client.get("a", "/socket").send().await.status, 101);
    client.raw(b"ping").await;
    assert_eq!(client.tunnel().await, b"ping");
}

#[tokio::test]
async fn illegal_requests_are_recorded() {
    let origin = Origin::start().await;
    for bytes in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\n\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n",
    ] {
        let before = origin.illegal().len();
        let mut client = Client::connect(origin.address).await;
        client.raw(bytes.as_bytes()).await;
        assert_eq!(client.answer("GET").await.unwrap().status, 400, "{bytes:?}");
        assert_eq!(origin.illegal().len(), before + 1, "{bytes:?}");
    }
}

#[tokio::test]
async fn killed_origin_refuses() {
    let mut origin = Origin::start().await;
    let gate = Gate::closed();
    origin.on("/", move |_| Reply::ok("never").hold(&gate));
    let mut client = Client::connect(origin.address).await;
    client.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it has come", async || origin.count("/") == 1).await;
    origin.kill().await;
    assert!(client.answer("GET").await.is_err());
    assert!(tokio::net::TcpStream::connect(origin.address).await.is_err());
}

#[test]
fn proofs_know_their_bytes() {
    let proof = Proof::new("a", "/x", 1, 1000);
    let whole = proof.whole();
    assert!(whole.starts_with(b"a|/x|v1|1000|"));
    assert_eq!(proof.bytes(500..777), &whole[500..777]);
    proof.check(990, &whole[990..]);
    assert_ne!(whole[100..], Proof::new("a", "/x", 2, 1000).whole()[100..]);
    for (start, bytes) in
        [(0, &whole[1..]), (0, &[&whole[..], b"x"].concat()[..]), (5, &whole[4..9])]
    {
        assert!(std::panic::catch_unwind(|| proof.check(start, bytes)).is_err());
    }
}
