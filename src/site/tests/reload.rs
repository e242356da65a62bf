//! Starts and reloads: good edits are taken, bad ones freeze their own site, nothing else moves.

use super::*;

#[test]
fn a_folder_is_served_and_edits_are_taken() {
    let place = Place::new(&[("a", &document("a.test")), ("b", &document("*.b.test"))]);
    let (mut source, report) = place.start();
    assert_eq!((report.sites, report.added, report.generation), (2, 2, 2));
    assert!(report.is_clean());
    assert_eq!(serving(&source, "A.test.").as_deref(), Some("a"));
    assert_eq!(serving(&source, "x.b.test").as_deref(), Some("b"));
    assert_eq!(serving(&source, "c.test"), None);

    place.write("a", &document("a2.test"));
    place.write("c", &document("c.test"));
    place.remove("b");
    let report = source.reload().unwrap();
    assert_eq!((report.added, report.changed, report.removed, report.sites), (1, 1, 1, 2));
    assert_eq!(serving(&source, "a.test"), None);
    assert_eq!(serving(&source, "a2.test").as_deref(), Some("a"));
    assert_eq!(serving(&source, "x.b.test"), None);
}

#[test]
fn requests_and_unchanged_sites_keep_what_they_have() {
    let place = Place::new(&[("a", &document("a.test")), ("b", &document("b.test"))]);
    let (mut source, _) = place.start();
    let (a, b) = (site(&source, "a.test"), site(&source, "b.test"));
    place.write("a", &format!("{}[respond]\nx_cache = true\n", document("a.test")));
    assert_eq!(source.reload().unwrap().changed, 1);
    assert!(!a.respond.x_cache);
    let after = site(&source, "a.test");
    assert!(after.respond.x_cache);
    // What did not change is the very same: the origin's connections and health live on.
    assert!(Arc::ptr_eq(&a.group, &after.group) && Arc::ptr_eq(&a.policy, &after.policy));
    assert_eq!(a.number, after.number);
    assert!(Arc::ptr_eq(&b, &site(&source, "b.test")));
}

#[test]
fn a_bad_edit_freezes_its_own_site() {
    let place = Place::new(&[("a", &document("a.test")), ("b", &document("b.test"))]);
    let (mut source, _) = place.start();
    place.write("a", "hosts = [\"a.test\"]\norigin = 5\n");
    place.write("b", &document("b2.test"));
    for _ in 0..2 {
        let report = source.reload().unwrap();
        assert_eq!((report.frozen, report.refused, report.sites), (1, 0, 2));
        assert_eq!(report.troubles[0].site, "a");
        assert_eq!(serving(&source, "a.test").as_deref(), Some("a"));
        assert_eq!(serving(&source, "b2.test").as_deref(), Some("b"));
    }
    place.write("a", &document("a3.test"));
    let report = source.reload().unwrap();
    assert!(report.is_clean());
    assert_eq!(serving(&source, "a3.test").as_deref(), Some("a"));
}

#[test]
fn a_site_that_went_bad_while_the_node_was_down_is_served_as_it_was() {
    let place = Place::new(&[("a", &document("a.test")), ("b", &document("b.test"))]);
    let (source, _) = place.start();
    let number = site(&source, "a.test").number;
    drop(source);
    place.write("a", "not toml");
    place.write("new", "not toml either");
    let (source, report) = place.start();
    assert_eq!((report.frozen, report.refused, report.unchanged, report.sites), (1, 1, 1, 2));
    assert_eq!(site(&source, "a.test").number, number);
    assert_eq!(serving(&source, "b.test").as_deref(), Some("b"));
}

#[test]
fn an_empty_or_missing_folder_is_not_taken_for_no_sites() {
    let place = Place::new(&[("a", &document("a.test"))]);
    let (mut source, _) = place.start();
    place.remove("a");
    assert!(matches!(source.reload(), Err(Refusal::Empty { sites: 1, .. })));
    assert_eq!(serving(&source, "a.test").as_deref(), Some("a"));
    drop(source);

    let (source, report) = place.start();
    assert_eq!((report.frozen, report.sites), (1, 1));
    assert_eq!(serving(&source, "a.test").as_deref(), Some("a"));
    drop(source);

    std::fs::remove_dir(place.folder.path()).unwrap();
    let (mut source, report) = place.start();
    assert_eq!(report.frozen, 1);
    assert!(matches!(source.reload(), Err(Refusal::Folder(..))));
    assert_eq!(serving(&source, "a.test").as_deref(), Some("a"));
}

#[test]
fn a_new_node_may_have_no_sites_but_must_have_the_folder() {
    let place = Place::new(&[]);
    let (mut source, report) = place.start();
    assert!(report.is_clean() && report.sites == 0);
    place.write("a", &document("a.test"));
    assert_eq!(source.reload().unwrap().added, 1);
    drop(source);
    let place = Place::new(&[]);
    std::fs::remove_dir(place.folder.path()).unwrap();
    assert!(matches!(place.try_start(), Err(Refusal::Folder(..))));
}

#[test]
fn the_later_of_two_sites_with_one_host_is_refused_and_both_are_named() {
    let place = Place::new(&[("a", &document("x.test")), ("b", &document("x.test"))]);
    let (mut source, report) = place.start();
    assert_eq!((report.sites, report.refused), (1, 1));
    let said = report.troubles[0].diagnostics[0].to_string();
    assert!(said.contains("b.toml:1:10: "), "{said}");
    assert!(said.contains("`x.test`") && said.contains("a.toml"), "{said}");
    // The same again after a restart: who was served stays, whatever its name.
    drop(source);
    place.write("0", &document("x.test"));
    (source, _) = place.start();
    assert_eq!(serving(&source, "x.test").as_deref(), Some("a"));
    place.remove("a");
    let report = source.reload().unwrap();
    assert_eq!((report.removed, report.added, report.refused), (1, 1, 1));
    assert_eq!(serving(&source, "x.test").as_deref(), Some("0"));
}

#[test]
fn a_number_is_never_given_twice() {
    let place = Place::new(&[("a", &document("a.test")), ("z", &document("z.test"))]);
    let (mut source, _) = place.start();
    let first = site(&source, "a.test").number;
    place.remove("a");
    source.reload().unwrap();
    place.write("a", &document("a.test"));
    source.reload().unwrap();
    assert_ne!(site(&source, "a.test").number, first);
}

#[test]
fn files_that_are_no_documents_are_left_alone_or_told_of() {
    let place = Place::new(&[("a", &document("a.test")), (".hidden", "x"), ("b ad", "x")]);
    std::fs::write(place.folder.path().join("a.toml~"), "x").unwrap();
    std::fs::create_dir(place.folder.path().join("folder.toml")).unwrap();
    std::fs::write(place.folder.path().join("latin.toml"), b"a = 1\nb = \"\xe9\"\n").unwrap();
    place.write("huge", &"#".repeat((1 << 20) + 1));
    let (_, report) = place.start();
    assert_eq!((report.sites, report.refused), (1, 4));
    let said: Vec<String> = report.diagnostics().map(ToString::to_string).collect();
    for part in
        ["b ad.toml: a file of this name", "regular file", "latin.toml:2:6", "1048576 bytes"]
    {
        assert!(said.iter().any(|text| text.contains(part)), "{part}: {said:?}");
    }
}
