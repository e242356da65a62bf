//! Large objects fetched by slices: what is asked of the origin, and what clients get.

use crate::kit::origin::Seen;
use crate::kit::*;

const MIB: u64 = 1 << 20;

/// Serves `proof` with ranges and conditions; the site's nodes slice by one mebibyte.
fn serve(origin: &Origin, path: &str, proof: &Proof) {
    let proof = proof.clone();
    origin.on(path, move |seen| part(seen, &proof));
}

fn part(seen: &Seen, proof: &Proof) -> Reply {
    Reply::part(seen, proof).header("Cache-Control", "max-age=3600").header("ETag", &proof.etag())
}

/// The ranges that the origin was asked for, in the order of their beginnings.
fn ranges(origin: &Origin, path: &str) -> Vec<String> {
    let seen = origin.seen();
    let ranges = seen.iter().filter(|seen| seen.path() == path);
    let mut ranges: Vec<String> =
        ranges.map(|seen| seen.header("range").unwrap_or_else(|| "whole".into())).collect();
    ranges.sort_by_key(|range| {
        range
            .trim_start_matches("bytes=")
            .split('-')
            .next()
            .and_then(|start| start.parse::<u64>().ok())
    });
    ranges
}

fn slice(number: u64) -> String {
    format!("bytes={}-{}", number * MIB, (number + 1) * MIB - 1)
}

#[tokio::test]
async fn one_byte_of_a_large_object_costs_one_slice() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 1 << 30);
    serve(&origin, "/x", &proof);
    let edge = Edge::before(&origin).await;
    for at in [5 * MIB + 7, 5 * MIB + 8, 6 * MIB - 1] {
        let range = format!("bytes={at}-{at}");
        let answer = edge.get_with("/x", &[("Range", &range)]).await;
        proof.check(at, answer.whole(206));
        assert_eq!(answer.header("content-range"), format!("bytes {at}-{at}/{}", proof.length()));
    }
    assert_eq!(ranges(&origin, "/x"), [slice(5)]);
}

#[tokio::test]
async fn a_range_over_borders_is_put_together_from_slices() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 40 * MIB + 11);
    serve(&origin, "/x", &proof);
    let edge = Edge::before(&origin).await;
    let (first, last) = (3 * MIB - 5, 5 * MIB + 5);
    let range = format!("bytes={first}-{last}");
    for _ in 0..2 {
        let answer = edge.get_with("/x", &[("Range", &range)]).await;
        proof.check(first, answer.whole(206));
        assert_eq!(answer.body.len() as u64, last - first + 1);
    }
    assert_eq!(ranges(&origin, "/x"), [slice(2), slice(3), slice(4), slice(5)]);
    // What was fetched stays, and the end is known now.
    let answer = edge.get_with("/x", &[("Range", "bytes=-20")]).await;
    proof.check(proof.length() - 20, answer.whole(206));
    // The last twenty bytes lie on both sides of a border.
    assert_eq!(ranges(&origin, "/x").len(), 6);
}

#[tokio::test]
async fn a_site_may_have_all_of_it_fetched_by_slices() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 7 * MIB + 11);
    serve(&origin, "/x", &proof);
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    let first = edge.get("/x").await;
    proof.check_whole(first.whole(200));
    assert_eq!(first.header("content-length"), proof.length().to_string());
    let mut expected: Vec<_> = (0..7).map(slice).collect();
    expected.push(format!("bytes={}-", 7 * MIB));
    let asked = ranges(&origin, "/x");
    assert_eq!(asked.len(), 8, "{asked:?}");
    assert_eq!(asked[..7], expected[..7]);
    let again = edge.get("/x").await;
    proof.check_whole(again.whole(200));
    assert!(again.hit(), "{:?}", again.head);
    assert_eq!(ranges(&origin, "/x").len(), 8);
}

#[tokio::test]
async fn clients_at_the_same_time_share_slices() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 9 * MIB);
    serve(&origin, "/x", &proof);
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    let all = (0..6).map(|_| edge.get("/x"));
    for answer in futures_util::future::join_all(all).await {
        proof.check_whole(answer.whole(200));
    }
    let asked = ranges(&origin, "/x");
    assert!(asked.len() <= 10, "{asked:?}");
    assert!(edge.get("/x").await.hit());
}

