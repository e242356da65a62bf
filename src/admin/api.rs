//! The routes of the admin listener.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::admin::problem::Problem;
use crate::admin::{Admin, ReloadAnswer};
use crate::serve::explain::{Explanation, Question};

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
        .route("/v1/reload", post(reload))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    if admin.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], (admin.metrics)())
}

#[derive(Deserialize)]
struct Page {
    /// List sites whose name follows this one.
    #[serde(default)]
    after: String,
}

async fn sites(State(admin): State<Arc<Admin>>, Query(page): Query<Page>) -> impl IntoResponse {
    Json(admin.sites.list(&page.after, PAGE))
}

async fn explain(
    State(admin): State<Arc<Admin>>,
    Json(question): Json<Question>,
) -> Result<Json<Explanation>, Problem> {
    admin
        .serve
        .explain(&question)
        .map(Json)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error))
}

async fn reload(State(admin): State<Arc<Admin>>) -> Result<Json<ReloadAnswer>, Problem> {
    let (answer, answered) = oneshot::channel();
    let gone = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node is stopping");
    admin.reload.send(answer).await.map_err(|_| gone())?;
    answered.await.map(Json).map_err(|_| gone())
}
