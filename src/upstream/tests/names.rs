//! Origins by name: a small DNS server says where they are, and then something else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, UdpSocket};

use super::origin::{Origin, Reply, ok, serve};
use super::*;
use crate::clock::Timestamp;

/// What the DNS says of every name now: an address, or that it failed.
type Answer = Arc<Mutex<Option<Ipv4Addr>>>;

/// A DNS server that answers A with a TTL of zero and AAAA with nothing.
async fn dns(answer: Answer) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let name = query[12..length].iter().position(|byte| *byte == 0).unwrap();
            let question = &query[12..12 + name + 5];
            let wants_a = question[name + 1..name + 3] == [0, 1];
            let found = *answer.lock();
            let records = u8::from(wants_a && found.is_some());
            let code = if found.is_some() { 0x80 } else { 0x82 };
            let mut reply = query[..2].to_vec();
            reply.extend([0x81, code, 0, 1, 0, records, 0, 0, 0, 0]);
            reply.extend(question);
            if let (1, Some(found)) = (records, found) {
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
                reply.extend(found.octets());
            }
            socket.send_to(&reply, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_name_is_looked_up_again_and_its_last_answer_outlives_the_dns() {
    let first = Origin::saying("first").await;
    // Another address with the same port, and another answer.
    let port = first.address.port();
    let second = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = second.accept().await {
            let script = Arc::new(|_: usize, _: &str| Reply::Send(ok("second")));
            tokio::spawn(serve(stream, script, Arc::default()));
        }
    });
    let answer: Answer = Arc::new(Mutex::new(Some(Ipv4Addr::LOCALHOST)));
    let clock = Clock::manual(Timestamp::from_seconds(1_000));
    let settings: NodeSettings = toml::from_str(&format!(
        "allow_private = [\"127.0.0.0/8\"]\nresolvers = [\"{}\"]\ndns_stale = \"10m\"",
        dns(answer.clone()).await
    ))
    .unwrap();
    let shared = Shared::new(&settings, clock.clone());
    let group = group_of(&format!("servers = [\"o.test:{port}\"]"), &shared);
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "first");

    // The name moves: past its grace the next request waits for the answer and goes there.
    *answer.lock() = Some(Ipv4Addr::new(127, 0, 0, 2));
    clock.advance(Duration::from_secs(60));
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "second");

    // Within its grace one request still gets the old answer, while the new one is fetched.
    *answer.lock() = Some(Ipv4Addr::LOCALHOST);
    clock.advance(Duration::from_secs(10));
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "second");
    breathe().await;
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "first");

    // The DNS fails: the last answer serves on, for ten minutes.
    *answer.lock() = None;
    clock.advance(Duration::from_secs(300));
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "first");
    clock.advance(Duration::from_secs(600));
    assert_eq!(fault(&group, get("/")).await, FaultKind::NameUnresolved);
}
