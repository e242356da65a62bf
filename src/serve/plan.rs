//! What to do with a request: past the cache, or through it and under which key.

use std::sync::Arc;

use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;

use crate::cache::{self, Intake, Key, Reason, query};
use crate::header::{cookie, forwarded, hop_by_hop};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::identify::{Identity, canonical_authority};
use crate::site::Site;
use crate::upstream::Scheme;

/// A request for a site, as the steps after admission see it.
pub struct Asked {
    /// The site.
    pub site: Arc<Site>,
    /// What the client spoke.
    pub scheme: Scheme,
    /// The host and port that it named, in their one form.
    pub authority: Authority,
    /// The request's head, without the handle to change protocols.
    pub head: Parts,
    /// That handle.
    pub upgrade: Option<OnUpgrade>,
    /// The path and query as they go upstream.
    pub target: PathAndQuery,
}

impl Asked {
    /// Gathers what the earlier steps found.
    ///
    /// # Errors
    /// The host or the target cannot be passed on.
    pub fn new(scheme: Scheme, identity: Identity, mut head: Parts) -> Result<Self, Refusal> {
        let bad = |what| Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, what).closing();
        let authority = canonical_authority(&identity.authority, scheme);
        let authority = Authority::try_from(authority).map_err(|_| bad("bad host"))?;
        let given = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let target = match query::upstream(&identity.site.policy, given.query()) {
            query if query.as_deref() == given.query() => given,
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", given.path()))
                .map_err(|_| bad("bad query"))?,
            None => PathAndQuery::try_from(given.path()).map_err(|_| bad("bad path"))?,
        };
        hop_by_hop::strip_from_request(&mut head.headers);
        cookie::join(&mut head.headers);
        // What the origin is told, and may vary by.
        let proto = HeaderValue::from_static(scheme.as_str());
        head.headers.insert(forwarded::X_FORWARDED_PROTO, proto);
        let upgrade = head.extensions.remove::<OnUpgrade>();
        if upgrade.is_none() || wants_http2(&head) || !is_asked(&head.headers) {
            // Nobody can take it up: HTTP/2 is agreed on by ALPN here, or not at all.
            head.headers.remove(header::UPGRADE);
        }
        Ok(Asked { site: identity.site, scheme, authority, head, upgrade, target })
    }

    /// The request as the cache sees it.
    pub fn request(&self) -> cache::Request<'_> {
        cache::Request {
            method: &self.head.method,
            scheme: self.scheme.as_str(),
            host: self.authority.as_str(),
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            headers: &self.head.headers,
        }
    }

    /// The protocol that an HTTP/1.1 client wants to change to (RFC 9110 section 7.8).
    pub fn wanted_protocol(&self) -> Option<&HeaderValue> {
        self.head.headers.get(header::UPGRADE)
    }
}

/// Whether the client offers to change to HTTP/2 in the middle of the connection, as RFC 7540 had it
/// and RFC 9113 has it no more.
fn wants_http2(head: &Parts) -> bool {
    let values = head.headers.get_all(header::UPGRADE).iter();
    values.map(|value| value.as_bytes().to_ascii_lowercase()).any(|value| value.starts_with(b"h2"))
}

/// Whether `Upgrade` is meant for us: one that `Connection` does not name was passed on by somebody
/// who did not know it and does not expect a tunnel (RFC 9110 section 7.8).
fn is_asked(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::UPGRADE) || hop_by_hop::names(headers, &header::UPGRADE)
}

/// Which way a request goes.
pub enum Course {
    /// Past the cache, for this reason.
    Pass(Reason),
    /// Through the cache.
    Cache(Plan),
}

/// How the cache is asked.
pub struct Plan {
    /// The key of the URL.
    pub key: Key,
    /// The one range to ask an origin for, if something is missing.
    pub range: Option<HeaderValue>,
    /// The client takes only what is stored.
    pub only_if_cached: bool,
}

/// Decides the course of a request; `has_body` tells whether one follows its head.
pub fn plan(serve: &Serve, asked: &Asked, has_body: bool) -> Course {
    if asked.wanted_protocol().is_some() {
        return Course::Pass(Reason::Upgrade);
    }
    if has_body && asked.head.method.is_safe() {
        return Course::Pass(Reason::RequestBody);
    }
    let request = asked.request();
    match cache::intake(&asked.site.policy, &request) {
        Intake::Pass(reason) => Course::Pass(reason),
        Intake::Lookup { only_if_cached } => Course::Cache(Plan {
            key: key_of(serve, &asked.site, &request),
            range: single_range(asked),
            only_if_cached,
        }),
    }
}

/// The key of a URL of the site.
pub fn key_of(serve: &Serve, site: &Site, request: &cache::Request<'_>) -> Key {
    let (policy, number) = (&site.policy, site.number);
    let rule = serve
        .store
        .has_search_rules()
        .then(|| serve.store.search_rule(&cache::path_key(policy, number, request)))
        .flatten();
    match rule {
        Some(rule) => cache::key_under(policy, number, request, &rule),
        None => cache::key(policy, number, request),
    }
}

/// A `Range` of one part is passed on when bytes are missing. Of several, the whole is fetched, and
/// so it is where the answer will be the whole: what is asked for must be what is delivered.
fn single_range(asked: &Asked) -> Option<HeaderValue> {
    let mut lines = asked.head.headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else { return None };
    let most = asked.site.policy.max_ranges.min(1);
    crate::header::range::parse(value.as_bytes(), most).map(|_| value.clone())
}
