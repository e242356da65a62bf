//! Errors of the API, as `application/problem+json` (RFC 9457).

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::admin::ledger::Noted;

/// The media type.
const PROBLEM: &str = "application/problem+json";

/// One error.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    diagnostics: Vec<serde_json::Value>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// An error as it is written (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(super) struct Shown {
    /// Always `about:blank`: the status says what kind of error it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, and what to do instead.
    detail: String,
    /// Every place of a document that is wrong, with file, line, column, text and suggestion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<serde_json::Value>,
}

impl Problem {
    /// An error with a sentence that says what to do.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Problem { status, detail: detail.into(), diagnostics: Vec::new(), fields: Vec::new() }
    }

    /// Something that is not there, or not the caller's.
    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// An order that is understood and will not do.
    pub(super) fn wrong(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Something of the node's own failed.
    pub(super) fn failed(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// The same with the places that are wrong.
    pub(super) fn with_diagnostics(self, diagnostics: Vec<serde_json::Value>) -> Self {
        Problem { diagnostics, ..self }
    }

    /// The same with one more field.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// Its status and what it says.
    pub(super) fn parts(&self) -> (StatusCode, &str) {
        (self.status, &self.detail)
    }
}

impl From<JsonRejection> for Problem {
    fn from(bad: JsonRejection) -> Self {
        Problem::new(bad.status(), bad.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(bad: QueryRejection) -> Self {
        Problem::new(bad.status(), bad.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let shown = Shown {
            kind: "about:blank",
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            detail: self.detail,
            diagnostics: self.diagnostics,
        };
        let body = serde_json::to_string(&shown).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, PROBLEM)], body).into_response();
        response.headers_mut().extend(self.fields);
        response.extensions_mut().insert(Noted(shown.detail));
        response
    }
}
