//! Purging by a request to the site itself: `PURGE`, `BAN` and their kin, as the plug-ins of content
//! management systems send them that were written for Varnish or for Fastly.
//!
//! | request | what it names |
//! |---|---|
//! | `PURGE /path?query` | that URL |
//! | `PURGE /path/.*`, `/path/*`, or with `X-Purge-Method: regex` | all that begins so |
//! | with `xkey`, `xkey-purge`, `Surrogate-Key`, `X-Cache-Tags`, `Cache-Tags`, `X-Magento-Tags-Pattern` … | what has these tags |
//! | `BAN` with `X-Host`, `X-Url` | hosts, and all that begins so |
//! | `BAN /`, or with `X-Ban-All: 1`, `Clear-Cache: true` … | everything of the site |
//!
//! It is gone then, or with `Fastly-Soft-Purge: 1` or `xkey-softpurge` stale.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::named::Named;
use super::pace::Payer;
use super::shapes::{self, Shape};
use super::{PurgeError, PurgeMode, Purged};
use crate::audit::{Actor, Event};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::serve::identify::Identity;
use crate::site::Customers;
use crate::store::rules::Scope;
use crate::telemetry::Tier;

const METHODS: [&str; 6] = ["PURGE", "BAN", "URLPURGE", "URIBAN", "PURGEKEYS", "PURGETAGS"];

/// Fields that name tags.
const TAGS: [&str; 11] = [
    "x-magento-tags-pattern",
    "xkey",
    "xkey-purge",
    "xkey-softpurge",
    "surrogate-key",
    "x-cache-tags",
    "cache-tags",
    "purge-cache-tags",
    "x-ban-tags",
    "apiplatform-ban-regex",
    "jr-purge",
];
/// Fields that mean everything, unless they say no.
const EVERYTHING: [&str; 4] =
    ["x-ban-all", "x-varnish-purge-all", "varnish-ban-all", "clear-cache"];
/// Fields in which a key may be shown.
const KEYS: [&str; 4] = ["fastly-key", "x-purge-key", "x-vc-purge-key", "x-invalidate-token"];

/// Whether a request is an order to purge, for a site that takes such.
pub fn is_order(identity: &Identity, head: &Parts) -> bool {
    identity.site.document.purge.is_on() && METHODS.contains(&head.method.as_str())
}

/// Carries the order out.
///
/// # Errors
/// Who sent it may not, sent too many, or it is not understood; nothing is purged then.
pub async fn by_method(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Identity,
    head: &Parts,
) -> Result<Response<Body>, Refusal> {
    let done = carry_out(serve, exchange, identity, head).await;
    let (status, detail) = match &done {
        Ok(purged) => (StatusCode::OK, format!("purge {}: {} scopes", purged.seq, purged.count)),
        Err(refusal) => (refusal.status, refusal.message.to_string()),
    };
    note(serve, exchange, identity, head, (status, detail)).await;
    let purged = done?;
    exchange.record.outcome.tier = Tier::Edge;
    let said = serde_json::json!({ "status": "ok", "id": purged.seq.to_string() });
    let mut response = Response::new(Body::whole(said.to_string().into()));
    for (name, value) in
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")]
    {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// Writes down who ordered it and what came of it.
async fn note(
    serve: &Serve,
    exchange: &Exchange,
    identity: &Identity,
    head: &Parts,
    (status, detail): (StatusCode, String),
) {
    let shown = shows_key(&head.headers, |shown| identity.site.document.purge.opens(shown));
    let actor = Actor {
        name: if shown { "a key of the site".into() } else { "an address of the site".into() },
        role: "purge".into(),
        customer: identity.site.document.customer.clone(),
        from: exchange.record.client.to_string(),
    };
    let action = format!("{} {}{}", head.method, identity.authority, head.uri.path());
    let event = Event { actor, action, status: status.as_u16(), detail };
    match status {
        // Anybody may send these.
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            serve.audit.note_stranger(event).await;
        }
        _ => serve.audit.note(event).await,
    }
}

/// Purges what a request names.
async fn carry_out(
    serve: &Serve,
    exchange: &Exchange,
    identity: &Identity,
    head: &Parts,
) -> Result<Purged, Refusal> {
    let purging = &identity.site.document.purge;
    let client = exchange.record.client;
    if !purging.allows(client) && !shows_key(&head.headers, |shown| purging.opens(shown)) {
        tracing::warn!(site = %identity.site.name, %client, "a purge was refused");
        return Err(Refusal::client(StatusCode::FORBIDDEN, 40_310_012, "who asks may not purge"));
    }
    if !serve.pace.admits(Payer::Site(identity.site.number), purging.rate, 1, exchange.now) {
        return Err(too_many());
    }
    let not_understood =
        |why: String| Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, why).as_json();
    let order = Order { serve, identity, head };
    let scopes = order.scopes().map_err(not_understood)?;
    let mode = if is_soft(&head.headers) { PurgeMode::Soft } else { PurgeMode::Hard };
    let kind = ("method", scopes.len());
    serve.purge_scopes(&scopes, mode, kind).await.map_err(|error| match error {
        PurgeError::Order(why) => not_understood(why),
        PurgeError::TooMany => too_many(),
        PurgeError::Journal(why) => {
            Refusal::edge(StatusCode::INTERNAL_SERVER_ERROR, 50_010_000, why)
        }
    })
}

