//! Twelve kinds of damage to a store at rest: it opens, and gives the right bytes or a miss.

use fastrand::Rng;

use super::super::geometry::{Geometry, PAGE};
use super::super::superblock::Superblock;
use super::fake::Fake;
use super::*;

const SIZE: u64 = 16 * MIB;
const RECORDS: u32 = 120;
const LENGTH: usize = 66_000;
const ROUNDS: u64 = 5;

/// The bytes of a store with sealed and open segments and, if it ended well, a snapshot.
fn image(store_ends_well: bool) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(SIZE, 1);
    let disks = Disks::open(options(folder.path(), SIZE), Arc::new(fake.clone())).unwrap();
    for number in 0..RECORDS {
        assert!(write(&disks, record(key(number), body(key(number), 0, LENGTH))));
    }
    block_on(async { if store_ends_well { disks.close().await } else { disks.flush().await } });
    drop(disks);
    fake.image()
}

/// Opens a damaged store; how many records are still there. Any wrong byte is a failure.
fn survivors(image: Vec<u8>) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::of(image);
    let disks = Disks::open(options(folder.path(), SIZE), Arc::new(fake)).unwrap();
    assert_eq!(disks.figures()[0].state, "ok");
    let good = |number: &u32| {
        let found = read(&disks, key(*number));
        let right = |bytes: &Bytes| assert!(*bytes == body(key(*number), 0, LENGTH), "{number}");
        found.inspect(right).is_some()
    };
    let count = (0..RECORDS).filter(good).count();
    assert!(write(&disks, record(key(0), body(key(0), 0, LENGTH))));
    assert_eq!(read(&disks, key(0)), Some(body(key(0), 0, LENGTH)));
    count
}

fn geometry() -> Geometry {
    Geometry::of(SIZE, 64 << 10).unwrap()
}

/// Damages both kinds of images a few times; each must keep at least so many records.
fn damaged(least: u32, damage: impl Fn(&mut Vec<u8>, &mut Rng)) {
    for clean in [true, false] {
        let good = image(clean);
        for seed in 0..ROUNDS {
            let mut bad = good.clone();
            damage(&mut bad, &mut Rng::with_seed(seed));
            let count = survivors(bad);
            assert!(count >= least as usize, "{clean} {seed}: {count} of {RECORDS}");
        }
    }
}

fn flip(image: &mut [u8], range: Range<u64>, rng: &mut Rng) {
    let at = rng.u64(range) as usize;
    image[at] ^= 1 << rng.u8(..8);
}

/// Begin of one of the segments that are full.
fn segment(rng: &mut Rng) -> u64 {
    geometry().base(rng.u32(..3))
}

#[test]
fn no_damage_loses_nothing() {
    damaged(RECORDS, |_, _| {});
}

#[test]
fn a_flipped_bit_in_a_payload_or_record_header_costs_one_record() {
    damaged(RECORDS - 1, |image, rng| {
        let base = segment(rng) + PAGE as u64;
        flip(image, base + 10_000..base + 1_900_000, rng);
    });
    // Record headers of 66,000 bytes lie 69,632 bytes apart, 512 bytes before a page.
    damaged(RECORDS - 1, |image, rng| {
        let at = segment(rng) + PAGE as u64 + 3584 + 69_632 * rng.u64(..20);
        flip(image, at..at + 88, rng);
    });
}

#[test]
fn a_flipped_bit_in_a_footer_or_trailer_costs_nothing() {
    damaged(RECORDS, |image, rng| {
        let end = segment(rng) + u64::from(geometry().segment);
        flip(image, end - 900..end - 64, rng);
    });
    damaged(RECORDS, |image, rng| {
        let end = segment(rng) + u64::from(geometry().segment);
        flip(image, end - 64..end, rng);
    });
}

#[test]
fn a_flipped_bit_in_a_segment_header_costs_one_segment() {
    damaged(RECORDS - 30, |image, rng| {
        let base = segment(rng);
        flip(image, base..base + 40, rng);
    });
}

