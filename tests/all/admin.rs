//! The admin listener: whom it answers, and how it says no.

use crate::kit::*;

#[tokio::test]
async fn strangers_learn_nothing_and_errors_are_problems() {
    let origin = Origin::start().await;
    let edge = Edge::before(&origin).await;
    let token = std::fs::read_to_string(edge.path("state/admin.token")).unwrap();
    let token = format!("Bearer {}", token.trim());
    for (status, method, host, target, token) in [
        (401, "GET", "localhost", "/v1/sites", ""),
        (401, "GET", "localhost", "/v1/sites", "Bearer x"),
        (401, "POST", "127.0.0.1", "/v1/reload", ""),
        (401, "GET", "localhost", "/metrics/../v1/sites", ""),
        (421, "GET", "evil.test", "/metrics", ""),
        (421, "GET", "127.0.0.1.evil.test", "/v1/sites", &token),
        (404, "GET", "localhost", "/v1/nothing", &token),
        (405, "DELETE", "localhost", "/metrics", &token),
        (415, "POST", "localhost", "/v1/explain", &token),
    ] {
        let mut client = Client::connect(edge.admin).await;
        let ask = client.ask(method, host, target).header("Authorization", token);
        let answer = ask.send().await;
        assert_eq!(answer.status, status, "{method} {host} {target}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{target}");
        assert!(!answer.text().contains("a.test"), "{target}");
    }
    let mut client = Client::connect(edge.admin).await;
    let ask = client.get("localhost", "/v1/sites").header("Authorization", &token);
    assert!(ask.send().await.text().contains("a.test"));
}
