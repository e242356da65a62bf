//! Parts of a site's document: its history, its edge rules, its image presets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item};
use utoipa::{IntoParams, ToSchema};

use crate::admin::access::{Caller, Edit, Read};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::sites::{Meant, SiteAnswer, SiteChanged, condition, differences, tagged};
use crate::admin::take::{At, Body, Params};
use crate::admin::{Admin, NodeOrder, api};
use crate::site::{Condition, Entry, KeptSet, Revision, etag};

/// A document that a site has had.
#[derive(Serialize, ToSchema)]
pub(super) struct RevisionTold {
    /// Counts the site's documents.
    revision: u64,
    /// When it was taken, in milliseconds since 1970; none: before anybody looked.
    at: Option<u64>,
    /// Who brought it: a token, or `the folder`.
    who: String,
    /// Its entity tag.
    etag: String,
    /// Its length in bytes.
    bytes: usize,
}

/// The documents that a site has had.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// The newest first, which is the one it has.
    revisions: Vec<RevisionTold>,
}

impl RevisionTold {
    fn of(revision: &Revision) -> Self {
        RevisionTold {
            revision: revision.number,
            at: revision.at.map(|at| at.0),
            who: revision.who.clone(),
            etag: etag(&revision.text),
            bytes: revision.text.len(),
        }
    }
}

/// Lists the documents that a site has had: the last 50.
#[utoipa::path(get, path = "/v1/sites/{name}/history", tag = "sites",
    params(("name" = String, Path, description = "The site's name")),
    responses((status = 200, body = History)))]
pub(super) async fn history(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
) -> Result<Json<History>, Problem> {
    let revisions = admin.revisions(&caller, &name)?.iter().map(RevisionTold::of).collect();
    Ok(Json(History { revisions }))
}

/// Which documents are compared.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Between {
    /// A revision; the one before `to` if it is missing.
    from: Option<u64>,
    /// Another; the newest if it is missing.
    to: Option<u64>,
}

/// How two documents differ.
#[derive(Serialize, ToSchema)]
pub(super) struct Difference {
    from: u64,
    to: u64,
    /// Lines that went and came, as `diff -u` shows them.
    diff: String,
}

/// Compares two documents that a site has had.
#[utoipa::path(get, path = "/v1/sites/{name}/diff", tag = "sites",
    params(("name" = String, Path, description = "The site's name"), Between),
    responses((status = 200, body = Difference)))]
pub(super) async fn diff(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
    Params(between): Params<Between>,
) -> Result<Json<Difference>, Problem> {
    let revisions = admin.revisions(&caller, &name)?;
    let to = match between.to {
        Some(number) => of_number(&revisions, number)?,
        None => revisions.first().ok_or_else(|| Problem::missing("there is no history"))?,
    };
    let from = match between.from {
        Some(number) => of_number(&revisions, number)?,
        None => revisions.iter().find(|it| it.number < to.number).unwrap_or(to),
    };
    let diff = differences(&name, &from.text, &to.text);
    Ok(Json(Difference { from: from.number, to: to.number, diff }))
}

/// Which document is wanted back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollBack {
    /// Its revision; the one before the present if it is missing.
    revision: Option<u64>,
}

/// Gives a site a document back that it had. It is judged like any other.
#[utoipa::path(post, path = "/v1/sites/{name}/rollback", tag = "sites",
    params(("name" = String, Path, description = "The site's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have")),
    request_body = RollBack, responses((status = 200, body = SiteChanged)))]
pub(super) async fn roll_back(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At(name): At<String>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
    Body(wanted): Body<RollBack>,
) -> Result<impl IntoResponse, Problem> {
    let revisions = admin.revisions(&caller, &name)?;
    let back = match wanted.revision {
        Some(number) => of_number(&revisions, number)?,
        None => revisions.get(1).ok_or_else(|| Problem::wrong("there is none before it"))?,
    };
    let note = format!(", back to revision {}", back.number);
    let text = Some(back.text.clone());
    admin.change(&caller, &name, text, condition(&headers)?, meant.dry_run, &note).await
}

