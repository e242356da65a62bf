//! A disk that fails is left alone, comes back, and costs nobody more than a miss.

use std::io::ErrorKind;

use super::fake::{Failing, Fake};
use super::*;

/// A store with ten records, on a device that can fail.
fn store() -> (tempfile::TempDir, Fake, Arc<Disks>) {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(16 * MIB, 3);
    let mut options = options(folder.path(), 16 * MIB);
    options.deadline = Duration::from_millis(100);
    let disks = Disks::open(options, Arc::new(fake.clone())).unwrap();
    for number in 0..10 {
        assert!(write(&disks, record(key(number), body(key(number), 0, 5000))));
    }
    block_on(disks.flush());
    (folder, fake, disks)
}

fn found(disks: &Disks) -> usize {
    let good = |number: &u32| {
        let found = read(disks, key(*number));
        found.inspect(|bytes| assert_eq!(*bytes, body(key(*number), 0, 5000))).is_some()
    };
    (0..10).filter(good).count()
}

fn state(disks: &Disks) -> &'static str {
    disks.figures()[0].state
}

/// Tries sick disks again as if their pause were over.
fn try_again(disks: &Disks) {
    disks.sweep_at(Instant::now() + Duration::from_secs(31));
    block_on(disks.flush());
}

#[test]
fn a_disk_that_cannot_be_written_is_sick_until_it_can() {
    let (_folder, fake, disks) = store();
    for failing in [
        Failing { writes: Some(ErrorKind::Other), ..Failing::default() },
        Failing { writes: Some(ErrorKind::ReadOnlyFilesystem), ..Failing::default() },
    ] {
        fake.fail(failing);
        disks.write(record(key(99), body(key(99), 0, 100)), None);
        block_on(disks.flush());
        assert_eq!((state(&disks), found(&disks)), ("sick", 0));
        assert!(!write(&disks, record(key(98), body(key(98), 0, 100))));
        disks.sweep();
        try_again(&disks);
        assert_eq!(state(&disks), "sick");
        fake.fail(Failing::default());
        try_again(&disks);
        assert_eq!((state(&disks), found(&disks)), ("ok", 10));
        assert!(write(&disks, record(key(98), body(key(98), 0, 100))));
    }
}

#[test]
fn a_full_disk_is_still_read() {
    let (_folder, fake, disks) = store();
    fake.fail(Failing { writes: Some(ErrorKind::StorageFull), ..Failing::default() });
    disks.write(record(key(99), body(key(99), 0, 100)), None);
    block_on(disks.flush());
    assert_eq!((state(&disks), found(&disks)), ("full", 10));
    assert!(!disks.has(key(99)));
    assert!(!write(&disks, record(key(98), body(key(98), 0, 100))));
    fake.fail(Failing::default());
    try_again(&disks);
    assert_eq!((state(&disks), found(&disks)), ("ok", 10));
    assert!(write(&disks, record(key(98), body(key(98), 0, 100))));
    block_on(disks.flush());
    assert_eq!(read(&disks, key(98)), Some(body(key(98), 0, 100)));
}

#[test]
fn reads_that_fail_are_misses_and_too_many_make_it_sick() {
    let (_folder, fake, disks) = store();
    fake.fail(Failing { reads: true, ..Failing::default() });
    assert_eq!((found(&disks), state(&disks)), (0, "ok"));
    assert_eq!((found(&disks), state(&disks)), (0, "sick"));
    try_again(&disks);
    assert_eq!(state(&disks), "sick");
    fake.fail(Failing::default());
    try_again(&disks);
    assert_eq!((state(&disks), found(&disks)), ("ok", 10));
}

#[test]
fn a_sync_that_fails_makes_it_sick_and_loses_nothing_good() {
    let (_folder, fake, disks) = store();
    fake.fail(Failing { syncs: true, ..Failing::default() });
    for number in 0..4 {
        write(&disks, record(Name::of_chunk(1, number), body(key(1), 0, LARGEST)));
    }
    assert_eq!(state(&disks), "sick");
    fake.fail(Failing::default());
    try_again(&disks);
    assert_eq!((state(&disks), found(&disks)), ("ok", 10));
}

#[test]
fn a_slow_disk_is_a_miss_after_the_deadline_and_is_not_waited_for() {
    let (_folder, fake, disks) = store();
    fake.fail(Failing { delay: Duration::from_millis(400), ..Failing::default() });
    assert_eq!(disks.read_now(key(0), 0..9), Now::Later);
    let begun = Instant::now();
    assert_eq!((read(&disks, key(0)), read(&disks, key(1))), (None, None));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let begun = Instant::now();
    assert_eq!(found(&disks), 0);
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    fake.fail(Failing::default());
    std::thread::sleep(Duration::from_millis(450));
    assert_eq!((state(&disks), found(&disks)), ("ok", 10));
}

#[test]
fn a_disk_that_cannot_be_opened_is_opened_later() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(16 * MIB, 3);
    fake.fail(Failing { opening: true, ..Failing::default() });
    let disks = Disks::open(options(folder.path(), 16 * MIB), Arc::new(fake.clone())).unwrap();
    assert_eq!((state(&disks), read(&disks, key(1))), ("sick", None));
    fake.fail(Failing::default());
    try_again(&disks);
    assert_eq!(state(&disks), "ok");
    assert!(write(&disks, record(key(1), body(key(1), 0, 100))));
}

#[test]
fn one_sick_disk_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut options = options(&path("a"), 16 * MIB);
    options.disks.push(DiskOptions { path: path("b"), size: 32 * MIB });
    std::fs::write(path("c"), "no folder").unwrap();
    options.disks.push(DiskOptions { path: path("c"), size: 32 * MIB });
    let disks = Disks::open(options, Arc::new(Files)).unwrap();
    let states: Vec<_> = disks.figures().iter().map(|it| it.state).collect();
    assert_eq!(states, ["ok", "ok", "sick"]);
    let stored = |number: &u32| write(&disks, record(key(*number), body(key(*number), 0, 5000)));
    let written: Vec<u32> = (0..100).filter(stored).collect();
    assert!((30..90).contains(&written.len()), "{}", written.len());
    for number in written {
        assert_eq!(read(&disks, key(number)), Some(body(key(number), 0, 5000)));
    }
    let records: Vec<_> = disks.figures().iter().map(|it| it.records).collect();
    assert!(records[0] > 5 && records[1] > 10 && records[2] == 0, "{records:?}");
}
