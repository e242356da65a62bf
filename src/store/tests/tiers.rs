//! What leaves memory comes back from disk.

use std::path::Path;

use super::*;
use crate::store::disk::Disks;

/// A store over a disk that keeps everything.
pub(super) fn tiers(memory: u64) -> (Arc<Store>, Clock, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (store, clock) = over(memory, folder.path());
    (store, clock, folder)
}

pub(super) fn over(memory: u64, folder: &Path) -> (Arc<Store>, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let disk = Disk { path: folder.to_owned(), size: Size::mib(256) };
    let settings = Settings { disks: vec![disk], ..settings(memory) };
    (Store::open(settings, clock.clone(), folder, Arc::new(disk::Files)).unwrap(), clock)
}

pub(super) fn disks(store: &Store) -> &Arc<Disks> {
    &store.lower.as_ref().unwrap().disks
}

/// Moves all of the window on, and waits until it is on disk.
pub(super) async fn age(store: &Store, clock: &Clock) {
    clock.advance(Duration::from_secs(61));
    store.sweep();
    disks(store).flush().await;
}

async fn brought(store: &Store, key: &Key) -> Option<Arc<Entry>> {
    store.bring(key).await;
    found(store, key)
}

async fn read(entry: &Entry, range: Range<u64>) -> Result<Vec<u8>, Cut> {
    let mut reader = entry.body.reader(range);
    let mut all = Vec::new();
    while let Some(chunk) = poll_fn(|context| reader.poll_chunk(context)).await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let (store, clock, folder) = tiers(64 * MIB);
    let sizes = [0, 1, 100, 40 * KIB, MIB, MIB + 1, 5 * MIB + 7];
    for (number, size) in sizes.into_iter().enumerate() {
        fill(&store, &key(&number.to_string()), size);
    }
    age(&store, &clock).await;
    store.close().await;
    drop(store);
    let (store, _) = over(64 * MIB, folder.path());
    for (number, size) in sizes.into_iter().enumerate() {
        let key = key(&number.to_string());
        assert!(found(&store, &key).is_none());
        let entry = brought(&store, &key).await.unwrap_or_else(|| panic!("{size} bytes are gone"));
        assert!(entry.is_whole(), "{size}");
        assert_eq!(read(&entry, 0..u64::MAX).await.unwrap(), bytes(0..size), "{size}");
        assert_eq!(entry.stored.status, StatusCode::OK);
        if size > 3 {
            assert_eq!(read(&entry, size / 3..size / 2).await.unwrap(), bytes(size / 3..size / 2));
        }
    }
}

#[tokio::test]
async fn a_large_body_goes_to_disk_as_it_comes_and_memory_stays_flat() {
    let (store, _, _folder) = tiers(16 * MIB);
    let (key, headers, size) = (key("large"), HeaderMap::new(), 64 * MIB);
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(size))));
    let mut most = 0;
    for at in (0..size).step_by(100_000) {
        let piece = (at..size.min(at + 100_000)).map(byte).collect();
        writer.write(piece).await.unwrap();
        most = most.max(store.figures().used);
    }
    assert!(writer.finish().await.unwrap());
    assert!(most < 12 * MIB, "{most}");
    let expected: Vec<u8> = (0..size).map(byte).collect();
    assert!(read(&entry, 0..u64::MAX).await.unwrap() == expected);
    disks(&store).flush().await;
    assert!(store.figures().used < MIB, "{:?}", store.figures());
    let entry = found(&store, &key).unwrap();
    assert!(entry.is_whole() && entry.body.is_filed());
    assert!(read(&entry, 0..u64::MAX).await.unwrap() == expected);
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_to_disk_too() {
    let (store, _, folder) = tiers(16 * MIB);
    let (key, headers, size) = (key("unknown"), HeaderMap::new(), 6 * MIB + 5);
    let (_, mut writer) = store.insert(incoming(&key, &headers, stored(None)));
    for at in (0..size).step_by(64 << 10) {
        writer.write(bytes(at..size.min(at + (64 << 10)))).await.unwrap();
    }
    assert!(writer.finish().await.unwrap());
    store.close().await;
    drop(store);
    let (store, _) = over(16 * MIB, folder.path());
    let entry = brought(&store, &key).await.unwrap_or_else(|| panic!("{size} bytes are gone"));
    assert_eq!(entry.body.total(), Some(size));
    assert_eq!(read(&entry, 0..u64::MAX).await.unwrap(), bytes(0..size));
}

