//! Purges in the shapes of other networks' APIs, so that plug-ins written for those work unchanged: a
//! service, zone or bucket is a site, by its name.
//!
//! | shape | routes |
//! |---|---|
//! | Fastly | `/service/{site}/purge…`, `/purge/{url}`, and what its clients ask before |
//! | Cloudflare | `/client/v4/zones/{site}/purge_cache`, and what its clients ask before |
//! | UPYUN | `/purge`, `/buckets/purge/batch` |
//!
//! A token is shown as these networks' clients show theirs.

mod cloudflare;
mod fastly;
mod upyun;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::admin::access::{Caller, Role};
use crate::admin::ledger::Noted;
use crate::admin::orders::{noted, purge_for};
use crate::admin::problem::Problem;
use crate::serve::purge::{PurgeOrder, Purged};

/// All routes of these shapes.
pub(super) fn router() -> Router<Arc<Admin>> {
    Router::new()
        .route("/service", get(fastly::services))
        .route("/service/{site}", get(fastly::service))
        .route("/service/{site}/details", get(fastly::service))
        .route("/service/{site}/version", get(fastly::versions))
        .route("/service/{site}/purge", post(fastly::by_keys))
        .route("/service/{site}/purge/", post(fastly::by_keys))
        .route("/service/{site}/purge/{*key}", post(fastly::by_key))
        .route("/service/{site}/purge_all", post(fastly::all))
        .route("/tokens/self", get(fastly::token))
        .route("/current_user", get(fastly::user))
        .route("/current_customer", get(fastly::user))
        .route("/purge/{*url}", post(fastly::by_url))
        .route("/client/v4/user/tokens/verify", get(cloudflare::verify))
        .route("/client/v4/zones", get(cloudflare::zones))
        .route("/client/v4/zones/", get(cloudflare::zones))
        .route("/client/v4/zones/{site}", get(cloudflare::zone))
        .route("/client/v4/zones/{site}/pagerules", get(cloudflare::nothing))
        .route("/client/v4/zones/{site}/settings/{name}", get(cloudflare::setting))
        .route(
            "/client/v4/zones/{site}/purge_cache",
            post(cloudflare::purge).delete(cloudflare::purge),
        )
        .route("/purge", any(upyun::urls))
        .route("/purge/", any(upyun::urls))
        .route("/buckets/purge/batch", post(upyun::batch))
        .route("/buckets/purge/batch/", post(upyun::batch))
}

/// In whose shape a path is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Fastly,
    Cloudflare,
    Upyun,
}

fn shape(path: &str) -> Option<Shape> {
    let begins = |start: &str| {
        path.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match path {
        "/purge" | "/purge/" => Some(Shape::Upyun),
        _ if begins("/buckets") => Some(Shape::Upyun),
        _ if begins("/client/v4") => Some(Shape::Cloudflare),
        _ if ["/service", "/purge", "/tokens", "/current_user", "/current_customer"]
            .iter()
            .any(|start| begins(start)) =>
        {
            Some(Shape::Fastly)
        }
        _ => None,
    }
}

/// Whether a request shows who sends it by UPYUN's signature, which its handler checks.
pub(super) fn signs(path: &str, headers: &HeaderMap) -> bool {
    shape(path) == Some(Shape::Upyun)
        && headers.get(header::AUTHORIZATION).is_some_and(|value| {
            value.as_bytes().get(..6).is_some_and(|it| it.eq_ignore_ascii_case(b"UpYun "))
        })
}

/// What a stranger is told where an alias is.
pub(super) fn stranger(path: &str) -> Option<Response> {
    let why = "Provided credentials are missing or invalid";
    shape(path).map(|shape| refused(shape, StatusCode::UNAUTHORIZED, why, path))
}

/// An error in a shape.
fn refused(shape: Shape, status: StatusCode, why: &str, path: &str) -> Response {
    let body = match shape {
        Shape::Fastly => json!({ "msg": why, "detail": why }),
        Shape::Cloudflare => json!({
            "success": false,
            "errors": [{ "code": if status == StatusCode::UNAUTHORIZED { 10_000 } else { 1012 }, "message": why }],
            "messages": [],
            "result": null,
        }),
        Shape::Upyun => json!({
            "error_code": u32::from(status.as_u16()) * 100_000 + 100,
            "request": path,
            "message": why,
        }),
    };
    (status, Noted(why.to_owned()), axum::Json(body)).into_response()
}

/// An error of ours in a shape.
fn told(shape: Shape, problem: &Problem, path: &str) -> Response {
    let (status, why) = problem.parts();
    refused(shape, status, why, path)
}

/// Purges for a caller who may; nothing else in these shapes changes anything.
async fn purge(
    admin: &Admin,
    caller: &Caller,
    order: &PurgeOrder,
) -> Result<(Purged, Noted), Problem> {
    caller.least(Role::Purge)?;
    let purged = purge_for(admin, caller, order).await?;
    let noted = Noted(noted(order, &purged));
    Ok((purged, noted))
}

/// A value as its answer.
fn said(value: Value) -> Response {
    axum::Json(value).into_response()
}
