//! Sites: read, made, changed and taken away one by one, with a way back.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::access::{Caller, Edit, Read};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::{At, Params};
use crate::admin::{Admin, NodeOrder, api};
use crate::site::{Change, Changed, Condition, Diagnostic, Entry, Refused, display_host, etag};

/// How many sites one page of the list holds at most.
const PAGE: usize = 1000;

/// Which sites are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Those whose name follows this one.
    #[serde(default)]
    after: String,
    /// Those of this customer alone.
    customer: Option<String>,
    /// The most; 1000 if it is missing, and at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
pub(super) struct SiteList {
    /// How many sites there are, on all pages.
    total: usize,
    /// The snapshot's generation.
    generation: u64,
    /// In the order of their names.
    sites: Vec<ListedSite>,
}

/// One site in the list.
#[derive(Serialize, ToSchema)]
struct ListedSite {
    name: String,
    customer: Option<String>,
    hosts: Vec<String>,
    /// Whether a request has built it since it was loaded.
    in_use: bool,
    /// Whether it was good once and cannot be built now.
    failed: bool,
}

impl ListedSite {
    fn of(entry: &Entry) -> Self {
        ListedSite {
            name: entry.name.to_string(),
            customer: entry.customer.as_deref().map(str::to_owned),
            hosts: entry.hosts.iter().map(|host| display_host(host)).collect(),
            in_use: entry.site_in_use().is_some(),
            failed: entry.failed(),
        }
    }
}

/// Lists the sites.
#[utoipa::path(get, path = "/v1/sites", tag = "sites", params(Page),
    responses((status = 200, body = SiteList)))]
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Params(page): Params<Page>,
) -> Result<Json<SiteList>, Problem> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::wrong(format!("`limit` is from 1 to {PAGE}")));
    }
    let snapshot = admin.sites.snapshot();
    let wanted = |entry: &&Arc<Entry>| {
        let customer = entry.customer.as_deref();
        caller.whose.owns(customer)
            && page.customer.as_deref().is_none_or(|only| customer == Some(only))
    };
    let mut entries: Vec<_> =
        snapshot.names.iter().map(|(_, entry)| entry).filter(wanted).collect();
    let total = entries.len();
    entries.retain(|entry| *entry.name > *page.after);
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let sites = entries.into_iter().take(limit).map(|entry| ListedSite::of(entry)).collect();
    Ok(Json(SiteList { total, generation: snapshot.generation, sites }))
}

/// One site.
#[derive(Serialize, ToSchema)]
pub(super) struct SiteTold {
    #[serde(flatten)]
    site: ListedSite,
    /// The number that stands in its cache keys.
    number: u32,
    /// The document's entity tag, as the ETag field has it.
    etag: String,
    /// Its document, in TOML.
    document: String,
}

/// Shows a site's document as it is served.
#[utoipa::path(get, path = "/v1/sites/{name}", tag = "sites",
    params(("name" = String, Path, description = "The site's name")),
    responses((status = 200, body = SiteTold)))]
pub(super) async fn read(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let entry = admin.entry(&caller, &name)?;
    let told = SiteTold {
        site: ListedSite::of(&entry),
        number: entry.number,
        etag: etag(&entry.text),
        document: entry.text.to_string(),
    };
    Ok((tagged(&entry.text), Json(told)))
}

/// How a change is meant.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Meant {
    /// Whether nothing is to be changed after all.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a change did, or would do.
#[derive(Serialize, ToSchema)]
pub(super) struct SiteChanged {
    name: String,
    /// Whether there was no such site.
    created: bool,
    /// Whether the document is another than before.
    changed: bool,
    /// Whether it was tried alone.
    dry_run: bool,
    /// The document's entity tag now; none if the site is gone.
    etag: Option<String>,
    /// The snapshot's generation.
    generation: u64,
    /// Lines that went and came, as `diff -u` shows them.
    diff: String,
    /// What went wrong although the change holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// Makes or changes a site: its document is written into the folder of sites, and served.
///
/// `If-Match` and `If-None-Match: *` keep one change from undoing another.
#[utoipa::path(put, path = "/v1/sites/{name}", tag = "sites",
    params(("name" = String, Path, description = "The site's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there must be no such site")),
    request_body(content((String = "application/toml"), (serde_json::Value = "application/json")),
        description = "The document, in TOML or in JSON with the same names"),
    responses((status = 200, body = SiteChanged), (status = 201, body = SiteChanged)))]
