//! The node file's `[admin]` table: where the node takes orders from its operator.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::quantity::Size;
use crate::setting::Complaint;

/// Where the node takes orders from its operator: never on a port that customers reach.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The Unix socket, mode 0600, which needs no token; relative to `state_dir`.
    /// Default: `admin.sock`.
    pub socket: PathBuf,
    /// The loopback address for metrics, health and, with a token, the rest. Default: `127.0.0.1:9911`.
    pub address: SocketAddr,
    /// Names beside `localhost` and loopback addresses that a `Host` field may have, for a tunnel or
    /// proxy before the address. Default: none.
    pub hosts: Vec<String>,
    /// How much all files of the audit log may take, 1MiB to 1TiB; the oldest go first. Default: 256MiB.
    pub audit_log: Size,
    /// How many things a customer's tokens may purge each second, of which ten seconds' worth may come
    /// at once, 1 to 1000000; operators may as they like. Default: 1000.
    pub purge_rate: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            socket: "admin.sock".into(),
            address: SocketAddr::from(([127, 0, 0, 1], 9911)),
            hosts: Vec::new(),
            audit_log: Size::mib(256),
            purge_rate: 1000,
        }
    }
}

impl Settings {
    /// What is wrong with the values; an address that others on the network could reach is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        if !self.address.ip().is_loopback() {
            let message = format!("{} is no loopback address", self.address);
            let suggestion = "write `127.0.0.1:9911`; to reach it from elsewhere use a tunnel";
            found.push(Complaint::new("address", message).suggest(suggestion));
        }
        for (at, host) in self.hosts.iter().enumerate() {
            let fits =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(fits) {
                let message = format!("`{host}` is no name of a host");
                let found_here = Complaint::new(format!("hosts[{at}]"), message);
                found.push(found_here.suggest("write a name without a port"));
            }
        }
        if !(Size::mib(1)..=Size::mib(1 << 20)).contains(&self.audit_log) {
            let complaint = Complaint::out_of_bounds("audit_log", self.audit_log);
            found.push(complaint.suggest("write a size from \"1MiB\" to \"1TiB\""));
        }
        if !(1..=1_000_000).contains(&self.purge_rate) {
            let complaint = Complaint::out_of_bounds("purge_rate", self.purge_rate);
            found.push(complaint.suggest("write a number from 1 to 1000000"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged() {
        assert_eq!(Settings::default().validate(), Vec::new());
        let open = Settings { address: "0.0.0.0:9911".parse().unwrap(), ..Settings::default() };
        assert_eq!(open.validate()[0].field, "address");
        let wrong = Settings {
            hosts: vec!["a.com:80".into()],
            audit_log: Size(1),
            purge_rate: 0,
            ..Settings::default()
        };
        let fields: Vec<_> = wrong.validate().into_iter().map(|it| it.field).collect();
        assert_eq!(fields, ["hosts[0]", "audit_log", "purge_rate"]);
    }
}
