//! Which connections carry a further request, and which never do.

use super::origin::{Origin, Reply, ok};
use super::*;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

/// Fetches twice and says how many connections that took.
async fn connections_for_two(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> usize {
    let origin = Origin::start(move |number, _| script(number)).await;
    let group = plain(&origin);
    for _ in 0..2 {
        let (inbound, body) = fetch(&group, get("/")).await.unwrap();
        assert!(body.is_empty() || body == "hello", "{body:?}");
        assert!(inbound.head.status.as_u16() < 400);
        breathe().await;
    }
    origin.connections()
}

#[tokio::test]
async fn a_connection_is_used_again_once_its_body_was_read() {
    let shared = shared();
    let origin = Origin::saying("hello").await;
    let group = group_of(&format!("servers = [\"{}\"]", origin.address), &shared);
    let (first, _) = fetch(&group, get("/")).await.unwrap();
    let (second, _) = fetch(&group, get("/")).await.unwrap();
    assert!(first.timings.connect.is_some() && second.timings.connect.is_none());
    assert_eq!((origin.connections(), shared.idle_connections()), (1, 1));
    assert_eq!(shared.counts.reused.sum(), 1);
    assert!(group.status().iter().all(|status| status.in_flight == 0));
}

#[tokio::test]
async fn all_clean_endings_keep_the_connection() {
    for text in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        assert_eq!(connections_for_two(|_| Reply::Send(text.into())).await, 1, "{text}");
    }
    let slowly = |_| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
        Reply::Slowly(vec![(0, head.into()), (5, "lo\r\n".into()), (5, "0\r\n\r\n".into())])
    };
    assert_eq!(connections_for_two(slowly).await, 1);
}

#[tokio::test]
async fn doubtful_framing_ends_the_connection_and_nothing_of_it_leaks() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for text in [
        format!("{}{evil}", ok("hello")),
        format!("HTTP/1.1 204 No Content\r\n\r\n{evil}"),
        format!("HTTP/1.1 304 Not Modified\r\n\r\n{evil}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{evil}"),
        "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            .into(),
    ] {
        let script = text.clone();
        assert_eq!(connections_for_two(move |_| Reply::Send(script.clone())).await, 2, "{text}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_dropped() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\n\r\n";
    let origin = Origin::start(move |_, _| Reply::Send(text.into())).await;
    let (inbound, body) = fetch(&plain(&origin), get("/")).await.unwrap();
    assert_eq!(body, "hello");
    assert!(!inbound.head.headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_body_dropped_half_way_closes_its_connection() {
    let origin = Origin::start(|_, _| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".into();
        Reply::Slowly(vec![(0, head), (50, "world".into())])
    })
    .await;
    let group = plain(&origin);
    drop(send(&group, get("/")).await.unwrap());
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "helloworld");
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_noticed_or_replaced() {
    // The origin closes after each response without having said so.
    let origin = Origin::start(|_, _| Reply::Last(ok("hello"))).await;
    let group = plain(&origin);
    for _ in 0..5 {
        assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
    }
    assert_eq!(origin.connections(), 5);
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_a_get_is_replaced_but_not_under_a_post() {
    let shared = shared();
    let script = |number, _: &str| match number % 2 {
        1 => Reply::Send(ok("hello")),
        // Read, but not answered.
        _ => Reply::Close,
    };
    let origin = Origin::start(script).await;
    let group = group_of(&format!("servers = [\"{}\"]", origin.address), &shared);
    assert_eq!(fetch(&group, get("/1")).await.unwrap().1, "hello");
    assert_eq!(fetch(&group, get("/2")).await.unwrap().1, "hello");
    assert_eq!(shared.counts.stale_connections.sum(), 1);
    let upload = Upload::Whole(Bytes::from_static(b"pay"));
    assert_eq!(fault(&group, post(upload)).await, FaultKind::Closed);
    assert_eq!(origin.requests().len(), 4);
}

#[tokio::test]
async fn an_early_answer_passes_and_the_rest_of_the_upload_goes_nowhere() {
    let origin = Origin::start(|number, _| match number {
        1 => Reply::Early("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno".into()),
        _ => Reply::Send(ok("hello")),
    })
    .await;
    let group = plain(&origin);
    // One piece, then nothing more for ever.
    let first: Result<_, BoxError> = Ok(Frame::data(Bytes::from_static(b"begin")));
    let frames = futures_util::StreamExt::chain(stream::iter([first]), stream::pending());
    let upload = Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(frames)));
    let (inbound, body) = fetch(&group, post(upload)).await.unwrap();
    assert_eq!((inbound.head.status.as_u16(), &body[..]), (413, &b"no"[..]));
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn an_upload_goes_on_while_nobody_reads_an_early_answer() {
    let origin = Origin::start(|_, _| Reply::Early(ok("hello"))).await;
    let frames = stream::unfold(0, |sent| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let frame: Result<_, BoxError> = Ok(Frame::data(Bytes::from_static(b"part")));
        (sent < 5).then_some((frame, sent + 1))
    });
    let upload = Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(frames)));
    let inbound = send(&plain(&origin), post(upload)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let requests = origin.requests();
    assert!(requests.iter().any(|request| request.matches("part").count() == 5), "{requests:?}");
    assert_eq!(inbound.body.collect().await.unwrap().to_bytes(), "hello");
}

#[tokio::test]
async fn a_connection_that_speaks_out_of_turn_is_not_used_again() {
    let late = vec![(0, ok("hello")), (10, "HTTP/1.1 408 Too Slow\r\n\r\n".to_owned())];
    let twice = connections_for_two(move |_| Reply::Slowly(late.clone())).await;
    assert_eq!(twice, 2);
}

#[tokio::test]
async fn idle_connections_are_bounded_and_expire() {
    let origin = Origin::saying("hello").await;
    let expiring = format!("servers = [\"{}\"]\nidle_timeout = \"10ms\"", origin.address);
    let group = group_of(&expiring, &shared());
    for _ in 0..2 {
        fetch(&group, get("/")).await.unwrap();
        breathe().await;
    }
    assert_eq!(origin.connections(), 2);

    let none: NodeSettings =
        toml::from_str("allow_private = [\"127.0.0.0/8\"]\nmax_idle = 0").unwrap();
    let shared = Shared::new(&none, Clock::system());
    let group = group_of(&format!("servers = [\"{}\"]", origin.address), &shared);
    for _ in 0..2 {
        fetch(&group, get("/")).await.unwrap();
    }
    assert_eq!((origin.connections(), shared.idle_connections()), (4, 0));
}

#[tokio::test]
async fn two_sites_never_share_a_connection() {
    let origin = Origin::saying("hello").await;
    let shared = shared();
    let table = format!("servers = [\"{}\"]", origin.address);
    let (a, b) = (group_of(&table, &shared), group_of(&table, &shared));
    for group in [&a, &b, &a, &b] {
        fetch(group, get("/")).await.unwrap();
    }
    assert_eq!(origin.connections(), 2);
}
