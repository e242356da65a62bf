//! Uploads, interim responses, upgrades, trailers, and the form of the request.

use super::origin::{Origin, Reply, ok};
use super::*;
use futures_util::stream;
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn stream_of(chunks: &[&'static str]) -> Upload {
    let frames: Vec<Result<_, BoxError>> =
        chunks.iter().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))).collect();
    Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(stream::iter(frames))))
}

#[tokio::test]
async fn the_origin_gets_the_visited_host_or_the_one_that_is_set() {
    let origin = Origin::saying("hello").await;
    fetch(&plain(&origin), get("/a?b")).await.unwrap();
    let table = format!("servers = [\"{}\"]\nhost = \"inside.example:81\"", origin.address);
    fetch(&group(&table), get("/")).await.unwrap();
    let requests = origin.requests();
    assert_eq!(requests[0], "GET /a?b HTTP/1.1\r\nhost: www.example\r\n\r\n");
    assert_eq!(requests[1], "GET / HTTP/1.1\r\nhost: inside.example:81\r\n\r\n");
}

#[tokio::test]
async fn uploads_are_framed_by_what_is_known_of_them() {
    let origin = Origin::saying("hello").await;
    let group = plain(&origin);
    fetch(&group, post(Upload::Empty)).await.unwrap();
    fetch(&group, post(Upload::Whole(Bytes::from_static(b"pay")))).await.unwrap();
    fetch(&group, post(stream_of(&["ab", "c"]))).await.unwrap();
    // A GET may have a body as well; it must not be lost, or it would be read as a request.
    fetch(&group, Outbound { body: stream_of(&["x"]), ..get("/") }).await.unwrap();
    let requests = origin.requests();
    assert!(requests[0].contains("content-length: 0\r\n"), "{}", requests[0]);
    assert!(requests[1].contains("content-length: 3\r\n") && requests[1].ends_with("\r\n\r\npay"));
    assert!(requests[2].ends_with("\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), "{}", requests[2]);
    assert!(requests[3].contains("transfer-encoding: chunked\r\n"), "{}", requests[3]);
    assert!(requests[3].ends_with("\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "{}", requests[3]);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_upload_over_its_limit_is_cut_and_blamed_on_the_client() {
    let origin = Origin::saying("hello").await;
    let group = plain(&origin);
    let long = Outbound { body_limit: 3, ..post(stream_of(&["ab", "cd"])) };
    let fault = fetch(&group, long).await.map(|_| ()).unwrap_err();
    assert_eq!((fault.kind, fault.kind.status().as_u16()), (FaultKind::UploadTooLarge, 413));
    assert_eq!(fault.kind.whose(), Whose::Client);
    let broken: Vec<Result<Frame<Bytes>, BoxError>> = vec![Err("gone".into())];
    let body = Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(stream::iter(broken))));
    assert_eq!(super::fault(&group, post(body)).await, FaultKind::ClientAborted);
}

#[tokio::test]
async fn interim_responses_are_told_and_kept_apart_from_the_final_one() {
    let origin = Origin::start(|_, _| {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                    HTTP/1.1 102 Processing\r\n\r\n";
        Reply::Send(format!("{text}{}", ok("hello")))
    })
    .await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let on_interim: Interim = Arc::new(move |status: StatusCode, headers: &HeaderMap| {
        told.lock().push((status.as_u16(), headers.get("link").cloned()));
    });
    let group = plain(&origin);
    for _ in 0..2 {
        let outbound = Outbound { on_interim: Some(on_interim.clone()), ..get("/") };
        let (inbound, body) = fetch(&group, outbound).await.unwrap();
        assert_eq!((inbound.head.status.as_u16(), &body[..]), (200, &b"hello"[..]));
        assert!(!inbound.head.headers.contains_key("link"));
    }
    let link = Some(HeaderValue::from_static("</a>"));
    assert_eq!(*seen.lock(), [(103, link.clone()), (102, None), (103, link), (102, None)]);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_upgrade_tunnels_only_after_a_101() {
    let origin = Origin::start(|number, head| {
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket"));
        match number {
            1 => Reply::Echo(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                    .into(),
            ),
            _ => Reply::Send("HTTP/1.1 426 No\r\nContent-Length: 5\r\n\r\nhello".into()),
        }
    })
    .await;
    let group = plain(&origin);
    let ask = || Outbound { upgrade: Some(HeaderValue::from_static("websocket")), ..get("/") };
    let inbound = send(&group, ask()).await.unwrap();
    assert_eq!(inbound.head.status, StatusCode::SWITCHING_PROTOCOLS);
    let mut tunnel = TokioIo::new(inbound.upgrade.unwrap().await.unwrap());
    tunnel.write_all(b"ping").await.unwrap();
    let mut echo = [0; 4];
    tunnel.read_exact(&mut echo).await.unwrap();
    assert_eq!(&echo, b"ping");
    let (refused, body) = fetch(&group, ask()).await.unwrap();
    assert!(refused.upgrade.is_none());
    assert_eq!((refused.head.status.as_u16(), &body[..]), (426, &b"hello"[..]));
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn trailers_of_chunked_responses_pass() {
    let origin = Origin::start(|_, _| {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                    5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n";
        Reply::Send(text.into())
    })
    .await;
    let inbound = send(&plain(&origin), get("/")).await.unwrap();
    let whole = inbound.body.collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["x-sum"], "7");
    assert_eq!(whole.to_bytes(), "hello");
}
