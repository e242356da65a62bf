//! The deep look at a document that is new or changed: everything that could fail later fails here.
//!
//! The values are checked, the origin must not be this very node, every file that the document names
//! is read, and the site is really built. What passes here can only fail later if files go away.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;

use super::certificates::Loaded;
use super::diagnostic::Diagnostic;
use super::document::Document;
use super::entry::{Site, Surroundings, with_paths};
use crate::setting::Complaint;
use crate::upstream::{self, Host, Scheme, ServerSettings};

/// A document that will do, and what was built from it.
#[derive(Debug)]
pub struct Examined {
    /// The site.
    pub site: Site,
    /// Its certificate, if it has one.
    pub certificate: Option<Loaded>,
}

/// Looks at the document of one site; `before` is the site as it is in use, whose parts are kept
/// where their settings did not change.
///
/// # Errors
/// Everything that is wrong with it, or the first thing if it cannot be read as a document.
pub fn examine(
    name: &str,
    number: u32,
    text: &str,
    surroundings: &Surroundings,
    before: Option<&Site>,
) -> Result<Examined, Vec<Diagnostic>> {
    let file = surroundings.file(name);
    let document = Document::parse(&file, text).map_err(|diagnostic| vec![diagnostic])?;
    let patterns = document.patterns();
    let mut complaints = document.validate();
    for (path, origin) in document.all_origins() {
        let mut found = own_addresses(origin, &patterns, &surroundings.listeners);
        found.extend(origin_files(origin, &surroundings.folder));
        complaints.extend(found.into_iter().map(|complaint| complaint.within(&path)));
    }
    let explain = |complaints: Vec<Complaint>| -> Vec<Diagnostic> {
        complaints.iter().map(|c| Diagnostic::from_complaint(&file, text, c)).collect()
    };
    if !complaints.is_empty() {
        return Err(explain(complaints));
    }
    let certificate =
        read_certificate(&document, &patterns, surroundings).map_err(|c| explain(vec![c]))?;
    let site = Site::build(number, name, document, surroundings, before)
        .map_err(|complaint| explain(vec![complaint]))?;
    Ok(Examined { site, certificate })
}

fn read_certificate(
    document: &Document,
    patterns: &[Box<str>],
    surroundings: &Surroundings,
) -> Result<Option<Loaded>, Complaint> {
    if !document.tls.enabled() {
        return Ok(None);
    }
    let now = surroundings.clock.now();
    let loaded = Loaded::read(&surroundings.folder, &document.tls, now)?;
    match loaded.judge(patterns, now) {
        Some(complaint) => Err(complaint),
        None => Ok(Some(loaded)),
    }
}

/// What is wrong with the files for TLS to the origin.
fn origin_files(origin: &upstream::Settings, folder: &Path) -> Vec<Complaint> {
    let tls = &origin.tls;
    if tls.ca.is_none() && tls.certificate.is_none() {
        return Vec::new();
    }
    let found = upstream::check_files(&with_paths(origin, folder).tls);
    found.into_iter().map(|complaint| complaint.within("tls")).collect()
}

/// Servers of the origin that are this node itself: each request would come back until `CDN-Loop`
/// ends it.
fn own_addresses(
    origin: &upstream::Settings,
    patterns: &[Box<str>],
    listeners: &[SocketAddr],
) -> Vec<Complaint> {
    let ports: HashSet<u16> = listeners.iter().map(SocketAddr::port).collect();
    let is_own = |server: &ServerSettings| {
        let reached =
            [Scheme::Http, Scheme::Https].map(|client| origin.reach(&server.url, client).1);
        reached.into_iter().filter(|port| ports.contains(port)).any(|port| match &server.url.host {
            // A site that fetches from its own name on a port of ours comes back to us by DNS.
            Host::Name(name) => patterns.iter().any(|host| **host == **name),
            Host::Address(address) => is_listener(*address, port, listeners),
        })
    };
    let servers = origin.servers.iter().enumerate().filter(|(_, server)| is_own(server));
    servers
        .map(|(at, server)| {
            let message = format!(
                "`{}` is this node itself, so requests would go round in circles",
                server.url
            );
            Complaint::new(format!("servers[{at}]"), message)
                .suggest("write the address of the customer's own server")
        })
        .collect()
}

/// Whether one of our listeners is reached at this address and port.
fn is_listener(address: IpAddr, port: u16, listeners: &[SocketAddr]) -> bool {
    let address = address.to_canonical();
    listeners.iter().filter(|listener| listener.port() == port).any(|listener| {
        let own = listener.ip().to_canonical();
        // A listener on `0.0.0.0` or `::` answers on every address of the machine, and only such
        // an address can be bound.
        own == address
            || address.is_unspecified()
            || (own.is_unspecified() && UdpSocket::bind((address, 0)).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_met_on_loopback() {
        let all: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let one: SocketAddr = "127.0.0.2:80".parse().unwrap();
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(is_listener(loopback, 8080, &[all]));
        assert!(is_listener("::ffff:127.0.0.1".parse().unwrap(), 8080, &[all]));
        assert!(!is_listener(loopback, 9090, &[all]));
        assert!(!is_listener(loopback, 80, &[one]));
        assert!(!is_listener("192.0.2.1".parse().unwrap(), 8080, &[all]));
    }
}