#[tokio::test]
async fn bytes_that_the_disk_has_lost_are_missing_and_nothing_else() {
    let (store, _, _folder) = tiers(16 * MIB);
    let (key, headers, size) = (key("lost"), HeaderMap::new(), 6 * MIB);
    let (_, mut writer) = store.insert(incoming(&key, &headers, stored(Some(size))));
    for at in (0..size).step_by(MIB as usize) {
        writer.write(bytes(at..at + MIB)).await.unwrap();
    }
    assert!(writer.finish().await.unwrap());
    disks(&store).flush().await;
    let entry = found(&store, &key).unwrap();
    let name = entry.body.filed().unwrap().name(2);
    disks(&store).remove(name);
    assert!(entry.body.probe(0..u64::MAX).await.is_some());
    assert!(entry.body.probe(2 * MIB..3 * MIB).await.is_none());
    assert!(!entry.is_whole());
    assert_eq!(entry.body.missing(0..size), std::iter::once(2 * MIB..3 * MIB).collect::<Vec<_>>());
    assert_eq!(read(&entry, 3 * MIB..size).await.unwrap(), bytes(3 * MIB..size));
    assert_eq!(read(&entry, 0..size).await, Err(Cut::Missing));
}

#[tokio::test]
async fn a_removed_url_does_not_come_back() {
    let (store, clock, _folder) = tiers(16 * MIB);
    fill(&store, &key("gone"), 100);
    age(&store, &clock).await;
    store.remove(&key("gone"));
    assert!(!store.bring(&key("gone")).await);
}

#[tokio::test]
async fn what_is_confirmed_after_it_left_memory_is_there_and_outlives_a_restart() {
    let (store, clock, folder) = tiers(16 * MIB);
    let [key, gone] = ["confirmed", "gone"].map(key);
    for key in [&key, &gone] {
        fill(&store, key, 100);
    }
    age(&store, &clock).await;
    store.close().await;
    drop(store);
    let (store, clock) = over(16 * MIB, folder.path());
    // Back for one request, for which the origin is asked; meanwhile the window is left.
    let entries = [brought(&store, &key).await.unwrap(), brought(&store, &gone).await.unwrap()];
    age(&store, &clock).await;
    store.remove(&gone);
    assert!(found(&store, &key).is_none() && found(&store, &gone).is_none());
    let confirmed = response(&[("x-confirmed", "yes")], Some(100));
    for (key, entry) in [&key, &gone].into_iter().zip(&entries) {
        store.update(key, entry, confirmed.clone());
    }
    let is_confirmed = |entry: Arc<Entry>| entry.stored.headers.contains_key("x-confirmed");
    assert!(found(&store, &key).is_some_and(is_confirmed));
    assert!(brought(&store, &gone).await.is_none(), "what was removed does not come back");
    store.close().await;
    drop(store);
    let (store, _) = over(16 * MIB, folder.path());
    assert!(brought(&store, &key).await.is_some_and(is_confirmed));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_read() {
    let (store, clock, folder) = tiers(16 * MIB);
    fill(&store, &key("shared"), 100 * KIB);
    age(&store, &clock).await;
    store.close().await;
    drop(store);
    let (store, _) = over(16 * MIB, folder.path());
    let shared = key("shared");
    let before = store.figures().used;
    let all = (0..50).map(|_| store.bring(&shared));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().any(|brought| *brought));
    let entry = found(&store, &shared).unwrap();
    assert_eq!(entry.body.whole().unwrap(), &bytes(0..100 * KIB));
    assert!(store.figures().used - before < 110 * KIB);
}
