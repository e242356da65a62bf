//! Redirects that are followed, and those that are not.

use super::origin::{Origin, Reply, ok};
use super::*;
use http::HeaderValue;

fn moved(location: &str) -> Reply {
    Reply::Send(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
}

/// Counts down along the path: `/3` leads to `/2`, and so on to `/0`.
async fn countdown() -> Origin {
    Origin::start(|_, head| match head.as_bytes()[5] {
        b'0' => Reply::Send(ok("there")),
        digit => moved(&format!("/{}?from={}", char::from(digit - 1), char::from(digit))),
    })
    .await
}

fn following(origin: &Origin, hops: u8) -> Arc<Group> {
    group(&format!("servers = [\"{}\"]\nfollow_redirects = {hops}", origin.address))
}

#[tokio::test]
async fn up_to_three_hops_are_followed_then_the_client_gets_the_redirect() {
    let origin = countdown().await;
    let group = following(&origin, 3);
    assert_eq!(fetch(&group, get("/3")).await.unwrap().1, "there");
    assert_eq!(origin.requests().len(), 4);
    let (inbound, _) = fetch(&group, get("/5")).await.unwrap();
    assert_eq!(inbound.head.status.as_u16(), 302);
    assert_eq!(inbound.head.headers["location"], "/1?from=2");
    assert_eq!((origin.requests().len(), origin.connections()), (8, 1));
}

#[tokio::test]
async fn without_the_switch_or_with_another_method_nothing_is_followed() {
    let origin = countdown().await;
    let (inbound, _) = fetch(&plain(&origin), get("/1")).await.unwrap();
    assert_eq!(inbound.head.status.as_u16(), 302);
    let outbound = Outbound { method: Method::PUT, ..get("/1") };
    let (inbound, _) = fetch(&following(&origin, 3), outbound).await.unwrap();
    assert_eq!(inbound.head.status.as_u16(), 302);
}

#[tokio::test]
async fn another_host_gets_its_own_name_and_no_credentials() {
    let other = Origin::saying("there").await;
    let location = format!("http://localhost:{}/x", other.address.port());
    let origin = Origin::start(move |_, _| moved(&location)).await;
    let port = other.address.port();
    let table = format!(
        "servers = [\"{}\"]\nfollow_redirects = 1\nredirect_ports = [{port}]",
        origin.address
    );
    let mut outbound = get("/");
    outbound.headers.insert("authorization", HeaderValue::from_static("Basic x"));
    outbound.headers.insert("cookie", HeaderValue::from_static("a=b"));
    outbound.headers.insert("accept", HeaderValue::from_static("image/webp"));
    assert_eq!(fetch(&group(&table), outbound).await.unwrap().1, "there");
    assert!(origin.requests()[0].contains("authorization: Basic x\r\n"));
    let expected =
        format!("GET /x HTTP/1.1\r\naccept: image/webp\r\nhost: localhost:{port}\r\n\r\n");
    assert_eq!(other.requests(), [expected]);
}

#[tokio::test]
async fn what_must_not_be_dialled_is_left_to_the_client() {
    let secret = Origin::saying("secret").await;
    let port = secret.address.port();
    for location in [
        format!("http://127.0.0.1:{port}/"),
        "http://10.0.0.1/".into(),
        "http://169.254.169.254/latest/meta-data".into(),
        "file:///etc/passwd".into(),
        "https://www.example/".into(),
        "/".into(),
    ] {
        let script = location.clone();
        let origin = Origin::start(move |_, _| moved(&script)).await;
        // The port of `secret` is not on the list; the others fail for what they are.
        let (inbound, _) = fetch(&following(&origin, 3), get("/")).await.unwrap();
        assert_eq!(inbound.head.status.as_u16(), 302);
        assert_eq!(inbound.head.headers["location"], location);
        assert_eq!(origin.requests().len(), 1, "{location}");
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn a_later_redirect_is_told_so_that_the_client_understands_it() {
    let other = Origin::start(|_, _| moved("deeper")).await;
    let port = other.address.port();
    let origin = Origin::start(move |_, _| moved(&format!("http://127.0.0.1:{port}/a/b"))).await;
    let table = format!(
        "servers = [\"{}\"]\nfollow_redirects = 1\nredirect_ports = [{port}]",
        origin.address
    );
    let (inbound, _) = fetch(&group(&table), get("/")).await.unwrap();
    let expected = format!("http://127.0.0.1:{port}/a/deeper");
    assert_eq!(inbound.head.headers["location"], expected.as_str());
}
