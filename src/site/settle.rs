//! Who gets which host when documents change: no host has two sites, and a bad edit moves nobody else.
//!
//! Sites that did not change keep what they hold. A changed site keeps the hosts that it still
//! names, then changed and new sites take what is free in the order of their file names. One that
//! names a taken host falls back to its last good form, which takes its old hosts back; whoever had
//! taken one of those in the meantime falls back in turn. Each site falls at most once, so this ends.

use std::sync::Arc;

use super::entry::Entry;
use super::snapshot::Snapshot;

/// A changed or new site that was not taken, since another has one of its hosts.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The site as proposed.
    pub entry: Arc<Entry>,
    /// The host, as the table keeps it.
    pub host: Box<str>,
    /// The site that has it.
    pub held_by: Box<str>,
}

/// The snapshot after `previous` with `gone` taken out and `proposed` (changed or new sites) put in.
pub fn settle(
    previous: &Snapshot,
    gone: &[Box<str>],
    mut proposed: Vec<Arc<Entry>>,
) -> (Snapshot, Vec<Conflict>) {
    let mut settling = Settling { previous, next: previous.clone(), conflicts: Vec::new() };
    settling.next.generation += 1;
    for name in gone {
        settling.remove(name);
    }
    proposed.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in &proposed {
        settling.keep_held_hosts(entry);
    }
    for entry in &proposed {
        settling.claim(entry);
    }
    (settling.next, settling.conflicts)
}

struct Settling<'a> {
    previous: &'a Snapshot,
    next: Snapshot,
    conflicts: Vec<Conflict>,
}

