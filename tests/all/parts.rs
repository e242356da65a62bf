//! Parts of a representation in store, and clients that want something else of it.

use crate::kit::*;

fn proof() -> Proof {
    Proof::new("a.test", "/x", 1, 10_000)
}

/// An origin that knows single ranges, entity tags, and this `Cache-Control`.
async fn origin_of_ranges(control: &'static str) -> Origin {
    let origin = Origin::start().await;
    origin.on("/x", move |seen| {
        let reply = Reply::part(seen, &proof());
        reply.header("Cache-Control", control).header("ETag", &proof().etag())
    });
    origin
}

/// A node that asks for ranges as clients do.
async fn edge_before(origin: &Origin) -> Edge {
    Edge::with(origin, "[cache]\nslice = \"never\"").await
}

#[tokio::test]
async fn site_that_answers_no_ranges_gets_whole_bodies() {
    let origin = origin_of_ranges("max-age=60").await;
    let edge = Edge::with(&origin, "[cache]\nmax_ranges = 0").await;
    for _ in 0..3 {
        let answer = edge.get_with("/x", &[("Range", "bytes=0-99")]).await;
        assert_eq!(answer.end, End::Clean, "{:?}", answer.head);
    }
}

#[tokio::test]
async fn repeated_range_is_answered_whole() {
    let origin = origin_of_ranges("max-age=60").await;
    let edge = edge_before(&origin).await;
    for _ in 0..3 {
        let answer = edge.get_with("/x", &[("Range", "bytes=0-99"), ("Range", "bytes=0-99")]).await;
        assert_eq!(answer.end, End::Clean, "{:?}", answer.head);
    }
}

#[tokio::test]
async fn other_version_in_if_range_over_a_part_gets_the_whole() {
    let origin = origin_of_ranges("max-age=60").await;
    let edge = edge_before(&origin).await;
    edge.get_with("/x", &[("Range", "bytes=0-999")]).await.whole(206);
    let answer = edge.get_with("/x", &[("Range", "bytes=0-99"), ("If-Range", "\"other\"")]).await;
    proof().check_whole(answer.whole(200));
}

#[tokio::test]
async fn stale_part_is_completed_for_who_wants_the_whole() {
    let origin = origin_of_ranges("max-age=0").await;
    let edge = edge_before(&origin).await;
    edge.get_with("/x", &[("Range", "bytes=0-999")]).await.whole(206);
    let answer = edge.get("/x").await;
    proof().check_whole(answer.whole(200));
}
