//! Tests of `range`: which bytes a client gets.

use super::*;
use crate::cache::test_support::{fields, stored};
use proptest::prelude::*;

fn pick(request: &str, total: u64, reach: Option<u64>) -> Selection {
    let (object, _) =
        stored("Cache-Control: max-age=60\nETag: \"a\"\nDate: @0\nLast-Modified: @-100");
    let object = Stored { total: Some(total), reach, ..object };
    select(&Policy::default(), &Method::GET, &fields(request), &object)
}

#[test]
fn one_range_or_many_or_all() {
    use Selection::{Many, One, Unsatisfiable, Whole};
    for (request, expected) in [
        ("", Whole),
        ("Range: bytes=0-1", One(0..2)),
        ("Range: bytes=1-", One(1..1000)),
        ("Range: bytes=-1", One(999..1000)),
        ("Range: bytes=0-", One(0..1000)),
        ("Range: bytes=1000-", Unsatisfiable),
        ("Range: bytes=-0", Unsatisfiable),
        ("Range: bytes=5-4", Whole),
        ("Range: lines=0-1", Whole),
        ("Range: bytes=0-1\nRange: bytes=2-3", Whole),
        ("Range: bytes=0-1,500-501", Many(vec![0..2, 500..502])),
        ("Range: bytes=500-501,0-1", Many(vec![0..2, 500..502])),
        ("Range: bytes=0-1,60-61", One(0..62)),
        ("Range: bytes=0-9,5-20,0-0", One(0..21)),
        ("Range: bytes=0-1,5000-", One(0..2)),
        ("Range: bytes=0-400,500-", Whole),
        ("Range: bytes=0-0,100-100,200-200,300-300,400-400,500-500,600-600,700-700", Whole),
    ] {
        assert_eq!(pick(request, 1000, None), expected, "{request}");
    }
    let many = format!("Range: bytes={}0-0", "0-0,".repeat(20));
    assert_eq!(pick(&many, 1000, None), Whole);
    assert_eq!(pick("Range: bytes=-5", 0, None), Whole);
    assert_eq!(pick("Range: bytes=0-", 0, None), Unsatisfiable);
}

#[test]
fn if_range_names_this_version_or_gets_the_whole() {
    let one = Selection::One(0..2);
    let modified = fields("X: @-100").get("x").unwrap().to_str().unwrap().to_owned();
    let other = fields("X: @-99").get("x").unwrap().to_str().unwrap().to_owned();
    for (value, expected) in [
        ("\"a\"", &one),
        ("W/\"a\"", &Selection::Whole),
        ("\"b\"", &Selection::Whole),
        ("a", &Selection::Whole),
        (&modified, &one),
        (&other, &Selection::Whole),
    ] {
        let request = format!("Range: bytes=0-1\nIf-Range: {value}");
        assert_eq!(&pick(&request, 1000, None), expected, "{value}");
    }
}

#[test]
fn other_methods_statuses_and_unknown_lengths_get_the_whole() {
    let (object, _) = stored("Cache-Control: max-age=60");
    let request = fields("Range: bytes=0-1");
    let policy = Policy::default();
    let object = Stored { total: Some(10), ..object };
    assert_eq!(select(&policy, &Method::GET, &request, &object), Selection::One(0..2));
    assert_eq!(select(&policy, &Method::HEAD, &request, &object), Selection::Whole);
    let unknown = Stored { total: None, ..object.clone() };
    assert_eq!(select(&policy, &Method::GET, &request, &unknown), Selection::Whole);
    let error = Stored { status: StatusCode::NOT_FOUND, ..object };
    assert_eq!(select(&policy, &Method::GET, &request, &error), Selection::Whole);
}

#[test]
fn where_the_origin_delivered_less_than_it_said_ranges_end_there() {
    for (request, expected) in [
        ("Range: bytes=-5", Selection::One(4..9)),
        ("Range: bytes=6-8", Selection::One(6..9)),
        ("Range: bytes=6-", Selection::One(6..9)),
        ("Range: bytes=-1", Selection::One(8..9)),
        ("Range: bytes=9-", Selection::One(9..10)),
        ("Range: bytes=10-", Selection::Unsatisfiable),
    ] {
        assert_eq!(pick(request, 10, Some(9)), expected, "{request}");
    }
}

proptest! {
    #[test]
    fn an_answer_is_never_larger_than_the_object_or_wrong(
        specs in proptest::collection::vec((0u64..3000, proptest::option::of(0u64..3000)), 1..20),
        total in 0u64..2500,
    ) {
        let text: Vec<_> = specs
            .iter()
            .map(|(a, b)| match b {
                Some(b) => format!("{}-{}", a.min(b), a.max(b)),
                None => format!("-{a}"),
            })
            .collect();
        match pick(&format!("Range: bytes={}", text.join(",")), total, None) {
            Selection::Many(ranges) => {
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                prop_assert!(ranges.iter().all(|r| r.start < r.end && r.end <= total));
                let sum: u64 = ranges.iter().map(|r| r.end - r.start + PART).sum();
                prop_assert!(sum <= total);
            }
            Selection::One(range) => prop_assert!(range.start < range.end && range.end <= total),
            Selection::Whole | Selection::Unsatisfiable => {}
        }
    }
}
