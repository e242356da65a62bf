//! Purging: what an order names becomes rules of the store, all of them or none.

mod method;
mod named;
mod pace;
mod shapes;
mod survey;

use serde::{Deserialize, Serialize};

use crate::serve::Serve;
use crate::store::rules::{Mode, Scope};
pub use method::{by_method, is_order};
use named::Named;
pub use pace::Pace;
pub use survey::{PurgeSurvey, SurveyAmount, SurveyError, SurveyHost, SurveyState, Surveys};

/// What to purge, of one kind; all of it is done or nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PurgeOrder {
    /// URLs, each with all its variants and pictures, whatever its scheme.
    pub urls: Vec<String>,
    /// Beginnings of URLs; what ends with `/` is a folder.
    pub prefixes: Vec<String>,
    /// URLs with `*` in host or path and a condition on the query: `http://a.com/img/*.jpg?v=1`.
    pub rules: Vec<String>,
    /// Tags, as `Surrogate-Key`, `Cache-Tag` or `Cache-Groups` had them.
    pub tags: Vec<String>,
    /// Hosts, each with a port if it is not the usual one.
    pub hosts: Vec<String>,
    /// Sites, by their names.
    pub sites: Vec<String>,
    /// The host of the site whose tags are meant; those of all sites if it is not said.
    pub host: Option<String>,
    /// Everything of every site.
    pub all: bool,
    /// `soft`, if it is not said: the origin is asked whether it still holds. `hard`: it is gone.
    pub mode: PurgeMode,
    /// Purge nothing: count what would be purged.
    pub dry_run: bool,
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
    /// What kind of thing was named: `urls`, `tags` and so on; `method`: what a request did.
    pub kind: &'static str,
    /// How many were named.
    pub count: usize,
}

/// Why nothing was purged.
#[derive(Debug)]
pub enum PurgeError {
    /// The order is wrong: what to write instead.
    Order(String),
    /// It holds, but not after a restart.
    Journal(String),
}

impl PurgeOrder {
    /// What is named and how many: lists that are not empty.
    fn kinds(&self) -> Vec<(&'static str, usize)> {
        let kinds = [
            ("urls", self.urls.len()),
            ("prefixes", self.prefixes.len()),
            ("rules", self.rules.len()),
            ("tags", self.tags.len()),
            ("hosts", self.hosts.len()),
            ("sites", self.sites.len()),
            ("all", usize::from(self.all)),
        ];
        kinds.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn kind(&self) -> Result<(&'static str, usize), String> {
        match self.kinds()[..] {
            [(kind, count)] if count > MOST => {
                Err(format!("{count} {kind} are more than {MOST}, the most in one order"))
            }
            [kind] => Ok(kind),
            _ => {
                Err("name either `urls`, `prefixes`, `rules`, `tags`, `hosts`, `sites` or `all`: \
                      one of them, and not nothing"
                    .into())
            }
        }
    }
}

/// The most things that one order may name.
pub const MOST: usize = 10_000;

impl Serve {
    /// Purges; durable when it returns.
    ///
    /// # Errors
    /// See [`PurgeError`].
    pub async fn purge(&self, order: &PurgeOrder) -> Result<Purged, PurgeError> {
        if order.dry_run {
            return Err(PurgeError::Order("a dry run purges nothing: it is surveyed".into()));
        }
        let (kind, count) = order.kind().map_err(PurgeError::Order)?;
        let scopes = self.scopes(order).map_err(PurgeError::Order)?;
        self.purge_scopes(&scopes, order.mode, (kind, count)).await
    }

    async fn purge_scopes(
        &self,
        scopes: &[Scope],
        mode: PurgeMode,
        (kind, count): (&'static str, usize),
    ) -> Result<Purged, PurgeError> {
        Named::new(self).check_room(scopes).map_err(PurgeError::Order)?;
        let rules = match mode {
            PurgeMode::Soft => Mode::Soft,
            PurgeMode::Hard => Mode::Hard,
        };
        let seq = self.store.purge(scopes, rules).await.map_err(PurgeError::Journal)?;
        tracing::info!(seq, kind, count, ?mode, "purged");
        Ok(Purged { seq, mode, kind, count })
    }

    fn scopes(&self, order: &PurgeOrder) -> Result<Vec<Scope>, String> {
        if order.host.is_some() && order.tags.is_empty() {
            return Err("`host` says whose `tags` are meant; it means nothing without".into());
        }
        let named = Named::new(self);
        let mut scopes = Vec::with_capacity(2 * order.urls.len() + order.tags.len());
        for url in &order.urls {
            scopes.extend(named.url(url)?);
        }
        for prefix in &order.prefixes {
            scopes.push(named.prefix(prefix)?);
        }
        for rule in &order.rules {
            scopes.push(named.rule(rule)?);
        }
        for host in &order.hosts {
            scopes.push(named.host(host)?);
        }
        for site in &order.sites {
            scopes.push(named.site(site)?);
        }
        scopes.extend(named.tags(&order.tags, order.host.as_deref())?);
        scopes.extend(order.all.then_some(Scope::All));
        Ok(scopes)
    }
}