/// The rules of a site.
#[derive(Serialize, ToSchema)]
pub(super) struct RulesTold {
    /// Which clients have which set.
    now: String,
    /// The name of the document's set.
    document: String,
    /// The document's rules.
    rules: serde_json::Value,
    /// The sets that the site has had, the newest first.
    sets: Vec<KeptSet>,
}

/// Shows a site's edge rules, and the sets that it has had.
#[utoipa::path(get, path = "/v1/sites/{name}/rules", tag = "rules",
    params(("name" = String, Path, description = "The site's name")),
    responses((status = 200, body = RulesTold)))]
pub(super) async fn rules(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let entry = admin.entry(&caller, &name)?;
    let surroundings = admin.sites.surroundings();
    let broken = |why: String| Problem::failed(format!("the site cannot be built: {why}"));
    let site = entry.site(surroundings).map_err(|why| broken(why.message.clone()))?;
    let own = site.rules.own().name.to_string();
    let now = site.rules.told().unwrap_or_else(|| format!("all have {own}"));
    let rules = serde_json::to_value(&site.document.rules).map_err(|it| broken(it.to_string()))?;
    let sets = surroundings.state.rule_sets(&name);
    Ok((tagged(&entry.text), Json(RulesTold { now, document: own, rules, sets })))
}

/// Rules for a site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRules {
    /// All of them in their order, as edge-rules/README.md describes them.
    #[schema(value_type = Vec<Object>)]
    rules: Vec<toml::Table>,
}

/// Gives a site other edge rules; the rest of its document stays as it is written.
#[utoipa::path(put, path = "/v1/sites/{name}/rules", tag = "rules",
    params(("name" = String, Path, description = "The site's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have")),
    request_body = NewRules, responses((status = 200, body = SiteChanged)))]
pub(super) async fn put_rules(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At(name): At<String>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
    Body(new): Body<NewRules>,
) -> Result<impl IntoResponse, Problem> {
    let rules: toml::Table = [("rules".to_owned(), new.rules.into())].into_iter().collect();
    admin
        .edit(&caller, &name, (condition(&headers)?, meant), ", rules", move |document| {
            let mut written = parsed(&toml::to_string(&rules).map_err(|it| it.to_string())?)?;
            match written.remove("rules") {
                Some(rules) => document.insert("rules", rules),
                None => document.remove("rules"),
            };
            Ok(())
        })
        .await
}

/// What brings a site's rule sets back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeBack {
    /// Whether that is to end.
    #[serde(default)]
    undo: bool,
}

/// What clients have.
#[derive(Serialize, ToSchema)]
pub(super) struct Now {
    /// In a sentence.
    now: String,
}

/// Gives all clients of a site the rule set before its document's, at once, or ends that.
#[utoipa::path(post, path = "/v1/sites/{name}/rules/return", tag = "rules",
    params(("name" = String, Path, description = "The site's name")),
    request_body = TakeBack, responses((status = 200, body = Now)))]
pub(super) async fn take_back(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At(name): At<String>,
    Body(TakeBack { undo }): Body<TakeBack>,
) -> Result<impl IntoResponse, Problem> {
    admin.entry(&caller, &name)?;
    let order = |answer| NodeOrder::TakeBack { site: name, undo, answer };
    let now = api::order(&admin, order).await?.map_err(Problem::wrong)?;
    Ok((Noted(now.clone()), Json(Now { now })))
}

/// The image presets of a site.
#[derive(Serialize, ToSchema)]
pub(super) struct Presets {
    /// By name: parameters, or a table as consoles keep them.
    presets: serde_json::Value,
}

/// Shows a site's image presets.
#[utoipa::path(get, path = "/v1/sites/{name}/images/presets", tag = "images",
    params(("name" = String, Path, description = "The site's name")),
    responses((status = 200, body = Presets)))]
pub(super) async fn presets(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(name): At<String>,
) -> Result<impl IntoResponse, Problem> {
    let entry = admin.entry(&caller, &name)?;
    let broken = |why: String| Problem::failed(format!("the site cannot be built: {why}"));
    let site = entry.site(admin.sites.surroundings()).map_err(|why| broken(why.message.clone()))?;
    let presets = serde_json::to_value(&site.document.images.presets);
    let presets = presets.map_err(|error| broken(error.to_string()))?;
    Ok((tagged(&entry.text), Json(Presets { presets })))
}

