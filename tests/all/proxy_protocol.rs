//! The PROXY protocol, versions 1 and 2, from those who may speak it.

use crate::kit::*;

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 80\r\n";
const V1_UNKNOWN: &[u8] = b"PROXY UNKNOWN\r\n";
/// The signature, version 2 and PROXY, TCP over IPv4, 12 bytes of addresses and ports.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\xc3\x50\0\x50";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

async fn edge_that_trusts(network: &str) -> (Origin, Edge) {
    let origin = Origin::start().await;
    origin.on("/x", |seen| Reply::ok(&seen.header("x-forwarded-for").unwrap_or_default()));
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let trusted = format!("proxy_protocol.trusted = [\"{network}\"]");
    let edge = setup.listen(&trusted).start().await;
    (origin, edge)
}

#[tokio::test]
async fn trusted_peer_names_the_client() {
    let (_origin, edge) = edge_that_trusts("127.0.0.0/8").await;
    for (preface, client_address) in
        [(V1, "192.0.2.7"), (V2, "192.0.2.8"), (V1_UNKNOWN, "127.0.0.1"), (V2_LOCAL, "127.0.0.1")]
    {
        let mut client = Client::preceded(edge.http, preface).await;
        for _ in 0..2 {
            let answer = client.get("a.test", "/x").send().await;
            assert_eq!(answer.whole(200), client_address.as_bytes());
        }
    }
}

#[tokio::test]
async fn broken_or_absent_header_closes_the_connection() {
    let (origin, edge) = edge_that_trusts("127.0.0.0/8").await;
    let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
    let wrong: &[&[u8]] =
        &[b"", b"PROXY TCP4 nonsense\r\n", b"PROXY TCP9 1 2 3 4\r\n", &V2[..12], &long];
    for preface in wrong {
        let mut client = Client::preceded(edge.http, preface).await;
        client.raw(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(client.answer("GET").await.is_err(), "{preface:?}");
    }
    assert_eq!(origin.seen().len(), 0);
}

#[tokio::test]
async fn stranger_cannot_name_a_client() {
    let (origin, edge) = edge_that_trusts("192.0.2.0/24").await;
    let mut client = Client::preceded(edge.http, V1).await;
    client.raw(b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(client.answer("GET").await.map_or(true, |it| it.status >= 400));
    assert_eq!(origin.seen().len(), 0);
    let answer = edge.get_with("/x", &[("X-Forwarded-For", "192.0.2.9")]).await;
    assert_eq!(answer.whole(200), b"127.0.0.1");
}
