//! What rules see of a request and its answer.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use edge_rules::Facts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, Version};

use crate::geo::{Country, Geo};
use crate::serve::exchange::Exchange;
use crate::serve::identify::Identity;
use crate::upstream::Scheme;

/// Who asks, and how.
#[derive(Clone)]
pub struct Client {
    /// The client's address.
    pub address: IpAddr,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The version of TLS, such as `1.3`.
    pub tls: Option<&'static str>,
    /// Where it is, as far as the databases know.
    pub geo: Arc<Geo>,
    country: OnceLock<Option<Country>>,
}

/// A request that outlives its head, for the rules that look at the answer.
pub struct Asking {
    client: Client,
    host: Box<str>,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

/// What rules are shown.
pub struct View<'a> {
    client: &'a Client,
    host: &'a str,
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    body: Option<&'a [u8]>,
    response: Option<(StatusCode, &'a HeaderMap)>,
}

impl Client {
    /// A client at this address.
    pub fn at(
        address: IpAddr,
        scheme: Scheme,
        tls: Option<&'static str>,
        geo: &Arc<Geo>,
    ) -> Client {
        let (address, geo) = (address.to_canonical(), Arc::clone(geo));
        Client { address, scheme, tls, geo, country: OnceLock::new() }
    }

    /// The client of an exchange.
    pub fn of(exchange: &Exchange, geo: &Arc<Geo>) -> Client {
        let connection = &exchange.connection;
        let tls = connection.tls.as_ref().map(|tls| tls.version.trim_start_matches("TLSv"));
        Client::at(connection.peer.ip(), exchange.scheme(), tls, geo)
    }
}

impl Asking {
    /// Keeps what the head says now.
    pub fn keep(client: Client, identity: &Identity, head: &Parts) -> Asking {
        Asking {
            client,
            host: identity.authority.host().into(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
        }
    }

    /// The request with the fields that go to the origin.
    pub fn going_out<'a>(&'a self, headers: &'a HeaderMap) -> View<'a> {
        View { headers, response: None, ..self.answered(StatusCode::OK, headers) }
    }

    /// The request beside an answer.
    pub fn answered<'a>(&'a self, status: StatusCode, headers: &'a HeaderMap) -> View<'a> {
        View {
            client: &self.client,
            host: &self.host,
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            headers: &self.headers,
            body: None,
            response: Some((status, headers)),
        }
    }
}

impl<'a> View<'a> {
    /// A request before there is an answer.
    pub fn of(
        client: &'a Client,
        identity: &'a Identity,
        head: &'a Parts,
        body: Option<&'a [u8]>,
    ) -> View<'a> {
        View {
            client,
            host: identity.authority.host(),
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
            body,
            response: None,
        }
    }
}

impl Facts for View<'_> {
    fn scheme(&self) -> &str {
        self.client.scheme.as_str()
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn host(&self) -> &str {
        self.host
    }

    fn path(&self) -> &str {
        self.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        line(self.headers, name, nth)
    }

    fn client(&self) -> IpAddr {
        self.client.address
    }

    fn http_version(&self) -> &str {
        match self.version {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "1.1",
        }
    }

    fn tls_version(&self) -> Option<&str> {
        self.client.tls
    }

    fn country(&self) -> Option<&str> {
        let client = self.client;
        client
            .country
            .get_or_init(|| client.geo.country(client.address))
            .as_ref()
            .map(Country::as_str)
    }

    fn asn(&self) -> Option<u32> {
        self.client.geo.asn(self.client.address)
    }

    fn body(&self) -> Option<&[u8]> {
        self.body
    }

    fn status(&self) -> Option<u16> {
        self.response.map(|(status, _)| status.as_u16())
    }

    fn response_header(&self, name: &HeaderName, nth: usize) -> Option<&[u8]> {
        line(self.response?.1, name, nth)
    }
}

fn line<'a>(headers: &'a HeaderMap, name: &HeaderName, nth: usize) -> Option<&'a [u8]> {
    let value = match nth {
        0 => headers.get(name)?,
        _ => headers.get_all(name).iter().nth(nth)?,
    };
    Some(value.as_bytes())
}
