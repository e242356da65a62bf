//! Retries, backups, outages, timeouts, and bodies that end too early.

use super::origin::{Origin, Reply, ok, refusing};
use super::*;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;

fn upload() -> Upload {
    Upload::Whole(Bytes::from_static(b"pay"))
}

#[tokio::test]
async fn a_refusing_server_is_passed_over_and_left_alone() {
    let shared = shared();
    let origin = Origin::saying("hello").await;
    let table = format!(
        "servers = [\"{}\", \"{}\"]\nbalance = \"round-robin\"",
        refusing(),
        origin.address
    );
    let group = group_of(&table, &shared);
    for _ in 0..6 {
        assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
    }
    assert_eq!((origin.requests().len(), shared.counts.retries.sum()), (6, 1));
    let up: Vec<bool> = group.status().iter().map(|status| status.up).collect();
    assert_eq!(up, [false, true]);
}

#[tokio::test]
async fn max_fails_of_zero_never_takes_a_server_out() {
    let origin = Origin::saying("hello").await;
    let refusing = refusing();
    let table = format!(
        "servers = [{{ url = \"{refusing}\", max_fails = 0 }}, \"{}\"]\nbalance = \"round-robin\"",
        origin.address
    );
    let shared = shared();
    let group = group_of(&table, &shared);
    for _ in 0..6 {
        assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
    }
    assert_eq!(shared.counts.retries.sum(), 3);
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    let first = Origin::start(|_, _| Reply::Close).await;
    let second = Origin::saying("hello").await;
    let table = format!(
        "servers = [\"{}\", \"{}\"]\nbalance = \"round-robin\"",
        first.address, second.address
    );
    assert_eq!(fault(&group(&table), post(upload())).await, FaultKind::Closed);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 0));
    // A GET, which may be repeated, is.
    let group = group(&table);
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
}

#[tokio::test]
async fn a_post_that_was_never_sent_goes_to_another_primary_but_to_no_backup() {
    let origin = Origin::saying("hello").await;
    let table = |backup: bool| {
        format!(
            "servers = [\"{}\", {{ url = \"{}\", backup = {backup} }}]\nbalance = \"round-robin\"",
            refusing(),
            origin.address
        )
    };
    assert_eq!(fetch(&group(&table(false)), post(upload())).await.unwrap().1, "hello");
    assert_eq!(fault(&group(&table(true)), post(upload())).await, FaultKind::Refused);
    assert_eq!(fetch(&group(&table(true)), get("/")).await.unwrap().1, "hello");
    let with_body = Outbound { body: upload(), ..get("/") };
    assert_eq!(fault(&group(&table(true)), with_body).await, FaultKind::Refused);
}

#[tokio::test]
async fn retries_can_be_switched_off_and_run_out() {
    let origin = Origin::saying("hello").await;
    let servers = format!("servers = [\"{}\", \"{}\"]", refusing(), origin.address);
    let table = format!("{servers}\nbalance = \"round-robin\"\nretries = 0");
    assert_eq!(fault(&group(&table), get("/")).await, FaultKind::Refused);
    let shared = shared();
    let table = format!("{servers}\nbalance = \"round-robin\"\nretry_budget = 0");
    assert_eq!(fault(&group_of(&table, &shared), get("/")).await, FaultKind::Refused);
    assert_eq!(shared.counts.retries_over_budget.sum(), 1);
}

#[tokio::test]
async fn each_timeout_has_its_fault() {
    let silent = Origin::start(|_, _| Reply::Silence).await;
    let quick = |scheme: &str, setting: &str| {
        group(&format!("servers = [\"{scheme}://{}\"]\n{setting} = \"40ms\"", silent.address))
    };
    // The handshake of TLS is part of connecting; this origin never says hello.
    let connecting = quick("https", "connect_timeout");
    assert_eq!(fault(&connecting, get("/")).await, FaultKind::ConnectTimeout);
    let waiting = quick("http", "first_byte_timeout");
    assert_eq!(fault(&waiting, get("/")).await, FaultKind::FirstByteTimeout);
    // An upload larger than the buffers of the kernel.
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let chunks = (0..64).map(move |_| Ok::<_, BoxError>(Frame::data(chunk.clone())));
    let body = Upload::Boxed(BodyExt::boxed_unsync(StreamBody::new(stream::iter(chunks))));
    let sending = quick("http", "between_bytes_timeout");
    let outbound = Outbound { body_limit: 1 << 30, ..post(body) };
    assert_eq!(fault(&sending, outbound).await, FaultKind::SendTimeout);
}

