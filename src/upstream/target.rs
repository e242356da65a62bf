//! Where to connect: the server's URL as text, parsed once into a type that cannot be wrong.
//!
//! ```text
//! [ ("http" | "https") "://" ] host [ ":" port ] [ "/" ]
//! ```
//! The host is a DNS name, an IPv4 address of four decimal numbers, or an IPv6 address in brackets.
//! Spellings that some parsers take for an address and others for a name (`0x7f.1`, `2130706433`,
//! `0177.0.0.1`) are refused, for they are how private addresses are smuggled past a guard.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use http::uri::Authority;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::resolve::{Addresses, Name};

/// How HTTP travels: bare, or inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, port 80 unless told otherwise.
    Http,
    /// `https`, port 443 unless told otherwise.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port that needs no saying: 80 or 443.
    pub const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The host part of a server's URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A DNS name, in lower case and without a final dot.
    Name(Arc<str>),
    /// An address as such; it is never looked up.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A server's URL: what stands in the settings, or in a redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// `None` leaves the choice to the site's `protocol`.
    pub scheme: Option<Scheme>,
    /// The host.
    pub host: Host,
    /// `None` means the port of the scheme.
    pub port: Option<u16>,
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is not a server: {why}");
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some((name, rest)) if name.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some((name, rest)) if name.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some(_) => return Err(wrong("the scheme must be http or https")),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '\\']) {
            return Err(wrong("it must end after the host and port, without a path"));
        }
        if authority.contains('@') {
            return Err(wrong("a user name or password has no place here"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| wrong("the host is unclear"))?;
        let port = match port {
            None => None,
            Some(digits) => {
                Some(parse_port(digits).ok_or_else(|| wrong("the port is not 1-65535"))?)
            }
        };
        let host = parse_host(host).map_err(|why| wrong(&why))?;
        Ok(ServerUrl { scheme, host, port })
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let after_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (head, tail) = authority.split_at_checked(after_host)?;
    match tail.split_once(':') {
        None => Some((authority, None)),
        Some((name, port)) if head.is_empty() => Some((name, Some(port))),
        Some(("", port)) => Some((head, Some(port))),
        Some(_) => None,
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

/// Reads a host strictly: see the head of this file.
pub(crate) fn parse_host(text: &str) -> Result<Host, String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Host::Address(IpAddr::V6(address))),
            Err(_) => Err("the brackets do not hold an IPv6 address".into()),
        };
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    if text.contains(':') {
        return Err("an IPv6 address must stand in brackets".into());
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() || name.len() > 253 {
        return Err("the host is empty or too long".into());
    }
    for label in name.split('.') {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(fine) {
            return Err(format!("`{label}` cannot be part of a host name"));
        }
    }
    if ends_in_number(name) {
        return Err("write an IPv4 address as four decimal numbers".into());
    }
    Ok(Host::Name(name.to_ascii_lowercase().into()))
}

/// Whether the last label is a number, decimal or hexadecimal: then some parsers would read an
/// address.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One place to connect to: scheme, host and port are settled.
///
/// Connections are pooled by [`Target::id`], which no two targets of a node ever share; so no
/// connection of one site can come to serve another, whatever their addresses.
pub(crate) struct Target {
    pub id: u64,
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    /// `host:port`, for logs and faults.
    pub label: Arc<str>,
    /// Where the host's addresses come from.
    pub lookup: Lookup,
    /// What SNI asks for and the certificate must name; `None` if the host cannot be such a name.
    pub server_name: Option<ServerName<'static>>,
    /// The TLS configuration, made at first use.
    pub tls: OnceLock<Arc<ClientConfig>>,
    /// The same for connections that must be HTTP/1.1.
    pub tls_http1: OnceLock<Arc<ClientConfig>>,
}

/// Where addresses come from.
pub(crate) enum Lookup {
    /// The URL itself.
    Fixed(Addresses),
    /// The DNS.
    Name(Name),
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Target {
    /// The place that a URL names once its scheme and port are settled. TLS asks for `server_name`,
    /// or for the host if that is `None`.
    pub fn new(scheme: Scheme, host: Host, port: u16, server_name: Option<&Host>) -> Self {
        let lookup = match &host {
            Host::Name(name) => Lookup::Name(Name::new(name.clone())),
            Host::Address(address) => Lookup::Fixed([*address].into()),
        };
        Target {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            scheme,
            label: format!("{host}:{port}").into(),
            server_name: match server_name.unwrap_or(&host) {
                Host::Name(name) => ServerName::try_from(name.to_string()).ok(),
                Host::Address(address) => Some(ServerName::IpAddress((*address).into())),
            },
            host,
            port,
            lookup,
            tls: OnceLock::new(),
            tls_http1: OnceLock::new(),
        }
    }

    /// The authority as `Host` would say it: without the port that the scheme implies.
    pub fn authority(&self) -> Option<Authority> {
        let text = match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => self.label.to_string(),
        };
        Authority::try_from(text).ok()
    }

    /// Whether a URL with these parts names this place.
    pub fn is(&self, scheme: Scheme, host: &Host, port: u16) -> bool {
        self.scheme == scheme && self.port == port && self.host == *host
    }
}

/// A value of the `Host` field, kept in the two forms that HTTP/1.1 and HTTP/2 want.
#[derive(Clone, Debug)]
pub(crate) struct HostValue {
    pub field: HeaderValue,
    pub authority: Authority,
}

impl HostValue {
    /// Both forms of `authority`.
    pub fn new(authority: Authority) -> Option<Self> {
        let field = HeaderValue::from_str(authority.as_str()).ok()?;
        Some(HostValue { field, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn servers_are_read_and_written_back() {
        for (text, again) in [
            ("origin.example", "origin.example"),
            ("Origin.Example.:8080", "origin.example:8080"),
            ("http://192.0.2.1", "http://192.0.2.1"),
            ("HTTPS://o.example:8443/", "https://o.example:8443"),
            ("https://[2001:DB8::1]:444", "https://[2001:db8::1]:444"),
            ("[::1]", "[::1]"),
            ("my_host.internal", "my_host.internal"),
            ("1host.example", "1host.example"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), again);
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        for text in [
            "",
            "http://",
            "ftp://a",
            "gopher://a",
            "//a",
            "a/b",
            "http://a/b",
            "a?b",
            "a#b",
            "a\\b",
            "user@a",
            "http://u:p@a",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a:8x",
            "a:80:90",
            "::1",
            "2001:db8::1",
            "[::1",
            "::1]",
            "[1.2.3.4]",
            "[::1]x:80",
            "a..b",
            ".a",
            "a b",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "1.2.3.4.5",
            "1.2.3.256",
            "a.0x1",
            "01.02.03.04",
            "ex%61mple",
            "exämple",
            "a\r\nb",
            "a\0",
        ] {
            assert!(text.parse::<ServerUrl>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_reads_the_same_again(text in "(https?://)?[a-z0-9.\\[\\]:-]{0,24}") {
            if let Ok(url) = text.parse::<ServerUrl>() {
                prop_assert_eq!(url.to_string().parse::<ServerUrl>(), Ok(url));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<ServerUrl>();
        }
    }
}
