//! The site's `[origin]` table.
//!
//! ```toml
//! [origin]
//! servers = ["https://a.example", { url = "https://b.example:8443", weight = 2, backup = true }]
//! host = "www.example.com"
//! [origin.tls]
//! ca = "/etc/brink/private-ca.pem"
//! [origin.health]
//! path = "/healthz"
//! ```

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::uri::{Authority, PathAndQuery};
use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};

use super::target::{Scheme, ServerUrl, parse_host};
use crate::quantity::Span;
use crate::setting::Complaint;

/// Most hops of redirects that may be followed for one request.
pub const MAX_REDIRECTS: u8 = 3;

/// Most servers of one site.
pub const MAX_SERVERS: usize = 64;

/// Where a site's content comes from, and how it is asked for.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The origin servers: each a URL, or a table with more about it. At least one, at most 64.
    pub servers: Vec<ServerSettings>,
    /// How to speak to servers whose URL has no scheme: `http`, `https`, or `follow` for what the
    /// client spoke (then a port in the URL counts for http, while https always uses 443).
    /// Default `http`.
    pub protocol: Protocol,
    /// What the origin gets as `Host`: a name with or without port. Default: the host that the
    /// client asked for.
    pub host: Option<String>,
    /// How requests spread over the servers, in proportion to their weights: `p2c` takes the less
    /// busy of two drawn at random, `round-robin` goes strictly in turn. Default `p2c`.
    pub balance: Balance,
    /// Longest time for TCP connect and TLS handshake, all addresses of a server together.
    /// Default 3s.
    pub connect_timeout: Span,
    /// Longest wait for the response head once the request is sent. Default 30s.
    pub first_byte_timeout: Span,
    /// Longest stall in a response body, or in the origin's taking of a request body. Default 30s.
    pub between_bytes_timeout: Span,
    /// Most further attempts for one request, each at another server. Only idempotent requests
    /// whose body has not been touched are sent again, before any response byte. Default 2, at
    /// most 10; 0 switches retries off.
    pub retries: u8,
    /// All retries of the site together, in percent of its requests (beyond a burst of 10).
    /// Default 10, at most 100.
    pub retry_budget: u8,
    /// Hops of redirects (301, 302, 303, 307, 308) that are followed for GET and HEAD before the
    /// redirect goes to the client. Default 0 (off), at most 3.
    pub follow_redirects: u8,
    /// Ports that a redirect to another host may name. Default 80 and 443.
    pub redirect_ports: Vec<u16>,
    /// How long an idle connection is kept for reuse. Default 60s; 0s closes after each request.
    pub idle_timeout: Span,
    /// Most idle connections kept for each server by each serving thread. Default 256.
    pub max_idle: u16,
    /// HTTP/2 to the origin: `auto` where TLS negotiates it, `off`, or `prior-knowledge` (always,
    /// also without TLS). gRPC needs it. Default `auto`.
    pub http2: Http2,
    /// TLS to the origin.
    pub tls: TlsSettings,
    /// Active health checks. Default: none.
    pub health: Option<HealthSettings>,
}

/// One origin server. In a document a plain text stands for a table with only `url`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerSettings {
    /// Scheme (optional), host and port (optional), as in `https://origin.example:8443`.
    pub url: ServerUrl,
    /// Its share of the requests is its weight by the sum of all. Default 1, from 1 to 1000.
    pub weight: u16,
    /// Whether it is used only while no other server can be. Default false.
    pub backup: bool,
    /// Failures within `fail_timeout` that take the server out of use; 0 never does. A site's only
    /// server stays in use whatever happens. Default 1.
    pub max_fails: u32,
    /// The time within which failures are counted, and for which the server is then out of use.
    /// Default 10s.
    pub fail_timeout: Span,
}

/// The table form of [`ServerSettings`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerTable {
    url: ServerUrl,
    weight: Option<u16>,
    backup: Option<bool>,
    max_fails: Option<u32>,
    fail_timeout: Option<Span>,
}

impl ServerSettings {
    /// A server with nothing said about it but where it is.
    pub fn new(url: ServerUrl) -> Self {
        ServerSettings {
            url,
            weight: 1,
            backup: false,
            max_fails: 1,
            fail_timeout: Span::seconds(10),
        }
    }
}

