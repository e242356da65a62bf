//! The node file's `[admin]` table: where the node takes orders from its operator.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
}

impl Default for Settings {
    fn default() -> Self {
        Settings { socket: "admin.sock".into(), address: SocketAddr::from(([127, 0, 0, 1], 9911)) }
    }
}

impl Settings {
    /// Refuses an address that others on the network could reach.
    pub fn validate(&self) -> Vec<Complaint> {
        if self.address.ip().is_loopback() {
            return Vec::new();
        }
        let message = format!("{} is no loopback address", self.address);
        let suggestion = "write `127.0.0.1:9911`; to reach it from elsewhere use a tunnel";
        vec![Complaint::new("address", message).suggest(suggestion)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_accepted() {
        assert_eq!(Settings::default().validate(), Vec::new());
        let open = Settings { address: "0.0.0.0:9911".parse().unwrap(), ..Settings::default() };
        assert_eq!(open.validate()[0].field, "address");
    }
}
