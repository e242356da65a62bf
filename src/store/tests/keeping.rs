//! What is kept, found, replaced and evicted.

use super::*;

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}

#[test]
fn a_new_object_is_found_in_the_window_and_later_in_moka() {
    let (store, clock) = store_of(16 * MIB);
    let key = key("/a");
    fill(&store, &key, 1000);
    assert_eq!(found(&store, &key).unwrap().hits(), 1);
    assert_eq!((store.figures().window_objects, store.figures().main_objects), (1, 0));
    clock.advance(Duration::from_secs(61));
    store.sweep();
    let figures = store.figures();
    assert_eq!((figures.window_objects, figures.window_bytes, figures.main_objects), (0, 0, 1));
    assert_eq!(found(&store, &key).unwrap().hits(), 2);
}

#[test]
fn what_is_asked_for_outlives_a_flood_of_what_is_not() {
    let (store, _) = store_of(4 * MIB);
    let popular: Vec<Key> = (0..20).map(|n| key(&format!("/popular/{n}"))).collect();
    for popular in &popular {
        fill(&store, popular, 4000);
    }
    for n in 0..4000 {
        fill(&store, &key(&format!("/flood/{n}")), 4000);
        found(&store, &popular[n % 20]);
        assert!(store.budget.used() <= store.budget.limit());
    }
    let alive = popular.iter().filter(|key| found(&store, key).is_some()).count();
    assert!(alive >= 18, "{alive} of 20 alive: {store:?}");
}

#[test]
fn the_budget_is_never_passed_and_large_bodies_find_room() {
    let (store, _) = store_of(8 * MIB);
    let mut kept = 0;
    for n in 0..400u64 {
        let size = (n * 7919) % (2 * MIB);
        let (url, headers) = (key(&format!("/{n}")), HeaderMap::new());
        let (_, mut writer) = store.insert(incoming(&url, &headers, stored(Some(size))));
        assert!(store.budget.used() <= store.budget.limit());
        if writer.keeps() {
            write(&mut writer, bytes(0..size)).unwrap();
            kept += u64::from(finish(writer).unwrap());
        }
    }
    assert!(kept > 380, "{kept} of 400 kept");
    for n in 0..400u64 {
        store.remove(&key(&format!("/{n}")));
    }
    store.sweep();
    assert_eq!(store.figures().window_objects + store.figures().main_objects, 0);
}

#[test]
fn a_body_held_by_a_slow_client_goes_on_counting() {
    let (store, _) = store_of(4 * MIB);
    let key = key("/held");
    let entry = fill(&store, &key, MIB);
    let chunk = entry.body.whole().unwrap().clone();
    drop(entry);
    store.remove(&key);
    assert_eq!(store.figures().used, MIB);
    drop(chunk);
    assert_eq!(store.figures().used, 0);
}

#[test]
fn variants_are_told_apart_and_capped() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/v");
    let request = |kind: &str| {
        HeaderMap::from_iter([(HeaderName::from_static("x-kind"), kind.parse().unwrap())])
    };
    for (n, kind) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        let headers = request(kind);
        assert!(!matches!(store.get(&key, &headers), Lookup::Found(_)));
        let stored = stored_with_vary(n as u64 + 1);
        let (_, mut writer) = store.insert(incoming(&key, &headers, stored));
        write(&mut writer, bytes(0..n as u64 + 1)).unwrap();
        assert!(finish(writer).unwrap());
    }
    assert_eq!(store.variants(&key).len(), 4);
    assert!(matches!(store.get(&key, &request("a")), Lookup::VaryMiss), "the oldest went");
    let Lookup::Found(c) = store.get(&key, &request("c")) else { panic!("c is there") };
    assert_eq!(c.body.total(), Some(3));
    store.remove(&key);
    assert!(matches!(store.get(&key, &request("c")), Lookup::Absent));
}

#[test]
fn a_variant_is_found_by_the_language_it_is_in() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/l");
    let wants = |languages: &'static str| {
        HeaderMap::from_iter([(ACCEPT_LANGUAGE, HeaderValue::from_static(languages))])
    };
    let german = response(&[("vary", "accept-language"), ("content-language", "de")], Some(3));
    let headers = wants("fr;q=0.5, de");
    let (_, mut writer) = store.insert(incoming(&key, &headers, german));
    write(&mut writer, bytes(0..3)).unwrap();
    assert!(finish(writer).unwrap());
    assert!(matches!(store.get(&key, &wants("fr;q=0.5, de")), Lookup::Found(_)));
    assert!(matches!(store.get(&key, &wants("de, en;q=0.1")), Lookup::Found(_)));
    assert!(matches!(store.get(&key, &wants("fr")), Lookup::VaryMiss));
}

#[test]
fn an_update_shares_the_body_and_spares_other_variants() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/u");
    let entry = fill(&store, &key, 10);
    found(&store, &key);
    let updated = store.update(&key, &entry, stored(Some(10)));
    assert!(updated.body.is_same(&entry.body));
    let again = found(&store, &key).unwrap();
    assert!(again.is_same(&updated));
    assert_eq!(again.hits(), 2);
    store.remove(&key);
    store.update(&key, &again, stored(Some(10)));
    assert!(found(&store, &key).is_none(), "what was purged does not come back");
}

#[test]
fn a_doomed_fill_is_read_but_not_stored() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/d"), HeaderMap::new());
    let arriving = incoming(&key, &headers, stored(Some(5)));
    let doom = arriving.doom.clone();
    let (entry, mut writer) = store.insert(arriving);
    doom.set();
    store.remove(&key);
    write(&mut writer, bytes(0..5)).unwrap();
    assert!(!finish(writer).unwrap());
    assert_eq!(read_ready(&mut entry.body.reader(0..5)).1, Some(Ok(())));
    assert!(found(&store, &key).is_none());
}

