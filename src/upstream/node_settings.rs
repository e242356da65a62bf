//! The node's `[upstream]` table: what holds for the origins of all sites.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// What the operator, and no customer, decides about connections to origins.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// Ranges that may be dialled although they are not public (loopback, private, link-local …),
    /// as in `["10.1.0.0/16", "127.0.0.0/8"]`. Default: none. The node's own listeners stay
    /// forbidden.
    pub allow_private: Vec<IpNet>,
    /// Name servers as address and port. Default: those of the system (`/etc/resolv.conf`).
    pub resolvers: Vec<SocketAddr>,
    /// Longest time for one name look-up. Default 5s.
    pub resolve_timeout: Span,
    /// How long after its TTL the last good answer of the name servers is used while they fail.
    /// Default 1h.
    pub dns_stale: Span,
    /// Most answers of name servers kept in memory. Default 65536.
    pub dns_cache: u32,
    /// Most idle connections to origins that the whole node keeps. Default 16384.
    pub max_idle: u32,
    /// Largest response head from an origin. Default 64KiB, from 8KiB to 1MiB. (Independently, a
    /// head has at most 100 fields.)
    pub max_response_head: Size,
}

impl Default for NodeSettings {
    fn default() -> Self {
        NodeSettings {
            allow_private: Vec::new(),
            resolvers: Vec::new(),
            resolve_timeout: Span::seconds(5),
            dns_stale: Span::seconds(3600),
            dns_cache: 65_536,
            max_idle: 16_384,
            max_response_head: Size::kib(64),
        }
    }
}

impl NodeSettings {
    /// Everything wrong with the values.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        if self.resolve_timeout.0.is_zero() {
            found.push(Complaint::new("resolve_timeout", "it must be more than zero"));
        }
        let head = self.max_response_head;
        if !(Size::kib(8)..=Size::mib(1)).contains(&head) {
            found.push(Complaint::new(
                "max_response_head",
                format!("{head} is not from 8KiB to 1MiB"),
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_bounds_kept() {
        let settings: NodeSettings =
            toml::from_str("allow_private = [\"127.0.0.0/8\", \"::1/128\"]").unwrap();
        assert_eq!(settings.allow_private.len(), 2);
        assert!(settings.validate().is_empty());
        assert!(toml::from_str::<NodeSettings>("allow_private = [\"127.0.0.1/33\"]").is_err());
        let settings: NodeSettings = toml::from_str("max_response_head = \"1KiB\"").unwrap();
        assert_eq!(settings.validate().len(), 1);
    }
}
