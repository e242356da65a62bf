//! Jobs that fill the cache: begun, looked at and ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::Admin;
use crate::admin::access::{Caller, Purge, Read};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::{At, Body, Params};
use crate::serve::warm::{Job, Progress, Results, WarmError, WarmOrder};

/// A job that was begun.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    /// Its number, by which it is looked at.
    id: u64,
}

/// Begins a job that fetches URLs, and what sitemaps list, into the cache. All that can be checked is
/// checked before.
#[utoipa::path(post, path = "/v1/warm", tag = "warm", request_body = WarmOrder,
    responses((status = 202, body = Begun)))]
pub(super) async fn begin(
    State(admin): State<Arc<Admin>>,
    Purge(caller): Purge,
    Body(order): Body<WarmOrder>,
) -> Result<impl IntoResponse, Problem> {
    let id = admin.serve.warm(&order, &caller.whose).map_err(|error| match error {
        WarmError::Order(why) => Problem::wrong(why),
        WarmError::Busy(why) => Problem::new(StatusCode::TOO_MANY_REQUESTS, why),
    })?;
    let (urls, sitemaps) = (order.urls.len(), order.sitemaps.len());
    let noted = Noted(format!("job {id}: {urls} URLs, {sitemaps} sitemaps"));
    Ok((StatusCode::ACCEPTED, noted, Json(Begun { id })))
}

/// The jobs.
#[derive(Serialize, ToSchema)]
pub(super) struct Jobs {
    /// The newest first.
    jobs: Vec<Progress>,
}

/// Lists the jobs that run, wait or ended of late.
#[utoipa::path(get, path = "/v1/warm", tag = "warm", responses((status = 200, body = Jobs)))]
pub(super) async fn list(State(admin): State<Arc<Admin>>, Read(caller): Read) -> Json<Jobs> {
    let jobs = admin.serve.warm.list(&caller.whose, admin.serve.clock.now());
    Json(Jobs { jobs: jobs.iter().map(|job| job.progress()).collect() })
}

/// Tells how far a job is.
#[utoipa::path(get, path = "/v1/warm/{id}", tag = "warm",
    params(("id" = u64, Path, description = "The job's number")),
    responses((status = 200, body = Progress)))]
pub(super) async fn progress(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(id): At<u64>,
) -> Result<Json<Progress>, Problem> {
    admin.job(&caller, id).map(|job| Json(job.progress()))
}

/// Ends a job; what it has fetched stays.
#[utoipa::path(delete, path = "/v1/warm/{id}", tag = "warm",
    params(("id" = u64, Path, description = "The job's number")),
    responses((status = 200, body = Progress)))]
pub(super) async fn cancel(
    State(admin): State<Arc<Admin>>,
    Purge(caller): Purge,
    At(id): At<u64>,
) -> Result<impl IntoResponse, Problem> {
    let job = admin.job(&caller, id)?;
    job.cancel();
    Ok((Noted(format!("job {id}")), Json(job.progress())))
}

/// Which results are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Those behind this number.
    #[serde(default)]
    after: u64,
    /// The most; 1000 if it is missing.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Whether those alone are wanted that failed.
    #[serde(default)]
    failed: bool,
}

/// Tells what came of each request of a job.
#[utoipa::path(get, path = "/v1/warm/{id}/results", tag = "warm",
    params(("id" = u64, Path, description = "The job's number"), Wanted),
    responses((status = 200, body = Results)))]
pub(super) async fn results(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    At(id): At<u64>,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Results>, Problem> {
    let limit = wanted.limit.unwrap_or(1000);
    if !(1..=10_000).contains(&limit) {
        return Err(Problem::wrong("`limit` is from 1 to 10000"));
    }
    let job = admin.job(&caller, id)?;
    Ok(Json(job.results(wanted.after, limit, wanted.failed)))
}

impl Admin {
    fn job(&self, caller: &Caller, id: u64) -> Result<Arc<Job>, Problem> {
        let job = self.serve.warm.find(id, &caller.whose);
        job.ok_or_else(|| Problem::missing(format!("there is no job {id}, or none any more")))
    }
}
