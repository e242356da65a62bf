//! What bytes are worth.

use super::super::worth::*;

#[test]
fn more_uses_are_worth_more_and_more_bytes_less() {
    for bytes in [511, 4096, 100_000, 1 << 20, 80_000_000, 1 << 34] {
        let of = |uses| worth(uses, bytes, 0);
        assert!((0..500).all(|uses| of(uses) <= of(uses + 1)), "{bytes}");
        assert!(of(0) < of(1) && of(1) < of(2) && of(2) < of(3), "{bytes}");
        assert!(worth(1, 2 * bytes, 0) < of(1), "{bytes}");
    }
    assert_eq!(worth(0, 4096, u64::MAX) / GRADES, worth(0, 4096, 0) / GRADES);
    assert!(worth(u32::MAX, 0, u64::MAX) < MARKS * GRADES);
    assert_eq!(worth(1, 0, 0), worth(1, 1, 0));
    // Two uses more are 7.7 times as many, which make up for 18.4 times the bytes.
    assert!(worth(2, 18 << 12, 0).abs_diff(worth(0, 1 << 12, 0)) <= GRADES);
}

#[test]
fn a_line_splits_the_bytes_also_where_all_are_worth_the_same() {
    let mut scale = Scale::new();
    assert_eq!(scale.line(50), 0, "nothing was seen");
    let mut rng = fastrand::Rng::with_seed(7);
    let same: Vec<usize> = (0..10_000).map(|_| worth(0, 4096, rng.u64(..))).collect();
    same.iter().for_each(|worth| scale.add(*worth, 4096));
    for percent in [0, 1, 30, 99, 100] {
        let line = scale.line(percent);
        let above = same.iter().filter(|worth| **worth >= line).count() as u64;
        assert!(above.abs_diff(percent * 100) < 150, "{percent}: {above}");
    }
    // What was seen later counts more.
    (0..40).for_each(|_| scale.fade(4));
    scale.add(worth(3, 4096, 0), 4096);
    assert!(scale.line(50) > worth(2, 4096, u64::MAX));
}
