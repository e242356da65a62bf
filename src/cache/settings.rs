//! The `[cache]` table of a site document. Untouched, it means RFC 9111 and nothing more.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::pattern::Pattern;
use super::slices::SliceMode;
use super::status::StatusRange;
use crate::quantity::Span;
use crate::setting::Complaint;

/// How the query takes part (feature F29).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryMode {
    /// In the key and sent to the origin.
    #[default]
    Full,
    /// Neither.
    Ignore,
    /// Sent to the origin, but not in the key: the site promises that answers do not depend on it.
    OriginOnly,
}

/// Which `Cache-Control` directives of clients count (RFC 9111 section 5.2.1 makes them advisory).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientDirectives {
    /// None, not even `no-store`.
    None,
    /// Those that never cost the origin a request: no-store, only-if-cached, max-stale, stale-if-error.
    #[default]
    Cheap,
    /// All: no-cache, max-age, min-fresh and `Pragma: no-cache` too. Any client can then make the
    /// edge ask the origin.
    All,
}

/// A rule that sets the lifetime of what matches (features F23 and F24).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CustomRule {
    /// Which paths, and optionally which queries: `/a/*.mp4`, `/*.(jpg,png)`, `/x?v=1`.
    pub path: String,
    /// How long what matches stays fresh, counted from its arrival; `"0s"` keeps it for
    /// revalidation only.
    pub ttl: Span,
    /// The statuses meant: `[200, "3xx"]`. Default: 200-399.
    #[serde(default)]
    pub status: Vec<StatusRange>,
    /// Store although the origin says no-store, no-cache or private. One user's answer then reaches
    /// others, if the origin meant it. Default: false.
    #[serde(default)]
    pub force: bool,
}

/// A rule that keeps what matches out of the cache (feature F25).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoCacheRule {
    /// Which paths, and optionally which queries: `/*.(php,jsp)`.
    pub path: String,
    /// The statuses meant. Default: every one, and then the cache is not even asked.
    #[serde(default)]
    pub status: Vec<StatusRange>,
}

/// A lifetime for statuses about which neither rule nor origin says anything (feature F26).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultTtl {
    /// The statuses meant; the first entry that holds a status counts.
    pub status: Vec<StatusRange>,
    /// How long such an answer stays fresh, counted from its arrival.
    pub ttl: Span,
}

/// A rule for what browsers keep (feature F31).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BrowserRule {
    /// Which paths, and optionally which queries.
    pub path: String,
    /// How long a browser may keep it, at most as long as the edge does. Only for 200-399.
    pub ttl: Span,
}