pub(super) async fn put(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At(name): At<String>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
    Written(text): Written,
) -> Result<impl IntoResponse, Problem> {
    admin.change(&caller, &name, Some(text), condition(&headers)?, meant.dry_run, "").await
}

/// Takes a site away, with its file. What it stored is never found again.
#[utoipa::path(delete, path = "/v1/sites/{name}", tag = "sites",
    params(("name" = String, Path, description = "The site's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have")),
    responses((status = 200, body = SiteChanged)))]
pub(super) async fn delete(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At(name): At<String>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    admin.change(&caller, &name, None, condition(&headers)?, meant.dry_run, "").await
}

/// What would come of a document.
#[derive(Serialize, ToSchema)]
pub(super) struct Validated {
    /// Whether it will do.
    good: bool,
    /// Every place that is wrong, with line, column, text and suggestion.
    diagnostics: Vec<serde_json::Value>,
    /// Lines that would go and come.
    diff: String,
}

/// Judges a document as if it were this site's. Nothing is changed.
#[utoipa::path(post, path = "/v1/sites/{name}/validate", tag = "sites",
    params(("name" = String, Path, description = "The site's name")),
    request_body(content((String = "application/toml"), (serde_json::Value = "application/json"))),
    responses((status = 200, body = Validated)))]
pub(super) async fn validate(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
    Written(text): Written,
) -> Result<impl IntoResponse, Problem> {
    let ordered = admin.try_change(&caller, &name, Some(text), Condition::Any, true, "").await?;
    let told = match ordered {
        Ok(changed) => {
            Validated { good: true, diagnostics: Vec::new(), diff: diff(&name, &changed) }
        }
        Err(Refused::Document(found)) => {
            let diagnostics = found.iter().map(|it| shown(it, &name)).collect();
            Validated { good: false, diagnostics, diff: String::new() }
        }
        Err(refused) => return Err(refusal(refused, &name)),
    };
    Ok((Noted(format!("good: {}", told.good)), Json(told)))
}

/// A document with everything that it leaves unsaid.
#[derive(Serialize, ToSchema)]
pub(super) struct Effective {
    /// In TOML.
    toml: String,
    /// As JSON, with the same names.
    document: serde_json::Value,
}

/// Shows a site's document with its preset and every default written out.
#[utoipa::path(get, path = "/v1/sites/{name}/effective", tag = "sites",
    params(("name" = String, Path, description = "The site's name")),
    responses((status = 200, body = Effective)))]
pub(super) async fn effective(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let entry = admin.entry(&caller, &name)?;
    let site = entry
        .site(admin.sites.surroundings())
        .map_err(|why| Problem::failed(format!("the site cannot be built: {}", why.message)))?;
    let failed = |why: String| Problem::failed(why);
    let toml = site.document.effective().map_err(|error| failed(error.to_string()))?;
    let document =
        serde_json::to_value(&site.document).map_err(|error| failed(error.to_string()))?;
    Ok((tagged(&entry.text), Json(Effective { toml, document })))
}

/// A change as it is answered: the new tag is a field too.
pub(super) type SiteAnswer = (StatusCode, HeaderMap, Noted, Json<SiteChanged>);

impl Admin {
    /// A caller's site.
    pub(super) fn entry(&self, caller: &Caller, name: &str) -> Result<Arc<Entry>, Problem> {
        let snapshot = self.sites.snapshot();
        let own = |entry: &&Arc<Entry>| caller.whose.owns(entry.customer.as_deref());
        let entry = snapshot.site(name).filter(own).cloned();
        entry.ok_or_else(|| Problem::missing(format!("there is no site `{name}`")))
    }

