//! How a drain ends HTTP/1 connections and listeners.

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_drain_answers_what_is_there_and_refuses_what_comes_after() {
    let node = start(quick(), None);
    let mut resting = node.connect().await;
    resting.write_all(GET).await.unwrap();
    read_to(&mut resting, "hello").await;
    let mut running = node.connect().await;
    running.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut silent = node.connect().await;

    let admission = node.front.admission.clone();
    let drain = node.drain;
    let drained =
        tokio::spawn(
            async move { drain.run(&admission, Duration::ZERO, Duration::from_secs(2)).await },
        );
    tokio::time::sleep(Duration::from_millis(70)).await;
    assert!(TcpStream::connect(node.address).await.is_err(), "the listener is closed");
    node.accepting.await.unwrap().unwrap();

    // Its request was on its way when the drain began.
    resting.write_all(GET).await.unwrap();
    let answer = read_to(&mut resting, "hello").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(ends(&mut resting).await);
    assert!(read_to(&mut running, "slow").await.contains("connection: close"));
    assert!(ends(&mut silent).await);
    assert_eq!(drained.await.unwrap(), 0);
}

#[tokio::test]
async fn a_drain_cuts_off_what_does_not_end() {
    let node = start(Settings { write_timeout: Span::seconds(30), ..quick() }, None);
    let mut client = node.connect().await;
    client.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_to(&mut client, "\r\n\r\n").await;
    let admission = node.front.admission.clone();
    let left = node.drain.run(&admission, Duration::ZERO, Duration::from_millis(100)).await;
    assert_eq!(left, 1);
    while admission.taken() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(node.front.meters.aborted.sum(), 1);
}

#[tokio::test]
async fn connections_in_the_queue_are_served_before_the_listener_closes() {
    let node = start(quick(), None);
    // The runtime has one thread, so none of these is accepted before the drain begins.
    let mut clients = Vec::new();
    for _ in 0..20 {
        let client = std::net::TcpStream::connect(node.address).unwrap();
        client.set_nonblocking(true).unwrap();
        clients.push(client);
    }
    node.drain.advance(Stage::Draining);
    node.accepting.await.unwrap().unwrap();
    for client in clients {
        let mut client = TcpStream::from_std(client).unwrap();
        client.write_all(GET).await.unwrap();
        assert!(read_to(&mut client, "hello").await.contains("connection: close"));
    }
}