/// What a site says about caching.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether anything is cached at all. Default: true.
    pub enabled: bool,
    /// How the query takes part: "full", "ignore" or "origin-only". Default: "full".
    pub query: QueryMode,
    /// Sort parameters by name, in the key and towards the origin; only with `query = "full"`.
    /// Default: false.
    pub sort_query: bool,
    /// Parameters to drop, in the key and towards the origin: names, or beginnings such as `utm_*`.
    pub drop_params: Vec<String>,
    /// Drop the well-known tracking parameters (utm_*, fbclid, gclid, ...). Default: false.
    pub drop_tracking: bool,
    /// Request fields whose values take part in the key.
    pub key_headers: Vec<String>,
    /// Cookies whose values take part in the key.
    pub key_cookies: Vec<String>,
    /// Whether the device class (mobile, tablet, desktop, bot) takes part in the key. Default: false.
    pub key_device: bool,
    /// Whether http and https have separate copies. Default: false.
    pub separate_schemes: bool,
    /// The request fields that `Vary` may name; a response that varies by another one is not stored.
    /// Empty: every field. Default: empty.
    pub vary_allow: Vec<String>,
    /// Request fields that `Vary` may name without effect: the site promises that they do not matter.
    pub vary_ignore: Vec<String>,
    /// When objects are fetched by slices that all clients share: "auto" (where a client asks for a
    /// range, and where an object is known to be large), "always" or "never". Default: "auto".
    pub slice: SliceMode,
    /// The most variants of one URL; the oldest makes room. Default: 64.
    pub max_variants: u32,
    /// Lifetimes by path; the first rule that matches path, query and status counts. They go before
    /// what the origin says.
    pub rules: Vec<CustomRule>,
    /// What is never cached; goes before every other rule.
    pub no_cache: Vec<NoCacheRule>,
    /// Lifetimes where neither a rule nor the origin gives one. Default: none.
    pub default_ttl: Vec<DefaultTtl>,
    /// Apply `default_ttl` to static files only, told by Content-Type, else by suffix (F28).
    /// Default: true.
    pub default_ttl_static_only: bool,
    /// Estimate a lifetime from Last-Modified where nothing else gives one: this many hundredths of
    /// the time since then (RFC 9111 section 4.2.2); 0 switches it off. Default: 10.
    pub heuristic_percent: u8,
    /// The longest estimated lifetime. Default: "1d".
    pub heuristic_max: Span,
    /// The longest lifetime of statuses from 400 up, whoever gives it. Default: none.
    pub max_negative: Option<Span>,
    /// Lifetimes told to browsers; the first rule that matches counts.
    pub browser: Vec<BrowserRule>,
    /// Serve stale for so long while refreshing, whatever the origin says and even though s-maxage
    /// forbids it; must-revalidate and proxy-revalidate still do. Default: as the origin says.
    pub stale_while_revalidate: Option<Span>,
    /// Serve stale for so long when the origin fails, as above. Default: as the origin says.
    pub stale_if_error: Option<Span>,
    /// After a failed revalidation do not ask again for so long. Default: "5s".
    pub error_back_off: Span,
    /// When the origin is unreachable (connect error, timeout, 502, 504), serve what is stored for
    /// as long again as it lived, without asking (F19). Default: false.
    pub offline: bool,
    /// How long a URL whose answer could not be stored is remembered, so that requests for it do not
    /// wait for each other. Default: "2m".
    pub uncacheable_memory: Span,
    /// The most ranges answered in one response; a request for more gets the whole. Default: 20.
    pub max_ranges: u32,
    /// Which Cache-Control directives of clients count: "none", "cheap" or "all". Default: "cheap".
    pub client_directives: ClientDirectives,
    /// Unsafe. Store answers that set cookies: one user's cookie reaches others. Default: false.
    pub store_set_cookie: bool,
    /// Unsafe. Store answers to requests with Authorization even where RFC 9111 forbids it: one
    /// user's answer reaches others. Default: false.
    pub store_authorized: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            query: QueryMode::Full,
            sort_query: false,
            drop_params: Vec::new(),
            drop_tracking: false,
            key_headers: Vec::new(),
            key_cookies: Vec::new(),
            key_device: false,
            separate_schemes: false,
            vary_allow: Vec::new(),
            vary_ignore: Vec::new(),
            slice: SliceMode::Auto,
            max_variants: 64,
            rules: Vec::new(),
            no_cache: Vec::new(),
            default_ttl: Vec::new(),
            default_ttl_static_only: true,
            heuristic_percent: 10,
            heuristic_max: Span::seconds(86_400),
            max_negative: None,
            browser: Vec::new(),
            stale_while_revalidate: None,
            stale_if_error: None,
            error_back_off: Span::seconds(5),
            offline: false,
            uncacheable_memory: Span::seconds(120),
            max_ranges: 20,
            client_directives: ClientDirectives::Cheap,
            store_set_cookie: false,
            store_authorized: false,
        }
    }
}

/// The most entries in any list of this table.
const MOST: usize = 1000;

/// The longest lifetime that makes sense: what `Cache-Control` can say.
const LONGEST: u64 = crate::header::cache_control::MAX_SECONDS;

