//! Bodies that are read while they are written.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(u64),
    Open(u64, Option<u64>),
    Read(usize),
    Leave,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![1u64..40, 1u64..20_000].prop_map(Step::Write),
        2 => (0u64..30_000, proptest::option::of(0u64..60_000)).prop_map(|(a, b)| Step::Open(a, b)),
        4 => (0usize..8).prop_map(Step::Read),
        1 => Just(Step::Leave),
    ]
}

/// A reader in the model: what it asked for, and how far it has come.
struct Followed {
    reader: Reader,
    from: u64,
    to: u64,
    read: u64,
    ended: Option<Result<(), Cut>>,
}

impl Followed {
    fn follow(&mut self) {
        let (read, ended) = read_ready(&mut self.reader);
        let at = self.from + self.read;
        assert_eq!(read, bytes(at..at + read.len() as u64));
        self.read += read.len() as u64;
        self.ended = ended;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is written and read in whatever order: bytes read are bytes written, a body that is
    /// cut never ends cleanly for a reader that wanted more, and the budget holds.
    #[test]
    fn readers_see_what_was_written_or_a_cut(
        steps in proptest::collection::vec(step(), 1..120),
        ends_well in any::<bool>(),
        length_known in any::<bool>(),
    ) {
        let (store, _) = store_of(16 * MIB);
        let key = key("/model");
        let total: u64 = steps.iter().map(|step| if let Step::Write(n) = step { *n } else { 0 }).sum();
        let headers = HeaderMap::new();
        let announced = length_known.then_some(total);
        let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(announced)));
        let mut readers: VecDeque<Followed> = VecDeque::new();
        let mut written = 0;
        for step in steps {
            match step {
                Step::Write(n) => {
                    write(&mut writer, bytes(written..written + n)).unwrap();
                    written += n;
                }
                Step::Open(from, to) => {
                    let to = to.map_or(u64::MAX, |to| to.max(from));
                    let reader = entry.body.reader(from..to);
                    readers.push_back(Followed { reader, from, to, read: 0, ended: None });
                }
                Step::Read(which) => if let Some(reader) = readers.get_mut(which) { reader.follow() },
                Step::Leave => drop(readers.pop_front()),
            }
            prop_assert!(store.budget.used() <= store.budget.limit());
        }
        if ends_well { prop_assert!(finish(writer).unwrap()); } else { writer.cut(Cut::Origin, false); }
        for reader in &mut readers {
            reader.follow();
            let wanted = reader.to.min(total).saturating_sub(reader.from);
            let beyond = reader.to > total.max(reader.from) && !(length_known && reader.from >= total);
            let whole = Some(Ok(()));
            if ends_well {
                prop_assert_eq!(reader.read, wanted);
                prop_assert_eq!(reader.ended, whole);
            } else if length_known || !beyond {
                // All that was asked for came before the cut.
                prop_assert_eq!(reader.read, wanted);
            } else {
                prop_assert_eq!(reader.ended, Some(Err(Cut::Origin)));
            }
        }
        prop_assert_eq!(found(&store, &key).is_some(), ends_well);
        drop((readers, entry));
        store.remove(&key);
        prop_assert_eq!(store.budget.used(), 0);
    }
}

#[test]
fn a_small_complete_body_is_one_chunk_however_it_came() {
    let (store, _) = store_of(64 * MIB);
    let (key, headers) = (key("/small"), HeaderMap::new());
    let (_, mut writer) = store.insert(incoming(&key, &headers, stored(None)));
    for at in 0..10_000 {
        write(&mut writer, bytes(at..at + 1)).unwrap();
    }
    assert!(writer.entry().body.chunks() < 64, "{}", writer.entry().body.chunks());
    assert!(finish(writer).unwrap());
    let entry = found(&store, &key).unwrap();
    assert_eq!(entry.body.whole().unwrap(), &bytes(0..10_000));
    assert_eq!((entry.body.total(), entry.is_whole()), (Some(10_000), true));
    let mut reader = entry.body.reader(10..20);
    assert_eq!(read_ready(&mut reader), (bytes(10..20).to_vec(), Some(Ok(()))));
}

#[test]
fn a_large_body_is_a_few_slabs() {
    let (store, _) = store_of(64 * MIB);
    let (key, headers) = (key("/large"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(5 * MIB))));
    for at in (0..5 * MIB).step_by(16 << 10) {
        write(&mut writer, bytes(at..at + 16 * KIB)).unwrap();
    }
    assert!(finish(writer).unwrap());
    assert_eq!(entry.body.chunks(), 5);
    let used = store.figures().used;
    assert!((5 * MIB..5 * MIB + 4 * KIB).contains(&used), "{used}");
}

