//! What the edge would do with a request, and why, without doing it: nothing is asked of an origin,
//! counted or changed. It takes the same steps as the story, and stops where the story would act.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, header};
use serde::{Deserialize, Serialize};

use crate::cache::{self, Judgement, Reason, Verdict};
use crate::clock::Timestamp;
use crate::header::present::Present;
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::identify::{Identity, canonical_host};
use crate::serve::images::{self, Wanted};
use crate::serve::judge::{self, Finding};
use crate::serve::plan::{self, Asked, Course, Plan};
use crate::serve::rules::{self, Client, Explained, RuleTold};
use crate::serve::{admit, pages, range};
use crate::site::{Customers, ErrorPages, Instead, Pages};
use crate::store::{Entry, Lookup};
use crate::upstream::Scheme;

/// A request to explain.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The URL as a client would ask for it.
    pub url: String,
    /// The method; GET if it is not said.
    #[serde(default = "get")]
    pub method: String,
    /// Request fields, each as `Name: value`.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The client's address, for edge rules; 127.0.0.1 if it is not said.
    #[serde(default = "loopback")]
    #[schema(value_type = String, format = "ip")]
    pub client: IpAddr,
}

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn get() -> String {
    "GET".into()
}

/// What the edge would do.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Explanation {
    /// The site that answers for the host.
    pub site: Option<String>,
    /// Why the request would be refused, if it would.
    pub refused: Option<Refused>,
    /// Which clients have which of the site's rule sets, where not all have the same.
    pub release: Option<String>,
    /// What the customer's rules make of it, rule by rule: those of the request phase, and those that
    /// would run on the way to the origin or, where it is a hit, on what is stored.
    pub rules: Vec<RuleTold>,
    /// What the rules would answer, if they would.
    pub answered: Option<u16>,
    /// The site's own page that would be sent in place of an error, or to which the client would.
    pub page: Option<String>,
    /// The site's pages, and whether the client asks for a picture.
    #[serde(skip)]
    pages: (Option<Arc<ErrorPages>>, bool),
    /// The path and query that is asked for after the rules.
    pub target: Option<String>,
    /// What is made of the original, as the key has it.
    pub picture: Option<String>,
    /// `hit`, `stale`, `miss` or `pass`.
    pub verdict: Option<&'static str>,
    /// The reason word, as in `Cache-Status`, log and metrics.
    pub reason: Option<&'static str>,
    /// The reason as a sentence.
    pub because: Option<&'static str>,
    /// The cache key, written readably.
    pub key: Option<String>,
    /// Until when the URL is remembered as uncacheable, in seconds from now.
    pub uncacheable_for: Option<u64>,
    /// What is stored under the key, the newest first.
    pub stored: Vec<StoredVariant>,
    /// How the origin's servers fare.
    pub origin: Vec<Server>,
    /// All this as a story for people.
    pub story: String,
}

/// An answer that the edge would make itself.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Refused {
    /// The status.
    pub status: u16,
    /// The eight-digit code.
    pub code: String,
    /// Why.
    pub message: String,
}

/// One stored response.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StoredVariant {
    /// Whether this request selects it.
    pub selected: bool,
    /// Its status.
    pub status: u16,
    /// The request fields that it depends on.
    pub vary: Vec<String>,
    /// Whether all its bytes are there, and how many there are.
    pub whole: bool,
    /// Where its body lies: `memory` or `disk`.
    pub tier: &'static str,
    /// Bytes in memory, metadata included.
    pub bytes: u64,
    /// How often it was found.
    pub hits: u32,
    /// What gave it its lifetime.
    pub lifetime_from: String,
    /// The lifetime in seconds.
    pub lifetime: u64,
    /// The age on arrival in seconds (RFC 9111 section 4.2.3).
    pub initial_age: u64,
    /// The age now in seconds.
    pub age: u64,
    /// The seconds of freshness left; negative when stale.
    pub ttl: i64,
    /// For how long past its lifetime it may be served while it is refreshed, in seconds.
    pub stale_while_revalidate: u64,
    /// The same while the origin fails.
    pub stale_if_error: u64,
    /// The verdict on it for this request.
    pub reason: &'static str,
}

