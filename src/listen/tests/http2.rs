//! HTTP/2: negotiation, unread bodies, stalled streams.

use super::opening::{client_config, shake, two_sites};
use super::*;
use h2::client::SendRequest;
use tokio::io::AsyncWrite;

/// A client over `stream` whose streams may receive `window` bytes.
pub(super) async fn speak<S>(stream: S, window: u32) -> SendRequest<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(window.max(65_535));
    let (sender, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    sender.ready().await.unwrap()
}

pub(super) async fn get(client: &mut SendRequest<Bytes>, path: &str) -> Result<String, h2::Error> {
    let request = Request::get(format!("https://a.test{path}")).body(()).unwrap();
    let (response, _) = client.send_request(request, true)?;
    let mut body = response.await?.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        text.extend_from_slice(&data?);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn alpn_decides_for_http2() {
    let node = start(quick(), Some(two_sites()));
    let config = client_config(&["h2", "http/1.1"], &[&rustls::version::TLS13]);
    let stream = shake(&node, &config, "old.test").await.unwrap();
    let mut client = speak(stream, 65_535).await;
    let (one, two) = (client.clone(), client.clone());
    let (mut one, mut two) = (one, two);
    let (slow, quick) = tokio::join!(get(&mut one, "/slow"), get(&mut two, "/"));
    assert_eq!((slow.unwrap(), quick.unwrap()), ("slow".to_owned(), "hello".to_owned()));
    assert!(get(&mut client, "/peer").await.unwrap().ends_with(" https"));
    assert_eq!(get(&mut client, "/hints").await.unwrap(), "hinted false");
    assert_eq!((node.meters().http2.sum(), node.meters().http1.sum()), (1, 0));
}

#[tokio::test]
async fn prior_knowledge_works_only_where_it_is_switched_on() {
    let node = start(Settings { h2c: true, ..quick() }, None);
    let mut client = speak(node.connect().await, 65_535).await;
    assert_eq!(get(&mut client, "/").await.unwrap(), "hello");
    let mut old = node.connect().await;
    old.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_to(&mut old, "hello").await;
    let mut undecided = node.connect().await;
    undecided.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert!(ends(&mut undecided).await);

    let node = start(quick(), None);
    let mut client = node.connect().await;
    client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    assert!(read_to(&mut client, "nothing more").await.is_empty());
}

#[tokio::test]
async fn a_stalled_stream_is_reset_and_its_neighbours_are_not() {
    let node = start(Settings { h2c: true, ..quick() }, None);
    let mut client = speak(node.connect().await, 1000).await;
    let request = Request::get("http://a.test/endless").body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    // Nothing is released, so the window stays shut after the first bytes.
    assert_eq!(body.data().await.unwrap().unwrap().len(), 1000);
    assert_eq!(get(&mut client, "/slow").await.unwrap(), "slow");
    let end = tokio::time::timeout(Duration::from_secs(2), body.data()).await.unwrap();
    assert!(end.unwrap().unwrap_err().is_reset());
    assert_eq!(node.meters().stalled.sum(), 1);
    assert_eq!(get(&mut client, "/").await.unwrap(), "hello");
}

#[tokio::test]
async fn an_unread_body_leaves_the_connection_usable() {
    let node = start(Settings { h2c: true, ..quick() }, None);
    let mut client = speak(node.connect().await, 65_535).await;
    for _ in 0..5 {
        let request = Request::post("http://a.test/").body(()).unwrap();
        let (response, mut upload) = client.send_request(request, false).unwrap();
        upload.reserve_capacity(40_000);
        let _ = upload.send_data(Bytes::from(vec![b'x'; 40_000]), false);
        assert_eq!(response.await.unwrap().status(), 200);
    }
    assert_eq!(get(&mut client, "/").await.unwrap(), "hello");
}

#[tokio::test]
async fn a_resting_connection_is_told_to_go() {
    let settings = Settings { h2c: true, keep_alive: Span::millis(100), ..quick() };
    let node = start(settings, None);
    let mut client = speak(node.connect().await, 65_535).await;
    assert_eq!(get(&mut client, "/slow").await.unwrap(), "slow");
    while node.meters().open.value() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(node.meters().idle_closed.sum(), 1);
    assert!(get(&mut client, "/").await.is_err());
}

#[tokio::test]
async fn a_client_that_cancels_everything_is_shown_out() {
    let limits = Http2 { cancelled: 20, ..Http2::default() };
    let node = start(Settings { h2c: true, h2: limits, ..quick() }, None);
    let mut client = speak(node.connect().await, 65_535).await;
    let mut sent = 0;
    while sent < 200 && node.meters().abused.sum() == 0 {
        let request = Request::get("http://a.test/slow").body(()).unwrap();
        let Ok((response, _)) = client.send_request(request, true) else { break };
        sent += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(response);
    }
    assert!((20..100).contains(&sent), "{sent}");
    assert_eq!(node.meters().abused.sum(), 1);
}

#[tokio::test]
async fn a_drain_lets_streams_end() {
    let node = start(Settings { h2c: true, ..quick() }, None);
    let mut client = speak(node.connect().await, 65_535).await;
    let mut second = client.clone();
    let running = tokio::spawn(async move { get(&mut second, "/slow").await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let admission = node.front.admission.clone();
    let left = node.drain.run(&admission, Duration::ZERO, Duration::from_secs(2)).await;
    assert_eq!(left, 0);
    assert_eq!(running.await.unwrap().unwrap(), "slow");
    assert!(get(&mut client, "/").await.is_err());
}
