//! The node's `[listen]` table: where clients are heard, and how much of everything one may take.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// Where the node listens and the limits that every client connection is held to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses for plain HTTP. `[::]` means IPv6 only. Default: `0.0.0.0:80` and `[::]:80`.
    pub http: Vec<SocketAddr>,
    /// Addresses for HTTPS. Default: `0.0.0.0:443` and `[::]:443`.
    pub https: Vec<SocketAddr>,
    /// The host whose certificate is shown to clients that name none, or one that no site has.
    /// Default: none, and such handshakes are refused.
    pub default_server_name: Option<String>,
    /// Whether plain HTTP addresses also speak HTTP/2 to clients that begin with its preface
    /// (RFC 9113 section 3.3). Default: false.
    pub h2c: bool,
    /// Who may say on whose behalf it connects. Default: nobody.
    pub proxy_protocol: ProxyProtocol,
    /// Client connections open at once on the whole node, tunnels included; more wait in the
    /// backlog. Default: 65536.
    pub max_connections: usize,
    /// Connections that the kernel holds until they are accepted, per address and thread.
    /// Default: 4096.
    pub backlog: u32,
    /// Size of a request head: request line and all fields. More gets 431. Default: 32KiB.
    pub head: Size,
    /// Fields in an HTTP/1 request head. More gets 431. Default: 100.
    pub fields: usize,
    /// Size of one field's value. More gets 431. Default: 8KiB.
    pub field: Size,
    /// Size of a request target. More gets 414. Default: 8KiB.
    pub uri: Size,
    /// Time for the TLS handshake, and for the PROXY header before it. Default: 10s.
    pub handshake_timeout: Span,
    /// Time for a request head, from its first byte; for the first one, from the connection's
    /// start. Default: 10s.
    pub header_timeout: Span,
    /// How long a connection may rest between requests. Default: 60s.
    pub keep_alive: Span,
    /// Bytes per second that a client must send of a body, or take of a response, in the long run.
    /// Default: 1KiB.
    pub minimum_rate: Size,
    /// How long a body may stay below the minimum rate, pauses included. Default: 10s.
    pub body_grace: Span,
    /// How long a client may leave a response untaken, or take it below the minimum rate.
    /// Default: 30s.
    pub write_timeout: Span,
    /// How much of a response the kernel holds ahead of the client, per connection: what lets a
    /// slow reader be told from a stalled one. Default: 256KiB.
    pub send_ahead: Size,
    /// How much of a request body that nobody wanted is read to keep its HTTP/1 connection.
    /// Default: 64KiB.
    pub discard: Size,
    /// How long that may take. Default: 1s.
    pub discard_timeout: Span,
    /// Time between "not ready" and the end of accepting when the node drains, for load balancers
    /// to look elsewhere. Default: 0s.
    pub drain_delay: Span,
    /// How long a resting connection may still bring one more request while the node drains.
    /// Default: 2s.
    pub drain_idle: Span,
    /// Time that running requests get to end when the node drains. Default: 30s.
    pub drain_timeout: Span,
    /// Limits of HTTP/2.
    pub h2: Http2,
}

/// Load balancers in front that speak the PROXY protocol, version 1 or 2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// Networks whose connections all begin with a PROXY header; one without is closed. Connections
    /// from elsewhere are plain and may not send one. Default: none.
    pub trusted: Vec<IpNet>,
}

impl ProxyProtocol {
    /// Whether a connection from `address` begins with a PROXY header.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Limits of one HTTP/2 connection (RFC 9113).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// Requests at once. Default: 100.
    pub streams: u32,
    /// Bytes of one request body that may be under way. Default: 64KiB.
    pub stream_window: Size,
    /// Bytes of all request bodies that may be under way. Default: 1MiB.
    pub connection_window: Size,
    /// Size of a decoded field list, each field counted with 32 bytes more. Default: 16KiB.
    pub header_list: Size,
    /// Fields in a request, every cookie crumb counted. More gets 431. Default: 200.
    pub fields: usize,
    /// Streams that a client may reset before they were looked at; one more ends the connection.
    /// Default: 10.
    pub pending_resets: usize,
    /// Streams that the node may have to reset for a client's errors; one more ends the connection.
    /// Default: 100.
    pub local_resets: usize,
    /// Requests that a client may cancel before they are answered; past it, and if they are more
    /// than half of all, the connection is closed. Default: 100.
    pub cancelled: u32,
    /// Bytes of one response that wait in memory for the client's window. Default: 128KiB.
    pub send_buffer: Size,
    /// Time between pings that find out whether the client is still there. Default: 30s.
    pub ping: Span,
    /// How long a ping may stay unanswered. Default: 20s.
    pub ping_timeout: Span,
}

