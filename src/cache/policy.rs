//! A site's cache settings, compiled once and shared: names parsed, patterns ready to match.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::Request;
use super::query::{ParamName, TRACKING};
use super::rule::{CompiledRule, DefaultLifetime};
use super::settings::{ClientDirectives, QueryMode, Settings};
use super::slices::SliceMode;
use super::status::StatusRange;
use crate::header::cache_control::Wishes;
use crate::header::present::Present;

/// The compiled form of [`Settings`].
#[derive(Clone, Debug)]
pub struct Policy {
    /// See [`Settings::enabled`].
    pub enabled: bool,
    /// See [`Settings::query`].
    pub query: QueryMode,
    /// See [`Settings::sort_query`].
    pub sort_query: bool,
    /// The parameters to drop, tracking ones among them.
    pub dropped: Vec<ParamName>,
    /// The fields in the key, sorted by name.
    pub key_headers: Vec<HeaderName>,
    /// The cookies in the key, sorted by name.
    pub key_cookies: Vec<Box<str>>,
    /// See [`Settings::key_device`].
    pub key_device: bool,
    /// See [`Settings::separate_schemes`].
    pub separate_schemes: bool,
    /// See [`Settings::vary_allow`].
    pub vary_allow: Vec<HeaderName>,
    /// See [`Settings::vary_ignore`].
    pub vary_ignore: Vec<HeaderName>,
    /// See [`Settings::slice`].
    pub slice: SliceMode,
    /// See [`Settings::max_variants`].
    pub max_variants: usize,
    /// Custom rules in their order.
    pub rules: Vec<CompiledRule>,
    /// No-cache rules.
    pub no_cache: Vec<CompiledRule>,
    /// Lifetimes by status.
    pub defaults: Vec<DefaultLifetime>,
    /// See [`Settings::default_ttl_static_only`].
    pub default_static_only: bool,
    /// See [`Settings::heuristic_percent`].
    pub heuristic_percent: u32,
    /// See [`Settings::heuristic_max`].
    pub heuristic_max: Duration,
    /// See [`Settings::max_negative`].
    pub max_negative: Option<Duration>,
    /// Browser rules in their order.
    pub browser: Vec<CompiledRule>,
    /// See [`Settings::stale_while_revalidate`].
    pub stale_while_revalidate: Option<Duration>,
    /// See [`Settings::stale_if_error`].
    pub stale_if_error: Option<Duration>,
    /// See [`Settings::error_back_off`].
    pub error_back_off: Duration,
    /// See [`Settings::offline`].
    pub offline: bool,
    /// See [`Settings::uncacheable_memory`].
    pub uncacheable_memory: Duration,
    /// See [`Settings::max_ranges`].
    pub max_ranges: usize,
    /// See [`Settings::client_directives`].
    pub client_directives: ClientDirectives,
    /// See [`Settings::store_set_cookie`].
    pub store_set_cookie: bool,
    /// See [`Settings::store_authorized`].
    pub store_authorized: bool,
    /// What a customer's rules add to the key, each with its length before it; usually empty.
    pub key_texts: Vec<Box<[u8]>>,
    /// Tags that a customer's rules give to what is stored.
    pub tags: Vec<Box<str>>,
    /// Which of the site's other origins a customer's rules chose; a part of the key.
    pub origin: Option<Box<str>>,
}

impl Policy {
    /// The same, but what is stored lives so long, whatever the origin says of its lifetime. What the
    /// origin calls private or not to be stored stays so.
    pub fn living(mut self, lifetime: Duration) -> Self {
        self.rules.insert(0, CompiledRule::for_all(lifetime));
        self
    }

    /// The same, but it may be served stale for so long, while it is refreshed or the origin fails.
    pub fn stale_for(mut self, window: Duration) -> Self {
        self.stale_while_revalidate = Some(window);
        self.stale_if_error = Some(window);
        self
    }

    /// The same for what may be needed at any time: it is cached whatever the site says of the rest,
    /// so long where the origin does not say how long, and is served however stale it is while the
    /// origin cannot be reached.
    pub fn lasting(mut self, lifetime: Duration) -> Self {
        let status = vec![StatusRange::one(200)];
        self.defaults.insert(0, DefaultLifetime { status, lifetime });
        (self.enabled, self.offline, self.default_static_only) = (true, true, false);
        self
    }

    /// The same, but past the cache.
    pub fn bypassing(mut self) -> Self {
        self.no_cache.insert(0, CompiledRule::for_all(Duration::ZERO));
        self
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy::new(&Settings::default())
    }
}

