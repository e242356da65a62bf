//! The index at its load, and under many threads.

use super::super::slot::Slot;
use super::super::slots::Slots;
use super::*;

const SEGMENTS: u32 = 64;

fn slot(segment: u32, number: u32) -> Slot {
    Slot {
        segment,
        offset: 512 * number,
        span: 512,
        frequency: 0,
        kind: Kind::Meta,
        site: 1,
        hours: 0,
        life: (100 + segment as u8) & 0x7f,
    }
}

fn slots(buckets: u32) -> Slots {
    let slots = Slots::new(buckets, SEGMENTS, 77);
    (0..SEGMENTS).for_each(|segment| slots.begin(segment, 100 + u64::from(segment)));
    slots
}

#[test]
fn hardly_any_record_is_lost_at_85_in_100() {
    let slots = slots(10_000);
    let count = 34_000;
    let lost = (0..count).filter(|n| slots.insert(key(*n), slot(n % SEGMENTS, *n))).count();
    assert!(lost < 34, "{lost} lost");
    let found = (0..count)
        .filter(|n| slots.find(key(*n)).is_some_and(|(found, _)| found.offset == 512 * n))
        .count();
    assert_eq!((found, slots.held_by_all().0), (count as usize - lost, found as u64));
}

#[test]
fn what_is_read_outlives_what_is_not_when_there_are_too_many() {
    let slots = slots(250);
    for number in 0..200 {
        slots.insert(key(number), slot(1, number));
        slots.touch(key(number), &slot(1, number));
    }
    for number in 200..5000 {
        slots.insert(key(number), slot(2, number));
    }
    let kept = (0..200).filter(|number| slots.find(key(*number)).is_some()).count();
    assert_eq!((kept, slots.held_by_all().0), (200, 1000));
}

#[test]
fn a_segment_that_begins_again_takes_its_records_with_it() {
    let slots = slots(100);
    for number in 0..100 {
        slots.insert(key(number), slot(number % 2, number));
    }
    slots.begin(0, 5000);
    let found = (0..100).filter(|number| slots.find(key(*number)).is_some()).count();
    assert_eq!((found, slots.held(0), slots.held(1).0), (50, (0, 0), 50));
    assert!(!slots.remove(key(0), &slot(0, 0)) || slots.find(key(0)).is_none());
}

#[test]
fn a_dumped_index_is_loaded_whole() {
    let (from, to) = (slots(500), slots(500));
    for number in 0..1500 {
        from.insert(key(number), slot(number % SEGMENTS, number));
    }
    to.begin(3, 0);
    for bucket in 0..from.buckets() {
        to.load(bucket, from.dump(bucket).unwrap());
    }
    for number in 0..1500 {
        let expected = from.find(key(number)).filter(|(slot, _)| slot.segment != 3);
        assert_eq!(to.find(key(number)), expected);
    }
}

#[test]
fn threads_do_not_lose_each_others_slots() {
    let slots = slots(2000);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let slots = &slots;
            scope.spawn(move || {
                for round in 0..5 {
                    for number in thread * 1000..thread * 1000 + 1000 {
                        let place = slot(thread, round * 1000 + number % 1000);
                        slots.insert(key(number), place);
                        slots.touch(key(number), &place);
                        if number % 10 == 0 {
                            let (found, _) = slots.find(key(number)).unwrap_or((place, 0));
                            slots.remove(key(number), &found);
                        }
                    }
                }
            });
        }
    });
    let found = (0..4000).filter(|number| slots.find(key(*number)).is_some()).count();
    assert_eq!((found as u64, found), (slots.held_by_all().0, 3600));
}
