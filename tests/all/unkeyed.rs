//! What the key does not hold must not show in what is stored (cache poisoning).

use crate::kit::*;

/// An origin that prints every field of a request into an answer that anyone may store.
async fn mirror() -> Origin {
    let origin = Origin::start().await;
    origin.on("/", |seen| {
        Reply::ok(&String::from_utf8_lossy(&seen.head.print()))
            .header("Cache-Control", "max-age=60")
            .header("Vary", "Accept-Language")
    });
    origin
}

#[tokio::test]
async fn field_that_connection_takes_away_selects_no_variant() {
    let origin = mirror().await;
    let edge = Edge::before(&origin).await;
    let german = ("Accept-Language", "de");
    let poison = edge.get_with("/", &[german, ("Connection", "accept-language")]).await;
    assert!(!poison.text().contains("accept-language"));
    let answer = edge.get_with("/", &[german]).await;
    assert!(!answer.hit() && answer.text().contains("accept-language: de"), "{answer:?}");
}

#[tokio::test]
async fn claims_of_a_client_reach_no_stored_answer() {
    let origin = mirror().await;
    let edge = Edge::before(&origin).await;
    let claims = [
        "Forwarded",
        "Front-End-Https",
        "Proxy",
        "X-Forwarded-Host",
        "X-Forwarded-Path",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "X-Original-Uri",
        "X-Scheme",
        "X_Forwarded_Host",
        "X_Original_URL",
        "X_Http_Method_Override",
        "Transfer_Encoding",
    ];
    let poison: Vec<(&str, &str)> = claims.iter().map(|name| (*name, "poison")).collect();
    edge.get_with("/", &poison).await.whole(200);
    let answer = edge.get("/").await;
    assert!(answer.hit() && !answer.text().contains("poison"), "{}", answer.text());
}

#[tokio::test]
async fn host_goes_out_in_the_form_of_its_key() {
    let origin = mirror().await;
    let edge = Edge::before(&origin).await;
    for (count, host) in ["A.TEST", "a.test.", "a.test:80", "a.test.:0080"].iter().enumerate() {
        let answer = edge.client().await.get(host, "/").send().await;
        assert!(answer.text().contains("host: a.test\r\n"), "{host}: {}", answer.text());
        assert_eq!(answer.hit(), count > 0, "{host}");
    }
    assert_eq!(edge.client().await.get("a.test..", "/").send().await.status, 400);
}