fn too_many() -> Refusal {
    Refusal::client(StatusCode::TOO_MANY_REQUESTS, 42_910_000, "too many purges")
        .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// The values of a field that are text.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let name = HeaderName::try_from(name).ok();
    let all = name.map(|name| headers.get_all(name));
    all.into_iter().flatten().filter_map(|value| value.to_str().ok()).map(str::trim)
}

fn shows_key(headers: &HeaderMap, opens: impl Fn(&str) -> bool) -> bool {
    let bearer = values(headers, "authorization").filter_map(|it| it.strip_prefix("Bearer "));
    let mut shown = KEYS.iter().flat_map(|name| values(headers, name)).chain(bearer);
    shown.any(|shown| opens(shown.trim()))
}

fn is_soft(headers: &HeaderMap) -> bool {
    let says = |name: &str| values(headers, name).any(|value| value != "0");
    says("fastly-soft-purge") || says("x-magento-purge-soft") || says("xkey-softpurge")
}

struct Order<'a> {
    serve: &'a Serve,
    identity: &'a Identity,
    head: &'a Parts,
}

impl Order<'_> {
    fn scopes(&self) -> Result<Vec<Scope>, String> {
        let (site, headers) = (self.identity.site.number, &self.head.headers);
        let says = |name: &str| values(headers, name).any(|it| !matches!(it, "0" | "false" | ""));
        if EVERYTHING.iter().any(|name| says(name)) {
            return Ok(vec![Scope::Site(site)]);
        }
        if values(headers, "x-content-type").any(|it| it != ".*") {
            return Err("X-Content-Type: purges do not go by media types".into());
        }
        let tags = self.tags()?;
        let (host, url) = (values(headers, "x-host").next(), values(headers, "x-url").next());
        match tags {
            Some(Shape::List(tags)) => {
                if url.is_some_and(|it| it != ".*") {
                    return Err("X-Url: tags are purged wherever they are".into());
                }
                let named = Named::new(self.serve, &Customers::All);
                let own = self.identity.authority.as_str();
                return named.tags(&tags, Some(own), None);
            }
            Some(Shape::All) if host.is_none() && url.is_none() => {
                return Ok(vec![Scope::Site(site)]);
            }
            _ => {}
        }
        match (host, url) {
            (None, None) => self.target(),
            (host, url) => self.places(host.unwrap_or(".*"), url.unwrap_or(".*")),
        }
    }

    /// The tags that its fields name; none if there are no such fields.
    fn tags(&self) -> Result<Option<Shape>, String> {
        let mut found = None;
        for name in TAGS {
            for value in values(&self.head.headers, name) {
                let shape = shapes::tags(value)
                    .ok_or_else(|| format!("{name}: `{value}` is no expression that is known"))?;
                found = match (found, shape) {
                    (None, shape) => Some(shape),
                    (Some(Shape::List(mut one)), Shape::List(more)) => {
                        one.extend(more);
                        Some(Shape::List(one))
                    }
                    _ => Some(Shape::All),
                };
            }
        }
        Ok(found)
    }

    /// What `X-Host` and `X-Url` name.
    fn places(&self, host: &str, url: &str) -> Result<Vec<Scope>, String> {
        let unknown =
            |what: &str, it: &str| format!("{what}: `{it}` is no expression that is known");
        let hosts = shapes::hosts(host).ok_or_else(|| unknown("X-Host", host))?;
        let (path, exact) = shapes::path(url).ok_or_else(|| unknown("X-Url", url))?;
        let hosts = match hosts {
            Shape::All if path == "/" && !exact => {
                return Ok(vec![Scope::Site(self.identity.site.number)]);
            }
            Shape::All => self.identity.site.document.hosts.clone(),
            Shape::List(hosts) => hosts,
        };
        let mut scopes = Vec::new();
        for host in hosts {
            scopes.extend(self.place(&host, &path, exact)?);
        }
        Ok(scopes)
    }

    /// What the request's own target names.
    fn target(&self) -> Result<Vec<Scope>, String> {
        let (method, headers) = (self.head.method.as_str(), &self.head.headers);
        let target = self.head.uri.path_and_query().map_or("/", |it| it.as_str());
        let open = target.strip_suffix(".*").or_else(|| {
            target.strip_suffix("/*").map(|_| target.strip_suffix('*').unwrap_or(target))
        });
        let regex = values(headers, "x-purge-method").any(|it| it == "regex")
            || values(headers, "x-purge-regex").any(|it| it == ".*");
        let own = self.identity.authority.as_str();
        match (method, open) {
            ("BAN", None) if matches!(target, "/" | "*") => {
                Ok(vec![Scope::Site(self.identity.site.number)])
            }
            (_, Some(open)) => self.place(own, open, false),
            ("BAN", None) => self.place(own, target, false),
            (_, None) => self.place(own, target, !regex),
        }
    }

    fn place(&self, host: &str, path: &str, exact: bool) -> Result<Vec<Scope>, String> {
        let named = Named::new(self.serve, &Customers::All);
        named.check_host(host, self.identity.site.number)?;
        let url = format!("{}://{host}{path}", self.identity.scheme.as_str());
        match exact {
            true => named.url(&url).map(Vec::from),
            false => named.prefix(&url).map(|scope| vec![scope]),
        }
    }
}