impl Settling<'_> {
    fn remove(&mut self, name: &str) {
        if let Some(entry) = self.next.names.remove(name) {
            for host in &entry.hosts {
                self.next.hosts.remove(host);
            }
        }
    }

    fn keep_held_hosts(&mut self, entry: &Arc<Entry>) {
        if let Some(before) = self.previous.site(&entry.name) {
            for host in &before.hosts {
                if entry.hosts.contains(host) {
                    self.next.hosts.insert(host, entry.clone());
                } else {
                    self.next.hosts.remove(host);
                }
            }
        }
        self.next.names.insert(&entry.name, entry.clone());
    }

    fn claim(&mut self, entry: &Arc<Entry>) {
        if !self.stands(entry) {
            return;
        }
        for host in &entry.hosts {
            match self.next.hosts.get(host) {
                Some(holder) if Arc::ptr_eq(holder, entry) => {}
                Some(holder) => {
                    let held_by = holder.name.clone();
                    let host = host.clone();
                    self.fall_back(Conflict { entry: entry.clone(), host, held_by });
                    return;
                }
                None => {
                    self.next.hosts.insert(host, entry.clone());
                }
            }
        }
    }

    fn fall_back(&mut self, first: Conflict) {
        let mut falling = vec![first];
        while let Some(conflict) = falling.pop() {
            let entry = conflict.entry.clone();
            if !self.stands(&entry) {
                continue;
            }
            self.conflicts.push(conflict);
            self.remove_own(&entry);
            let Some(before) = self.previous.site(&entry.name) else { continue };
            self.next.names.insert(&before.name, before.clone());
            for host in &before.hosts {
                let displaced = self.next.hosts.insert(host, before.clone());
                if let Some(displaced) = displaced.filter(|d| !Arc::ptr_eq(d, before)) {
                    let held_by = before.name.clone();
                    falling.push(Conflict { entry: displaced, host: host.clone(), held_by });
                }
            }
        }
    }

    /// Whether the proposed form is still the one that the next snapshot has.
    fn stands(&self, entry: &Arc<Entry>) -> bool {
        self.next.site(&entry.name).is_some_and(|taken| Arc::ptr_eq(taken, entry))
    }

    fn remove_own(&mut self, entry: &Arc<Entry>) {
        self.next.names.remove(&entry.name);
        for host in &entry.hosts {
            if self.next.hosts.get(host).is_some_and(|holder| Arc::ptr_eq(holder, entry)) {
                self.next.hosts.remove(host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, hosts: &[&str]) -> Arc<Entry> {
        Arc::new(Entry::for_test(name, hosts))
    }

    fn names(conflicts: &[Conflict]) -> Vec<&str> {
        conflicts.iter().map(|c| &*c.entry.name).collect()
    }

    fn holder<'a>(snapshot: &'a Snapshot, host: &str) -> Option<&'a str> {
        snapshot.hosts.get(host).map(|entry| &*entry.name)
    }

    fn start(sites: &[(&str, &[&str])]) -> Snapshot {
        let entries = sites.iter().map(|(name, hosts)| entry(name, hosts)).collect();
        let (snapshot, conflicts) = settle(&Snapshot::default(), &[], entries);
        assert!(conflicts.is_empty());
        snapshot
    }

    #[test]
    fn of_two_new_sites_the_first_by_name_gets_the_host() {
        let proposed = vec![entry("b", &["x", "y"]), entry("a", &["x"])];
        let (snapshot, conflicts) = settle(&Snapshot::default(), &[], proposed);
        assert_eq!(names(&conflicts), ["b"]);
        assert_eq!(&*conflicts[0].held_by, "a");
        assert_eq!((holder(&snapshot, "x"), holder(&snapshot, "y")), (Some("a"), None));
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn a_host_stays_with_the_site_that_serves_it() {
        let first = start(&[("b", &["x"])]);
        // `a` comes first by name and `b` changed too, but `b` has the host and still names it.
        let proposed = vec![entry("a", &["x"]), entry("b", &["x", "z"])];
        let (second, conflicts) = settle(&first, &[], proposed);
        assert_eq!(names(&conflicts), ["a"]);
        assert_eq!((holder(&second, "x"), holder(&second, "z")), (Some("b"), Some("b")));
    }

    #[test]
    fn hosts_move_between_sites_in_one_reload() {
        let first = start(&[("a", &["x"]), ("b", &["y"]), ("c", &["z"])]);
        let proposed = vec![entry("a", &["y"]), entry("b", &["x", "z"])];
        let (second, conflicts) = settle(&first, &["c".into()], proposed);
        assert!(conflicts.is_empty());
        assert_eq!(holder(&second, "y"), Some("a"));
        assert_eq!((holder(&second, "x"), holder(&second, "z")), (Some("b"), Some("b")));
        assert_eq!((second.len(), second.generation), (2, 2));
    }

    #[test]
    fn who_falls_back_takes_its_old_hosts_back() {
        let first = start(&[("a", &["x"]), ("b", &["y"]), ("c", &["z"])]);
        // `a` wants `y`, which `b` keeps. So `a` keeps `x`, which `c` had hoped for, and a new site
        // that hoped for `z` is refused since `c` stays there.
        let proposed = vec![entry("0", &["z"]), entry("a", &["y"]), entry("c", &["x"])];
        let (second, conflicts) = settle(&first, &[], proposed);
        assert_eq!(holder(&second, "x"), Some("a"));
        assert_eq!(holder(&second, "y"), Some("b"));
        assert_eq!(holder(&second, "z"), Some("c"));
        assert_eq!(names(&conflicts), ["a", "c", "0"]);
        assert_eq!(second.len(), 3);
        assert!(second.site("0").is_none());
    }

    #[test]
    fn one_edit_among_many_shares_all_but_a_few_shards() {
        let entries = (0..5000).map(|n| entry(&format!("s{n}"), &[&format!("h{n}")])).collect();
        let (first, _) = settle(&Snapshot::default(), &[], entries);
        let (second, _) = settle(&first, &[], vec![entry("s7", &["h7", "new"])]);
        assert!(second.hosts.unshared(&first.hosts) <= 2);
        assert_eq!(second.names.unshared(&first.names), 1);
        assert!(Arc::ptr_eq(first.site("s8").unwrap(), second.site("s8").unwrap()));
    }
}
