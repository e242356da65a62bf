//! One fetch for many clients.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::*;
use super::stage::*;
use crate::quantity::Span;
use crate::store::Cut;

const CACHEABLE: &str = "200 OK|Cache-Control: max-age=60";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_share_one_fetch_and_read_before_it_ends() {
    let begun = Arc::new(Semaphore::new(0));
    let all_have_begun = begun.clone();
    let stage = stage(move |mut scene| {
        let begun = all_have_begun.clone();
        async move {
            pause(50).await;
            scene.head(&format!("{CACHEABLE}|Content-Length: 100000")).await;
            scene.body(0..50_000).await;
            // The last byte is sent only when everybody has had the first.
            begun.acquire_many(1000).await.unwrap().forget();
            scene.body(50_000..100_000).await;
        }
    })
    .await;
    let clients: Vec<_> = (0..1000)
        .map(|_| {
            let (stage, begun) = (stage.clone(), begun.clone());
            tokio::spawn(async move {
                let outcome = stage.obtain(&client("/slow")).await;
                let entry = entry(&outcome);
                let mut reader = entry.body.reader(0..u64::MAX);
                let first = poll_fn(|context| reader.poll_chunk(context)).await.unwrap().unwrap();
                begun.add_permits(1);
                let length = read_on(&mut reader, first.len()).await;
                (word(&outcome), length)
            })
        })
        .collect();
    let mut led = 0;
    for client in clients {
        let (how, length) = client.await.unwrap();
        assert_eq!(length, Ok(100_000));
        led += usize::from(how == "led");
    }
    assert_eq!((stage.fetches(), led), (1, 1));
    until(|| stage.stored("/slow").is_some()).await;
    assert_eq!(stage.flights.under_way(), (0, 0));
    assert_eq!(stage.stored("/slow").unwrap().body.whole().unwrap().len(), 100_000);
}

