//! What to do with a request: past the cache, or through it and under which key.

use std::sync::{Arc, OnceLock};

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use hyper::upgrade::OnUpgrade;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::cache::{self, Intake, Key, Policy, Question, Reason, query};
use crate::header::present::Present;
use crate::header::{cookie, forwarded, hop_by_hop};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::identify::Identity;
use crate::site::Site;
use crate::upstream::Group;

/// A request for a site, as the steps after admission see it.
pub struct Asked {
    /// The host that the client named, and its site.
    pub identity: Arc<Identity>,
    /// The request's head, without the handle to change protocols.
    pub head: Parts,
    /// Which of the fields that matter it has.
    pub present: Present,
    /// That handle.
    pub upgrade: Option<OnUpgrade>,
    /// The path and query as they go upstream.
    pub target: PathAndQuery,
    /// The policy that rules made of the site's.
    ruled: Option<Arc<Policy>>,
}

impl Asked {
    /// Gathers what the earlier steps found.
    ///
    /// # Errors
    /// The target cannot be passed on.
    pub fn new(
        identity: Arc<Identity>,
        mut head: Parts,
        mut present: Present,
        ruled: Option<Arc<Policy>>,
    ) -> Result<Self, Refusal> {
        let bad = |what| Refusal::client(StatusCode::BAD_REQUEST, 40_010_000, what).closing();
        let given = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let target = match query::upstream(&identity.site.policy, given.query()) {
            query if query.as_deref() == given.query() => given,
            Some(query) => PathAndQuery::try_from(format!("{}?{query}", given.path()))
                .map_err(|_| bad("bad query"))?,
            None => PathAndQuery::try_from(given.path()).map_err(|_| bad("bad path"))?,
        };
        if present.has(Present::CONNECTION) {
            hop_by_hop::strip_from_request(&mut head.headers);
        }
        if present.has(Present::COOKIE) {
            cookie::join(&mut head.headers);
        }
        let upgrade = head.extensions.remove::<OnUpgrade>();
        if present.has(Present::UPGRADE)
            && (upgrade.is_none() || wants_http2(&head) || !is_asked(&head.headers))
        {
            // Nobody can take it up: HTTP/2 is agreed on by ALPN here, or not at all.
            head.headers.remove(header::UPGRADE);
        }
        if present.has(Present::CONNECTION) || present.has(Present::UPGRADE) {
            present = Present::of(&head.headers);
        }
        let mut asked = Asked { identity, head, present, upgrade, target, ruled };
        if present.has(Present::FORWARDED_PROTO)
            || asked.policy().key_headers.contains(&forwarded::X_FORWARDED_PROTO)
        {
            asked.tell_scheme();
        }
        Ok(asked)
    }

    /// Puts in what origins are told of the scheme and may vary by, in place of what the client says
    /// of it. Most hits do without, and an insertion costs as much as their whole look-up: it is done
    /// for all that is more than a hit of a URL that does not vary.
    pub fn tell_scheme(&mut self) {
        let scheme = HeaderValue::from_static(self.identity.scheme.as_str());
        self.head.headers.insert(forwarded::X_FORWARDED_PROTO, scheme);
    }

    /// The same for the whole of a file, without some fields.
    pub fn plainly(&self, without: &[HeaderName]) -> Asked {
        let mut head = self.head.clone();
        head.method = Method::GET;
        for name in without {
            head.headers.remove(name);
        }
        self.with_head(head, self.target.clone())
    }

    /// A request for another file of the site, by its decoded path; none if it cannot be asked for.
    pub fn for_path(&self, path: &str) -> Option<Asked> {
        let encoded: String = utf8_percent_encode(path, PATH).collect();
        let target = PathAndQuery::try_from(encoded).ok()?;
        let mut head = self.head.clone();
        head.method = Method::GET;
        head.headers.clear();
        ask_for(&mut head.uri, target.clone());
        Some(Asked { ruled: None, ..self.with_head(head, target) })
    }

    fn with_head(&self, head: Parts, target: PathAndQuery) -> Asked {
        let (identity, ruled) = (Arc::clone(&self.identity), self.ruled.clone());
        let present = Present::of(&head.headers);
        Asked { identity, head, present, upgrade: None, target, ruled }
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.identity.site
    }

    /// The cache policy for this request: the site's, unless rules made another of it.
    pub fn policy(&self) -> &Arc<Policy> {
        self.ruled.as_ref().unwrap_or(&self.identity.site.policy)
    }

    /// The origin to ask: the site's, unless rules chose another.
    pub fn origin(&self) -> &Arc<Group> {
        let site = self.site();
        let chosen = self.ruled.as_ref().and_then(|policy| policy.origin.as_ref());
        chosen.and_then(|name| site.origins.get(name)).unwrap_or(&site.group)
    }

    /// The request as the cache sees it.
    pub fn request(&self) -> cache::Request<'_> {
        cache::Request {
            method: &self.head.method,
            scheme: self.identity.scheme.as_str(),
            host: self.identity.authority.as_str(),
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            headers: &self.head.headers,
            present: self.present,
        }
    }

    /// The protocol that an HTTP/1.1 client wants to change to (RFC 9110 section 7.8).
    pub fn wanted_protocol(&self) -> Option<&HeaderValue> {
        let upgrade = self.present.has(Present::UPGRADE);
        upgrade.then(|| self.head.headers.get(header::UPGRADE)).flatten()
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

/// Makes a request one for another path and query.
pub fn ask_for(uri: &mut Uri, target: PathAndQuery) {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
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
    /// The key of the URL, to look with.
    pub question: Question,
    /// The same to keep, which a hit has no need of.
    key: OnceLock<Key>,
    /// The one range to ask an origin for, if something is missing.
    pub range: Option<HeaderValue>,
    /// The client takes only what is stored.
    pub only_if_cached: bool,
}

/// What a path may hold as it is, of printable ASCII.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

impl Plan {
    /// The plan for what is made of this.
    pub fn derived(&self, tag: &str) -> Plan {
        Plan {
            question: self.question.derived(tag),
            key: OnceLock::new(),
            range: self.range.clone(),
            only_if_cached: self.only_if_cached,
        }
    }

    /// The key of the URL, to keep.
    pub fn key(&self) -> &Key {
        self.key.get_or_init(|| self.question.to_key())
    }
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
    match cache::intake(asked.policy(), &request) {
        Intake::Pass(reason) => Course::Pass(reason),
        Intake::Lookup { only_if_cached } => Course::Cache(Plan {
            question: question(serve, asked.site(), asked.policy(), &request),
            key: OnceLock::new(),
            range: single_range(asked),
            only_if_cached,
        }),
    }
}

/// The key of a URL of the site, to look with.
pub fn question(
    serve: &Serve,
    site: &Site,
    policy: &Policy,
    request: &cache::Request<'_>,
) -> Question {
    let number = site.number;
    let rule = serve
        .store
        .has_search_rules()
        .then(|| serve.store.search_rule(&cache::path_key(policy, number, request)))
        .flatten();
    match rule {
        Some(rule) => cache::question_under(policy, number, request, &rule),
        None => cache::question(policy, number, request),
    }
}

/// A `Range` of one part is passed on when bytes are missing. Of several, the whole is fetched, and
/// so it is where the answer will be the whole: what is asked for must be what is delivered.
fn single_range(asked: &Asked) -> Option<HeaderValue> {
    if !asked.present.has(Present::RANGE) {
        return None;
    }
    let mut lines = asked.head.headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else { return None };
    let most = asked.policy().max_ranges.min(1);
    crate::header::range::parse(value.as_bytes(), most).map(|_| value.clone())
}
