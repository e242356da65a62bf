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
