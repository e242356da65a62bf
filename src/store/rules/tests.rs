//! The table against a list of all rules ever, with restarts in between.

use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::cache::pattern::Pattern;
use crate::cache::{self, Key, Policy};

fn key(site: u32, path: &str) -> Key {
    let headers = http::HeaderMap::new();
    let request = cache::Request {
        method: &http::Method::GET,
        scheme: "http",
        host: "h",
        path,
        query: None,
        headers: &headers,
        present: crate::header::present::Present::of(&headers),
    };
    cache::key(&Policy::default(), site, &request)
}

#[derive(Clone, Debug)]
enum Step {
    Purge(Scope, Mode),
    /// An object of a site, path and tag is asked for.
    Fetch(u32, u8, u64),
    Restart,
    Pass(u64),
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        6 => (0u32..2, 0u8..4).prop_map(|(site, path)| {
            Scope::Url(KeyRef::from(&key(site, &path_of(path))).url_hash())
        }),
        4 => (proptest::option::of(0u32..2), 0u64..3).prop_map(|(site, tag)| Scope::Tag(site, tag)),
        3 => (0u32..2, prop::sample::select(vec!["h/", "h/a/", "h/a/1/", "other/"]))
            .prop_map(|(site, folder)| Scope::Folder(site, folder.into())),
        3 => (0u32..2, prop::sample::select(vec!["h", "*h", "*.h", "x"]), "(/a)?/[0-4]?\\*")
            .prop_map(|(site, host, pattern)| Scope::Matching(site, matching(host, &pattern))),
        1 => (0u32..2).prop_map(Scope::Site),
        1 => Just(Scope::All),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(Mode::Soft), Just(Mode::Hard)];
    prop_oneof![
        4 => (scope(), mode).prop_map(|(scope, mode)| Step::Purge(scope, mode)),
        4 => (0u32..2, 0u8..4, 0u64..3).prop_map(|(site, path, tag)| Step::Fetch(site, path, tag)),
        1 => Just(Step::Restart),
        2 => (0u64..3).prop_map(Step::Pass),
    ]
}

/// Some of them lie in a folder.
fn path_of(number: u8) -> String {
    if number.is_multiple_of(2) { format!("/a/{number}/x") } else { format!("/{number}") }
}

fn matching(host: &str, pattern: &str) -> Arc<Matching> {
    let pattern = Pattern::parse(pattern).unwrap();
    Arc::new(Matching { host: host.into(), pattern, picture: None })
}

struct Object {
    site: u32,
    key: Key,
    tag: u64,
    fill_seq: u64,
    /// What has been looked at.
    looked: u64,
    /// Numbers of the newest rules that name it.
    soft: u64,
    hard: u64,
}

impl Object {
    fn is_named_by(&self, scope: &Scope) -> bool {
        let path = std::str::from_utf8(self.key.path()).unwrap();
        match scope {
            Scope::All => true,
            Scope::Site(site) => *site == self.site,
            Scope::Url(url) => *url == KeyRef::from(&self.key).url_hash(),
            Scope::Tag(site, tag) => *tag == self.tag && site.is_none_or(|site| site == self.site),
            Scope::Folder(site, folder) => {
                *site == self.site && format!("h{path}").starts_with(&**folder)
            }
            Scope::Matching(site, matching) => {
                *site == self.site
                    && matches!(&*matching.host, "h" | "*h")
                    && matching.pattern.matches(path, None)
            }
        }
    }
}