#[tokio::test]
async fn small_and_empty_objects_are_as_ever() {
    let origin = Origin::start().await;
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    for (path, length) in [("/empty", 0), ("/one", 1), ("/slice", MIB)] {
        let proof = Proof::new("a.test", path, 1, length);
        serve(&origin, path, &proof);
        for hit in [false, true] {
            let answer = edge.get(path).await;
            proof.check_whole(answer.whole(200));
            assert_eq!(answer.hit(), hit, "{path} {:?}", answer.head);
        }
    }
}

#[tokio::test]
async fn an_origin_without_ranges_is_asked_for_all_of_it_once() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 3 * MIB);
    origin.serves("/x", "max-age=3600", &proof);
    // Ranges, but nothing that tells versions apart.
    let weak = Proof::new("a.test", "/weak", 1, 3 * MIB);
    let body = weak.clone();
    origin
        .on("/weak", move |seen| Reply::part(seen, &body).header("Cache-Control", "max-age=3600"));
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    for (path, proof, most) in [("/x", &proof, 1), ("/weak", &weak, 2)] {
        proof.check_whole(edge.get(path).await.whole(200));
        let answer = edge.get_with(path, &[("Range", "bytes=1048570-1048580")]).await;
        proof.check(1_048_570, answer.whole(206));
        assert!(answer.hit(), "{path} {:?}", answer.head);
        assert_eq!(origin.count(path), most, "{path}");
    }
}

#[tokio::test]
async fn an_object_that_changes_half_way_is_cut_and_new_for_the_next_client() {
    let origin = Origin::start().await;
    let old = Proof::new("a.test", "/x", 1, 6 * MIB);
    let new = Proof::new("a.test", "/x", 2, 6 * MIB);
    let (first, second) = (old.clone(), new.clone());
    origin.on("/x", move |seen| {
        let start = seen.header("range").unwrap_or_default();
        let early = ["bytes=0-", "bytes=1048576-"].iter().any(|early| start.starts_with(early));
        let current = match seen.header("if-range") {
            None if early => &first,
            Some(tag) if tag == first.etag() && early => &first,
            _ => &second,
        };
        part(seen, current)
    });
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    let answer = edge.get("/x").await;
    assert_ne!(answer.end, End::Clean, "{:?}", answer.head);
    old.check(0, &answer.body);
    origin.on("/x", move |seen| part(seen, &new));
    let new = Proof::new("a.test", "/x", 2, 6 * MIB);
    new.check_whole(edge.get("/x").await.whole(200));
}

#[tokio::test]
async fn a_slice_that_breaks_off_is_asked_for_again_from_there() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 5 * MIB);
    let body = proof.clone();
    let broken = std::sync::atomic::AtomicBool::new(false);
    origin.on("/x", move |seen| {
        let reply = part(seen, &body);
        let third = seen.header("range").is_some_and(|range| range == slice(2));
        match third && !broken.swap(true, std::sync::atomic::Ordering::Relaxed) {
            true => reply.after(500_000, Reply::cut),
            false => reply,
        }
    });
    let edge = Edge::with(&origin, "[cache]\nslice = \"always\"").await;
    proof.check_whole(edge.get("/x").await.whole(200));
}

#[tokio::test]
async fn slices_go_to_disk_and_outlive_the_process() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 60 * MIB + 5);
    serve(&origin, "/x", &proof);
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, "[cache]\nslice = \"always\""));
    let disk = setup.path("disk");
    let table = format!(
        "[store]\nmemory = \"16MiB\"\nwindow_time = \"1s\"\n\
         disks = [{{ path = {disk:?}, size = \"256MiB\" }}]"
    );
    let mut edge = setup.node(&table).start().await;
    proof.check_whole(edge.get("/x").await.whole(200));
    let asked = ranges(&origin, "/x");
    assert!(asked.len() <= 62, "{} {asked:?}", asked.len());
    edge.stop(false).await;
    edge.go_on().await;
    let answer = edge.get("/x").await;
    proof.check_whole(answer.whole(200));
    let more = ranges(&origin, "/x").len() - asked.len();
    assert!(more <= 2, "{more} slices were asked for again");
}
