//! From a host to what answers for it, in a fixed number of steps however many sites there are.
//!
//! Exact names and wildcards live in one map; a wildcard `*.d.com` is kept as `.d.com`. A look-up
//! tries the host itself and then its tails from the longest: at most five probes, since a `*`
//! covers one to four labels. The first that is there is the most specific.

use super::host::{MAX_HOST, WILDCARD_LABELS};
use super::shards::Shards;

/// Hosts and what answers for them; clones share structure.
#[derive(Clone, Debug)]
pub struct Table<V> {
    patterns: Shards<V>,
}

impl<V: Clone> Default for Table<V> {
    fn default() -> Self {
        Table { patterns: Shards::new() }
    }
}

impl<V: Clone> Table<V> {
    /// What answers for `host`: a name without port, in any case, with or without the final dot.
    pub fn find(&self, host: &str) -> Option<&V> {
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.len() > MAX_HOST {
            return None;
        }
        if host.bytes().any(|b| b.is_ascii_uppercase()) {
            return self.find_lower(&host.to_ascii_lowercase());
        }
        self.find_lower(host)
    }

    fn find_lower(&self, host: &str) -> Option<&V> {
        // A leading dot would find a wildcard as though it were a name.
        if host.starts_with('.') {
            return None;
        }
        if let Some(exact) = self.patterns.get(host) {
            return Some(exact);
        }
        host.match_indices('.')
            .take(WILDCARD_LABELS)
            .filter_map(|(at, _)| host.get(at..))
            .find_map(|tail| self.patterns.get(tail))
    }

    /// What is kept under exactly this pattern, as `host::parse` returns it.
    pub fn get(&self, pattern: &str) -> Option<&V> {
        self.patterns.get(pattern)
    }

    /// Keeps `value` under a pattern and returns what was there.
    pub fn insert(&mut self, pattern: &str, value: V) -> Option<V> {
        self.patterns.insert(pattern, value)
    }

    /// Takes a pattern out.
    pub fn remove(&mut self, pattern: &str) -> Option<V> {
        self.patterns.remove(pattern)
    }

    /// How many patterns there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// How many shards two tables do not share; see [`Shards::unshared`].
    pub fn unshared(&self, other: &Self) -> usize {
        self.patterns.unshared(&other.patterns)
    }

    /// Gives back spare room; see [`Shards::shrink`].
    pub fn shrink(&mut self) {
        self.patterns.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::super::host;
    use super::*;
    use proptest::prelude::*;

    fn table(patterns: &[&'static str]) -> Table<&'static str> {
        let mut table = Table::default();
        for pattern in patterns {
            table.insert(&host::parse(pattern).unwrap(), *pattern);
        }
        table
    }

    #[test]
    fn a_wildcard_covers_one_to_four_labels() {
        let table = table(&["*.d.com"]);
        for host in ["a.d.com", "b.a.d.com", "a.b.c.e.d.com", "A.D.COM", "a.d.com."] {
            assert_eq!(table.find(host), Some(&"*.d.com"), "{host}");
        }
        for host in ["d.com", "a.b.c.e.f.d.com", "ad.com", ".d.com", "", ".", "com"] {
            assert_eq!(table.find(host), None, "{host}");
        }
    }

    #[test]
    fn the_most_specific_wins() {
        let table = table(&["*.d.com", "*.bar.d.com", "x.bar.d.com", "d.com"]);
        assert_eq!(table.find("foo.d.com"), Some(&"*.d.com"));
        assert_eq!(table.find("bar.d.com"), Some(&"*.d.com"));
        assert_eq!(table.find("y.bar.d.com"), Some(&"*.bar.d.com"));
        assert_eq!(table.find("x.bar.d.com"), Some(&"x.bar.d.com"));
        assert_eq!(table.find("z.x.bar.d.com"), Some(&"*.bar.d.com"));
        assert_eq!(table.find("d.com"), Some(&"d.com"));
    }

    /// The rule of F3 spelt out label by label.
    fn covers(pattern: &str, host: &str) -> bool {
        match pattern.strip_prefix("*.") {
            None => pattern == host,
            Some(tail) => {
                host.strip_suffix(tail).and_then(|h| h.strip_suffix('.')).is_some_and(|covered| {
                    !covered.is_empty() && covered.split('.').count() <= WILDCARD_LABELS
                })
            }
        }
    }

    proptest! {
        #[test]
        fn a_look_up_agrees_with_trying_every_pattern(
            host in "[ab]{1,2}(\\.[ab]{1,2}){0,6}",
            patterns in prop::collection::hash_set("(\\*\\.)?[ab]{1,2}(\\.[ab]{1,2}){0,3}", 0..12),
        ) {
            let mut table = Table::default();
            for pattern in &patterns {
                table.insert(&host::parse(pattern).unwrap(), pattern.clone());
            }
            // Longer patterns are more specific, and an exact one beats the wildcard of its length.
            let expected = patterns
                .iter()
                .filter(|pattern| covers(pattern, &host))
                .max_by_key(|pattern| (!pattern.starts_with('*'), pattern.len()));
            prop_assert_eq!(table.find(&host), expected);
        }
    }
}