#[tokio::test]
async fn a_body_may_be_slow_but_not_stall() {
    let origin = Origin::start(|_, head| {
        let stall = if head.contains("/stall") { 3_000 } else { 30 };
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab".into();
        Reply::Slowly(vec![(0, head), (30, "cd".into()), (stall, "ef".into())])
    })
    .await;
    let table = format!("servers = [\"{}\"]\nbetween_bytes_timeout = \"600ms\"", origin.address);
    let group = group(&table);
    assert_eq!(fetch(&group, get("/slow")).await.unwrap().1, "abcdef");
    assert_eq!(fault(&group, get("/stall")).await, FaultKind::BetweenBytesTimeout);
}

#[tokio::test]
async fn a_body_cut_short_is_never_a_clean_end() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
    ] {
        let origin = Origin::start(move |_, _| Reply::Last(text.into())).await;
        let mut inbound = send(&plain(&origin), get("/")).await.unwrap();
        let mut got = Vec::new();
        let fault = loop {
            match inbound.body.frame().await {
                Some(Ok(frame)) => got.extend_from_slice(&frame.into_data().unwrap()),
                Some(Err(fault)) => break fault,
                None => panic!("a clean end: {text}"),
            }
        };
        assert_eq!((&got[..], fault.kind), (&b"hello"[..], FaultKind::UnexpectedEnd));
        assert_eq!(fault.server.as_deref(), Some(&*origin.address.to_string()));
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_fault_of_the_origin() {
    let big = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    for (text, kind) in [
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), FaultKind::InvalidResponse),
        ("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello".into(), FaultKind::InvalidResponse),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".into(),
            FaultKind::InvalidResponse,
        ),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n".into(), FaultKind::InvalidResponse),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n".into(), FaultKind::InvalidResponse),
        (big, FaultKind::HeadTooLarge),
        (String::new(), FaultKind::Closed),
    ] {
        let script = text.clone();
        let origin = Origin::start(move |_, _| Reply::Last(script.clone())).await;
        assert_eq!(fault(&plain(&origin), get("/")).await, kind, "{text:.60}");
    }
}

#[tokio::test]
async fn forbidden_addresses_are_not_dialled() {
    let origin = Origin::saying("secret").await;
    let strict = Shared::new(&NodeSettings::default(), Clock::system());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let table = format!("servers = [\"{host}:{}\"]", origin.address.port());
        let group = group_of(&table, &strict);
        assert_eq!(fault(&group, get("/")).await, FaultKind::AddressProhibited, "{host}");
    }
    let loose = shared();
    loose.set_own_addresses(vec![format!("0.0.0.0:{}", origin.address.port()).parse().unwrap()]);
    let group = group_of(&format!("servers = [\"{}\"]", origin.address), &loose);
    assert_eq!(fault(&group, get("/")).await, FaultKind::OwnAddress);
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn checks_take_a_bad_server_out_and_bring_it_back() {
    let healthy = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = healthy.clone();
    let origin = Origin::start(move |_, head| {
        let good = switch.load(std::sync::atomic::Ordering::SeqCst) || !head.contains("/up");
        Reply::Send(if good { ok("hello") } else { "HTTP/1.1 503 No\r\n\r\n".into() })
    })
    .await;
    let table = format!(
        "servers = [\"{}\"]\nhealth = {{ path = \"/up\", interval = \"100ms\", unhealthy = 2 }}",
        origin.address
    );
    let group = group(&table);
    watch(&group);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fault(&group, get("/")).await, FaultKind::NoServer);
    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "hello");
    assert!(origin.requests()[0].contains(&format!("host: {}", origin.address)));
}
