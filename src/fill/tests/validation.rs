//! Revalidation, failure, resumption and ranges.

use std::time::Duration;

use super::super::*;
use super::stage::*;
use crate::cache::{self, Request, Reuse};
use crate::store::Cut;

const VALID: &str = "Cache-Control: max-age=60, stale-if-error=600|ETag: \"one\"";

/// An origin that sends 1000 bytes, or 304 to whoever has them.
async fn with_validator(mut scene: Scene) {
    pause(20).await;
    if scene.says("if-none-match: \"one\"") {
        scene.head("304 Not Modified|Cache-Control: max-age=90|ETag: \"one\"|X-New: yes").await;
    } else {
        scene.head(&format!("200 OK|{VALID}|Content-Length: 1000")).await;
        scene.body(0..1000).await;
    }
}

async fn store(stage: &Stage, path: &'static str) -> std::sync::Arc<Entry> {
    let outcome = stage.obtain(&client(path)).await;
    read(&entry(&outcome)).await.unwrap();
    until(|| stage.stored(path).is_some()).await;
    stage.stored(path).unwrap()
}

#[tokio::test]
async fn one_304_revalidates_for_all_who_wait_and_shares_the_body() {
    let stage = stage(with_validator).await;
    let old = store(&stage, "/v").await;
    stage.clock.advance(Duration::from_secs(100));
    let outcomes = stage.crowd(50, &client("/v").having(old.clone())).await;
    assert_eq!((stage.fetches(), count(&outcomes, "revalidated")), (2, 50));
    let new = stage.stored("/v").unwrap();
    assert!(new.body.is_same(&old.body));
    assert_eq!(new.stored.headers["x-new"], "yes");
    // Who has the old one in hand still and asks a moment later gets the new one.
    let outcome = stage.obtain(&client("/v").having(old)).await;
    assert_eq!((word(&outcome), stage.fetches()), ("stored", 2));
}