/// One server of the origin.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Server {
    /// Its URL.
    pub server: String,
    /// Whether it gets requests now.
    pub up: bool,
    /// Whether it is a backup.
    pub backup: bool,
}

impl Serve {
    /// Explains a request.
    ///
    /// # Errors
    /// The question is no request: a bad URL, method or field.
    pub async fn explain(
        &self,
        question: &Question,
        whose: &Customers,
    ) -> Result<Explanation, String> {
        let (head, scheme) = parse(question)?;
        let client = Client::at(question.client, scheme, None, &self.geo);
        let mut told = Explanation::default();
        match self.follow(head, client, whose, &mut told).await? {
            Ok(()) => {}
            Err(refusal) => {
                if !refusal.json {
                    let source = pages::source(&refusal);
                    told.instead(|it, image| it.for_edge(source, refusal.status, image));
                }
                told.refused = Some(Refused {
                    status: refusal.status.as_u16(),
                    code: format!("{:08}", refusal.code),
                    message: refusal.message.into_owned(),
                });
            }
        }
        told.story = story(&told);
        Ok(told)
    }

    /// The steps of the story up to the verdict.
    async fn follow(
        &self,
        mut head: Parts,
        client: Client,
        whose: &Customers,
        told: &mut Explanation,
    ) -> Result<Result<(), Refusal>, String> {
        let authority = head.uri.authority().ok_or("the URL names no host")?.clone();
        let site = match self.sites.find(&canonical_host(authority.as_str())) {
            Ok(Some(site)) if whose.owns(site.document.customer.as_deref()) => site,
            Ok(_) => return Ok(Err(Refusal::unknown_host())),
            Err(diagnostic) => return Err(diagnostic.to_string()),
        };
        told.site = Some(site.name.to_string());
        told.pages = (site.pages.clone(), pages::wants_image(head.uri.path(), &head.headers));
        told.release = site.rules.told();
        let present = Present::of(&head.headers);
        if let Err(refusal) = admit::admit(self, &site, &head, present) {
            return Ok(Err(refusal));
        }
        let identity = match Identity::new(site, client.scheme, authority.as_str(), 0) {
            Ok(identity) => identity,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let who = Arc::clone(&identity);
        let mut ruling = rules::explain(self, &client, &who, &mut head, &mut told.rules);
        match std::mem::replace(&mut ruling.verdict, rules::Verdict::GoOn) {
            rules::Verdict::GoOn => {}
            rules::Verdict::Answer(response) => {
                told.answered = Some(response.status().as_u16());
                return Ok(Ok(()));
            }
            rules::Verdict::Refuse(refusal) => return Ok(Err(refusal)),
        }
        let settings = &identity.site.document.images;
        let wanted = match images::wanted(settings, &head.method, &mut head.uri, &head.headers) {
            Ok(wanted) => wanted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        told.target = head.uri.path_and_query().map(ToString::to_string);
        let present = Present::of(&head.headers);
        let mut asked = match Asked::new(identity, head, present, ruling.policy.take()) {
            Ok(asked) => asked,
            Err(refusal) => return Ok(Err(refusal)),
        };
        asked.tell_scheme();
        told.origin = asked.origin().status().into_iter().map(Server::from).collect();
        match plan::plan(self, &asked, false) {
            Course::Pass(reason) => {
                ruling.on_origin_request(&asked.head.headers, &mut told.rules);
                told.decide(reason);
            }
            Course::Cache(plan) => {
                let plan = match &wanted {
                    Some(Wanted::Picture(picture)) => {
                        told.picture = Some(picture.tag.clone());
                        plan.derived(&picture.tag)
                    }
                    _ => plan,
                };
                // As a request would: what only the disk has is looked at in memory.
                self.store.bring(plan.key()).await;
                self.look(&asked, &plan, &ruling, told);
            }
        }
        Ok(Ok(()))
    }

    fn look(&self, asked: &Asked, plan: &Plan, ruling: &Explained<'_>, told: &mut Explanation) {
        let now = self.clock.now();
        told.key = Some(plan.key().to_string());
        let lookup = self.store.peek(plan.key(), &asked.head.headers);
        if let Lookup::Marker(until) = lookup {
            told.uncacheable_for = Some(until.since(now).as_secs());
        }
        let selected = match &lookup {
            Lookup::Found(entry) => Some(Arc::clone(entry)),
            _ => None,
        };
        told.stored = self
            .store
            .variants(plan.key())
            .iter()
            .map(|entry| {
                let selected = selected.as_ref().is_some_and(|chosen| chosen.is_same(entry));
                describe(asked, entry, selected, now)
            })
            .collect();
        match judge::judge_found(asked, plan, lookup, now) {
            Finding::Usable(entry, judgement) | Finding::Refreshable(entry, judgement) => {
                let stored = &entry.stored;
                ruling.on_response(stored.status, &stored.headers, &mut told.rules);
                told.decide(judgement.reason);
                if stored.status.as_u16() >= 400 {
                    let path = asked.head.uri.path();
                    told.instead(|it, image| {
                        it.for_origin(stored.status, image).filter(|_| !it.has(path))
                    });
                }
            }
            Finding::Wanting(reason, _) => {
                ruling.on_origin_request(&asked.head.headers, &mut told.rules);
                told.decide(reason);
            }
            Finding::Refused(reason) => told.decide(reason),
        }
    }
}

impl Explanation {
    fn decide(&mut self, reason: Reason) {
        self.verdict = Some(reason.verdict().as_str());
        self.reason = Some(reason.as_str());
        self.because = Some(reason.sentence());
    }

    /// Notes what the site's pages would put in place of an error.
    fn instead(&mut self, choose: impl FnOnce(&Pages, bool) -> Option<Instead<'_>>) {
        let (Some(pages), image) = (&self.pages.0, self.pages.1) else { return };
        self.page = choose(&pages.settings, image).map(|instead| match instead {
            Instead::Page(path) => format!("{path} in place of the error, with its status"),
            Instead::Elsewhere(path) => format!("{path} by a 302"),
            Instead::Image(path) => format!("{path} by a 302, if it is small enough"),
        });
    }
}

impl From<crate::upstream::ServerStatus> for Server {
    fn from(status: crate::upstream::ServerStatus) -> Self {
        Server { server: status.server, up: status.up, backup: status.backup }
    }
}

fn parse(question: &Question) -> Result<(Parts, Scheme), String> {
    let mut request = Request::builder()
        .method(question.method.as_str())
        .uri(question.url.as_str())
        .body(())
        .map_err(|error| {
            format!("`{} {}` is no request: {error}", question.method, question.url)
        })?;
    let scheme = match request.uri().scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(format!("`{}` must begin with http:// or https://", question.url)),
    };
    for line in &question.headers {
        let bad = || format!("`{line}` is no field; write `Name: value`");
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| bad())?;
        let value = HeaderValue::try_from(value.trim()).map_err(|_| bad())?;
        request.headers_mut().append(name, value);
    }
    request.headers_mut().remove(header::HOST);
    Ok((request.into_parts().0, scheme))
}