/// An image preset.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPreset {
    /// Parameters such as `/fw/300/format/webp`, or a table as consoles keep them.
    #[schema(value_type = serde_json::Value)]
    value: toml::Value,
}

/// Makes or changes an image preset; the rest of the document stays as it is written.
#[utoipa::path(put, path = "/v1/sites/{name}/images/presets/{preset}", tag = "images",
    params(("name" = String, Path, description = "The site's name"),
        ("preset" = String, Path, description = "The preset's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have")),
    request_body = NewPreset, responses((status = 200, body = SiteChanged)))]
pub(super) async fn put_preset(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At((name, preset)): At<(String, String)>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
    Body(NewPreset { value }): Body<NewPreset>,
) -> Result<impl IntoResponse, Problem> {
    let note = format!(", image preset {preset}");
    admin
        .edit(&caller, &name, (condition(&headers)?, meant), &note, |document: &mut DocumentMut| {
            let table: toml::Table = [("value".to_owned(), value)].into_iter().collect();
            let mut written = parsed(&toml::to_string(&table).map_err(|it| it.to_string())?)?;
            let value = written.remove("value").ok_or("a preset has a value")?;
            presets_of(document)?.insert(&preset, value);
            Ok(())
        })
        .await
}

/// Takes an image preset away; the rest of the document stays as it is written.
#[utoipa::path(delete, path = "/v1/sites/{name}/images/presets/{preset}", tag = "images",
    params(("name" = String, Path, description = "The site's name"),
        ("preset" = String, Path, description = "The preset's name"), Meant,
        ("If-Match" = Option<String>, Header, description = "The ETag that the document must have")),
    responses((status = 200, body = SiteChanged)))]
pub(super) async fn delete_preset(
    State(admin): State<Arc<Admin>>,
    Edit(caller): Edit,
    At((name, preset)): At<(String, String)>,
    Params(meant): Params<Meant>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let note = format!(", image preset {preset}");
    admin
        .edit(&caller, &name, (condition(&headers)?, meant), &note, |document: &mut DocumentMut| {
            let gone = presets_of(document)?.remove(&preset);
            gone.map(drop).ok_or_else(|| format!("there is no image preset `{preset}`"))
        })
        .await
}

fn parsed(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>().map_err(|error| error.to_string())
}

/// The table of image presets, made if it is not there.
fn presets_of(document: &mut DocumentMut) -> Result<&mut dyn toml_edit::TableLike, String> {
    let no_table = || "`images` is no table".to_owned();
    let mut images = toml_edit::Table::new();
    images.set_implicit(true);
    let images = document.entry("images").or_insert(Item::Table(images));
    let images = images.as_table_like_mut().ok_or_else(no_table)?;
    let mut presets = toml_edit::Table::new();
    presets.set_implicit(true);
    let presets = images.entry("presets").or_insert(Item::Table(presets));
    presets.as_table_like_mut().ok_or_else(no_table)
}

fn of_number(revisions: &[Revision], number: u64) -> Result<&Revision, Problem> {
    let found = revisions.iter().find(|revision| revision.number == number);
    found.ok_or_else(|| Problem::missing(format!("no revision {number} is kept")))
}

impl Admin {
    fn revisions(&self, caller: &Caller, name: &str) -> Result<Vec<Revision>, Problem> {
        let entry: Arc<Entry> = self.entry(caller, name)?;
        let state = &self.sites.surroundings().state;
        state.history(&entry.name).map_err(|error| Problem::failed(error.to_string()))
    }

    /// Changes a part of a document and leaves the rest as it is written, comments and all.
    async fn edit(
        &self,
        caller: &Caller,
        name: &str,
        (condition, meant): (Condition, Meant),
        note: &str,
        edit: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
    ) -> Result<SiteAnswer, Problem> {
        let entry = self.entry(caller, name)?;
        let mut document = parsed(&entry.text).map_err(Problem::failed)?;
        edit(&mut document).map_err(Problem::wrong)?;
        // Whoever says nothing means the document that was just read.
        let condition = match condition {
            Condition::Any => Condition::Is(vec![etag(&entry.text)]),
            other => other,
        };
        let text = Some(document.to_string());
        self.change(caller, name, text, condition, meant.dry_run, note).await
    }
}
