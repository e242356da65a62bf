//! A request written down: for rule tests, tools and examples, which have no connection to ask.

use http::HeaderName;

use core::net::{IpAddr, Ipv4Addr};

use crate::facts::Facts;

/// Facts that stand in plain fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// `http` or `https`.
    pub scheme: String,
    /// The method, in upper case.
    pub method: String,
    /// The host in lower case, without the port.
    pub host: String,
    /// The path.
    pub path: String,
    /// The query without `?`.
    pub query: Option<String>,
    /// Request headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The client's address.
    pub client: IpAddr,
    /// The version of HTTP.
    pub http_version: String,
    /// The version of TLS.
    pub tls_version: Option<String>,
    /// The client's country.
    pub country: Option<String>,
    /// The client's autonomous system.
    pub asn: Option<u32>,
    /// The start of the body.
    pub body: Option<Vec<u8>>,
    /// The response's status.
    pub status: Option<u16>,
    /// Response headers, names in lower case.
    pub response_headers: Vec<(String, Vec<u8>)>,
}

impl Sample {
    /// A GET for `scheme://host/path?query` without headers, from 192.0.2.1. What lacks a scheme is
    /// asked for over `https`, what lacks a path for `/`.
    pub fn get(url: &str) -> Sample {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let (host, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (target, None),
        };
        Sample {
            scheme: scheme.into(),
            method: "GET".into(),
            host: host.to_ascii_lowercase(),
            path: if path.is_empty() { "/".into() } else { path.into() },
            query,
            headers: Vec::new(),
            client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            http_version: "1.1".into(),
            tls_version: (scheme == "https").then(|| "1.3".into()),
            country: None,
            asn: None,
            body: None,
            status: None,
            response_headers: Vec::new(),
        }
    }

    /// The same with one more request header.
    pub fn with_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Sample {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// The same with a response of this status.
    pub fn with_status(mut self, status: u16) -> Sample {
        self.status = Some(status);
        self
    }

    /// The same with one more response header.
    pub fn with_response_header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Sample {
        self.response_headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }
}

impl Facts for Sample {
    fn scheme(&self) -> &str {
        &self.scheme
    }
    fn method(&self) -> &str {
        &self.method
    }
    fn host(&self) -> &str {
        &self.host
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
    fn header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        find(&self.headers, name.as_str(), nth)
    }
    fn client(&self) -> IpAddr {
        self.client
    }
    fn http_version(&self) -> &str {
        &self.http_version
    }
    fn tls_version(&self) -> Option<&str> {
        self.tls_version.as_deref()
    }
    fn country(&self) -> Option<&str> {
        self.country.as_deref()
    }
    fn asn(&self) -> Option<u32> {
        self.asn
    }
    fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }
    fn status(&self) -> Option<u16> {
        self.status
    }
    fn response_header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        find(&self.response_headers, name.as_str(), nth)
    }
}

fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str, nth: usize) -> Option<&'a [u8]> {
    headers.iter().filter(|(known, _)| known == name).nth(nth).map(|(_, value)| value.as_slice())
}