#[tokio::test]
async fn a_refresh_behind_the_answer_replaces_what_is_stored() {
    let stage = stage(with_validator).await;
    let old = store(&stage, "/swr").await;
    stage.clock.advance(Duration::from_secs(100));
    for _ in 0..10 {
        stage.refresh(&client("/swr").having(old.clone()));
    }
    until(|| stage.stored("/swr").unwrap().stored.headers.contains_key("x-new")).await;
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn what_was_purged_is_not_brought_back_by_a_304() {
    let stage = stage(with_validator).await;
    let old = store(&stage, "/p").await;
    stage.clock.advance(Duration::from_secs(100));
    stage.refresh(&client("/p").having(old));
    until(|| stage.fetches() == 2).await;
    stage.flights.invalidate(&stage.key("/p"));
    until(|| stage.flights.under_way() == (0, 0)).await;
    pause(60).await;
    assert!(stage.stored("/p").is_none());
}

#[tokio::test]
async fn a_server_error_leaves_what_is_stored_and_the_origin_alone_for_a_while() {
    let stage = stage(|mut scene| async move {
        if scene.number == 0 {
            return with_validator(scene).await;
        }
        scene.head("503 Service Unavailable|Content-Length: 3").await;
        scene.body(0..3).await;
    })
    .await;
    let old = store(&stage, "/e").await;
    stage.clock.advance(Duration::from_secs(100));
    let outcomes = stage.crowd(10, &client("/e").having(old)).await;
    assert_eq!((stage.fetches(), count(&outcomes, "erroring")), (2, 10));
    let gifts = outcomes.iter().filter(|o| matches!(o, Outcome::Erroring { inbound: Some(_), .. }));
    assert_eq!(gifts.count(), 1);
    let rests = stage.stored("/e").unwrap();
    let headers = http::HeaderMap::new();
    let request = Request {
        method: &http::Method::GET,
        scheme: "http",
        host: "www.example",
        path: "/e",
        query: None,
        headers: &headers,
        present: crate::header::present::Present::of(&headers),
    };
    let judgement = cache::judge(&stage.policy, &request, &rests.stored, stage.clock.now());
    assert_eq!(judgement.reuse, Reuse::Stale);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_resumed_where_it_stopped() {
    let stage = stage(|mut scene| async move {
        if scene.number == 0 {
            scene.head(&format!("200 OK|{VALID}|Content-Length: 1000")).await;
            scene.body(0..400).await;
        } else {
            assert!(scene.says("range: bytes=400-") && scene.says("if-range: \"one\""));
            let fields = "Content-Range: bytes 400-999/1000|Content-Length: 600";
            scene.head(&format!("206 Partial Content|{VALID}|{fields}")).await;
            scene.body(400..1000).await;
        }
    })
    .await;
    for outcome in stage.crowd(20, &client("/resume")).await {
        assert_eq!(read(&entry(&outcome)).await, Ok(1000));
    }
    until(|| stage.stored("/resume").is_some()).await;
    assert!(stage.stored("/resume").unwrap().is_whole());
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn other_bytes_are_never_joined_to_a_body_that_broke_off() {
    let stage = stage(|mut scene| async move {
        if scene.number == 0 {
            scene.head(&format!("200 OK|{VALID}|Content-Length: 1000")).await;
            scene.body(0..400).await;
        } else {
            let fields = "ETag: \"two\"|Content-Range: bytes 400-999/1000|Content-Length: 600";
            scene.head(&format!("206 Partial Content|Cache-Control: max-age=60|{fields}")).await;
            scene.body(400..1000).await;
        }
    })
    .await;
    let outcome = stage.obtain(&client("/changed")).await;
    assert_eq!(read(&entry(&outcome)).await, Err((400, Cut::Origin)));
    // What came is good as far as it goes, and the rest can be asked for by its validator.
    until(|| stage.stored("/changed").is_some()).await;
    assert_eq!(stage.stored("/changed").unwrap().body.present(), vec![0..400]);
}

/// An origin that honours one range, `first-last`.
async fn with_ranges(mut scene: Scene) {
    let wanted = scene.head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let Some((first, last)) = wanted.and_then(|range| range.split_once('-')) else {
        scene.head(&format!("200 OK|{VALID}|Content-Length: 1000")).await;
        scene.body(0..1000).await;
        return;
    };
    let (first, last) = (first.parse().unwrap_or(0), last.parse().unwrap_or(999usize));
    let (length, end) = (last + 1 - first, last + 1);
    let fields = format!("Content-Range: bytes {first}-{last}/1000|Content-Length: {length}");
    scene.head(&format!("206 Partial Content|{VALID}|{fields}")).await;
    scene.body(first..end).await;
}

#[tokio::test]
async fn a_range_is_stored_and_later_completed() {
    let stage = stage(with_ranges).await;
    let some = client("/r").with("range", "bytes=100-199");
    let outcomes = stage.crowd(10, &some).await;
    assert_eq!((stage.fetches(), count(&outcomes, "collapsed")), (1, 9));
    let part = entry(&outcomes[0]);
    let mut reader = part.body.reader(100..200);
    assert_eq!(read_on(&mut reader, 100).await, Ok(200));
    until(|| stage.stored("/r").is_some()).await;
    let part = stage.stored("/r").unwrap();
    assert_eq!((part.stored.status.as_u16(), part.stored.total), (200, Some(1000)));
    // A neighbouring range asks for what is missing only.
    let more = client("/r").with("range", "bytes=150-299").having(part);
    let outcome = stage.obtain(&more).await;
    assert_eq!(read_on(&mut entry(&outcome).body.reader(150..300), 150).await, Ok(300));
    assert!(stage.heads()[1].contains("range: bytes=200-299\r\n"), "{}", stage.heads()[1]);
    until(|| stage.stored("/r").unwrap().body.has(100..300)).await;
    // The whole asks for the rest: one range, which here includes what is there.
    let part = stage.stored("/r").unwrap();
    let outcome = stage.obtain(&client("/r").having(part)).await;
    assert_eq!(read(&entry(&outcome)).await, Ok(1000));
    assert!(stage.heads()[2].contains("range: bytes=0-\r\n"), "{}", stage.heads()[2]);
    until(|| stage.stored("/r").unwrap().is_whole()).await;
    assert_eq!(stage.stored("/r").unwrap().body.whole().unwrap().len(), 1000);
}

#[tokio::test]
async fn a_part_of_an_older_version_is_replaced_by_the_whole() {
    let stage = stage(|mut scene| async move {
        if scene.number == 0 {
            return with_ranges(scene).await;
        }
        scene.head("200 OK|Cache-Control: max-age=60|ETag: \"two\"|Content-Length: 5").await;
        scene.body(0..5).await;
    })
    .await;
    let outcome = stage.obtain(&client("/n").with("range", "bytes=0-9")).await;
    let part = entry(&outcome);
    until(|| stage.stored("/n").is_some()).await;
    let outcome = stage.obtain(&client("/n").having(stage.stored("/n").unwrap())).await;
    assert_eq!(read(&entry(&outcome)).await, Ok(5));
    assert_ne!(entry(&outcome).stored.object_id, part.stored.object_id);
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn the_first_clients_conditions_do_not_reach_the_origin() {
    let stage = stage(with_validator).await;
    let conditional = client("/c").with("if-none-match", "\"one\"").with("if-range", "\"one\"");
    let outcome = stage.obtain(&conditional).await;
    assert_eq!(read(&entry(&outcome)).await, Ok(1000));
    assert!(!stage.heads()[0].contains("if-"));
}

#[tokio::test]
async fn a_rule_about_queries_is_learnt_and_stored_by() {
    let stage = stage(|mut scene| async move {
        let fields = "Cache-Control: max-age=60|No-Vary-Search: params=(\"t\")|Content-Length: 5";
        scene.head(&format!("200 OK|{fields}")).await;
        scene.body(0..5).await;
    })
    .await;
    let outcome = stage.obtain(&client("/q?a=1&t=2")).await;
    read(&entry(&outcome)).await.unwrap();
    let none = http::HeaderMap::new();
    let request = Request {
        method: &http::Method::GET,
        scheme: "http",
        host: "www.example",
        path: "/q",
        query: Some("t=3&a=1"),
        headers: &none,
        present: crate::header::present::Present::of(&none),
    };
    until(|| stage.store.has_search_rules()).await;
    let rule = stage.store.search_rule(&cache::path_key(&stage.policy, 1, &request)).unwrap();
    let key = cache::key_under(&stage.policy, 1, &request, &rule);
    until(|| matches!(stage.store.peek(&key, &none), crate::store::Lookup::Found(_))).await;
}
