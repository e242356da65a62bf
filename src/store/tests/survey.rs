//! What a survey counts is what a purge of the same scopes then makes stale or gone.

use std::collections::HashSet;
use std::sync::Arc;

use super::tiers::{age, over, tiers};
use super::*;
use crate::cache::pattern::Pattern;
use crate::cache::tags;
use crate::store::inspect::Purged;
use crate::store::rules::{Matching, Mode, Scope, Trial};
use crate::store::survey::{Amount, Found, Survey};

const SITES: [u32; 2] = [1, 2];
const PATHS: [&str; 8] =
    ["/a", "/b", "/img/a.jpg", "/img/b.png", "/img/old/c.jpg", "/x/1", "/x/2", "/x/3"];
const VARIANTS: [&str; 2] = ["one", "two"];

fn key_of(site: u32, path: &str) -> Key {
    cache::key(&Policy::default(), site, &request(path, &HeaderMap::new()))
}

fn all_keys() -> Vec<Key> {
    let of = |site: u32| PATHS.into_iter().map(move |path| key_of(site, path));
    SITES.into_iter().flat_map(of).collect()
}

/// Stores a URL: some are tagged, one has two variants and one is larger than a record of metadata.
fn put(store: &Arc<Store>, site: u32, path: &str) {
    let key = key_of(site, path);
    let tag = if path.starts_with("/x") { "red" } else { "red-not" };
    let size = if path == "/x/3" { 300 * KIB } else { 100 };
    let kinds = if path == "/b" { &VARIANTS[..] } else { &VARIANTS[..1] };
    for kind in kinds {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-kind"),
            HeaderValue::from_static(kind),
        )]);
        let vary = if path == "/b" { "x-kind" } else { "x-other" };
        let stored = response(&[("surrogate-key", tag), ("vary", vary)], Some(size));
        let stored = Stored { fill_seq: store.purge_seq(), ..stored };
        let (_, mut writer) = store.insert(incoming(&key, &headers, stored));
        write(&mut writer, bytes(0..size)).unwrap();
        assert!(finish(writer).unwrap());
    }
}

/// A store with URLs that are on disk alone, in both tiers, and in memory alone.
async fn filled() -> (Arc<Store>, tempfile::TempDir) {
    let (store, clock, folder) = tiers(64 * MIB);
    for site in SITES {
        PATHS.iter().skip(2).for_each(|path| put(&store, site, path));
    }
    age(&store, &clock).await;
    store.close().await;
    drop(store);
    let (store, _) = over(64 * MIB, folder.path());
    for site in SITES {
        for path in PATHS.iter().skip(5) {
            assert!(store.bring(&key_of(site, path)).await);
        }
        PATHS.iter().take(2).for_each(|path| put(&store, site, path));
    }
    (store, folder)
}

async fn surveyed(store: &Store, scopes: &[Scope]) -> Found {
    let survey = Survey::default();
    store.survey(Arc::new(Trial::new(scopes)), &survey).await;
    assert!(survey.is_done());
    survey.found()
}

/// How many responses there are that a purge has made nothing of, is asking about, has killed.
async fn states(store: &Store) -> [u64; 3] {
    let mut states = [0; 3];
    for key in all_keys() {
        for listing in store.inspect(&key, false).await {
            let state = match listing.purged {
                None => 0,
                Some(Purged::Stale) => 1,
                Some(Purged::Gone) => 2,
            };
            states[state] += 1;
        }
    }
    states
}

fn matching(site: u32, pattern: &str) -> Scope {
    let pattern = Pattern::parse(pattern).unwrap();
    Scope::Matching(site, Arc::new(Matching { host: "h".into(), pattern, picture: None }))
}

fn scopes() -> Vec<Vec<Scope>> {
    let url = |site, path| KeyRef::from(&key_of(site, path)).url_hashes().map(Scope::Url);
    let red = tags::hash(b"red");
    vec![
        url(1, "/b").to_vec(),
        [url(1, "/img/b.png"), url(2, "/x/3")].concat(),
        url(3, "/a").to_vec(),
        vec![Scope::Tag(None, red)],
        vec![Scope::Tag(Some(2), red)],
        vec![Scope::Folder(1, "h/img/".into())],
        vec![Scope::Folder(1, "h/img/old/".into()), Scope::Folder(2, "h/x/".into())],
        vec![matching(2, "/img/*.jpg"), matching(1, "/x/*")],
        vec![Scope::Site(1)],
        vec![Scope::All],
    ]
}

