//! A walk sees each URL's record once, in the file or not yet, and ends whatever the disk does.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::fake::{Failing, Fake};
use super::*;

/// The payloads that a walk shows, and how many records it could not read.
fn walked(walk: &mut Walk) -> (Vec<Bytes>, u64) {
    block_on(async {
        let mut pages = Vec::new();
        while let Some(step) = walk.step().await {
            pages.extend(step.pages);
        }
        (pages, walk.missed())
    })
}

fn all(disks: &Arc<Disks>) -> Walk {
    disks.walk(Arc::new(|_| true))
}

fn set(pages: Vec<Bytes>) -> BTreeSet<Bytes> {
    let count = pages.len();
    let set = BTreeSet::from_iter(pages);
    assert_eq!(set.len(), count, "some were shown twice");
    set
}

#[test]
fn each_record_of_a_url_is_shown_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut disks = open(folder.path(), 16 * MIB);
    let mut expected = BTreeSet::new();
    for number in 0..60 {
        let site = number % 3;
        // Some are written again: the older record is not shown.
        for version in 0..=number % 2 {
            let payload = body(key(number), version, 70_000);
            let write = Write { site, ..record(key(number), payload.clone()) };
            assert!(super::write(&disks, write));
            if version == number % 2 {
                expected.insert((site, payload));
            }
        }
        let chunk = Name::of_chunk(number.into(), 0);
        assert!(super::write(&disks, record(chunk, body(chunk, 0, 3000))));
    }
    disks.remove(key(0));
    expected.remove(&(0, body(key(0), 0, 70_000)));
    let of = |site: Option<u32>| -> BTreeSet<Bytes> {
        let wanted = expected.iter().filter(|(it, _)| site.is_none_or(|site| site == *it));
        wanted.map(|(_, payload)| payload.clone()).collect()
    };
    for restart in [false, true] {
        if restart {
            block_on(disks.close());
            drop(disks);
            disks = open(folder.path(), 16 * MIB);
        }
        let mut walk = all(&disks);
        let (pages, missed) = walked(&mut walk);
        assert!(set(pages) == of(None) && missed == 0);
        assert_eq!((walk.looked(), walk.total()), (59, 59));
        let mut walk = disks.walk(Arc::new(|site| site == 1));
        assert!(set(walked(&mut walk).0) == of(Some(1)));
    }
}

#[test]
fn what_cannot_be_read_is_told_and_the_walk_ends() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(16 * MIB, 3);
    let mut options = options(folder.path(), 16 * MIB);
    options.deadline = Duration::from_millis(20);
    let disks = Disks::open(options, Arc::new(fake.clone())).unwrap();
    for number in 0..10 {
        assert!(write(&disks, record(key(number), body(key(number), 0, 5000))));
    }
    block_on(disks.flush());
    assert_eq!(walked(&mut all(&disks)).0.len(), 10);
    let mut walk = all(&disks);
    fake.fail(Failing { writes: Some(ErrorKind::Other), ..Failing::default() });
    disks.write(record(key(99), body(key(99), 0, 100)), None);
    block_on(disks.flush());
    assert_eq!(disks.figures()[0].state, "sick");
    let (pages, missed) = walked(&mut walk);
    assert_eq!((pages.len(), missed), (0, 10));
}
