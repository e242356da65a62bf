//! Orders about what is stored, and questions about it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::access::{Caller, Purge, Read};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::{Body, Params};
use crate::admin::{Admin, surveys};
use crate::serve::explain::{Explanation, Question};
use crate::serve::inspect::{Inspected, Order};
use crate::serve::purge::{PurgeError, PurgeOrder, PurgeSurvey, Purged};

/// Tells what the edge would do with a request, and why. Nothing is fetched or changed.
#[utoipa::path(post, path = "/v1/explain", tag = "objects", request_body = Question,
    responses((status = 200, body = Explanation)))]
pub(super) async fn explain(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Body(question): Body<Question>,
) -> Result<impl IntoResponse, Problem> {
    let told = admin.serve.explain(&question, &caller.whose).await.map_err(Problem::wrong)?;
    Ok((Noted(question.url), Json(told)))
}

/// Makes what is named stale or gone; durable when it is answered. All is done or nothing.
#[utoipa::path(post, path = "/v1/purge", tag = "purge", request_body = PurgeOrder,
    responses((status = 200, body = PurgeAnswer),
        (status = 202, body = PurgeSurvey, description = "A dry run that goes on")))]
pub(super) async fn purge(
    State(admin): State<Arc<Admin>>,
    Purge(caller): Purge,
    Body(order): Body<PurgeOrder>,
) -> Result<Response, Problem> {
    if order.dry_run {
        return surveys::begin(&admin, &caller, &order).await;
    }
    let purged = purge_for(&admin, &caller, &order).await?;
    Ok((Noted(noted(&order, &purged)), Json(purged)).into_response())
}

/// What an order to purge is answered: a dry run says what it found.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes the two answers")]
enum PurgeAnswer {
    /// It is done.
    Done(Purged),
    /// It was a dry run, and is over.
    Tried(Box<PurgeSurvey>),
}

/// Purges for a caller.
pub(super) async fn purge_for(
    admin: &Admin,
    caller: &Caller,
    order: &PurgeOrder,
) -> Result<Purged, Problem> {
    admin.serve.purge(order, &caller.whose).await.map_err(|error| match error {
        PurgeError::Order(why) => Problem::wrong(why),
        PurgeError::TooMany => {
            let message = "the customer has purged too much within seconds";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, message)
                .with(header::RETRY_AFTER, HeaderValue::from_static("1"))
        }
        PurgeError::Journal(why) => Problem::failed(why),
    })
}

/// A purge as the audit log has it.
pub(super) fn noted(order: &PurgeOrder, purged: &Purged) -> String {
    let lists =
        [&order.urls, &order.prefixes, &order.rules, &order.tags, &order.hosts, &order.sites];
    let named: Vec<&str> = lists.into_iter().flatten().map(String::as_str).collect();
    let mode = match purged.mode {
        crate::serve::purge::PurgeMode::Soft => "soft",
        crate::serve::purge::PurgeMode::Hard => "hard",
    };
    let Purged { seq, kind, count, .. } = purged;
    format!("purge {seq}, {mode}, {count} {kind}: {}", named.join(" "))
}

/// What to look up.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The URL.
    url: String,
    /// Whether to read all that it has on disk, and check it.
    #[serde(default)]
    verify: bool,
}

/// Shows what is stored for a URL: tiers, variants, tags, freshness.
#[utoipa::path(get, path = "/v1/objects", tag = "objects", params(Wanted),
    responses((status = 200, body = Inspected)))]
pub(super) async fn objects(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Params(Wanted { url, verify }): Params<Wanted>,
) -> Result<Json<Inspected>, Problem> {
    let order = Order { url, verify };
    admin.serve.inspect(&order, &caller.whose).await.map(Json).map_err(Problem::wrong)
}
