//! The guard against origins that are not meant to be reached (server-side request forgery).
//!
//! Only loopback is tried, in its many spellings: a guard that fails must not reach the network.

use crate::kit::*;

#[tokio::test]
async fn no_spelling_of_loopback_is_dialled() {
    let canary = Origin::start().await;
    canary.on("/", |_| Reply::ok("secret"));
    let port = canary.address.port();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "0",
        "127.0.0.1.",
    ];
    let mut setup = Edge::setup().allow(&[]);
    for (index, host) in hosts.iter().enumerate() {
        let document =
            format!("hosts = [\"{index}.test\"]\n[origin]\nservers = [\"http://{host}:{port}\"]\n");
        setup = setup.site(&format!("s{index}"), &document);
    }
    let edge = setup.start().await;
    for (index, host) in hosts.iter().enumerate() {
        let answer = edge.client().await.get(&format!("{index}.test"), "/").send().await;
        assert!(answer.status >= 400 && !answer.text().contains("secret"), "{host}: {answer:?}");
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn redirect_leads_nowhere_that_the_guard_forbids() {
    let (origin, canary) = (Origin::start().await, Origin::on_address("127.0.0.2").await);
    canary.on("/secret", |_| Reply::ok("secret"));
    let there = format!("{}/secret", canary.url());
    origin.on("/x", move |_| Reply::new(302).header("Location", &there));
    let more = format!(
        "follow_redirects = 3\nredirect_ports = [{}, {}]",
        origin.address.port(),
        canary.address.port()
    );
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, &more));
    let edge = setup.allow(&["127.0.0.1/32"]).start().await;
    let answer = edge.get("/x").await;
    assert!(!answer.text().contains("secret"), "{answer:?}");
    assert_eq!((origin.count("/x"), canary.connections()), (1, 0));
}

#[tokio::test]
async fn node_does_not_ask_itself() {
    let setup = Edge::setup();
    for (name, address) in [("front", setup.http), ("admin", setup.admin)] {
        let document = format!(
            "hosts = [\"{name}.test\"]\n[origin]\nservers = [\"http://{address}\"]\nhost = \"front.test\"\n"
        );
        std::fs::write(setup.path(&format!("sites.d/{name}.toml")), document).unwrap();
    }
    let edge = setup.start().await;
    for name in ["front.test", "admin.test"] {
        let answer = edge.client().await.get(name, "/metrics").send().await;
        assert!(answer.status >= 400 && !answer.text().contains("brink_http"), "{answer:?}");
    }
}
