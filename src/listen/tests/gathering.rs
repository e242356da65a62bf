//! HTTP/2 over TLS, where writes are gathered: nothing may be lost, held back or piled up.

use super::http2::{get, speak};
use super::opening::{client_config, shake, two_sites};
use super::*;
use crate::listen::gather::{Gate, Gathered, Outflow, gather};
use std::future::poll_fn;
use tokio::io::DuplexStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A window that holds the whole of any response here.
const WIDE: u32 = 1 << 30;

/// Both ends of a gathered stream whose pipe holds `room` bytes.
async fn pipe(
    room: usize,
) -> (Gathered<DuplexStream>, Gate<DuplexStream>, TlsStream<DuplexStream>) {
    let (server, client) = tokio::io::duplex(room);
    let acceptor = TlsAcceptor::from(two_sites().choose(Some("new.test")).config);
    let connector = TlsConnector::from(client_config(&[], &[&rustls::version::TLS13]));
    let name = ServerName::try_from("new.test").unwrap();
    let (server, client) = tokio::join!(acceptor.accept(server), connector.connect(name, client));
    let (gathered, gate) = gather(server.unwrap());
    (gathered, gate, client.unwrap())
}

/// Whether nothing comes for a moment.
async fn silent(client: &mut TlsStream<DuplexStream>) -> bool {
    tokio::time::timeout(Duration::from_millis(50), client.read_u8()).await.is_err()
}

#[tokio::test]
async fn what_is_written_leaves_when_the_gate_is_flushed() {
    let (mut gathered, mut gate, mut client) = pipe(1 << 20).await;
    for word in ["one ", "two ", "three"] {
        gathered.write_all(word.as_bytes()).await.unwrap();
        gathered.flush().await.unwrap();
    }
    assert!(silent(&mut client).await);
    poll_fn(|cx| gate.poll_flush(cx)).await.unwrap();
    assert_eq!(read_to(&mut client, "three").await, "one two three");
    assert!(silent(&mut client).await);
}

#[tokio::test]
async fn closing_the_stream_sends_all_of_it_first() {
    let (mut gathered, _gate, mut client) = pipe(1000).await;
    let text = "x".repeat(50_000) + "end";
    let sending = async {
        gathered.write_all(text.as_bytes()).await.unwrap();
        gathered.shutdown().await.unwrap();
    };
    let mut seen = String::new();
    let (read, ()) = tokio::join!(client.read_to_string(&mut seen), sending);
    read.unwrap();
    assert!(seen == text, "{} bytes", seen.len());
}

#[tokio::test]
async fn a_full_pipe_holds_up_the_writer() {
    let (mut gathered, mut gate, mut client) = pipe(1000).await;
    let mut taken = 0;
    let piece = vec![b'x'; 10_000];
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(50), gathered.write(&piece)).await
    {
        taken += written.unwrap();
        assert!(taken < 200_000, "the writer is never held up");
    }
    assert!(taken >= 64 << 10, "{taken}");
    let mut seen = vec![0; taken];
    let reading = async { client.read_exact(&mut seen).await.map(|_| ()) };
    let (read, flushed) = tokio::join!(reading, poll_fn(|cx| gate.poll_flush(cx)));
    read.unwrap();
    flushed.unwrap();
    assert_eq!(gathered.write(&piece).await.unwrap(), piece.len());
}

async fn wide(node: &Node) -> h2::client::SendRequest<Bytes> {
    let config = client_config(&["h2"], &[&rustls::version::TLS13]);
    speak(shake(node, &config, "new.test").await.unwrap(), WIDE).await
}

#[tokio::test]
async fn a_large_response_and_small_ones_beside_it_are_whole() {
    let node = start(quick(), Some(two_sites()));
    let mut client = wide(&node).await;
    let mut other = client.clone();
    let large = tokio::spawn(async move { get(&mut other, "/large").await });
    for _ in 0..100 {
        assert_eq!(get(&mut client, "/").await.unwrap(), "hello");
    }
    let large = large.await.unwrap().unwrap();
    assert!(large.len() == LARGE && large.bytes().all(|byte| byte == b'x'), "{}", large.len());
    assert_eq!(get(&mut client, "/slow").await.unwrap(), "slow");
}

#[tokio::test]
async fn many_responses_at_once_come_back_each_to_its_own_request() {
    let node = start(quick(), Some(two_sites()));
    let client = wide(&node).await;
    let all = (0..90).map(|index| {
        let mut client = client.clone();
        let path = ["/", "/slow", "/peer"][index % 3];
        async move { (path, get(&mut client, path).await.unwrap()) }
    });
    for (path, text) in futures_util::future::join_all(all).await {
        match path {
            "/" => assert_eq!(text, "hello"),
            "/slow" => assert_eq!(text, "slow"),
            _ => assert!(text.ends_with(" https"), "{text}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_all_and_one_that_reads_nothing_is_cut_off() {
    let node = start(quick(), Some(two_sites()));
    let config = client_config(&["h2"], &[&rustls::version::TLS13]);
    let begin = async || {
        let stream = shake(&node, &config, "new.test").await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WIDE).initial_connection_window_size(WIDE);
        let (client, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
        let mut client = client.ready().await.unwrap();
        let request = Request::get("https://new.test/large").body(()).unwrap();
        (client.send_request(request, true).unwrap().0, client, connection)
    };
    // The connection is polled now and then only, so the socket is full most of the time.
    let (response, _client, mut connection) = begin().await;
    let reading = async {
        let mut body = response.await.unwrap().into_body();
        let mut size = 0;
        while let Some(data) = body.data().await {
            size += data.unwrap().len();
        }
        size
    };
    let mut reading = std::pin::pin!(reading);
    let size = loop {
        let turn = async {
            tokio::select! {
                size = &mut reading => Some(size),
                _ = &mut connection => None,
            }
        };
        if let Ok(Some(size)) = tokio::time::timeout(Duration::from_millis(2), turn).await {
            break size;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((size, node.meters().stalled.sum()), (LARGE, 0));

    // Read until the response has begun, and never again.
    let (response, _client, mut connection) = begin().await;
    let response = tokio::select! {
        response = response => response.unwrap(),
        _ = &mut connection => panic!("the connection ended"),
    };
    assert_eq!(response.status(), 200);
    let ended = async {
        while node.meters().stalled.sum() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
}

#[tokio::test]
async fn a_ping_is_answered_at_once() {
    let node = start(quick(), Some(two_sites()));
    let config = client_config(&["h2"], &[&rustls::version::TLS13]);
    let stream = shake(&node, &config, "new.test").await.unwrap();
    let (_client, mut connection) = h2::client::handshake::<_>(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    let answered = pings.ping(h2::Ping::opaque());
    tokio::time::timeout(Duration::from_millis(200), answered).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_delivers_what_was_begun() {
    let node = start(quick(), Some(two_sites()));
    let mut client = wide(&node).await;
    let mut second = client.clone();
    let running = tokio::spawn(async move { get(&mut second, "/large").await });
    tokio::time::sleep(Duration::from_millis(5)).await;
    let admission = node.front.admission.clone();
    let left = node.drain.run(&admission, Duration::ZERO, Duration::from_secs(5)).await;
    assert_eq!(left, 0);
    assert_eq!(running.await.unwrap().unwrap().len(), LARGE);
    assert!(get(&mut client, "/").await.is_err());
}