#[test]
fn a_body_shorter_than_announced_is_cut_and_not_stored() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/short"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(100))));
    write(&mut writer, bytes(0..60)).unwrap();
    let mut reader = entry.body.reader(0..u64::MAX);
    assert_eq!(finish(writer), Err(Cut::Length));
    assert_eq!(read_ready(&mut reader), (bytes(0..60).to_vec(), Some(Err(Cut::Length))));
    assert_eq!(read_ready(&mut reader), (Vec::new(), Some(Err(Cut::Length))), "again and again");
    assert!(matches!(store.get(&key, &headers), Lookup::Absent));
}

#[test]
fn a_body_longer_than_announced_is_refused_and_a_dropped_writer_cuts() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/long"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(10))));
    assert_eq!(write(&mut writer, bytes(0..11)), Err(Cut::Length));
    drop(writer);
    assert_eq!(entry.body.end(), End::Cut(Cut::Abandoned));
}

#[tokio::test]
async fn a_body_too_large_to_keep_streams_through_a_small_buffer() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(None)));
    let readers: Vec<_> =
        (0..3).map(|_| tokio::spawn(read_all(entry.body.reader(0..u64::MAX)))).collect();
    for at in (0..8 * MIB).step_by(4096) {
        writer.write(bytes(at..at + 4096)).await.unwrap();
        assert!(store.budget.used() <= store.budget.limit());
    }
    assert!(!writer.keeps());
    assert!(entry.body.bytes() <= 8 * KIB, "{}", entry.body.bytes());
    assert!(!finish(writer).unwrap());
    for reader in readers {
        assert_eq!(reader.await.unwrap(), (8 * MIB, Ok(())));
    }
    assert!(matches!(store.get(&key, &headers), Lookup::Absent));
}

#[tokio::test]
async fn a_reader_that_stalls_a_stream_is_cut_and_the_others_go_on() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(2 * MIB))));
    assert!(!writer.keeps());
    let mut stalled = entry.body.reader(0..u64::MAX);
    let reader = tokio::spawn(read_all(entry.body.reader(0..u64::MAX)));
    for at in (0..2 * MIB).step_by(4096) {
        writer.write(bytes(at..at + 4096)).await.unwrap();
    }
    assert!(!finish(writer).unwrap());
    assert_eq!(reader.await.unwrap(), (2 * MIB, Ok(())));
    assert_eq!(read_ready(&mut stalled).1, Some(Err(Cut::Slow)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_a_stream_in_small_pieces_does_not_stall_it() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(2 * MIB))));
    assert!(!writer.keeps());
    let mut reader = entry.body.reader(0..u64::MAX);
    let reading = tokio::spawn(async move {
        let mut at = 0;
        while let Some(piece) = poll_fn(|context| reader.poll_piece(context, 512)).await {
            let piece = piece.unwrap();
            assert!(piece.len() <= 512 && piece == bytes(at..at + piece.len() as u64));
            at += piece.len() as u64;
            // A chunk takes longer than `stall_timeout`, a piece does not.
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        at
    });
    for at in (0..2 * MIB).step_by(4096) {
        writer.write(bytes(at..at + 4096)).await.unwrap();
        assert!(entry.body.bytes() <= 8 * KIB);
    }
    assert!(!finish(writer).unwrap());
    assert_eq!(reading.await.unwrap(), 2 * MIB);
}

#[tokio::test]
async fn a_small_body_is_read_in_pieces_too() {
    let (store, _) = store_of(2 * MIB);
    let entry = fill(&store, &key("/small"), 1000);
    let mut reader = entry.body.reader(100..u64::MAX);
    let mut lengths = Vec::new();
    while let Some(piece) = poll_fn(|context| reader.poll_piece(context, 400)).await {
        let (piece, at) = (piece.unwrap(), 1000 - reader.remaining().unwrap());
        assert_eq!(piece, bytes(at - piece.len() as u64..at));
        lengths.push(piece.len());
    }
    assert_eq!(lengths, [400, 400, 100]);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_is_abandoned() {
    let (store, _) = store_of(2 * MIB);
    let (key, headers) = (key("/huge"), HeaderMap::new());
    let (_entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(2 * MIB))));
    let mut at = 0;
    let result = loop {
        match writer.write(bytes(at..at + 4096)).await {
            Ok(()) => at += 4096,
            Err(cut) => break cut,
        }
    };
    assert_eq!((result, at), (Cut::Abandoned, 8 * KIB));
}
