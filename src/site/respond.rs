//! The `[respond]` table of a site document: how the edge answers, apart from what it caches.
//!
//! `serve` acts on it. The type lives here because the story has no folder for settings of its own
//! and `site` gathers every table of the document.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::quantity::Size;
use crate::setting::Complaint;

/// How the edge answers for a site.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Respond {
    /// The body of answers that the edge makes itself. Default: `page`.
    pub errors: Errors,
    /// Send `X-Cache` and `X-Cache-Hits` beside `Cache-Status`. Default: false.
    pub x_cache: bool,
    /// Send `Server-Timing`. Default: false.
    pub server_timing: bool,
    /// The largest request body taken, in bytes; more gets 413. Default: 512MiB.
    pub max_upload: Size,
    /// The methods that are passed on; others get 405. HEAD is allowed wherever GET is. Empty: every
    /// method but TRACE and CONNECT, which never are. Default: empty.
    pub methods: Vec<Box<str>>,
}

/// What an answer of the edge's own looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Errors {
    /// A page for people.
    #[default]
    Page,
    /// A JSON object with code, message and request id, and `X-Error-Code`.
    Json,
}

impl Default for Respond {
    fn default() -> Self {
        Respond {
            errors: Errors::Page,
            x_cache: false,
            server_timing: false,
            max_upload: Size::mib(512),
            methods: Vec::new(),
        }
    }
}

impl Respond {
    /// Checks what the types cannot.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (at, method) in self.methods.iter().enumerate() {
            let field = format!("methods[{at}]");
            if Method::from_bytes(method.as_bytes()).is_err() {
                complaints.push(Complaint::new(field, format!("`{method}` is no method")));
            } else if method.bytes().any(|b| b.is_ascii_lowercase()) {
                let upper = method.to_ascii_uppercase();
                complaints.push(
                    Complaint::new(field, format!("`{method}`: methods are case-sensitive"))
                        .suggest(format!("write \"{upper}\"")),
                );
            } else if matches!(&**method, "TRACE" | "CONNECT") {
                complaints.push(Complaint::new(field, format!("{method} is never passed on")));
            }
        }
        complaints
    }

    /// Whether a request with this method is passed on.
    pub fn allows(&self, method: &Method) -> bool {
        let name = method.as_str();
        let counts_as = if *method == Method::HEAD { "GET" } else { name };
        self.methods.is_empty()
            || self.methods.iter().any(|allowed| **allowed == *name || **allowed == *counts_as)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_comes_with_get() {
        let respond = Respond { methods: vec!["GET".into()], ..Respond::default() };
        assert!(respond.allows(&Method::HEAD) && respond.allows(&Method::GET));
        assert!(!respond.allows(&Method::POST));
        assert!(Respond::default().validate().is_empty());
    }

    #[test]
    fn methods_that_cannot_be_meant_are_refused() {
        let respond = Respond {
            methods: ["get", "TRACE", "A B", "PURGE"].map(Into::into).into(),
            ..Respond::default()
        };
        let fields: Vec<String> = respond.validate().into_iter().map(|c| c.field).collect();
        assert_eq!(fields, ["methods[0]", "methods[1]", "methods[2]"]);
        assert!(Respond::default().allows(&Method::from_bytes(b"M-SEARCH").unwrap()));
    }
}