impl Default for Settings {
    fn default() -> Self {
        let everywhere = |port| {
            vec![
                SocketAddr::from(([0; 4], port)),
                SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port)),
            ]
        };
        Settings {
            http: everywhere(80),
            https: everywhere(443),
            default_server_name: None,
            h2c: false,
            proxy_protocol: ProxyProtocol::default(),
            max_connections: 65_536,
            backlog: 4096,
            head: Size::kib(32),
            fields: 100,
            field: Size::kib(8),
            uri: Size::kib(8),
            handshake_timeout: Span::seconds(10),
            header_timeout: Span::seconds(10),
            keep_alive: Span::seconds(60),
            minimum_rate: Size::kib(1),
            body_grace: Span::seconds(10),
            write_timeout: Span::seconds(30),
            send_ahead: Size::kib(256),
            discard: Size::kib(64),
            discard_timeout: Span::seconds(1),
            drain_delay: Span::seconds(0),
            drain_idle: Span::seconds(2),
            drain_timeout: Span::seconds(30),
            h2: Http2::default(),
        }
    }
}

impl Default for Http2 {
    fn default() -> Self {
        Http2 {
            streams: 100,
            stream_window: Size::kib(64),
            connection_window: Size::mib(1),
            header_list: Size::kib(16),
            fields: 200,
            pending_resets: 10,
            local_resets: 100,
            cancelled: 100,
            send_buffer: Size::kib(128),
            ping: Span::seconds(30),
            ping_timeout: Span::seconds(20),
        }
    }
}

impl Settings {
    /// What is wrong with these settings.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        self.validate_addresses(&mut complaints);
        let most = u64::from(u32::MAX >> 1);
        let sizes = [
            // hyper's read buffer holds a whole head and is never smaller than 8 KiB.
            ("head", self.head, 8 << 10, 1 << 20),
            ("field", self.field, 256, 1 << 20),
            ("uri", self.uri, 256, 64 << 10),
            ("send_ahead", self.send_ahead, 16 << 10, most),
            ("discard", self.discard, 0, most),
            ("h2.stream_window", self.h2.stream_window, 1 << 10, most),
            ("h2.connection_window", self.h2.connection_window, 65_535, most),
            ("h2.header_list", self.h2.header_list, 1 << 10, 1 << 20),
            ("h2.send_buffer", self.h2.send_buffer, 1 << 10, most),
        ];
        for (field, size, least, most) in sizes {
            if !(least..=most).contains(&size.0) {
                let range = format!("use {} to {}", Size(least), Size(most));
                complaints
                    .push(Complaint::new(field, format!("{size} is out of range")).suggest(range));
            }
        }
        let counts = [
            ("max_connections", self.max_connections, usize::MAX),
            ("backlog", self.backlog as usize, i32::MAX as usize),
            ("fields", self.fields, 10_000),
            ("h2.fields", self.h2.fields, 10_000),
            ("h2.streams", self.h2.streams as usize, 10_000),
        ];
        for (field, count, most) in counts {
            if count == 0 || count > most {
                complaints.push(Complaint::new(field, format!("{count} is out of range")));
            }
        }
        let times = [
            ("handshake_timeout", self.handshake_timeout),
            ("header_timeout", self.header_timeout),
            ("keep_alive", self.keep_alive),
            ("body_grace", self.body_grace),
            ("write_timeout", self.write_timeout),
            ("h2.ping", self.h2.ping),
            ("h2.ping_timeout", self.h2.ping_timeout),
        ];
        for (field, time) in times {
            if time.0.is_zero() {
                complaints.push(
                    Complaint::new(field, "no time at all would end every connection")
                        .suggest("give it a time, as in \"10s\""),
                );
            }
        }
        complaints
    }

    fn validate_addresses(&self, complaints: &mut Vec<Complaint>) {
        let lists = [("http", &self.http), ("https", &self.https)];
        let mut seen: Vec<SocketAddr> = Vec::new();
        for (list, addresses) in lists {
            for (position, address) in addresses.iter().enumerate() {
                let field = || format!("{list}[{position}]");
                if address.port() != 0 && seen.contains(address) {
                    complaints.push(Complaint::new(field(), format!("{address} is listed twice")));
                }
                seen.push(*address);
            }
        }
        if seen.is_empty() {
            complaints.push(
                Complaint::new("http", "no address to listen on, neither here nor in `https`")
                    .suggest("http = [\"0.0.0.0:80\", \"[::]:80\"]"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_survive_writing() {
        let settings = Settings::default();
        assert_eq!(settings.validate(), []);
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }

    #[test]
    fn what_would_not_work_is_complained_of() {
        let complaint = |text: &str| {
            let settings: Settings = toml::from_str(text).unwrap();
            settings.validate().into_iter().map(|found| found.field).collect::<Vec<_>>()
        };
        assert_eq!(complaint("http = []\nhttps = []"), ["http"]);
        assert_eq!(complaint("http = [\"1.2.3.4:80\"]\nhttps = [\"1.2.3.4:80\"]"), ["https[0]"]);
        assert_eq!(complaint("head = \"1KiB\"\nfields = 0"), ["head", "fields"]);
        assert_eq!(complaint("[h2]\nconnection_window = \"4GiB\""), ["h2.connection_window"]);
        assert_eq!(complaint("keep_alive = \"0s\""), ["keep_alive"]);
        assert!(toml::from_str::<Settings>("http = [\"example.com\"]").is_err());
        assert!(toml::from_str::<Settings>("proxy_protocol = { trusted = [\"10/8\"] }").is_err());
    }
}