/// `most`: whether there is room for all rules; without, more may be dead, never less.
fn play(steps: Vec<Step>, most: usize, exact: bool) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let open = || Rules::open(folder.path(), clock.clone(), most).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut rules = open();
    let mut objects: Vec<Object> = Vec::new();
    for step in steps {
        match step {
            Step::Purge(scope, mode) => {
                let number =
                    runtime.block_on(rules.purge(std::slice::from_ref(&scope), mode)).unwrap();
                for object in objects.iter_mut().filter(|object| object.is_named_by(&scope)) {
                    match mode {
                        Mode::Soft => object.soft = number,
                        Mode::Hard => object.hard = number,
                    }
                }
            }
            Step::Fetch(site, path, tag) => {
                let (key, fill_seq) = (key(site, &path_of(path)), rules.newest());
                let looked = fill_seq;
                objects.push(Object { site, key, tag, fill_seq, looked, soft: 0, hard: 0 });
            }
            Step::Restart => {
                drop(rules);
                rules = open();
            }
            Step::Pass(seconds) => clock.advance(Duration::from_secs(seconds)),
        }
        for object in &mut objects {
            let expected = match (object.hard > object.fill_seq, object.soft > object.fill_seq) {
                (true, _) => Fate::Dead,
                (false, true) => Fate::Stale(Timestamp(object.soft)),
                (false, false) => Fate::Live,
            };
            let (fate, looked) =
                rules.fate((&object.key).into(), object.looked, || vec![object.tag]);
            object.looked = looked;
            if exact {
                assert_eq!(fate, expected);
            } else {
                // Rules that went hold for more than they named, and never for less.
                let worth = |fate| match fate {
                    Fate::Live => 2,
                    Fate::Stale(_) => 1,
                    Fate::Dead => 0,
                };
                assert!(worth(fate) <= worth(expected), "{fate:?} instead of {expected:?}");
            }
            let url = KeyRef::from(&object.key).url_hash();
            assert!(!rules.is_dead(url, object.looked) || fate == Fate::Dead);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_purge_holds_for_what_it_names_and_nothing_else(
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        play(steps, 1000, true);
    }

    #[test]
    fn a_rule_that_goes_for_lack_of_room_never_lets_anything_come_back(
        steps in proptest::collection::vec(step(), 0..40),
    ) {
        play(steps, 2, false);
    }
}

#[test]
fn a_lost_or_damaged_journal_makes_everything_stale() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
    let first = Rules::open(folder.path(), clock.clone(), 10).unwrap();
    let fill_seq = first.newest();
    drop(first);
    for damage in [false, true] {
        let path = folder.path().join("purge.redb");
        match damage {
            true => std::fs::write(&path, b"no database").unwrap(),
            false => std::fs::remove_file(&path).unwrap(),
        }
        clock.advance(Duration::from_secs(1));
        let rules = Rules::open(folder.path(), clock.clone(), 10).unwrap();
        let fate = rules.fate((&key(1, "/")).into(), fill_seq, Vec::new).0;
        assert_eq!(fate, Fate::Stale(clock.now()));
    }
}

#[test]
fn rules_go_after_a_month_and_leave_their_number_behind() {
    let clock = Clock::manual(Timestamp::from_seconds(10_000_000));
    let rules = Rules::forgetful(clock.clone(), 1000);
    rules.invalidate(KeyRef::from(&key(1, "/old")));
    clock.advance(LONGEST + Duration::from_secs(1));
    rules.invalidate(KeyRef::from(&key(1, "/new")));
    assert_eq!(rules.count(), 2);
    for path in ["/old", "/never named"] {
        let fate = |fill_seq| rules.fate((&key(1, path)).into(), fill_seq, Vec::new).0;
        assert_eq!(fate(0), Fate::Dead, "older than a month");
        assert_eq!(fate(rules.newest() - 1), Fate::Live);
    }
}

#[test]
fn patterns_are_about_hosts_queries_and_pictures() {
    let keyed = |host: &str, path: &str, query: Option<&str>, picture: Option<&str>| {
        let headers = http::HeaderMap::new();
        let method = &http::Method::GET;
        let present = crate::header::present::Present::of(&headers);
        let request = cache::Request {
            method,
            scheme: "http",
            host,
            path,
            query,
            headers: &headers,
            present,
        };
        let question = cache::question(&Policy::default(), 7, &request);
        picture.map_or_else(|| question.to_key(), |form| question.derived(form).to_key())
    };
    let holds = |host: &str, pattern: &str, picture: Option<&str>, key: &Key| {
        let pattern = Pattern::parse(pattern).unwrap();
        let matching = Matching { host: host.into(), pattern, picture: picture.map(Box::from) };
        assert_eq!(Matching::parse(&matching.to_string()).as_ref(), Some(&matching));
        matching.holds(&KeyRef::from(key).asked().unwrap())
    };
    let key = keyed("a.test", "/img/x.jpg", Some("v=1&w=2"), None);
    for (host, pattern) in [
        ("a.test", "/img/*"),
        ("*.test", "/*.jpg?v"),
        ("a.test", "/img/x.jpg?w=2&v=1"),
        ("*.test", "/img/*.(png,jpg)"),
    ] {
        assert!(holds(host, pattern, None, &key), "{host}{pattern}");
    }
    for (host, pattern) in
        [("b.test", "/*"), ("*.a.test", "/*"), ("a.test", "/img/*?"), ("a.test", "/*?v=2")]
    {
        assert!(!holds(host, pattern, None, &key), "{host}{pattern}");
    }
    assert!(!holds("a.test", "/img/*", Some("/fw/300"), &key));
    for (form, meant) in [("/fw/300", true), ("/fw/300 webp", true), ("/fw/3000", false)] {
        let key = keyed("a.test", "/img/x.jpg", None, Some(form));
        assert_eq!(holds("a.test", "/img/*", Some("/fw/300"), &key), meant, "{form}");
        assert!(holds("a.test", "/img/*", None, &key), "{form}");
    }
}

#[test]
fn what_is_purged_again_and_again_takes_no_more_room() {
    let clock = Clock::manual(Timestamp::from_seconds(10_000_000));
    let rules = Rules::forgetful(clock, 1000);
    for _ in 0..100_000 {
        rules.invalidate(KeyRef::from(&key(1, "/same")));
    }
    assert_eq!(rules.count(), 2);
    assert!(rules.table.read().places() < 10_000);
}
