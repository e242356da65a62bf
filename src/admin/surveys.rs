//! Dry runs of purges: begun by an order to purge that says so, then asked for by their ids.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::admin::Admin;
use crate::admin::access::{Caller, Purge};
use crate::admin::ledger::Noted;
use crate::admin::problem::Problem;
use crate::admin::take::At;
use crate::serve::purge::{PurgeOrder, PurgeSurvey, SurveyError, SurveyState};

/// Counts what an order would purge: 200 with all of it, or 202 with what was found so far.
pub(super) async fn begin(
    admin: &Admin,
    caller: &Caller,
    order: &PurgeOrder,
) -> Result<Response, Problem> {
    let survey = admin.serve.survey(order, &caller.whose).await.map_err(|error| match error {
        SurveyError::Order(why) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, why),
        SurveyError::Busy(why) => Problem::new(StatusCode::TOO_MANY_REQUESTS, why),
    })?;
    let status = match survey.state {
        SurveyState::Running => StatusCode::ACCEPTED,
        SurveyState::Done | SurveyState::Cancelled => StatusCode::OK,
    };
    let noted = Noted(format!("dry run {}", survey.id));
    Ok((status, noted, Json(survey)).into_response())
}

/// What a dry run has found so far.
#[utoipa::path(get, path = "/v1/purge/surveys/{id}", tag = "purge",
    params(("id" = String, Path, description = "The dry run's id")),
    responses((status = 200, body = PurgeSurvey)))]
pub(super) async fn progress(
    State(admin): State<Arc<Admin>>,
    Purge(caller): Purge,
    At(id): At<String>,
) -> Result<Json<PurgeSurvey>, Problem> {
    admin.serve.surveyed(&id, &caller.whose).map(Json).ok_or_else(unknown)
}

/// Ends a dry run; what it has found can still be asked for.
#[utoipa::path(delete, path = "/v1/purge/surveys/{id}", tag = "purge",
    params(("id" = String, Path, description = "The dry run's id")),
    responses((status = 200, body = PurgeSurvey)))]
pub(super) async fn cancel(
    State(admin): State<Arc<Admin>>,
    Purge(caller): Purge,
    At(id): At<String>,
) -> Result<Json<PurgeSurvey>, Problem> {
    admin.serve.cancel_survey(&id, &caller.whose).map(Json).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such dry run, or none any more")
}