impl Settings {
    /// What is wrong with the values.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut found = Vec::new();
        self.check_rules(&mut found);
        self.check_names(&mut found);
        self.check_bounds(&mut found);
        found
    }

    fn check_rules(&self, found: &mut Vec<Complaint>) {
        for (at, rule) in self.rules.iter().enumerate() {
            check_pattern(found, &format!("rules[{at}].path"), &rule.path);
            check_span(found, &format!("rules[{at}].ttl"), rule.ttl);
        }
        for (at, rule) in self.no_cache.iter().enumerate() {
            check_pattern(found, &format!("no_cache[{at}].path"), &rule.path);
        }
        for (at, rule) in self.browser.iter().enumerate() {
            check_pattern(found, &format!("browser[{at}].path"), &rule.path);
            check_span(found, &format!("browser[{at}].ttl"), rule.ttl);
        }
        for (at, entry) in self.default_ttl.iter().enumerate() {
            check_span(found, &format!("default_ttl[{at}].ttl"), entry.ttl);
        }
    }

    fn check_names(&self, found: &mut Vec<Complaint>) {
        for (list, names) in [
            ("key_headers", &self.key_headers),
            ("vary_allow", &self.vary_allow),
            ("vary_ignore", &self.vary_ignore),
        ] {
            for (at, name) in names.iter().enumerate() {
                if HeaderName::from_bytes(name.as_bytes()).is_err() {
                    found.push(Complaint::new(
                        format!("{list}[{at}]"),
                        format!("`{name}` is no field name"),
                    ));
                }
            }
        }
        for (at, name) in self.key_cookies.iter().enumerate() {
            if !crate::header::list::is_token(name.as_bytes()) {
                found.push(Complaint::new(
                    format!("key_cookies[{at}]"),
                    format!("`{name}` is no cookie name"),
                ));
            }
        }
        for (at, name) in self.drop_params.iter().enumerate() {
            if name.is_empty() || name.trim_end_matches('*').contains(['*', '&', '=', '?', '#']) {
                found.push(
                    Complaint::new(
                        format!("drop_params[{at}]"),
                        format!("`{name}` is no parameter"),
                    )
                    .suggest("write a name, or the beginning of one and a star: \"utm_*\""),
                );
            }
        }
    }

    fn check_bounds(&self, found: &mut Vec<Complaint>) {
        for (list, length) in [
            ("rules", self.rules.len()),
            ("no_cache", self.no_cache.len()),
            ("browser", self.browser.len()),
            ("default_ttl", self.default_ttl.len()),
            ("drop_params", self.drop_params.len()),
            ("key_headers", self.key_headers.len()),
            ("key_cookies", self.key_cookies.len()),
        ] {
            if length > MOST {
                found.push(Complaint::new(list, format!("{length} entries; at most {MOST}")));
            }
        }
        for (field, span) in [
            ("heuristic_max", Some(self.heuristic_max)),
            ("max_negative", self.max_negative),
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_if_error", self.stale_if_error),
            ("error_back_off", Some(self.error_back_off)),
            ("uncacheable_memory", Some(self.uncacheable_memory)),
        ] {
            check_span(found, field, span.unwrap_or_default());
        }
        if self.heuristic_percent > 100 {
            found.push(Complaint::new("heuristic_percent", "more than 100 hundredths"));
        }
        if self.max_variants == 0 || self.max_variants > 10_000 {
            found.push(
                Complaint::new("max_variants", format!("{} variants", self.max_variants))
                    .suggest("write 1 to 10000"),
            );
        }
        if self.max_ranges > 1000 {
            found.push(
                Complaint::new("max_ranges", format!("{} ranges", self.max_ranges))
                    .suggest("write 0 to 1000"),
            );
        }
        if self.sort_query && self.query != QueryMode::Full {
            found.push(
                Complaint::new("sort_query", "sorts a query that the key does not hold")
                    .suggest("set query = \"full\" or leave sort_query out"),
            );
        }
    }
}

fn check_pattern(found: &mut Vec<Complaint>, field: &str, path: &str) {
    if let Err(message) = Pattern::parse(path) {
        found.push(
            Complaint::new(field, message)
                .suggest("write a path such as \"/dir/*\" or \"/*.(jpg,png)\""),
        );
    }
}

fn check_span(found: &mut Vec<Complaint>, field: &str, span: Span) {
    if span.0.as_secs() > LONGEST {
        found.push(
            Complaint::new(field, format!("`{span}` is longer than HTTP can say"))
                .suggest("write 24855d or less"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default_and_is_sound() {
        let settings: Settings = toml::from_str("").unwrap();
        assert_eq!(settings, Settings::default());
        assert!(settings.validate().is_empty());
        let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn a_full_table_is_read() {
        let settings: Settings = toml::from_str(
            r#"
            query = "origin-only"
            client_directives = "all"
            rules = [{ path = "/*.(jpg,png)", ttl = "8d", status = [200, "3xx"] }]
            no_cache = [{ path = "/*.(php,jsp)" }]
            default_ttl = [{ status = [301], ttl = "2h" }, { status = ["200-399"], ttl = "8d" }]
            browser = [{ path = "/static/*", ttl = "1h" }]
            stale_if_error = "1d"
            "#,
        )
        .unwrap();
        assert!(settings.validate().is_empty(), "{:?}", settings.validate());
        assert_eq!(settings.rules[0].status[1], StatusRange::run(300, 399));
    }

    #[test]
    fn wrong_values_are_named() {
        for (text, field) in [
            ("rules = [{ path = \"a\", ttl = \"1h\" }]", "rules[0].path"),
            ("rules = [{ path = \"/a\", ttl = \"99999999d\" }]", "rules[0].ttl"),
            ("key_headers = [\"a b\"]", "key_headers[0]"),
            ("key_cookies = [\"\"]", "key_cookies[0]"),
            ("drop_params = [\"*a\"]", "drop_params[0]"),
            ("max_variants = 0", "max_variants"),
            ("heuristic_percent = 101", "heuristic_percent"),
            ("query = \"ignore\"\nsort_query = true", "sort_query"),
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            let fields: Vec<_> = settings.validate().into_iter().map(|c| c.field).collect();
            assert_eq!(fields, [field], "{text}");
        }
        for text in
            ["querry = \"full\"", "rules = [{ path = \"/\", tll = \"1s\" }]", "query = \"x\""]
        {
            assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
        }
    }
}
