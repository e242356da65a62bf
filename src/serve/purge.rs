//! What a purge names: URLs become the numbers under which the store knows them, as a request for
//! them would be looked up.

use http::{Method, Request, header};
use serde::{Deserialize, Serialize};

use crate::cache::{self, KeyRef, tags};
use crate::header::present::Present;
use crate::serve::Serve;
use crate::serve::identify::{Identity, canonical_host};
use crate::serve::images;
use crate::serve::plan::Asked;
use crate::site::Site;
use crate::store::rules::{Mode, Scope};
use crate::upstream::Scheme;

/// What to purge; all or nothing of it is done.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PurgeOrder {
    /// URLs, each with all its variants, whatever its scheme.
    pub urls: Vec<String>,
    /// Tags, as `Surrogate-Key` or `Cache-Tag` had them.
    pub tags: Vec<String>,
    /// The host of the site whose tags are meant; those of all sites if it is not said.
    pub host: Option<String>,
    /// Everything of every site.
    pub all: bool,
    /// `soft`, if it is not said: the origin is asked whether it still holds. `hard`: it is gone.
    pub mode: PurgeMode,
}

/// What becomes of what is purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PurgeMode {
    /// It is stale from now on.
    #[default]
    Soft,
    /// It is gone.
    Hard,
}

/// What was purged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Purged {
    /// Number of the purge: all that was asked of origins before is what it is about.
    pub seq: u64,
    /// What became of it.
    pub mode: PurgeMode,
    /// How many URLs were named.
    pub urls: usize,
    /// How many tags were named.
    pub tags: usize,
    /// Whether everything was.
    pub all: bool,
}

/// Why nothing was purged.
#[derive(Debug)]
pub enum PurgeError {
    /// The order is wrong: what to write instead.
    Order(String),
    /// It holds, but not after a restart.
    Journal(String),
}

impl Serve {
    /// Purges; durable when it returns.
    ///
    /// # Errors
    /// See [`PurgeError`].
    pub async fn purge(&self, order: &PurgeOrder) -> Result<Purged, PurgeError> {
        let scopes = self.scopes(order).map_err(PurgeError::Order)?;
        let mode = match order.mode {
            PurgeMode::Soft => Mode::Soft,
            PurgeMode::Hard => Mode::Hard,
        };
        let seq = self.store.purge(&scopes, mode).await.map_err(PurgeError::Journal)?;
        let (urls, tags, all) = (order.urls.len(), order.tags.len(), order.all);
        tracing::info!(seq, urls, tags, all, mode = ?order.mode, "purged");
        Ok(Purged { seq, mode: order.mode, urls, tags, all })
    }

    fn scopes(&self, order: &PurgeOrder) -> Result<Vec<Scope>, String> {
        let named = usize::from(!order.urls.is_empty())
            + usize::from(!order.tags.is_empty())
            + usize::from(order.all);
        if named != 1 {
            return Err("name either `urls`, `tags` or `all`: one of them, and not nothing".into());
        }
        if order.host.is_some() && order.tags.is_empty() {
            return Err("`host` says whose `tags` are meant; it means nothing without".into());
        }
        if order.all {
            return Ok(vec![Scope::All]);
        }
        let site = match &order.host {
            Some(host) => Some(self.site_of(host)?.number),
            None => None,
        };
        let mut scopes = Vec::with_capacity(2 * order.urls.len() + order.tags.len());
        for url in &order.urls {
            scopes.extend(self.url(url)?.map(Scope::Url));
        }
        for tag in &order.tags {
            let tag = tag.trim();
            if tag.is_empty() {
                return Err("a tag is empty".into());
            }
            scopes.push(Scope::Tag(site, tags::hash(tag.as_bytes())));
        }
        Ok(scopes)
    }

    /// The numbers of a URL.
    fn url(&self, url: &str) -> Result<[u64; 2], String> {
        let asked = self.asked(url)?;
        let site = asked.site();
        let question = cache::question(&site.policy, site.number, &asked.request());
        Ok(KeyRef::from(&question).url_hashes())
    }

    /// A request for a URL.
    pub(super) fn asked(&self, url: &str) -> Result<Asked, String> {
        let bad = |why: String| format!("`{url}` names nothing: {why}");
        let request = Request::builder().method(Method::GET).uri(url).body(());
        let mut request = request.map_err(|error| bad(error.to_string()))?;
        let scheme = match request.uri().scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(bad("it must begin with http:// or https://".into())),
        };
        request.headers_mut().remove(header::HOST);
        let authority = request.uri().authority().cloned();
        let authority = authority.ok_or_else(|| bad("it names no host".into()))?;
        let site = self.site_of(authority.as_str()).map_err(bad)?;
        let mut head = request.into_parts().0;
        // A picture is kept and purged with its original.
        images::name_the_original(&site.document.images, &mut head.uri);
        let refused = |_| bad("no request could be for it".into());
        let identity = Identity::new(site, scheme, authority.as_str(), 0).map_err(refused)?;
        let present = Present::of(&head.headers);
        Asked::new(identity, head, present, None).map_err(refused)
    }

    fn site_of(&self, host: &str) -> Result<std::sync::Arc<Site>, String> {
        match self.sites.find(&canonical_host(host)) {
            Ok(Some(site)) => Ok(site),
            Ok(None) => Err(format!("no site has the host `{host}`")),
            Err(diagnostic) => Err(diagnostic.to_string()),
        }
    }
}
