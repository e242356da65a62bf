//! Purging: what an order names becomes rules of the store, all of them or none.

mod method;
mod named;
mod pace;
mod shapes;
mod survey;

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::serve::Serve;
use crate::serve::warm::{Job, WarmError, WarmOrder};
use crate::site::Customers;
use crate::store::rules::{Mode, Scope};
use crate::telemetry::Histogram;
pub use method::{by_method, is_order};
use named::Named;
pub use pace::Pace;
use pace::Payer;
pub use survey::{PurgeSurvey, SurveyAmount, SurveyError, SurveyHost, SurveyState, Surveys};

/// What to purge, of one kind; all of it is done or nothing.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
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
    /// The same by the site's name.
    pub site: Option<String>,
    /// Everything of every site.
    pub all: bool,
    /// Whether the `urls` are fetched again at once; the answer names the job.
    pub refill: bool,
    /// `soft`, if it is not said: the origin is asked whether it still holds. `hard`: it is gone.
    pub mode: PurgeMode,
    /// Purge nothing: count what would be purged.
    pub dry_run: bool,
}

/// What becomes of what is purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PurgeMode {
    /// It is stale from now on.
    #[default]
    Soft,
    /// It is gone.
    Hard,
}

/// What was purged.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Purged {
    /// Number of the job that fetches what was purged, if that was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm: Option<u64>,
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
    /// The customer has purged too much of late.
    TooMany,
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

/// How long purges took until they were durable, by what was named.
pub static SECONDS: [(&str, Histogram); 8] = [
    ("urls", Histogram::new()),
    ("prefixes", Histogram::new()),
    ("rules", Histogram::new()),
    ("tags", Histogram::new()),
    ("hosts", Histogram::new()),
    ("sites", Histogram::new()),
    ("all", Histogram::new()),
    ("method", Histogram::new()),
];

/// The most things that one order may name.
pub const MOST: usize = 10_000;

impl Serve {
    /// Purges; durable when it returns.
    ///
    /// # Errors
    /// See [`PurgeError`].
    pub async fn purge(&self, order: &PurgeOrder, whose: &Customers) -> Result<Purged, PurgeError> {
        if order.dry_run {
            return Err(PurgeError::Order("a dry run purges nothing: it is surveyed".into()));
        }
        let (kind, count) = order.kind().map_err(PurgeError::Order)?;
        let scopes = self.scopes(order, whose).map_err(PurgeError::Order)?;
        self.admits(whose, count)?;
        // It must be able to begin before anything is purged.
        let job = order.refill.then(|| self.prepare_refill(order, whose)).transpose()?;
        let purged = self.purge_scopes(&scopes, order.mode, (kind, count)).await;
        let Some(job) = job else { return purged };
        let id = job.progress().id;
        if purged.is_err() {
            job.cancel();
        }
        self.begin_warm(job);
        purged.map(|purged| Purged { warm: Some(id), ..purged })
    }

    /// Whether a URL can be purged for a customer.
    ///
    /// # Errors
    /// Why not.
    pub fn can_purge(&self, url: &str, whose: &Customers) -> Result<(), String> {
        self.asked(url, whose).map(drop)
    }

    async fn purge_scopes(
        &self,
        scopes: &[Scope],
        mode: PurgeMode,
        (kind, count): (&'static str, usize),
    ) -> Result<Purged, PurgeError> {
        named::check_room(self, scopes).map_err(PurgeError::Order)?;
        let rules = match mode {
            PurgeMode::Soft => Mode::Soft,
            PurgeMode::Hard => Mode::Hard,
        };
        let started = Instant::now();
        let seq = self.store.purge(scopes, rules).await.map_err(PurgeError::Journal)?;
        if let Some((_, seconds)) = SECONDS.iter().find(|(name, _)| *name == kind) {
            seconds.observe(started.elapsed());
        }
        tracing::info!(seq, kind, count, ?mode, "purged");
        Ok(Purged { warm: None, seq, mode, kind, count })
    }

    fn prepare_refill(
        &self,
        order: &PurgeOrder,
        whose: &Customers,
    ) -> Result<Arc<Job>, PurgeError> {
        if order.urls.is_empty() {
            return Err(PurgeError::Order("`refill` fetches the `urls` that are purged".into()));
        }
        let warm = WarmOrder { urls: order.urls.clone(), ..WarmOrder::default() };
        self.prepare_warm(&warm, whose).map_err(|error| match error {
            WarmError::Order(why) => PurgeError::Order(why),
            WarmError::Busy(why) => PurgeError::Order(format!("nothing is purged: {why}")),
        })
    }

    /// Whether a customer may purge so much now.
    fn admits(&self, whose: &Customers, count: usize) -> Result<(), PurgeError> {
        let Customers::One(name) = whose else { return Ok(()) };
        let most = pace::most_at_once(self.customer_purge_rate);
        if count as u64 > most {
            return Err(PurgeError::Order(format!(
                "{count} are more than {most}, the most that a customer may purge at once"
            )));
        }
        let (payer, now) = (Payer::Customer(Arc::clone(name)), self.clock.now());
        match self.pace.admits(payer, self.customer_purge_rate, count as u64, now) {
            true => Ok(()),
            false => Err(PurgeError::TooMany),
        }
    }

    fn scopes(&self, order: &PurgeOrder, whose: &Customers) -> Result<Vec<Scope>, String> {
        if (order.host.is_some() || order.site.is_some()) && order.tags.is_empty() {
            return Err("`host` and `site` say whose `tags` are meant, and nothing without".into());
        }
        let named = Named::new(self, whose);
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
        scopes.extend(named.tags(&order.tags, order.host.as_deref(), order.site.as_deref())?);
        if order.all {
            scopes.extend(named.everything());
        }
        Ok(scopes)
    }
}