impl<'de> Deserialize<'de> for ServerSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = ServerSettings;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a server such as \"https://origin.example\", or a table with `url`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ServerSettings, E> {
                text.parse().map(ServerSettings::new).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServerSettings, A::Error> {
                let table = ServerTable::deserialize(MapAccessDeserializer::new(map))?;
                let plain = ServerSettings::new(table.url);
                Ok(ServerSettings {
                    weight: table.weight.unwrap_or(plain.weight),
                    backup: table.backup.unwrap_or(plain.backup),
                    max_fails: table.max_fails.unwrap_or(plain.max_fails),
                    fail_timeout: table.fail_timeout.unwrap_or(plain.fail_timeout),
                    url: plain.url,
                })
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

/// How to speak to servers whose URL does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP inside TLS.
    Https,
    /// As the client spoke to us.
    Follow,
}

/// How requests spread over servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// The less busy of two drawn at random.
    #[default]
    P2c,
    /// Smooth weighted round robin, as in nginx.
    RoundRobin,
}

/// When to speak HTTP/2 to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Http2 {
    /// Where TLS negotiates it (ALPN).
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always, without asking.
    PriorKnowledge,
}

/// TLS to the origin.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Whether the origin's certificate must be valid: issuer, name and dates. Default true.
    pub verify: bool,
    /// A PEM file of further issuers to trust. Default: only those of the system.
    pub ca: Option<PathBuf>,
    /// A PEM file with the certificate (and its chain) that we show. Default: none.
    pub certificate: Option<PathBuf>,
    /// The PEM file with the private key to `certificate`.
    pub key: Option<PathBuf>,
    /// The name that is asked for by SNI and looked for in the certificate. Default: the name of
    /// the `Host` field if `host` is set, else the server's own name.
    pub server_name: Option<String>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        TlsSettings { verify: true, ca: None, certificate: None, key: None, server_name: None }
    }
}

/// Active health checks: each server is asked for `path` again and again.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// What is asked for with GET. Default `/`.
    pub path: String,
    /// The `Host` of the checks. Default: the origin's `host` if set, else the server's own name.
    pub host: Option<String>,
    /// Time between two checks of a server. Default 10s, at least 100ms.
    pub interval: Span,
    /// Longest time for one check. Default 3s.
    pub timeout: Span,
    /// Good checks in a row that bring a server back. Default 2.
    pub healthy: u8,
    /// Bad checks in a row that take a server out of use. Default 3.
    pub unhealthy: u8,
    /// Statuses that are good. Default: any from 200 to 399.
    pub status: Vec<u16>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings {
            path: "/".into(),
            host: None,
            interval: Span::seconds(10),
            timeout: Span::seconds(3),
            healthy: 2,
            unhealthy: 3,
            status: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            servers: Vec::new(),
            protocol: Protocol::default(),
            host: None,
            balance: Balance::default(),
            connect_timeout: Span::seconds(3),
            first_byte_timeout: Span::seconds(30),
            between_bytes_timeout: Span::seconds(30),
            retries: 2,
            retry_budget: 10,
            follow_redirects: 0,
            redirect_ports: vec![80, 443],
            idle_timeout: Span::seconds(60),
            max_idle: 256,
            http2: Http2::default(),
            tls: TlsSettings::default(),
            health: None,
        }
    }
}

impl Settings {
    /// Everything wrong with the values, without looking at any file.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        self.validate_servers(&mut found);
        for (field, span) in [
            ("connect_timeout", self.connect_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("between_bytes_timeout", self.between_bytes_timeout),
        ] {
            if span.0.is_zero() {
                found.push(
                    Complaint::new(field, "a timeout of zero would fail every request")
                        .suggest("write a time such as \"5s\""),
                );
            }
        }
        for (field, value, most) in [
            ("retries", self.retries, 10),
            ("retry_budget", self.retry_budget, 100),
            ("follow_redirects", self.follow_redirects, MAX_REDIRECTS),
        ] {
            if value > most {
                found.push(Complaint::new(field, format!("{value} is too many; at most {most}")));
            }
        }
        if let Some(host) = &self.host
            && !is_authority(host)
        {
            found.push(Complaint::new("host", format!("`{host}` is not a host name")));
        }
        found.extend(self.tls.validate().into_iter().map(|complaint| complaint.within("tls")));
        if let Some(health) = &self.health {
            found.extend(health.validate().into_iter().map(|complaint| complaint.within("health")));
        }
        found
    }

