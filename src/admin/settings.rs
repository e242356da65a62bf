//! The node file's `[admin]` table.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::setting::Complaint;

/// Where the admin listener is reached.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The loopback address for the API, metrics and health; default `127.0.0.1:9911`.
    pub tcp: SocketAddr,
    /// Whether TCP is served at all; the Unix socket always is. Default true.
    pub tcp_enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { tcp: SocketAddr::from(([127, 0, 0, 1], 9911)), tcp_enabled: true }
    }
}

impl Settings {
    /// Refuses an address that others on the network could reach.
    pub fn validate(&self) -> Vec<Complaint> {
        if self.tcp.ip().is_loopback() {
            return Vec::new();
        }
        let message = format!("the admin listener must stay on loopback, not on {}", self.tcp.ip());
        vec![Complaint::new("tcp", message).suggest("127.0.0.1:9911")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_accepted() {
        assert_eq!(Settings::default().validate(), Vec::new());
        let open = Settings { tcp: "0.0.0.0:9911".parse().unwrap(), ..Settings::default() };
        assert_eq!(open.validate()[0].field, "tcp");
    }
}