    /// Changes a site for a caller; `note` says more of it than the caller's name.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        name: &str,
        text: Option<String>,
        condition: Condition,
        dry_run: bool,
        note: &str,
    ) -> Result<SiteAnswer, Problem> {
        let ordered = self.try_change(caller, name, text, condition, dry_run, note).await?;
        let changed = ordered.map_err(|refused| refusal(refused, name))?;
        let told = SiteChanged {
            name: name.to_owned(),
            created: changed.before.is_none(),
            changed: changed.before != changed.after,
            dry_run,
            etag: changed.after.as_deref().map(etag),
            generation: changed.generation,
            diff: diff(name, &changed),
            warning: changed.warning.clone(),
        };
        let status = match told.created && !dry_run {
            true => StatusCode::CREATED,
            false => StatusCode::OK,
        };
        let what = match (&changed.before, &changed.after) {
            (None, _) => "made",
            (_, None) => "taken away",
            _ if !told.changed => "left as it was",
            _ => "changed",
        };
        let tried = if dry_run { ", tried alone" } else { "" };
        let tags = [changed.before.as_deref(), changed.after.as_deref()].map(|it| it.map(etag));
        let [before, after] = tags.map(|tag| tag.unwrap_or_else(|| "nothing".into()));
        let noted = Noted(format!("site {name} {what}{tried}{note}: {before} to {after}"));
        let fields = changed.after.as_deref().map(tagged).unwrap_or_default();
        Ok((status, fields, noted, Json(told)))
    }

    async fn try_change(
        &self,
        caller: &Caller,
        name: &str,
        text: Option<String>,
        condition: Condition,
        dry_run: bool,
        note: &str,
    ) -> Result<Result<Changed, Refused>, Problem> {
        let (name, whose) = (name.to_owned(), caller.whose.clone());
        let who = format!("{}{note}", caller.name);
        let change = Change { name, text, condition, whose, who, dry_run };
        api::order(self, |answer| NodeOrder::Change(change, answer)).await
    }
}

/// The document's tag as a field.
pub(super) fn tagged(text: &str) -> HeaderMap {
    let value = HeaderValue::try_from(etag(text)).ok();
    value.map(|value| (header::ETAG, value)).into_iter().collect()
}

/// What a request demands of the present document.
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    let values = |name: header::HeaderName| -> Vec<&str> {
        let all = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(',')).map(str::trim).collect()
    };
    match (&values(header::IF_MATCH)[..], &values(header::IF_NONE_MATCH)[..]) {
        ([], []) => Ok(Condition::Any),
        (["*"], []) => Ok(Condition::Present),
        ([], ["*"]) => Ok(Condition::Absent),
        (tags, []) => Ok(Condition::Is(tags.iter().map(|tag| (*tag).to_owned()).collect())),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "write either `If-Match` with entity tags or `*`, or `If-None-Match: *`",
        )),
    }
}

fn refusal(refused: Refused, name: &str) -> Problem {
    match refused {
        Refused::Missing => Problem::missing(format!("there is no site `{name}`")),
        Refused::Name(why) => Problem::wrong(why),
        Refused::Document(found) => {
            let first = found.first().map(|it| it.message.clone()).unwrap_or_default();
            let more = match found.len() {
                0 | 1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            let message = format!("the document will not do: {first}{more}");
            let diagnostics = found.iter().map(|it| shown(it, name)).collect();
            Problem::wrong(message).with_diagnostics(diagnostics)
        }
        Refused::Taken(why) | Refused::Drift(why) => Problem::new(StatusCode::CONFLICT, why),
        Refused::Condition(why) => Problem::new(StatusCode::PRECONDITION_FAILED, why),
        Refused::Failed(why) => Problem::failed(why),
    }
}

/// A diagnostic of a document that came by the API: it has no path.
fn shown(diagnostic: &Diagnostic, name: &str) -> serde_json::Value {
    let diagnostic = Diagnostic { file: format!("{name}.toml"), ..diagnostic.clone() };
    let mut value = serde_json::to_value(&diagnostic).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("display".into(), diagnostic.to_string().into());
    }
    value
}

fn diff(name: &str, changed: &Changed) -> String {
    let before = changed.before.as_deref().unwrap_or_default();
    differences(name, before, changed.after.as_deref().unwrap_or_default())
}

/// Lines that went and came, as `diff -u` shows them.
pub fn differences(name: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let (one, other) = (format!("a/{name}.toml"), format!("b/{name}.toml"));
    diff.unified_diff().header(&one, &other).to_string()
}

/// A document as somebody sends it: TOML, or JSON that is turned into it.
pub(super) struct Written(pub String);

impl<S: Send + Sync> FromRequest<S> for Written {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
        let bad = |why: String| Problem::new(StatusCode::BAD_REQUEST, why);
        match kind.as_str() {
            "application/json" => {
                let value: toml::Table = serde_json::from_slice(&bytes).map_err(|error| {
                    bad(format!("the document is no JSON object that TOML has: {error}"))
                })?;
                let text = toml::to_string_pretty(&value);
                text.map(Written).map_err(|error| bad(error.to_string()))
            }
            "application/toml" | "text/plain" => String::from_utf8(bytes.to_vec())
                .map(Written)
                .map_err(|error| bad(format!("the document is not UTF-8: {error}"))),
            _ => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the document as `application/toml` or `application/json`",
            )),
        }
    }
}
