//! What a rule can know of a request: asked for one by one, so that nobody pays for what no rule reads.

use core::net::IpAddr;

use http::HeaderName;

/// When a rule runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Before the cache is asked; all rules of the `$` spelling run here.
    #[default]
    Request,
    /// Before a request goes to the origin.
    OriginRequest,
    /// When the origin's head is there and the cache decides what to keep.
    Cache,
    /// Before an answer goes to the client.
    Response,
    /// Before an answer that is an error goes to the client.
    Error,
}

impl Phase {
    /// All phases in the order in which a request meets them.
    pub const ALL: [Phase; 5] =
        [Phase::Request, Phase::OriginRequest, Phase::Cache, Phase::Response, Phase::Error];

    /// The word in a rule document.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Request => "request",
            Phase::Cache => "cache",
            Phase::OriginRequest => "origin-request",
            Phase::Response => "response",
            Phase::Error => "error",
        }
    }

    /// Whether there is a response to look at.
    pub fn has_response(self) -> bool {
        !matches!(self, Phase::Request | Phase::OriginRequest)
    }

    pub(crate) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The facts of one request, borrowed from whoever holds it.
pub trait Facts {
    /// `http` or `https`.
    fn scheme(&self) -> &str;
    /// The method, in upper case.
    fn method(&self) -> &str;
    /// The host in lower case, without the port.
    fn host(&self) -> &str;
    /// The path, without the query, as the client sent it.
    fn path(&self) -> &str;
    /// The query without its `?`; none if there was no `?`.
    fn query(&self) -> Option<&str>;
    /// The value of the `nth` request header line of that name, from 0.
    fn header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]>;
    /// The client's address.
    fn client(&self) -> IpAddr;

    /// The version of HTTP: `1.0`, `1.1`, `2` or `3`.
    fn http_version(&self) -> &str {
        "1.1"
    }
    /// The version of TLS: `1.2` or `1.3`; none on a plain connection.
    fn tls_version(&self) -> Option<&str> {
        None
    }
    /// The client's country, two upper-case letters, if it can be told.
    fn country(&self) -> Option<&str> {
        None
    }
    /// The client's autonomous system, if it can be told.
    fn asn(&self) -> Option<u32> {
        None
    }
    /// The first 16 KiB of the request's body, if there is one.
    fn body(&self) -> Option<&[u8]> {
        None
    }
    /// The response's status, where there is a response.
    fn status(&self) -> Option<u16> {
        None
    }
    /// The value of the `nth` response header line of that name, from 0.
    fn response_header(&self, _name: &HeaderName, _nth: usize) -> Option<&[u8]> {
        None
    }
}