    fn validate_servers(&self, found: &mut Vec<Complaint>) {
        if self.servers.is_empty() {
            found.push(
                Complaint::new("servers", "there is no origin server")
                    .suggest("servers = [\"https://origin.example\"]"),
            );
        } else if self.servers.iter().all(|server| server.backup) {
            found.push(
                Complaint::new("servers", "every server is a backup")
                    .suggest("remove `backup = true` from at least one"),
            );
        }
        if self.servers.len() > MAX_SERVERS {
            let count = self.servers.len();
            found
                .push(Complaint::new("servers", format!("{count} servers; at most {MAX_SERVERS}")));
        }
        for (place, server) in self.servers.iter().enumerate() {
            if !(1..=1000).contains(&server.weight) {
                found.push(Complaint::new(
                    format!("servers[{place}].weight"),
                    format!("the weight {} is not from 1 to 1000", server.weight),
                ));
            }
            if self.http2 == Http2::PriorKnowledge
                && server.url.scheme.is_none()
                && self.protocol == Protocol::Follow
            {
                found.push(
                    Complaint::new(
                        format!("servers[{place}].url"),
                        "`prior-knowledge` needs to know whether the server speaks TLS",
                    )
                    .suggest("write the URL with http:// or https://"),
                );
            }
        }
    }

    /// The scheme and port by which `url` is reached for a client that spoke `client` (F13).
    pub(crate) fn reach(&self, url: &ServerUrl, client: Scheme) -> (Scheme, u16) {
        let scheme = match (url.scheme, self.protocol) {
            (Some(scheme), _) => scheme,
            (None, Protocol::Http) => Scheme::Http,
            (None, Protocol::Https) => Scheme::Https,
            // Following: a port in the URL is the one for http.
            (None, Protocol::Follow) if client == Scheme::Https => {
                return (Scheme::Https, Scheme::Https.port());
            }
            (None, Protocol::Follow) => Scheme::Http,
        };
        (scheme, url.port.unwrap_or(scheme.port()))
    }
}

impl TlsSettings {
    fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        match (&self.certificate, &self.key) {
            (Some(_), None) => found.push(Complaint::new("key", "`certificate` needs its `key`")),
            (None, Some(_)) => {
                found.push(Complaint::new("certificate", "`key` needs its `certificate`"));
            }
            _ => {}
        }
        if let Some(name) = &self.server_name
            && parse_host(name).is_err()
        {
            found.push(Complaint::new("server_name", format!("`{name}` is not a host name")));
        }
        if !self.verify && self.ca.is_some() {
            found.push(
                Complaint::new("ca", "it means nothing while `verify` is false")
                    .suggest("remove `verify = false`"),
            );
        }
        found
    }
}

impl HealthSettings {
    fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        if !self.path.starts_with('/') || self.path.parse::<PathAndQuery>().is_err() {
            let message = format!("`{}` is not a path", self.path);
            found.push(Complaint::new("path", message).suggest("begin it with `/`"));
        }
        if self.interval.0 < Duration::from_millis(100) {
            found.push(Complaint::new("interval", "checks may not come faster than each 100ms"));
        }
        for (field, zero) in [
            ("timeout", self.timeout.0.is_zero()),
            ("healthy", self.healthy == 0),
            ("unhealthy", self.unhealthy == 0),
        ] {
            if zero {
                found.push(Complaint::new(field, "it must be more than zero"));
            }
        }
        if let Some(host) = &self.host
            && !is_authority(host)
        {
            found.push(Complaint::new("host", format!("`{host}` is not a host name")));
        }
        if let Some(status) = self.status.iter().find(|status| !(200..=599).contains(*status)) {
            found.push(Complaint::new("status", format!("{status} is not from 200 to 599")));
        }
        found
    }
}

/// Whether `text` is a host with or without port, such as may stand in a `Host` field.
fn is_authority(text: &str) -> bool {
    text.parse::<Authority>().is_ok_and(|authority| {
        !authority.host().is_empty() && !text.contains('@') && authority.as_str().is_ascii()
    })
}