#[test]
fn ranges_combine_and_what_is_missing_is_never_a_clean_end() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/r"), HeaderMap::new());
    let arriving = |range: Range<u64>, onto: Option<Arc<Entry>>| {
        let part = Some(Part { range, onto });
        Incoming { part, ..incoming(&key, &headers, stored(Some(100))) }
    };
    let (_, mut writer) = store.insert(arriving(60..100, None));
    write(&mut writer, bytes(60..100)).unwrap();
    assert!(finish(writer).unwrap());
    let part = found(&store, &key).unwrap();
    assert!(!part.is_whole() && part.body.has(70..90));
    assert_eq!(part.body.missing(0..100), vec![0..60]);
    assert_eq!(read_ready(&mut part.body.reader(0..100)).1, Some(Err(Cut::Missing)));
    // The second part overlaps the first.
    let (_, mut writer) = store.insert(arriving(0..70, Some(part)));
    write(&mut writer, bytes(0..70)).unwrap();
    assert!(finish(writer).unwrap());
    let whole = found(&store, &key).unwrap();
    assert_eq!(whole.body.whole().unwrap(), &bytes(0..100));
}

#[test]
fn a_cut_body_may_be_kept_as_a_part() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/c"), HeaderMap::new());
    let (entry, mut writer) = store.insert(incoming(&key, &headers, stored(Some(100))));
    write(&mut writer, bytes(0..30)).unwrap();
    writer.cut(Cut::Origin, true);
    assert_eq!(read_ready(&mut entry.body.reader(0..100)).1, Some(Err(Cut::Origin)));
    let part = found(&store, &key).unwrap();
    assert_eq!(part.body.present(), vec![0..30]);
    assert_eq!(read_ready(&mut part.body.reader(0..30)), (bytes(0..30).to_vec(), Some(Ok(()))));
}

#[test]
fn marks_expire_and_are_bounded() {
    let clock = Clock::manual(Timestamp::from_seconds(1000));
    let store = Store::new(Settings { max_markers: 64, ..settings(MIB) }, clock.clone());
    let until = clock.now().plus(Duration::from_secs(120));
    for n in 0..1000 {
        store.mark(&key(&format!("/{n}")), until);
    }
    assert!(store.figures().markers <= 64);
    let (last, headers) = (key("/999"), HeaderMap::new());
    assert!(matches!(store.get(&last, &headers), Lookup::Marker(t) if t == until));
    clock.advance(Duration::from_secs(120));
    assert!(matches!(store.get(&last, &headers), Lookup::Absent));
}

#[test]
fn what_is_kept_comes_back_as_it_was() {
    let (store, _) = store_of(16 * MIB);
    let (key, headers) = (key("/k"), HeaderMap::from_iter([(ACCEPT_LANGUAGE, value("de"))]));
    let fields = [
        ("cdn-cache-control", "max-age=90, stale-while-revalidate=7, stale-if-error=11"),
        ("vary", "accept-language"),
        ("x-twice", "one"),
        ("age", "3"),
        ("x-empty", ""),
        ("x-twice", "two"),
    ];
    let plain = response(&fields, Some(4));
    let until = Some(plain.response_time.plus(Duration::from_millis(1234)));
    for stored in [Stored { reach: Some(3), rest_until: until, ..plain.clone() }, plain] {
        let before = format!("{stored:?}");
        let (_, mut writer) = store.insert(incoming(&key, &headers, stored));
        write(&mut writer, bytes(0..4)).unwrap();
        assert!(finish(writer).unwrap());
        let Lookup::Found(entry) = store.get(&key, &headers) else { panic!("it is there") };
        assert_eq!(format!("{:?}", entry.stored), before);
    }
}

#[test]
fn what_is_popular_is_not_found_any_longer_than_it_is_stored() {
    let (store, _) = store_of(16 * MIB);
    let key = key("/p");
    let old = fill(&store, &key, 10);
    let ask = || (0..50).map(|_| found(&store, &key).unwrap()).collect::<Vec<_>>();
    let entries = ask();
    assert_eq!(entries.last().unwrap().hits(), 50);
    assert!(entries.iter().all(|entry| entry.is_same(&old)));
    drop(entries);
    // Replaced by other bytes, by other metadata, and removed.
    let new = fill(&store, &key, 20);
    assert!(ask().iter().all(|entry| entry.is_same(&new) && entry.body.total() == Some(20)));
    let newer = store.update(&key, &new, stored(Some(20)));
    assert!(ask().iter().all(|entry| entry.is_same(&newer)));
    drop((old, new, newer));
    store.remove(&key);
    assert!(found(&store, &key).is_none());
    assert_eq!(store.figures().used, 0, "nothing holds on to it");
}

#[test]
fn a_popular_object_that_is_evicted_leaves_nothing_behind() {
    let (store, _) = store_of(4 * MIB);
    for n in 0..2000 {
        let key = key(&format!("/{n}"));
        fill(&store, &key, 4000);
        for _ in 0..20 {
            found(&store, &key).unwrap();
        }
    }
    store.sweep();
    let figures = store.figures();
    assert!(figures.window_objects + figures.main_objects < 1000, "{figures:?}");
    for n in 0..2000 {
        store.remove(&key(&format!("/{n}")));
    }
    assert_eq!(store.figures().used, 0);
}
