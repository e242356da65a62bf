//! TLS: the certificate by name, who is misdirected, and change without a restart.

use rustls::{NamedGroup, ProtocolVersion};

use crate::kit::*;

async fn two_sites() -> (Origin, Authority, Edge) {
    let origin = Origin::start().await;
    origin.on("/x", |seen| Reply::ok(&seen.header("x-forwarded-proto").unwrap_or_default()));
    let authority = Authority::new();
    let setup = Edge::setup().tls_site("a", &["a.test", "*.a.test"], &origin, &authority);
    let setup = setup.tls_site("b", &["b.test"], &origin, &authority);
    let edge = setup.site("plain", &site(&["plain.test"], &origin, "")).start().await;
    (origin, authority, edge)
}

#[tokio::test]
async fn certificate_is_chosen_by_server_name() {
    let (_origin, authority, edge) = two_sites().await;
    for name in ["a.test", "www.a.test", "b.test"] {
        let mut client = edge.tls(name, &authority).await;
        assert_eq!(client.get(name, "/x").send().await.whole(200), b"https", "{name}");
    }
    for name in ["nobody.test", "plain.test", "x.b.test"] {
        assert!(Client::tls(edge.https, name, &authority).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn host_that_the_certificate_does_not_cover_is_misdirected() {
    let (origin, authority, edge) = two_sites().await;
    for (name, host, status) in [
        ("a.test", "a.test", 200),
        ("a.test", "A.TEST:443", 200),
        ("a.test", "www.a.test", 200),
        ("a.test", "b.test", 421),
        ("b.test", "a.test", 421),
        ("a.test", "plain.test", 421),
    ] {
        let mut client = edge.tls(name, &authority).await;
        let answer = client.get(host, "/x").send().await;
        assert_eq!(answer.status, status, "{host} over {name}: {:?}", answer.head);
    }
    let asked = origin.count("/x");
    let http2 = edge.http2("a.test", &authority).await;
    assert_eq!(http2.get("b.test", "/x").await.unwrap().status, 421);
    assert_eq!(http2.get("a.test", "/x").await.unwrap().status, 200);
    assert_eq!(origin.count("/x"), asked + 1);
}

#[tokio::test]
async fn handshake_is_modern_and_protocols_are_negotiated() {
    let (_origin, authority, edge) = two_sites().await;
    for (offered, chosen) in
        [(vec!["h2", "http/1.1"], Some("h2")), (vec!["http/1.1"], Some("http/1.1")), (vec![], None)]
    {
        let stream = authority.connect(edge.https, "a.test", &offered).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.alpn_protocol(), chosen.map(str::as_bytes));
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = session.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
    }
}

#[tokio::test]
async fn new_certificate_counts_without_a_restart() {
    let (origin, old) = (Origin::start().await, Authority::new());
    origin.on("/x", |_| Reply::ok("x"));
    let edge = Edge::with_tls(&origin, &old).await;
    let mut before = edge.tls("a.test", &old).await;
    let new = Authority::new();
    new.write(edge.path("").as_path(), "a", &["a.test"]);
    edge.signal("HUP");
    until("the new certificate is shown", async || {
        Client::tls(edge.https, "a.test", &new).await.is_ok()
    })
    .await;
    assert!(Client::tls(edge.https, "a.test", &old).await.is_err());
    // A connection made before goes on.
    assert_eq!(before.get("a.test", "/x").send().await.whole(200), b"x");
}

#[tokio::test]
async fn plain_text_to_the_tls_port_harms_nobody() {
    let (origin, authority, edge) = two_sites().await;
    let mut client = Client::connect(edge.https).await;
    client.raw(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    // An alert that is no HTTP, or a refusal that is.
    assert!(client.answer("GET").await.map_or(true, |it| it.status == 400));
    assert_eq!(origin.count("/x"), 0);
    edge.tls("a.test", &authority).await.get("a.test", "/x").send().await.whole(200);
}