#[tokio::test]
async fn a_survey_counts_what_a_purge_then_names_and_changes_nothing() {
    for scopes in scopes() {
        for mode in [Mode::Soft, Mode::Hard] {
            let (store, _folder) = filled().await;
            let found = surveyed(&store, &scopes).await;
            assert_eq!((found.share(), found.unread), (1.0, 0), "{scopes:?}");
            assert_eq!(found.estimate(), found.all, "{scopes:?}");
            assert_eq!(states(&store).await, [18, 0, 0], "{scopes:?}");
            store.purge(&scopes, mode).await.unwrap();
            let [live, stale, _] = states(&store).await;
            let named = found.all.responses;
            assert_eq!(18 - live, named, "{scopes:?} {mode:?} {found:?}");
            assert_eq!(stale, if mode == Mode::Soft { named } else { 0 }, "{scopes:?}");
            assert_eq!(found.hosts.values().sum::<u64>(), named);
            assert_eq!(found.samples.len() as u64, found.urls);
        }
    }
}

#[tokio::test]
async fn what_lies_in_both_tiers_counts_once_and_in_each() {
    let (store, _folder) = filled().await;
    let found = surveyed(&store, &[Scope::Site(1)]).await;
    // Two URLs in memory alone, one of them with two variants; three on disk alone; three in both.
    let amount = |responses, bytes| Amount { responses, bytes };
    assert_eq!(found.urls, 8);
    assert_eq!(found.all, amount(9, 8 * 100 + 300 * KIB));
    assert_eq!(found.disk, amount(6, 5 * 100 + 300 * KIB));
    // What is larger is sent from disk.
    assert_eq!(found.memory.responses, 6);
    assert_eq!(found.memory.bytes, 5 * 100);
    let samples: HashSet<Key> = found.samples.into_iter().collect();
    assert_eq!(samples, PATHS.map(|path| key_of(1, path)).into());
}

#[tokio::test]
async fn what_is_dead_before_does_not_count_and_what_is_stale_does() {
    let (store, _folder) = filled().await;
    store.purge(&[Scope::Folder(1, "h/img/".into())], Mode::Hard).await.unwrap();
    store.purge(&[Scope::Folder(1, "h/x/".into())], Mode::Soft).await.unwrap();
    let found = surveyed(&store, &[Scope::Site(1)]).await;
    assert_eq!(found.all.responses, 9 - 3);
}

#[tokio::test]
async fn one_that_is_cancelled_ends_where_it_stands() {
    let (store, _folder) = filled().await;
    let survey = Survey::default();
    survey.cancel();
    store.survey(Arc::new(Trial::new(&[Scope::All])), &survey).await;
    assert!(survey.is_cancelled() && !survey.is_done());
    assert_eq!(survey.found().all, Amount::default());
    assert_eq!(survey.found().share(), 0.0);
}

#[test]
fn an_estimate_goes_by_the_share_that_was_looked_at() {
    let amount = |responses, bytes| Amount { responses, bytes };
    let looked = |passed, total, found| crate::store::survey::Looked { passed, total, found };
    let mut found = Found { in_memory: looked(50, 200, amount(10, 1000)), ..Found::default() };
    assert_eq!((found.share(), found.estimate()), (0.25, amount(40, 4000)));
    found.on_disk = looked(0, 600, amount(0, 0));
    assert_eq!((found.share(), found.estimate()), (0.0625, amount(120, 12_000)));
    found.in_memory = looked(200, 200, amount(40, 4000));
    found.on_disk = looked(300, 600, amount(7, 70));
    assert_eq!((found.share(), found.estimate()), (0.625, amount(54, 4140)));
}

#[tokio::test]
async fn a_copy_on_disk_that_memory_has_a_newer_one_of_does_not_count() {
    let (store, _folder) = filled().await;
    let red = [Scope::Tag(Some(1), tags::hash(b"red"))];
    assert_eq!(surveyed(&store, &red).await.all.responses, 3);
    // Fetched again, without its tag.
    let key = key_of(1, "/x/1");
    let stored = response(&[("surrogate-key", "blue"), ("vary", "x-other")], Some(100));
    let stored = Stored { fill_seq: store.purge_seq(), ..stored };
    let (_, mut writer) = store.insert(incoming(&key, &HeaderMap::new(), stored));
    write(&mut writer, bytes(0..100)).unwrap();
    assert!(finish(writer).unwrap());
    let before = states(&store).await;
    let found = surveyed(&store, &red).await;
    store.purge(&red, Mode::Hard).await.unwrap();
    let after = states(&store).await;
    assert_eq!(before[0] - after[0], found.all.responses, "{before:?} {after:?} {found:?}");
    assert_eq!(found.all.responses, 2);
}
