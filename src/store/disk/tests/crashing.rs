//! Whatever is done, and at whatever I/O something goes wrong: what is read was written under that
//! name, or it is a miss.

use std::collections::HashMap;

use proptest::prelude::*;

use super::fake::{Fake, Fault};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(u32, usize, bool),
    Remove(u32),
    Read(u32, u32, u32),
    Flush,
    /// The node ends well and starts again.
    Restart,
}

/// What was written under each name, in order.
type Written = HashMap<Name, Vec<Bytes>>;

fn step(most: usize) -> impl Strategy<Value = Step> {
    let size = prop_oneof![0usize..2000, 65_000usize..67_000, most / 2..=most];
    prop_oneof![
        12 => (0u32..30, size, any::<bool>()).prop_map(|(key, size, new)| Step::Write(key, size, new)),
        1 => (0u32..30).prop_map(Step::Remove),
        6 => (0u32..30, 0u32..70_000, 0u32..1_100_000).prop_map(|(key, from, to)| {
            Step::Read(key, from, to)
        }),
        1 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Crash),
        1 => Just(Fault::Lose),
        1 => Just(Fault::Tear),
        1 => Just(Fault::Misplace),
        1 => Just(Fault::Fail),
    ]
}

/// Some names are of keys, some of chunks.
fn name(number: u32) -> Name {
    if number.is_multiple_of(2) { key(number) } else { Name::of_chunk(4, number) }
}

fn start(path: &Path, fake: &Fake) -> Arc<Disks> {
    Disks::open(options(path, fake.size), Arc::new(fake.clone())).unwrap()
}

fn check(disks: &Disks, written: &Written, name: Name, range: Range<u32>) {
    let Some(found) = block_on(disks.read(name, range.clone())) else { return };
    let cut = |whole: &Bytes| {
        let end = whole.len().min(range.end as usize);
        whole.slice(end.min(range.start as usize)..end)
    };
    let known = written.get(&name).is_some_and(|all| all.iter().any(|whole| cut(whole) == found));
    assert!(known, "{name:?} {range:?}: {} wrong bytes", found.len());
}

fn check_all(disks: &Disks, written: &Written) {
    (0..30).for_each(|number| check(disks, written, name(number), 0..u32::MAX));
}

fn run(disks: &mut Arc<Disks>, path: &Path, fake: &Fake, steps: &[Step], written: &mut Written) {
    for step in steps {
        match *step {
            Step::Write(number, size, new) => {
                let name = name(number);
                let all = written.entry(name).or_default();
                let payload = body(name, all.len() as u32, size);
                all.push(payload.clone());
                let class = if new { Class::New } else { Class::Proved };
                write(disks, Write { class: Admission::Sure(class), ..record(name, payload) });
            }
            Step::Remove(number) => disks.remove(name(number)),
            Step::Read(number, from, to) => check(disks, written, name(number), from..to),
            Step::Flush => block_on(disks.flush()),
            Step::Restart => {
                block_on(disks.close());
                *disks = start(path, fake);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn bytes_read_are_bytes_written_or_a_miss(
        before in prop::collection::vec(step(LARGEST), 0..60),
        after in prop::collection::vec(step(LARGEST), 0..30),
        (at, fault, power, seed) in (0u64..150, fault(), any::<bool>(), any::<u64>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (path, fake) = (folder.path(), Fake::new(16 * MIB, seed));
        let mut written = Written::new();
        fake.plan(at, fault);
        let mut disks = start(path, &fake);
        run(&mut disks, path, &fake, &before, &mut written);
        drop(disks);
        fake.restart(power);
        let mut disks = start(path, &fake);
        prop_assert_eq!(disks.figures()[0].state, "ok");
        check_all(&disks, &written);
        run(&mut disks, path, &fake, &after, &mut written);
        check_all(&disks, &written);
        block_on(disks.close());
        drop(disks);
        check_all(&start(path, &fake), &written);
    }

    #[test]
    fn while_nothing_is_reclaimed_only_the_last_bytes_written_are_read(
        steps in prop::collection::vec(step(120_000), 0..80),
        seed in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (path, fake) = (folder.path(), Fake::new(40 * MIB, seed));
        let mut written = Written::new();
        let mut disks = start(path, &fake);
        for killed in [false, true] {
            run(&mut disks, path, &fake, &steps, &mut written);
            if killed {
                // All that was written out is in the page cache, which outlives the node.
                block_on(disks.flush());
                drop(disks);
                fake.restart(false);
                disks = start(path, &fake);
            }
            let mut last = written.clone();
            // What was removed may be back with its last bytes, or with older ones: not asked here.
            for step in &steps {
                if let Step::Remove(number) = step {
                    last.remove(&name(*number));
                }
            }
            for (name, all) in last {
                prop_assert!(read(&disks, name).as_ref() == all.last(), "{:?}", name);
            }
        }
    }
}

/// How many cases a property is tried with; more if the environment says so.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(12)
}

#[test]
fn a_killed_node_loses_nothing_that_was_written_out() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(16 * MIB, 5);
    for round in 0..20 {
        let disks = start(folder.path(), &fake);
        for number in 0..12 {
            let size = 40_000 + 1000 * number as usize;
            assert!(write(&disks, record(name(number), body(name(number), round, size))));
        }
        block_on(disks.flush());
        let writes = fake.count();
        drop(disks);
        assert_eq!(fake.count(), writes);
        fake.restart(false);
        let disks = start(folder.path(), &fake);
        for number in 0..12 {
            let expected = body(name(number), round, 40_000 + 1000 * number as usize);
            assert_eq!(read(&disks, name(number)), Some(expected), "{round} {number}");
        }
    }
}