#[test]
fn a_flipped_bit_in_a_superblock_costs_nothing_and_in_both_everything() {
    damaged(RECORDS, |image, rng| {
        let page = rng.u64(..2) * PAGE as u64;
        flip(image, page..page + 84, rng);
    });
    damaged(0, |image, rng| {
        flip(image, 0..80, rng);
        flip(image, PAGE as u64..PAGE as u64 + 80, rng);
    });
}

#[test]
fn a_flipped_bit_in_a_snapshot_costs_nothing() {
    damaged(RECORDS, |image, rng| flip(image, geometry().snapshot(0)..geometry().start, rng));
    damaged(RECORDS, |image, rng| {
        let page = geometry().snapshot(1);
        flip(image, page..page + 48, rng);
    });
}

#[test]
fn a_file_cut_short_costs_what_was_cut() {
    damaged(20, |image, rng| {
        let end = geometry().base(rng.u32(1..4)) + rng.u64(..MIB);
        image.truncate(end as usize);
        image.resize(SIZE as usize, 0);
    });
}

#[test]
fn zeroed_pages_cost_what_they_held() {
    damaged(RECORDS - 1, |image, rng| {
        let at = (segment(rng) + PAGE as u64 * rng.u64(2..500)) as usize;
        image[at..at + PAGE].fill(0);
    });
}

#[test]
fn swapped_records_are_both_misses() {
    damaged(RECORDS - 2, |image, rng| {
        let place =
            |index: u64| (geometry().base(1) + PAGE as u64 + 3584 + 69_632 * index) as usize;
        let (left, right) = (place(rng.u64(..10)), place(rng.u64(10..20)));
        for index in 0..66_512 {
            image.swap(left + index, right + index);
        }
    });
}

#[test]
fn a_segment_of_another_place_or_generation_is_not_believed() {
    // Segment 0 as it lies in place of segment 1.
    damaged(RECORDS - 30, |image, _| {
        let (from, to) = (geometry().base(0) as usize, geometry().base(1) as usize);
        image.copy_within(from..from + geometry().segment as usize, to);
    });
    // All but the header is of the life before: as if later writes had been lost.
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(SIZE, 1);
    let disks = Disks::open(options(folder.path(), SIZE), Arc::new(fake.clone())).unwrap();
    let mut old = Vec::new();
    for round in 0..2 {
        for number in 0..RECORDS * 2 {
            assert!(write(&disks, record(key(number), body(key(number), 0, LENGTH))));
        }
        if round == 0 {
            block_on(disks.flush());
            old = fake.image();
        }
    }
    block_on(disks.flush());
    drop(disks);
    let mut image = fake.image();
    for number in 0..geometry().segments {
        let base = geometry().base(number) as usize;
        let body = base + PAGE..base + geometry().segment as usize;
        image[body.clone()].copy_from_slice(&old[body]);
    }
    survivors(image);
}

#[test]
fn a_segment_of_a_foreign_store_is_not_believed() {
    let foreign = image(true);
    damaged(RECORDS - 30, |image, rng| {
        let base = segment(rng) as usize;
        let range = base..base + geometry().segment as usize;
        image[range.clone()].copy_from_slice(&foreign[range]);
    });
    // A foreign superblock pair: nothing else in the file is its own.
    damaged(0, |image, _| image[..2 * PAGE].copy_from_slice(&foreign[..2 * PAGE]));
}

#[test]
fn a_store_of_another_size_or_version_is_formatted_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut image = image(true);
    image.resize(32 << 20, 0);
    let fake = Fake::of(image);
    let disks = Disks::open(options(folder.path(), 32 * MIB), Arc::new(fake.clone())).unwrap();
    assert_eq!((disks.figures()[0].state, disks.figures()[0].records), ("ok", 0));
    let superblock = Superblock::load(&fake).unwrap().unwrap();
    assert_eq!(superblock.geometry.size, 32 * MIB);
    damaged(0, |image, _| {
        image[8] = 9;
        image[PAGE + 8] = 9;
    });
}
