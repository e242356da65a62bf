//! Ranges and conditions answered from stored objects (RFC 9110 sections 13 and 14).

use crate::kit::*;

const PATH: &str = "/x";
const MODIFIED: &str = "Tue, 03 Nov 2026 08:00:00 GMT";

fn proof() -> Proof {
    Proof::new("a.test", PATH, 1, 10_000)
}

/// A node that has the whole object in store.
async fn filled() -> (Origin, Edge) {
    let origin = Origin::start().await;
    origin.on(PATH, |_| {
        Reply::proof(&proof())
            .header("Cache-Control", "max-age=600")
            .header("ETag", &proof().etag())
            .header("Last-Modified", MODIFIED)
    });
    let edge = Edge::before(&origin).await;
    proof().check_whole(edge.get(PATH).await.whole(200));
    (origin, edge)
}

#[tokio::test]
async fn single_ranges_come_from_the_store() {
    let (origin, edge) = filled().await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=9000-", 9000, 10_000),
        ("bytes=9990-20000", 9990, 10_000),
        ("bytes=-500", 9500, 10_000),
        ("bytes=-20000", 0, 10_000),
    ] {
        let answer = edge.get_with(PATH, &[("Range", range)]).await;
        proof().check(start, answer.whole(206));
        assert_eq!(answer.body.len() as u64, end - start, "{range}");
        let expected = format!("bytes {start}-{}/10000", end - 1);
        assert_eq!(answer.header("content-range"), expected, "{range}");
        assert!(answer.hit(), "{range}");
    }
    assert_eq!(origin.count(PATH), 1);
}

#[tokio::test]
async fn impossible_ranges_are_refused_and_odd_ones_ignored() {
    let (_origin, edge) = filled().await;
    for range in ["bytes=10000-", "bytes=20000-30000", "bytes=-0"] {
        let answer = edge.get_with(PATH, &[("Range", range)]).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */10000", "{range}");
    }
    for range in ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes", "bytes=", "bytes=--1"] {
        let answer = edge.get_with(PATH, &[("Range", range)]).await;
        proof().check_whole(answer.whole(200));
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts_or_merged() {
    let (_origin, edge) = filled().await;
    let answer = edge.get_with(PATH, &[("Range", "bytes=0-9,5000-5009")]).await;
    let kind = answer.header("content-type");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect(&kind);
    let text = answer.whole(206).to_vec();
    let found = |bytes: &[u8]| text.windows(bytes.len()).filter(|it| *it == bytes).count();
    assert_eq!(found(format!("--{}", boundary.trim_matches('"')).as_bytes()), 3);
    assert_eq!(found(b"ontent-") / 2, 2, "each part has a type and a range");
    assert_eq!(found(&proof().bytes(5000..5010)), 1);
    // Overlapping ones are one: RFC 9110 section 15.3.7.2 lets us merge.
    let answer = edge.get_with(PATH, &[("Range", "bytes=0-99,50-149,150-199")]).await;
    proof().check(0, answer.whole(206));
    assert_eq!(answer.header("content-range"), "bytes 0-199/10000");
    let many: Vec<String> = (0..500).map(|index| format!("{}-{}", index * 9, index * 9)).collect();
    let answer = edge.get_with(PATH, &[("Range", &format!("bytes={}", many.join(",")))]).await;
    assert!(answer.body.len() < 20_000, "{} bytes for 500 ranges", answer.body.len());
}

#[tokio::test]
async fn conditions_are_judged_in_their_order() {
    let (origin, edge) = filled().await;
    let (same, later) = (proof().etag(), "Wed, 04 Nov 2026 08:00:00 GMT");
    let earlier = "Mon, 02 Nov 2026 08:00:00 GMT";
    let weak = format!("W/{same}");
    let rows: &[(&[(&str, &str)], u16)] = &[
        (&[("If-None-Match", &same)], 304),
        (&[("If-None-Match", &weak)], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"other\"")], 200),
        (&[("If-None-Match", "\"other\""), ("If-Modified-Since", later)], 200),
        (&[("If-Modified-Since", MODIFIED)], 304),
        (&[("If-Modified-Since", later)], 304),
        (&[("If-Modified-Since", earlier)], 200),
        (&[("If-Modified-Since", "yesterday")], 200),
        (&[("If-Match", &same)], 200),
        (&[("If-Match", "\"other\"")], 412),
        (&[("If-Unmodified-Since", earlier)], 412),
        (&[("If-Range", &same), ("Range", "bytes=0-9")], 206),
        (&[("If-Range", &weak), ("Range", "bytes=0-9")], 200),
        (&[("If-Range", "\"other\""), ("Range", "bytes=0-9")], 200),
        (&[("If-None-Match", &same), ("Range", "bytes=0-9")], 304),
    ];
    for (fields, status) in rows {
        let answer = edge.get_with(PATH, fields).await;
        assert_eq!(answer.status, *status, "{fields:?}");
        assert_eq!(answer.end, End::Clean, "{fields:?}");
        if *status == 304 {
            assert_eq!(answer.header("etag"), same, "{fields:?}");
        }
    }
    assert_eq!(origin.count(PATH), 1);
}

#[tokio::test]
async fn parts_are_stored_and_combined() {
    let origin = Origin::start().await;
    origin.on(PATH, |seen| {
        let reply = Reply::part(seen, &proof());
        reply.header("Cache-Control", "max-age=600").header("ETag", &proof().etag())
    });
    let edge = Edge::with(&origin, "[cache]\nslice = \"never\"").await;
    for range in ["bytes=0-999", "bytes=1000-1999", "bytes=500-1499"] {
        let answer = edge.get_with(PATH, &[("Range", range)]).await;
        let start = range[6..].split('-').next().unwrap().parse().unwrap();
        proof().check(start, answer.whole(206));
    }
    let asked = origin.count(PATH);
    assert!(asked <= 2, "the third range lies within what was stored: {asked} requests");
    proof().check_whole(edge.get(PATH).await.whole(200));
}
