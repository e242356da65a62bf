//! The `[purge]` table of a site document: who may purge the site by requests to it.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::setting::Complaint;

/// Who may purge the site with the methods `PURGE`, `BAN` and their kin. While nobody may, these
/// methods are like any other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Purging {
    /// Addresses or networks that may: "10.0.0.0/8", "192.0.2.7/32". Default: none.
    pub allow: Vec<IpNet>,
    /// Keys, of which one opens for everybody who shows it, as `Fastly-Key`, `X-Purge-Key` or
    /// `Authorization: Bearer`; at least 16 bytes each. Default: none.
    pub keys: Vec<String>,
    /// Purges a second, of which ten seconds' worth may come at once, 1 to 10000. Default: 100.
    pub rate: u32,
}

impl Default for Purging {
    fn default() -> Self {
        Purging { allow: Vec::new(), keys: Vec::new(), rate: 100 }
    }
}

/// The fewest bytes of a key.
const KEY_LEAST: usize = 16;
/// The most entries of a list.
const LIST_MOST: usize = 1000;

impl Purging {
    /// Whether anybody may.
    pub fn is_on(&self) -> bool {
        !(self.allow.is_empty() && self.keys.is_empty())
    }

    /// Whether an address may.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow.iter().any(|network| network.contains(&client))
    }

    /// Whether this is a key. Takes the same time wherever two differ.
    pub fn opens(&self, shown: &str) -> bool {
        let is = |key: &&String| verify_slices_are_equal(key.as_bytes(), shown.as_bytes()).is_ok();
        self.keys.iter().filter(is).count() > 0
    }

    /// What is wrong with the values.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        for (at, key) in self.keys.iter().enumerate().filter(|(_, key)| key.len() < KEY_LEAST) {
            found.push(
                Complaint::new(format!("keys[{at}]"), format!("a key of {} bytes", key.len()))
                    .suggest(format!("write at least {KEY_LEAST} that nobody can guess")),
            );
        }
        for (field, length) in [("allow", self.allow.len()), ("keys", self.keys.len())] {
            if length > LIST_MOST {
                found.push(Complaint::new(field, format!("{length} entries; at most {LIST_MOST}")));
            }
        }
        if !(1..=10_000).contains(&self.rate) {
            found.push(
                Complaint::new("rate", format!("{} purges a second", self.rate))
                    .suggest("write 1 to 10000"),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_keys_open() {
        let purging: Purging =
            toml::from_str("allow = [\"10.0.0.0/8\", \"::1/128\"]\nkeys = [\"0123456789abcdef\"]")
                .unwrap();
        assert!(purging.validate().is_empty() && purging.is_on());
        for (client, allowed) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("::1", true), ("11.0.0.1", false)]
        {
            assert_eq!(purging.allows(client.parse().unwrap()), allowed, "{client}");
        }
        assert!(purging.opens("0123456789abcdef") && !purging.opens("0123456789abcdeg"));
        assert!(!purging.opens("") && !Purging::default().is_on());
        for (text, field) in [("keys = [\"short\"]", "keys[0]"), ("rate = 0", "rate")] {
            let purging: Purging = toml::from_str(text).unwrap();
            assert_eq!(purging.validate()[0].field, field);
        }
    }
}
