//! What was used, told and exported.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::Admin;
use crate::admin::access::{Caller, Operator, Read};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::{Body, Params};
use crate::usage::{self, By, Question, Trouble};

/// How far back is looked if nothing is said, in seconds.
const A_DAY: u64 = 86_400;
/// Records in one answer if nothing is said.
const RECORDS: usize = 1000;

/// What `GET /v1/usage` is asked.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// One site; without it all; empty for requests whose host no site has.
    site: Option<String>,
    /// RFC 3339, a date or seconds since 1970; if it is missing, a day before the end, at the beginning of an
    /// hour or day if points are so long.
    from: Option<String>,
    /// The same; the present if it is missing.
    to: Option<String>,
    /// `5m`, `hour` or `day`; hours if it is missing.
    by: Option<String>,
}

/// What `GET /v1/usage/export` is asked.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Export {
    /// The number before that of the first record; the last acknowledged if it is missing.
    after: Option<u64>,
    /// Most records; 1000 if it is missing, 10000 at most.
    limit: Option<usize>,
}

/// What `POST /v1/usage/export/ack` is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acknowledged {
    /// The number of the last record that has arrived.
    seq: u64,
}

/// What is left to be fetched.
#[derive(Serialize, ToSchema)]
pub(super) struct Waiting {
    /// Records that were not acknowledged.
    waiting: u64,
}

/// Tells totals, points and bandwidth.
#[utoipa::path(get, path = "/v1/usage", tag = "usage", params(Wanted),
    responses((status = 200, body = serde_json::Value)))]
pub(super) async fn usage(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Params(wanted): Params<Wanted>,
) -> Result<Json<serde_json::Value>, Problem> {
    caller.check_usage(&admin, wanted.site.as_deref())?;
    let now = admin.serve.usage.now().map_err(problem)?;
    let question = wanted.question(now)?;
    let site = question.site.clone().filter(|site| !site.is_empty());
    let answer = admin.serve.usage.behind(move |usage| usage.answer(question));
    let answer = answer.await.map_err(problem)?;
    if let Some(site) = site
        && *answer.total() == usage::Counts::default()
        && admin.sites.snapshot().site(&site).is_none()
    {
        let message = format!("there is no site `{site}`, and nothing was counted for one");
        return Err(Problem::new(StatusCode::NOT_FOUND, message));
    }
    Ok(Json(answer.told()))
}

/// Hands out records as JSON lines.
#[utoipa::path(get, path = "/v1/usage/export", tag = "usage", params(Export),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(super) async fn export(
    State(admin): State<Arc<Admin>>,
    _: Operator,
    Params(wanted): Params<Export>,
) -> Result<impl IntoResponse, Problem> {
    let limit = wanted.limit.unwrap_or(RECORDS);
    let lines = admin.serve.usage.behind(move |usage| usage.export(wanted.after, limit));
    let (lines, _) = lines.await.map_err(problem)?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines))
}

/// Notes that records have arrived.
#[utoipa::path(post, path = "/v1/usage/export/ack", tag = "usage", request_body = Acknowledged,
    responses((status = 200, body = Waiting)))]
pub(super) async fn acknowledge(
    State(admin): State<Arc<Admin>>,
    _: Operator,
    Body(order): Body<Acknowledged>,
) -> Result<impl IntoResponse, Problem> {
    let waiting = admin.serve.usage.behind(move |usage| {
        usage.acknowledge(order.seq)?;
        Ok(usage.waiting())
    });
    let waiting = waiting.await.map_err(problem)?;
    Ok((Noted(format!("up to {}", order.seq)), Json(Waiting { waiting })))
}

impl Caller {
    /// A customer sees what its own sites have used, one at a time.
    fn check_usage(&self, admin: &Admin, site: Option<&str>) -> Result<(), Problem> {
        if self.customer().is_none() {
            return Ok(());
        }
        let site = site.ok_or_else(|| Problem::wrong("say which `site` is meant"))?;
        admin.entry(self, site).map(drop)
    }
}

impl Wanted {
    fn question(self, now: u64) -> Result<Question, Problem> {
        let wrong = |message: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, message);
        let moment = |text: &str| {
            let message = || {
                wrong(format!(
                    "`{text}` is no moment; write one as in `2026-01-31T12:00:00Z` or `2026-01-31`"
                ))
            };
            usage::parse_moment(text).ok_or_else(message)
        };
        let to = self.to.as_deref().map(moment).transpose()?.unwrap_or(now + 1);
        let from = self.from.as_deref().map(moment).transpose()?;
        let by = match self.by.as_deref() {
            None => By::default(),
            Some(word) => By::parse(word)
                .ok_or_else(|| wrong(format!("`{word}` is none of `5m`, `hour` and `day`")))?,
        };
        // Hours and days of the clock, if it is not said otherwise.
        let a_day_before = to.saturating_sub(A_DAY);
        let from = from.unwrap_or(a_day_before - a_day_before % by.seconds());
        Ok(Question { site: self.site, from, to, by })
    }
}

fn problem(trouble: Trouble) -> Problem {
    let status = match trouble {
        Trouble::Question(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Trouble::Off => StatusCode::NOT_FOUND,
        Trouble::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Problem::new(status, trouble.to_string())
}
