//! Who is asked: checks the request's framing, finds the host and with it the site.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use crate::geo::{Country, Geo};
use crate::header::present::Present;
use crate::listen::{BadRequest, framing};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::exchange::Exchange;
use crate::site::Site;
use crate::telemetry::{AccessLog, Watch};
use crate::upstream::Scheme;
use crate::usage::Meter;

/// What one connection's requests leave for the next: nearly all name the same host.
pub struct Memory {
    /// Where they are logged.
    pub log: AccessLog,
    /// Who looks on.
    pub watch: Watch,
    /// Where they are counted for bills.
    pub meter: Meter,
    geo: Arc<Geo>,
    country: OnceLock<Option<Country>>,
    last: Mutex<Option<Arc<Identity>>>,
}

impl Memory {
    /// Of a connection that has had no request yet.
    pub fn new(serve: &Serve) -> Self {
        Memory {
            log: serve.log.clone(),
            watch: serve.watch.clone(),
            meter: serve.usage.meter(),
            geo: Arc::clone(&serve.geo),
            country: OnceLock::new(),
            last: Mutex::new(None),
        }
    }

    /// The country of the connection's client, looked up once.
    pub fn country(&self, client: IpAddr) -> Option<Country> {
        *self.country.get_or_init(|| self.geo.country(client.to_canonical()))
    }
}

/// A host as a client names it, and the site that it stands for.
pub struct Identity {
    /// The site.
    pub site: Arc<Site>,
    /// What the client spoke.
    pub scheme: Scheme,
    /// Host and port in their one form.
    pub authority: Authority,
    /// Host and port as the client named them.
    named: Box<str>,
    /// The generation of the sites that this was found in.
    generation: u64,
}

impl Identity {
    /// The identity of who is named `named`.
    ///
    /// # Errors
    /// The host cannot be passed on.
    pub fn new(
        site: Arc<Site>,
        scheme: Scheme,
        named: &str,
        generation: u64,
    ) -> Result<Arc<Self>, Refusal> {
        let authority = Authority::try_from(canonical_authority(named, scheme)).map_err(|_| {
            Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, "bad host").closing()
        })?;
        Ok(Arc::new(Identity { site, scheme, authority, named: named.into(), generation }))
    }
}

/// Finds the site of a request.
///
/// # Errors
/// The request cannot be framed safely (RFC 9112), names no host, a host that no site has, or one
/// that the connection's certificate does not cover (RFC 9110 section 7.4).
pub fn identify(
    serve: &Serve,
    exchange: &mut Exchange,
    head: &Parts,
    present: Present,
) -> Result<Arc<Identity>, Refusal> {
    let last = exchange.memory.last.lock().clone();
    let known = last.as_ref().map(|identity| &*identity.named);
    let limits = &exchange.connection.settings;
    let named = framing::check(head, present, known, limits).map_err(refuse_framing)?;
    let generation = serve.sites.generation();
    let identity = match last {
        Some(last) if last.generation == generation && *last.named == *named => last,
        _ => look_up(serve, exchange, named, generation)?,
    };
    note(exchange, &identity);
    Ok(identity)
}

/// Notes who is asked, for the log and for the steps that follow.
fn note(exchange: &mut Exchange, identity: &Arc<Identity>) {
    exchange.record.site = Arc::clone(&identity.site.name).into();
    exchange.record.share = identity.site.document.log.sample;
    exchange.identity = Some(Arc::clone(identity));
}

fn look_up(
    serve: &Serve,
    exchange: &mut Exchange,
    named: &str,
    generation: u64,
) -> Result<Arc<Identity>, Refusal> {
    let host = canonical_host(named);
    let site = match serve.sites.find(&host) {
        Ok(Some(site)) => site,
        Ok(None) => return Err(Refusal::unknown_host()),
        Err(diagnostic) => {
            tracing::error!(%host, %diagnostic, "a site cannot be built");
            let message = "the site's settings cannot be used now";
            return Err(Refusal::edge(StatusCode::SERVICE_UNAVAILABLE, 50_310_000, message));
        }
    };
    let identity = Identity::new(site, exchange.scheme(), named, generation)?;
    note(exchange, &identity);
    if let Some(tls) = &exchange.connection.tls
        && !tls.certificate.covers(&host)
    {
        let message = "this connection's certificate is not for this host";
        return Err(Refusal::client(StatusCode::MISDIRECTED_REQUEST, 42_110_000, message));
    }
    *exchange.memory.last.lock() = Some(Arc::clone(&identity));
    Ok(identity)
}

/// The host of an authority in the one form that tables and keys use.
pub fn canonical_host(authority: &str) -> Cow<'_, str> {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// An authority in the one form that its key and its origin get: lower case, without a trailing dot
/// and without the port that the scheme has anyway. An origin may print into its answer what it was
/// called, so requests of one key must call it the same.
pub fn canonical_authority(authority: &str, scheme: Scheme) -> String {
    let host = canonical_host(authority);
    let (host, port) = match authority.rsplit_once(']') {
        Some((_, port)) => (format!("[{host}]"), port.strip_prefix(':')),
        None => (host.into_owned(), authority.rsplit_once(':').map(|(_, port)| port)),
    };
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) if port != scheme.port() => format!("{host}:{port}"),
        _ => host,
    }
}

fn refuse_framing(bad: BadRequest) -> Refusal {
    let status = bad.status();
    let code = match bad {
        BadRequest::MissingHost => 40_010_040,
        _ => u32::from(status.as_u16()) * 100_000 + 10_000,
    };
    let refusal = Refusal::client(status, code, bad.as_str()).closing();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => refusal.with(header::ALLOW, allowed_everywhere()),
        _ => refusal,
    }
}

fn allowed_everywhere() -> HeaderValue {
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_form() {
        for (authority, host) in [
            ("Www.Example.COM", "www.example.com"),
            ("www.example.com:8080", "www.example.com"),
            ("www.example.com.", "www.example.com"),
            ("www.example.com.:80", "www.example.com"),
            ("[::1]:80", "::1"),
        ] {
            assert_eq!(canonical_host(authority), host);
        }
    }

    #[test]
    fn authorities_have_one_form() {
        for (authority, form) in [
            ("Www.Example.COM", "www.example.com"),
            ("www.example.com.:0080", "www.example.com"),
            ("www.example.com:443", "www.example.com:443"),
            ("[::1]:80", "[::1]"),
            ("[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(canonical_authority(authority, Scheme::Http), form);
        }
    }
}
