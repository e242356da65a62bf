//! Turns a [`Refusal`] into the response that the client sees.
//!
//! This is the only place that does: every step of the story returns a refusal that says whose fault
//! it was, and here it becomes a page for people or, where the site asks for it, a JSON body with an
//! eight-digit code for programs. Either way it carries an error id that the access log has too.

pub mod page;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::header::proxy_status;
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::site::ErrorStyle;
use crate::upstream;

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
        }
    }

    /// A refusal because the edge itself cannot.
    pub fn edge(status: StatusCode, code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { whose: Whose::Edge, ..Refusal::client(status, code, message) }
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