#[tokio::test]
async fn an_origin_killed_half_way_cuts_everybody_and_nothing_is_stored() {
    let stage = stage(|mut scene| async move {
        pause(20).await;
        scene.head(&format!("{CACHEABLE}|Content-Length: 100000")).await;
        scene.body(0..50_000).await;
    })
    .await;
    let outcomes = stage.crowd(50, &client("/half")).await;
    for outcome in &outcomes {
        assert_eq!(read(&entry(outcome)).await, Err((50_000, Cut::Origin)));
    }
    assert_eq!(stage.fetches(), 1);
    assert!(stage.stored("/half").is_none());
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_cut() {
    let stage = stage(|mut scene| async move {
        scene.head(&format!("{CACHEABLE}|ETag: \"one\"|Transfer-Encoding: chunked")).await;
        scene.raw("5\r\n").await;
        scene.body(0..5).await;
        scene.raw("\r\n").await;
    })
    .await;
    let outcome = stage.obtain(&client("/chunked")).await;
    assert_eq!(read(&entry(&outcome)).await, Err((5, Cut::Origin)));
    assert_eq!(stage.fetches(), 2, "it was asked for the rest, in vain");
    assert!(stage.stored("/chunked").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncacheable_response_releases_all_at_once_and_is_remembered() {
    let stage = stage(|mut scene| async move {
        pause(50).await;
        scene.head("200 OK|Cache-Control: no-store|Content-Length: 5").await;
        pause(300).await;
        scene.body(0..5).await;
    })
    .await;
    let began = Instant::now();
    let outcomes = stage.crowd(200, &client("/mine")).await;
    assert!(began.elapsed() < Duration::from_millis(250), "nobody waits for the body");
    assert_eq!((count(&outcomes, "alone"), count(&outcomes, "released")), (1, 199));
    assert_eq!(stage.fetches(), 1);
    assert_eq!(word(&stage.obtain(&client("/mine")).await), "released", "remembered");
    stage.clock.advance(Duration::from_secs(121));
    assert_eq!(word(&stage.obtain(&client("/mine")).await), "alone", "and forgotten");
}

#[tokio::test]
async fn a_response_to_be_validated_for_each_use_serves_its_asker_alone() {
    let stage = stage(|mut scene| async move {
        pause(30).await;
        scene.head("200 OK|Cache-Control: no-cache|ETag: \"1\"|Content-Length: 5").await;
        scene.body(0..5).await;
    })
    .await;
    let outcomes = stage.crowd(100, &client("/news")).await;
    assert_eq!((count(&outcomes, "led"), count(&outcomes, "released")), (1, 99));
    until(|| stage.stored("/news").is_some()).await;
    assert_eq!(word(&stage.obtain(&client("/news")).await), "led");
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_vary_share_one_fetch_for_each_variant() {
    let stage = stage(|mut scene| async move {
        pause(30).await;
        let length = if scene.says("x-kind: b") { 7 } else { 5 };
        scene.head(&format!("{CACHEABLE}|Vary: X-Kind|Content-Length: {length}")).await;
        scene.body(0..length).await;
    })
    .await;
    let crowds: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|kind| {
            let stage = stage.clone();
            tokio::spawn(
                async move { stage.crowd(50, &client("/vary").with("x-kind", kind)).await },
            )
        })
        .collect();
    for (crowd, length) in crowds.into_iter().zip([5, 7]) {
        for outcome in crowd.await.unwrap() {
            assert_eq!(read(&entry(&outcome)).await, Ok(length));
        }
    }
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_one_of_those_who_waited_asks_for_all() {
    let stage = stage(|mut scene| async move {
        pause(30).await;
        if scene.number > 0 {
            scene.head(&format!("{CACHEABLE}|Content-Length: 5")).await;
            scene.body(0..5).await;
        }
    })
    .await;
    let outcomes = stage.crowd(50, &client("/again")).await;
    assert_eq!(stage.fetches(), 2);
    let words = ["failed", "led", "collapsed"].map(|word| count(&outcomes, word));
    assert_eq!(words, [1, 1, 48], "the first has had its answer");
}

#[tokio::test]
async fn an_origin_that_goes_on_failing_is_not_asked_by_everybody() {
    let stage = stage(|_| async { pause(20).await }).await;
    let outcomes = stage.crowd(50, &client("/dead")).await;
    assert_eq!((stage.fetches(), count(&outcomes, "failed")), (3, 50));
}

#[tokio::test]
async fn who_waits_too_long_is_served_by_one_more_fetch() {
    let settings = Settings { wait_timeout: Span::millis(80), ..Settings::default() };
    let stage = stage_with(settings, |mut scene| async move {
        if scene.number == 0 {
            pause(600).await;
        }
        scene.head(&format!("{CACHEABLE}|Content-Length: 5")).await;
        scene.body(0..5).await;
    })
    .await;
    let began = Instant::now();
    let (first, late) = (stage.clone(), client("/late"));
    let first = tokio::spawn(async move { first.obtain(&client("/late")).await });
    pause(10).await;
    let outcomes = stage.crowd(30, &late).await;
    assert!(began.elapsed() < Duration::from_millis(500));
    assert_eq!(stage.fetches(), 2);
    let [led, joined, found] = ["led", "collapsed", "stored"].map(|word| count(&outcomes, word));
    // Whose own wait is over last, on a busy machine, may find what the one more fetch has stored.
    assert_eq!((led, joined + found), (1, 29));
    assert_eq!(word(&first.await.unwrap()), "led");
}

#[tokio::test]
async fn too_many_are_turned_away() {
    let settings = Settings { max_waiters: 10, ..Settings::default() };
    let stage = stage_with(settings, |mut scene| async move {
        pause(50).await;
        scene.head(&format!("{CACHEABLE}|Content-Length: 5")).await;
        scene.body(0..5).await;
    })
    .await;
    let outcomes = stage.crowd(30, &client("/crowd")).await;
    assert_eq!(count(&outcomes, "crowded"), 20);
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn a_small_body_is_stored_even_if_its_client_leaves() {
    let stage = stage(|mut scene| async move {
        pause(30).await;
        scene.head(&format!("{CACHEABLE}|Content-Length: 1000")).await;
        scene.body(0..1000).await;
    })
    .await;
    let _ = tokio::time::timeout(Duration::from_millis(10), stage.obtain(&client("/left"))).await;
    until(|| stage.stored("/left").is_some()).await;
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn a_large_body_that_nobody_reads_is_cancelled() {
    let left = Arc::new(Semaphore::new(0));
    let gone = left.clone();
    let stage = stage(move |mut scene| {
        let gone = gone.clone();
        async move {
            scene.head(&format!("{CACHEABLE}|Content-Length: 7000000")).await;
            for at in 0..70 {
                if !scene.body(at * 1000..(at + 1) * 1000).await {
                    return gone.add_permits(1);
                }
                pause(50).await;
            }
        }
    })
    .await;
    let outcome = stage.obtain(&client("/large")).await;
    drop(outcome);
    tokio::time::timeout(Duration::from_secs(3), left.acquire()).await.unwrap().unwrap().forget();
    assert_eq!(stage.flights.under_way(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidated_url_is_not_stored_by_the_fetch_under_way() {
    let stage = stage(|mut scene| async move {
        let length = 5 + scene.number;
        scene.head(&format!("{CACHEABLE}|Content-Length: {length}")).await;
        scene.body(0..3).await;
        pause(100).await;
        scene.body(3..length).await;
    })
    .await;
    let before = stage.obtain(&client("/purged")).await;
    stage.flights.invalidate(&stage.key("/purged"));
    let after = stage.obtain(&client("/purged")).await;
    assert_eq!(read(&entry(&before)).await, Ok(5));
    assert_eq!(read(&entry(&after)).await, Ok(6));
    until(|| stage.stored("/purged").is_some()).await;
    assert_eq!(stage.stored("/purged").unwrap().body.total(), Some(6));
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn a_body_too_large_to_keep_reaches_all_who_waited_and_nobody_later() {
    let stage = stage(|mut scene| async move {
        pause(30).await;
        scene.head(&format!("{CACHEABLE}|Content-Length: 9000000")).await;
        for at in 0..9 {
            scene.body(at * 1_000_000..(at + 1) * 1_000_000).await;
        }
    })
    .await;
    let readers: Vec<_> = (0..5)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let outcome = stage.obtain(&client("/huge")).await;
                assert!(matches!(outcome, Outcome::Entry { stored: false, .. }));
                read(&entry(&outcome)).await
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), Ok(9_000_000));
    }
    assert!(stage.stored("/huge").is_none());
    assert_eq!((stage.fetches(), stage.flights.under_way()), (1, (0, 0)));
}
