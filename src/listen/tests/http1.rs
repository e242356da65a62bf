//! HTTP/1: bodies, interim heads, limits.

use super::*;

async fn ask(node: &Node, request: &str, end: &str) -> (TcpStream, String) {
    let mut client = node.connect().await;
    client.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to(&mut client, end).await;
    (client, answer)
}

#[tokio::test]
async fn a_connection_is_kept_and_pipelined_requests_are_answered_in_order() {
    let node = start(quick(), None);
    let (mut client, _) = ask(&node, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hello").await;
    let two = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    client.write_all(two.as_bytes()).await.unwrap();
    let answers = read_to(&mut client, "hello").await;
    assert!(answers.find("slow").unwrap() < answers.find("hello").unwrap());
    assert_eq!(node.meters().accepted.sum(), 1);
    assert_eq!(node.front.admission.taken(), 1);
}

#[tokio::test]
async fn an_unread_body_within_the_budget_is_thrown_away_and_the_connection_kept() {
    let node = start(quick(), None);
    let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000\r\n\r\n";
    let (mut client, answer) = ask(&node, head, "hello").await;
    assert!(!answer.contains("connection: close"));
    client.write_all(&vec![b'x'; 50_000]).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(read_to(&mut client, "slow").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_unread_body_past_the_budget_ends_the_connection_but_not_the_response() {
    let node = start(quick(), None);
    let mut client = node.connect().await;
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n")
        .await
        .unwrap();
    client.write_all(&vec![b'x'; 100_000]).await.unwrap();
    assert!(read_to(&mut client, "hello").await.starts_with("HTTP/1.1 200"));
    assert!(ends(&mut client).await, "an orderly end, no reset");
}

#[tokio::test]
async fn a_body_that_is_not_invited_is_not_asked_for() {
    let node = start(quick(), None);
    let head = "HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n";
    let (mut client, answer) = ask(&node, &format!("POST / {head}"), "hello").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(ends(&mut client).await);

    let (mut client, answer) = ask(&node, &format!("POST /read {head}"), "\r\n\r\n").await;
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.unwrap();
    assert!(read_to(&mut client, "read 3").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn two_framings_in_one_request_end_the_connection() {
    let node = start(quick(), None);
    for framing in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 5",
    ] {
        let request = format!(
            "POST /read HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /x HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        let (mut client, answer) = ask(&node, &request, "read 3").await;
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(ends(&mut client).await);
    }
}

#[tokio::test]
async fn interim_heads_leave_at_once_and_before_the_final_head() {
    let node = start(quick(), None);
    let (mut client, first) =
        ask(&node, "GET /hints HTTP/1.1\r\nhost: a\r\n\r\n", "\r\n\r\n").await;
    assert_eq!(first, "HTTP/1.1 103 Early Hints\r\nlink: 1\r\n\r\n", "before the handler is done");
    let rest = read_to(&mut client, "hinted true").await;
    let expected = "HTTP/1.1 103 Early Hints\r\nlink: 2\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: 3\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(rest.starts_with(expected), "{rest}");

    let (_, old) = ask(&node, "GET /hints HTTP/1.0\r\nhost: a\r\n\r\n", "hinted false").await;
    assert!(old.starts_with("HTTP/1.0 200"), "{old}");
}

#[tokio::test]
async fn an_interim_head_never_falls_into_another_response() {
    let node = start(quick(), None);
    let requests = "GET /late HTTP/1.1\r\nhost: a\r\n\r\nGET /slow HTTP/1.1\r\nhost: a\r\n\r\nGET /hints HTTP/1.1\r\nhost: a\r\n\r\n";
    let (_, answers) = ask(&node, requests, "hinted true").await;
    let order: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(order, ["200", "200", "103", "103", "103", "200"]);
}

#[tokio::test]
async fn an_interim_head_waits_for_an_earlier_response_that_is_stuck() {
    let node = start(Settings { write_timeout: Span::seconds(30), ..quick() }, None);
    let mut client = node.connect().await;
    let first = "POST /large HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nx";
    client.write_all(first.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The end of the first body lets hyper go on to the next request with the response unwritten.
    client.write_all(b"xGET /hints HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut answers = read_to(&mut client, "hinted true").await;
    let body = answers.split_off(answers.find("\r\n\r\n").unwrap() + 4);
    let (large, rest) = body.split_at(LARGE);
    assert!(large.bytes().all(|byte| byte == b'x'));
    assert!(rest.starts_with("HTTP/1.1 103") || rest.starts_with("HTTP/1.1 200"), "{rest}");
}

#[tokio::test]
async fn heads_have_limits() {
    let node = start(quick(), None);
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(40 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    for head in [large, many] {
        let (mut client, answer) = ask(&node, &head, "\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(ends(&mut client).await);
    }
    let (mut client, answer) = ask(&node, "GET /\x01 HTTP/1.1\r\n\r\n", "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    client.shutdown().await.unwrap();
    while node.meters().open.value() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(node.meters().malformed.sum(), 3);
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let node = start(quick(), None);
    let mut silent = node.connect().await;
    assert!(ends(&mut silent).await);
    let (mut dripping, _) = ask(&node, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "hello").await;
    dripping.write_all(b"GET / HT").await.unwrap();
    assert!(ends(&mut dripping).await);
    assert_eq!(node.meters().head_timeouts.sum(), 2);

    let slow = "POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc";
    let (mut client, answer) = ask(&node, slow, "too slow").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(ends(&mut client).await);
    assert_eq!(node.meters().slow_bodies.sum(), 1);
}

#[tokio::test]
async fn a_conversation_may_pause() {
    let node = start(quick(), None);
    let head = "POST /patient HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc";
    let mut client = node.connect().await;
    client.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.write_all(b"def").await.unwrap();
    read_to(&mut client, "read 6").await;
}

#[tokio::test]
async fn a_resting_connection_is_ended_after_its_time_and_a_busy_one_is_not() {
    let node = start(Settings { keep_alive: Span::millis(100), ..quick() }, None);
    let (mut client, _) = ask(&node, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "slow").await;
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_to(&mut client, "slow").await;
    assert!(ends(&mut client).await);
    assert_eq!(node.meters().idle_closed.sum(), 1);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let node = start(quick(), None);
    let (client, _) = ask(&node, "GET /endless HTTP/1.1\r\nhost: a\r\n\r\n", "\r\n\r\n").await;
    while node.meters().open.value() > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.meters().stalled.sum(), 1);
    drop(client);
}

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel_that_keeps_its_place() {
    let node = start(quick(), None);
    let head = "GET /echo HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly";
    let (mut client, answer) = ask(&node, head, "early").await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    tokio::time::sleep(Duration::from_millis(700)).await;
    client.write_all(b"after the keep-alive time").await.unwrap();
    read_to(&mut client, "time").await;
    assert_eq!(node.front.admission.taken(), 1);
    client.shutdown().await.unwrap();
    assert!(ends(&mut client).await);
}

#[tokio::test]
async fn a_handler_may_end_the_connection() {
    let node = start(quick(), None);
    let (mut client, answer) =
        ask(&node, "GET /close HTTP/1.1\r\nhost: a\r\n\r\n", "closing").await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(ends(&mut client).await);
}