impl Policy {
    /// Compiles settings. What [`Settings::validate`] complains of is left out.
    pub fn new(settings: &Settings) -> Self {
        let tracking = if settings.drop_tracking { TRACKING } else { &[] };
        let own = settings.drop_params.iter().map(String::as_str);
        let mut key_cookies: Vec<Box<str>> =
            settings.key_cookies.iter().map(|name| name.as_str().into()).collect();
        key_cookies.sort_unstable();
        key_cookies.dedup();
        Policy {
            enabled: settings.enabled,
            query: settings.query,
            sort_query: settings.sort_query,
            dropped: tracking.iter().copied().chain(own).map(ParamName::parse).collect(),
            key_headers: names(&settings.key_headers),
            key_cookies,
            key_device: settings.key_device,
            separate_schemes: settings.separate_schemes,
            vary_allow: names(&settings.vary_allow),
            vary_ignore: names(&settings.vary_ignore),
            slice: settings.slice,
            max_variants: settings.max_variants as usize,
            rules: rules(settings),
            no_cache: no_cache(settings),
            defaults: defaults(settings),
            default_static_only: settings.default_ttl_static_only,
            heuristic_percent: u32::from(settings.heuristic_percent.min(100)),
            heuristic_max: settings.heuristic_max.0,
            max_negative: settings.max_negative.map(|span| span.0),
            browser: browser(settings),
            stale_while_revalidate: settings.stale_while_revalidate.map(|span| span.0),
            stale_if_error: settings.stale_if_error.map(|span| span.0),
            error_back_off: settings.error_back_off.0,
            offline: settings.offline,
            uncacheable_memory: settings.uncacheable_memory.0,
            max_ranges: settings.max_ranges as usize,
            client_directives: settings.client_directives,
            store_set_cookie: settings.store_set_cookie,
            store_authorized: settings.store_authorized,
            key_texts: Vec::new(),
            tags: Vec::new(),
            origin: None,
        }
    }

    /// What the client asked by `Cache-Control`, as far as the site listens.
    pub fn wishes(&self, request: &Request<'_>) -> Wishes {
        let wishes = match self.client_directives {
            ClientDirectives::None => return Wishes::default(),
            _ if !request.present.has(Present::DIRECTIVES) => return Wishes::default(),
            ClientDirectives::Cheap | ClientDirectives::All => Wishes::parse(request.headers),
        };
        match self.client_directives {
            ClientDirectives::All => wishes,
            _ => Wishes { no_cache: false, max_age: None, min_fresh: None, ..wishes },
        }
    }

    /// The first custom rule for this request and status, with its place in the list.
    pub fn rule(
        &self,
        request: &Request<'_>,
        status: StatusCode,
        html: bool,
    ) -> Option<(usize, &CompiledRule)> {
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.matches(request, Some(status)) && !rule.fooled(request, html))
    }

    /// Whether a no-cache rule matches; without a status only rules for every status count.
    pub fn no_cache_matches(&self, request: &Request<'_>, status: Option<StatusCode>) -> bool {
        self.no_cache.iter().any(|rule| rule.matches(request, status))
    }
}

fn names(texts: &[String]) -> Vec<HeaderName> {
    let mut names: Vec<_> =
        texts.iter().filter_map(|text| HeaderName::from_bytes(text.as_bytes()).ok()).collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

fn rules(settings: &Settings) -> Vec<CompiledRule> {
    let compile = |rule: &super::settings::CustomRule| {
        let status = match rule.status.is_empty() {
            true => vec![StatusRange::run(200, 399)],
            false => rule.status.clone(),
        };
        CompiledRule::new(&rule.path, status, rule.ttl.0, rule.force)
    };
    settings.rules.iter().filter_map(compile).collect()
}

fn no_cache(settings: &Settings) -> Vec<CompiledRule> {
    let compile = |rule: &super::settings::NoCacheRule| {
        CompiledRule::new(&rule.path, rule.status.clone(), Duration::ZERO, false)
    };
    settings.no_cache.iter().filter_map(compile).collect()
}

fn browser(settings: &Settings) -> Vec<CompiledRule> {
    let compile = |rule: &super::settings::BrowserRule| {
        CompiledRule::new(&rule.path, vec![StatusRange::run(200, 399)], rule.ttl.0, false)
    };
    settings.browser.iter().filter_map(compile).collect()
}

fn defaults(settings: &Settings) -> Vec<DefaultLifetime> {
    settings
        .default_ttl
        .iter()
        .map(|entry| DefaultLifetime { status: entry.status.clone(), lifetime: entry.ttl.0 })
        .collect()
}
