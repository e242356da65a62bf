//! What the origin can tell apart, and whether clients that the cache does not tell apart differ in it.

use crate::kit::*;

#[tokio::test]
async fn coding_that_another_client_accepted_is_not_served() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        let accepted = seen.header("accept-encoding").unwrap_or_default();
        let reply = if accepted.contains("deflate") {
            Reply::ok("coded").header("Content-Encoding", "deflate")
        } else {
            Reply::ok("plain")
        };
        reply.header("Cache-Control", "max-age=60").header("Vary", "Accept-Encoding")
    });
    let edge = Edge::before(&origin).await;
    edge.get_with("/x", &[("Accept-Encoding", "deflate")]).await.whole(200);
    let answer = edge.get_with("/x", &[("Accept-Encoding", "identity")]).await;
    assert_eq!(answer.text(), "plain", "{:?}", answer.head);
}

#[tokio::test]
async fn field_that_connection_takes_away_selects_no_variant() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        Reply::ok(&seen.header("accept-language").unwrap_or("none".into()))
            .header("Cache-Control", "max-age=60")
            .header("Vary", "Accept-Language")
    });
    let edge = Edge::before(&origin).await;
    edge.get_with("/x", &[("Accept-Language", "de"), ("Connection", "accept-language")])
        .await
        .whole(200);
    let answer = edge.get_with("/x", &[("Accept-Language", "de")]).await;
    assert_eq!(answer.text(), "de", "{:?}", answer.head);
}

#[tokio::test]
async fn answer_that_varies_by_client_address_is_not_shared() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        Reply::ok(&seen.header("x-forwarded-for").unwrap_or_default())
            .header("Cache-Control", "max-age=60")
            .header("Vary", "X-Forwarded-For")
    });
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let edge = setup.listen("proxy_protocol.trusted = [\"127.0.0.0/8\"]").start().await;
    for address in ["192.0.2.7", "192.0.2.8"] {
        let preface = format!("PROXY TCP4 {address} 192.0.2.1 50000 80\r\n");
        let mut client = Client::preceded(edge.http, preface.as_bytes()).await;
        assert_eq!(client.get("a.test", "/x").send().await.text(), address);
    }
}

#[tokio::test]
async fn spelling_of_the_host_does_not_reach_the_origin() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        Reply::ok(&format!("{:?} {:?}", seen.header("host"), seen.header("x-forwarded-host")))
            .header("Cache-Control", "max-age=60")
    });
    let edge = Edge::before(&origin).await;
    let mut client = edge.client().await;
    let odd = client.get("A.Test.", "/x").send().await;
    let plain = edge.get("/x").await;
    assert!(!plain.hit() || !plain.text().contains("A.Test"), "{} {:?}", plain.text(), odd.head);
    let mut client = edge.client().await;
    client.get("a.test:80", "/x?2").send().await;
    let plain = edge.get("/x?2").await;
    assert!(!plain.hit() || !plain.text().contains(":80"), "{}", plain.text());
}

#[tokio::test]
async fn answer_may_vary_by_scheme() {
    let origin = Origin::start().await;
    origin.on("/x", |seen| {
        Reply::ok(&seen.header("x-forwarded-proto").unwrap_or_default())
            .header("Cache-Control", "max-age=60")
            .header("Vary", "X-Forwarded-Proto")
    });
    let authority = Authority::new();
    let edge = Edge::with_tls(&origin, &authority).await;
    assert_eq!(edge.get("/x").await.text(), "http");
    let mut client = edge.tls("a.test", &authority).await;
    assert_eq!(client.get("a.test", "/x").send().await.text(), "https");
}

/// An origin that prints every field of a request into an answer that anyone may store.
async fn mirror() -> Origin {
    let origin = Origin::start().await;
    origin.on("/", |seen| {
        Reply::ok(&String::from_utf8_lossy(&seen.head.print()))
            .header("Cache-Control", "max-age=60")
            .header("Vary", "Accept-Language")
    });
    origin
}

#[tokio::test]
async fn claims_of_a_client_reach_no_stored_answer() {
    let origin = mirror().await;
    let edge = Edge::before(&origin).await;
    let claims = [
        "Forwarded",
        "Front-End-Https",
        "Proxy",
        "X-Forwarded-Host",
        "X-Forwarded-Path",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Original-Uri",
        "X-Scheme",
        "X_Forwarded_Host",
        "X_Original_URL",
        "X_Http_Method_Override",
        "Transfer_Encoding",
    ];
    let poison: Vec<(&str, &str)> = claims.iter().map(|name| (*name, "poison")).collect();
    edge.get_with("/", &poison).await.whole(200);
    let answer = edge.get("/").await;
    assert!(answer.hit() && !answer.text().contains("poison"), "{}", answer.text());
}

#[tokio::test]
async fn host_goes_out_in_the_form_of_its_key() {
    let origin = mirror().await;
    let edge = Edge::before(&origin).await;
    for (count, host) in ["A.TEST", "a.test.", "a.test:80", "a.test.:0080"].iter().enumerate() {
        let answer = edge.client().await.get(host, "/").send().await;
        assert!(answer.text().contains("host: a.test\r\n"), "{host}: {}", answer.text());
        assert_eq!(answer.hit(), count > 0, "{host}");
    }
    assert_eq!(edge.client().await.get("a.test..", "/").send().await.status, 400);
}
