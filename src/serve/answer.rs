//! Turns a [`Refusal`] into the response that the client sees.
//!
//! This is the only place that does: every step of the story returns a refusal that says whose fault
//! it was, and here it becomes a page for people or, where the site asks for it, a JSON body with an
//! eight-digit code for programs. Either way it carries an error id that the access log has too.

pub mod page;

use std::borrow::Cow;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::cache::Reason;
use crate::header::cache_status::CacheStatus;
use crate::header::proxy_status::ProxyStatus;
use crate::header::request_id::X_REQUEST_ID;
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::site::Errors;
use crate::telemetry::Tier;
use crate::upstream::{self, Fault};

const X_ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

/// Why the edge answers by itself instead of with the origin's or a stored response.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status code of the answer.
    pub status: StatusCode,
    /// The eight-digit code: status, layer, number.
    pub code: u32,
    /// What went wrong, in a few words; safe to show to anyone.
    pub message: Cow<'static, str>,
    /// Who has to mend it.
    pub whose: Whose,
    /// The RFC 9209 error type, for answers that stand in for an origin's.
    pub proxy_error: Option<&'static str>,
    /// More fields for the answer, such as `Allow` or `Retry-After`.
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Whether the connection must close after the answer.
    pub close: bool,
    /// Whether it is told to programs, whatever the site wants.
    pub json: bool,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The request was wrong.
    Client,
    /// The origin failed.
    Origin,
    /// The edge failed, or protects itself.
    Edge,
}

impl Refusal {
    /// A refusal because of what the client sent.
    pub fn client(status: StatusCode, code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status,
            code,
            message: message.into(),
            whose: Whose::Client,
            proxy_error: None,
            fields: Vec::new(),
            close: false,
            json: false,
        }
    }

    /// A refusal because the edge itself cannot.
    pub fn edge(status: StatusCode, code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { whose: Whose::Edge, ..Refusal::client(status, code, message) }
    }

    /// The same refusal as JSON.
    pub fn as_json(mut self) -> Self {
        self.json = true;
        self
    }

    /// The same refusal with one more field.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The same refusal, after which the connection closes: what follows on it cannot be trusted.
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }
}

/// A fault on the way to the origin, said to the client. The details stay in the log.
impl From<&Fault> for Refusal {
    fn from(fault: &Fault) -> Self {
        let whose = match fault.kind.whose() {
            upstream::Whose::Client => Whose::Client,
            upstream::Whose::Origin => Whose::Origin,
            upstream::Whose::Edge => Whose::Edge,
        };
        Refusal {
            whose,
            proxy_error: Some(fault.kind.proxy_status()),
            // The rest of an upload that was given up half-way is still on the connection.
            close: whose == Whose::Client,
            ..Refusal::client(fault.kind.status(), fault.kind.code(), fault.kind.text())
        }
    }
}

/// Makes the response of a refusal and notes it for the log.
pub fn answer(name: &str, exchange: &mut Exchange, refusal: Refusal) -> Response<Body> {
    exchange.wish.refused(&refusal);
    if let Some(inner) = &mut exchange.inner {
        inner.refused = Some(refusal.message.clone());
    }
    let error_id = exchange.request_id.to_str().unwrap_or_default().to_owned();
    let style = match exchange.identity.as_ref() {
        _ if refusal.json => Errors::Json,
        Some(identity) => identity.site.respond.errors,
        None => Errors::Page,
    };
    let (content_type, bytes) = match style {
        Errors::Page => {
            let (title, sentence) = words(refusal.status, refusal.whose);
            let sentence = format!("{sentence} ({})", refusal.message);
            (page::PAGE_TYPE, page::page(refusal.status, title, &sentence, &error_id, None))
        }
        Errors::Json => (page::JSON_TYPE, page::json(refusal.code, &refusal.message, &error_id)),
    };
    let mut response = Response::new(Body::whole(bytes));
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, exchange.request_id.clone());
    // Without a site nobody has said that codes are not wanted.
    if (style == Errors::Json || exchange.identity.is_none())
        && let Ok(code) = HeaderValue::try_from(format!("{:08}", refusal.code))
    {
        headers.insert(X_ERROR_CODE, code);
    }
    for (field, value) in refusal.fields {
        headers.insert(field, value);
    }
    let status = ProxyStatus {
        proxy: name,
        error: Some(refusal.proxy_error.unwrap_or(by_rfc_9209(refusal.whose))),
        details: Some(&error_id),
        ..ProxyStatus::default()
    };
    status.append(headers);
    if let Some((_, reason)) = exchange.record.outcome.verdict {
        cache_status(name, reason).append(headers);
    }
    if refusal.close {
        exchange.connection.close_after_response();
    }
    exchange.record.outcome.tier = Tier::Edge;
    exchange.record.error_id = exchange.request_id.clone().into();
    exchange.record.code = Some(refusal.code);
    response
}

fn cache_status(name: &str, reason: Reason) -> CacheStatus<'_> {
    CacheStatus {
        cache: name,
        forward: reason.forward(),
        detail: Some(reason.as_str()),
        ..CacheStatus::default()
    }
}

/// The error type of RFC 9209 section 2.3 where nothing closer is known.
fn by_rfc_9209(whose: Whose) -> &'static str {
    match whose {
        Whose::Client => "http_request_error",
        Whose::Origin => "http_protocol_error",
        Whose::Edge => "proxy_internal_error",
    }
}

/// A headline and a sentence for people.
fn words(status: StatusCode, whose: Whose) -> (&'static str, &'static str) {
    match (status.as_u16(), whose) {
        (404 | 410, _) => ("Not found", "There is nothing at this address."),
        (405, _) => ("Not allowed", "This site does not take such requests here."),
        (413, _) => ("Too large", "What you sent is larger than this site takes."),
        (421, _) => ("Wrong connection", "This connection cannot serve the site you asked for."),
        (508, _) => ("Going in circles", "This request has been here before."),
        (504, Whose::Origin) => ("No answer in time", "The site's server took too long to answer."),
        (_, Whose::Origin) => ("No answer", "The site's server cannot be reached right now."),
        (_, Whose::Client) => ("Bad request", "This request cannot be answered as it is."),
        (_, Whose::Edge) => ("Please try again", "This request could not be served right now."),
    }
}