fn describe(asked: &Asked, entry: &Entry, selected: bool, now: Timestamp) -> StoredVariant {
    let stored = &entry.stored;
    let lifetimes = &stored.lifetimes;
    let judgement: Judgement = cache::judge(asked.policy(), &asked.request(), stored, now);
    let vary = stored.vary.iter().flat_map(|spec| spec.names().iter().map(|name| name.to_string()));
    StoredVariant {
        selected,
        status: stored.status.as_u16(),
        vary: vary.collect(),
        whole: entry.is_whole() && range::has_all(asked, entry),
        tier: if entry.body.is_filed() { "disk" } else { "memory" },
        bytes: entry.bytes(),
        hits: entry.hits(),
        lifetime_from: lifetimes.source.to_string(),
        lifetime: lifetimes.fresh.as_secs(),
        initial_age: lifetimes.corrected_initial_age.as_secs(),
        age: judgement.age.as_secs(),
        ttl: judgement.ttl,
        stale_while_revalidate: lifetimes.stale_while_revalidate.window.as_secs(),
        stale_if_error: lifetimes.stale_if_error.window.as_secs(),
        reason: judgement.reason.as_str(),
    }
}

/// The explanation in plain words; writing into a string cannot fail.
fn story(told: &Explanation) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "site     {}", told.site.as_deref().unwrap_or("none has this host"));
    if let Some(release) = &told.release {
        let _ = writeln!(text, "release  {release}");
    }
    for rule in &told.rules {
        let does = if rule.actions.is_empty() {
            String::new()
        } else {
            format!(": {}", rule.actions.join(", "))
        };
        let when = match rule.phase {
            "request" => String::new(),
            phase => format!(" on {phase}"),
        };
        let _ = writeln!(text, "rule     {} {}{when}{does}", rule.name, rule.fate);
    }
    if let Some(status) = told.answered {
        let _ = writeln!(text, "answered {status} by a rule");
        return text;
    }
    if let (Some(picture), Some(target)) = (&told.picture, &told.target) {
        let _ = writeln!(text, "picture  {picture} of {target}");
    }
    if let (Some(target), false) = (&told.target, told.rules.is_empty()) {
        let _ = writeln!(text, "asks for {target}");
    }
    if let Some(refused) = &told.refused {
        let _ =
            writeln!(text, "refused  {} ({}): {}", refused.status, refused.code, refused.message);
    }
    if let Some(page) = &told.page {
        let _ = writeln!(text, "page     {page}");
    }
    if told.refused.is_some() {
        return text;
    }
    if let (Some(verdict), Some(reason), Some(because)) = (told.verdict, told.reason, told.because)
    {
        let _ = writeln!(text, "verdict  {verdict} ({reason}): {because}");
    }
    if let Some(key) = &told.key {
        let _ = writeln!(text, "key      {key}");
    }
    if let Some(seconds) = told.uncacheable_for {
        let _ = writeln!(text, "marked   as uncacheable for {seconds} s more");
    }
    if told.stored.is_empty() && told.verdict != Some(Verdict::Pass.as_str()) {
        let _ = writeln!(text, "stored   nothing under this key");
    }
    for variant in &told.stored {
        tell_variant(&mut text, variant);
    }
    for server in &told.origin {
        let state = if server.up { "up" } else { "down" };
        let backup = if server.backup { ", backup" } else { "" };
        let _ = writeln!(text, "origin   {} ({state}{backup})", server.server);
    }
    text
}

fn tell_variant(text: &mut String, variant: &StoredVariant) {
    let chosen = if variant.selected { "this request's" } else { "another variant" };
    let extent = if variant.whole { "whole" } else { "in part" };
    let _ = writeln!(
        text,
        "stored   {} {extent}, on {}, {} bytes of memory, {} hits, {chosen}{}",
        variant.status,
        variant.tier,
        variant.bytes,
        variant.hits,
        if variant.vary.is_empty() {
            String::new()
        } else {
            format!(", varies by {}", variant.vary.join(", "))
        },
    );
    let _ = writeln!(
        text,
        "         lives {} s by {}; came {} s old, is now {} s old: {} s left",
        variant.lifetime, variant.lifetime_from, variant.initial_age, variant.age, variant.ttl,
    );
    if variant.stale_while_revalidate + variant.stale_if_error > 0 {
        let _ = writeln!(
            text,
            "         stale while revalidating {} s, on error {} s",
            variant.stale_while_revalidate, variant.stale_if_error,
        );
    }
}
