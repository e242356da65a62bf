//! The routes of the admin listener.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::admin::problem::Problem;
use crate::admin::{Admin, NodeOrder, ReloadAnswer, surveys};
use crate::serve::explain::{Explanation, Question};
use crate::serve::inspect::{Inspected, Order};
use crate::serve::purge::{PurgeError, PurgeOrder};
use crate::site::{Entry, display_host};
use crate::telemetry::metrics::CONTENT_TYPE;

/// The largest body an order may have.
const BODY_LIMIT: usize = 64 << 10;
/// How many sites one page of the list holds at most.
const PAGE: usize = 1000;

/// All routes.
pub(super) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/sites", get(sites))
        .route("/v1/explain", post(explain))
        .route("/v1/purge", post(purge))
        .route("/v1/purge/surveys/{id}", get(surveys::progress).delete(surveys::cancel))
        .route("/v1/inspect", post(inspect))
        .route("/v1/reload", post(reload))
        .route("/v1/usage", get(super::usage::usage))
        .route("/v1/usage/export", get(super::usage::export))
        .route("/v1/usage/export/ack", post(super::usage::acknowledge))
        .route("/v1/rules/sets", post(rule_sets))
        .route("/v1/rules/return", post(take_back))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this is asked for by another method")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    if admin.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], (admin.metrics)())
}

#[derive(Deserialize)]
struct Page {
    /// List sites whose name follows this one.
    #[serde(default)]
    after: String,
}

async fn sites(State(admin): State<Arc<Admin>>, Query(page): Query<Page>) -> impl IntoResponse {
    let snapshot = admin.sites.snapshot();
    let mut entries: Vec<_> = snapshot
        .names
        .iter()
        .map(|(_, entry)| entry)
        .filter(|entry| *entry.name > *page.after)
        .collect();
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let listed: Vec<_> =
        entries.into_iter().take(PAGE).map(|entry| ListedSite::of(entry)).collect();
    Json(
        serde_json::json!({ "total": snapshot.len(), "generation": snapshot.generation, "sites": listed }),
    )
}

/// One site in the list.
#[derive(Serialize)]
struct ListedSite {
    name: String,
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
            hosts: entry.hosts.iter().map(|host| display_host(host)).collect(),
            in_use: entry.site_in_use().is_some(),
            failed: entry.failed(),
        }
    }
}

async fn explain(
    State(admin): State<Arc<Admin>>,
    question: Result<Json<Question>, JsonRejection>,
) -> Result<Json<Explanation>, Problem> {
    let Json(question) = question.map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
    admin
        .serve
        .explain(&question)
        .await
        .map(Json)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error))
}

async fn purge(
    State(admin): State<Arc<Admin>>,
    order: Result<Json<PurgeOrder>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(order) = order.map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
    if order.dry_run {
        return surveys::begin(&admin, &order).await;
    }
    let purged = admin.serve.purge(&order).await.map(|purged| Json(purged).into_response());
    purged.map_err(|error| match error {
        PurgeError::Order(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why),
        PurgeError::Journal(why) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why),
    })
}

async fn inspect(
    State(admin): State<Arc<Admin>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<Json<Inspected>, Problem> {
    let Json(order) = order.map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
    let inspected = admin.serve.inspect(&order).await;
    inspected.map(Json).map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error))
}

async fn reload(State(admin): State<Arc<Admin>>) -> Result<Json<ReloadAnswer>, Problem> {
    order(&admin, NodeOrder::Reload).await.map(Json)
}

/// What brings a site's rule sets back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeBack {
    site: String,
    #[serde(default)]
    undo: bool,
}

async fn take_back(
    State(admin): State<Arc<Admin>>,
    wanted: Result<Json<TakeBack>, JsonRejection>,
) -> Result<Json<serde_json::Value>, Problem> {
    let Json(TakeBack { site, undo }) =
        wanted.map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
    order(&admin, |answer| NodeOrder::TakeBack { site, undo, answer })
        .await?
        .map(|now| Json(serde_json::json!({ "now": now })))
        .map_err(|why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why))
}

/// Orders something of the node and waits for what comes of it.
async fn order<T>(
    admin: &Admin,
    order: impl FnOnce(oneshot::Sender<T>) -> NodeOrder,
) -> Result<T, Problem> {
    let (answer, answered) = oneshot::channel();
    let gone = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node is stopping");
    admin.orders.send(order(answer)).await.map_err(|_| gone())?;
    answered.await.map_err(|_| gone())
}

/// The rule sets of one site.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfSite {
    site: String,
}

async fn rule_sets(
    State(admin): State<Arc<Admin>>,
    wanted: Result<Json<OfSite>, JsonRejection>,
) -> Result<Json<serde_json::Value>, Problem> {
    let Json(OfSite { site: name }) =
        wanted.map_err(|bad| Problem::new(bad.status(), bad.body_text()))?;
    let unknown = || Problem::new(StatusCode::NOT_FOUND, format!("there is no site `{name}`"));
    let snapshot = admin.sites.snapshot();
    let entry = snapshot.site(&name).ok_or_else(unknown)?;
    let broken = |why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let site = entry.site(admin.sites.surroundings()).map_err(|why| broken(why.to_string()))?;
    let own = &site.rules.own().name;
    let now = site.rules.told().unwrap_or_else(|| format!("all have {own}"));
    let sets = admin.sites.surroundings().state.rule_sets(&name);
    Ok(Json(serde_json::json!({ "now": now, "document": own, "sets": sets })))
}
