//! Records are kept, read in parts, replaced, removed and found again after a restart.

use super::*;

const SIZES: [usize; 9] = [0, 1, 500, 10_000, 65_535, 65_536, 65_537, 300_000, 1 << 20];

#[test]
fn records_of_all_sizes_are_read_whole_and_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let disks = open(folder.path(), 40 * MIB);
    for (number, size) in SIZES.into_iter().enumerate() {
        let name = Name::of_chunk(1, number as u32);
        assert!(write(&disks, record(name, body(name, 0, size))));
    }
    block_on(disks.flush());
    for (number, size) in SIZES.into_iter().enumerate() {
        let name = Name::of_chunk(1, number as u32);
        let whole = body(name, 0, size);
        assert_eq!(read(&disks, name), Some(whole.clone()), "{size}");
        for (start, end) in [(0, 1), (1, 70_000), (65_536, 65_537), (70_000, 200_000)] {
            let part = block_on(disks.read(name, start..end)).unwrap();
            let end = size.min(end as usize);
            assert_eq!(part, whole[end.min(start as usize)..end], "{size}: {start}");
            assert_eq!(disks.read_now(name, start..end as u32), Now::Bytes(part));
        }
    }
    assert_eq!(read(&disks, key(1)), None);
    assert!(!write(&disks, record(key(1), Bytes::from(vec![0; LARGEST + 1]))));
}

#[test]
fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    for clean in [true, false] {
        let disks = open(folder.path(), 40 * MIB);
        let version = u32::from(clean);
        for number in 0..200 {
            assert!(write(&disks, record(key(number), body(key(number), version, 30_000))));
        }
        block_on(async { if clean { disks.close().await } else { disks.flush().await } });
        drop(disks);
        let disks = open(folder.path(), 40 * MIB);
        for number in 0..200 {
            let expected = body(key(number), version, 30_000);
            assert_eq!(read(&disks, key(number)), Some(expected), "{clean} {number}");
        }
    }
}

#[test]
fn replaced_and_removed_records_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let disks = open(folder.path(), 40 * MIB);
    assert!(write(&disks, record(key(1), body(key(1), 1, 100))));
    assert!(write(&disks, record(key(1), body(key(1), 2, 200))));
    assert_eq!(read(&disks, key(1)), Some(body(key(1), 2, 200)));
    assert_eq!(disks.figures()[0].records, 1);
    disks.remove(key(1));
    assert!(!disks.has(key(1)));
    assert_eq!((read(&disks, key(1)), disks.figures()[0].records), (None, 0));
}

#[test]
fn a_disk_takes_more_than_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let disks = open(folder.path(), 16 * MIB);
    for number in 0..400 {
        disks.fetched(100_000);
        assert!(write(&disks, record(key(number), body(key(number), 0, 100_000))));
        // What is read is kept longer, if the policy thinks so.
        read(&disks, key(number % 20));
    }
    block_on(disks.flush());
    for number in 0..400 {
        if let Some(bytes) = read(&disks, key(number)) {
            assert_eq!(bytes, body(key(number), 0, 100_000));
        } else {
            assert!(number < 350, "{number}");
        }
    }
    let figures = &disks.figures()[0];
    assert!(figures.free >= 1 && figures.proved >= 1 && figures.records > 60, "{figures:?}");
}

#[test]
fn a_second_node_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), 16 * MIB);
    let second = Disks::open(options(folder.path(), 16 * MIB), Arc::new(Files));
    assert!(second.err().unwrap().contains("in use by another node"));
    block_on(first.close());
    open(folder.path(), 16 * MIB);
}

#[test]
fn records_are_listed_with_their_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    let disks = open(folder.path(), 16 * MIB);
    for number in 0..10 {
        assert!(write(&disks, record(key(number), body(key(number), 0, 100))));
    }
    block_on(disks.close());
    let look = Look::open(folder.path()).unwrap();
    assert!(look.has(key(3)) && !look.has(key(10)));
    let mut seen = Vec::new();
    look.records(&mut |listed| {
        assert_eq!(listed.payload(), Some(body(listed.name, 0, 100)));
        assert_eq!(listed.head.map(|head| (head.site, head.fill_seq)), Some((7, 3)));
        seen.push(listed.name);
        seen.len() < 8
    });
    assert_eq!(seen.len(), 8);
}

#[test]
fn names_are_shared_out_by_size_and_stay_when_a_disk_goes() {
    let disk = |path: &str, size| Share::of(&DiskOptions { path: path.into(), size });
    let best = |shares: &[Share], number| {
        let group = key(number).group();
        let scores = shares.iter().map(|share| share.score(group)).enumerate();
        scores.max_by(|left, right| left.1.total_cmp(&right.1)).unwrap().0
    };
    let shares = [disk("/a", 100), disk("/b", 200), disk("/c", 100)];
    let counts = (0..8000).fold([0, 0, 0], |mut counts, number| {
        counts[best(&shares, number)] += 1;
        counts
    });
    let near = |count: usize, expected: usize| count.abs_diff(expected) < expected / 10;
    assert!(near(counts[0], 2000) && near(counts[1], 4000) && near(counts[2], 2000), "{counts:?}");
    let moved = |number: &u32| {
        let before = best(&shares, *number);
        before != 2 && before != best(&shares[..2], *number)
    };
    assert_eq!((0..8000).filter(moved).count(), 0);
}
