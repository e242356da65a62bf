//! A large object by slices: who asks for how many of them ahead.

use std::future::poll_fn;

use super::super::slices::Conductor;
use super::stage::*;

const TOTAL: usize = 8 << 20;
const SLICE: usize = 1 << 20;

/// An origin of one large object that honours the range asked for.
async fn large(mut scene: Scene) {
    let wanted = scene.head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    let (first, last) = wanted.and_then(|range| range.split_once('-')).unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let fields = format!(
        "Cache-Control: max-age=60|ETag: \"one\"|Content-Range: bytes {first}-{last}/{TOTAL}|\
         Content-Length: {}",
        last + 1 - first
    );
    scene.head(&format!("206 Partial Content|{fields}")).await;
    scene.body(first..last + 1).await;
}

/// How many slices the origin was asked for by a client that takes at most `most` at once and has
/// come into the second slice.
async fn asked_for(most: usize) -> usize {
    let stage = stage(large).await;
    let first = client("/large").with("range", &format!("bytes=0-{}", SLICE - 1));
    let first = entry(&stage.obtain(&first).await);
    let (key, client) = (stage.key("/large"), client("/large"));
    let inquiry = stage.inquiry(&key, &client);
    let conductor = Conductor::new(&stage.flights, &inquiry, stage.order(&client), true);
    let mut sliced = conductor.read(first, 0..TOTAL as u64);
    let mut at = 0;
    while at <= SLICE {
        let piece = poll_fn(|context| sliced.poll_piece(context, most)).await.unwrap().unwrap();
        assert!(piece.len() <= most && piece == bytes(at..at + piece.len()));
        at += piece.len();
    }
    pause(200).await;
    stage.fetches()
}

#[tokio::test]
async fn a_client_that_is_held_back_has_one_slice_waiting_and_others_two() {
    assert_eq!(asked_for(usize::MAX).await, 4);
    assert_eq!(asked_for(10_000).await, 3);
}
