//! A request that outlives the client's: owned by the task that fetches, sent as often as it takes.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method, StatusCode};

use crate::cache::validate::strip_conditions;
use crate::cache::{Policy, Request};
use crate::header::present::Present;
use crate::upstream::{self, Group, Outbound, Upload};
use std::sync::Arc;

/// Looks at the head of the origin's response before it is judged, and may change its fields; returns
/// the policy to judge it by, if not the order's.
pub type OnHead =
    Arc<dyn Fn(StatusCode, &mut HeaderMap, &Policy) -> Option<Arc<Policy>> + Send + Sync>;

/// What it takes to ask the origin. Made only by the client that leads.
pub struct Order {
    /// The site's policy.
    pub policy: Arc<Policy>,
    /// The site's servers.
    pub group: Arc<Group>,
    /// The request, a GET without a body. Its conditions and ranges are replaced by the fill's own.
    pub outbound: Outbound,
    /// What looks at the response's head first.
    pub on_head: Option<OnHead>,
}

/// The request as the client made it, but for its conditions and range.
pub(super) struct Asked {
    method: Method,
    scheme: String,
    host: String,
    path: String,
    query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl Asked {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let mut headers = request.headers.clone();
        strip_conditions(&mut headers);
        Asked {
            method: request.method.clone(),
            scheme: request.scheme.to_owned(),
            host: request.host.to_owned(),
            path: request.path.to_owned(),
            query: request.query.map(str::to_owned),
            headers,
        }
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            scheme: &self.scheme,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            present: Present::of(&self.headers),
        }
    }
}

/// The request as the origin gets it, but for our conditions and range.
pub(super) struct Wire {
    method: Method,
    scheme: upstream::Scheme,
    host: Authority,
    path: PathAndQuery,
    headers: HeaderMap,
    body_limit: u64,
    on_interim: Option<upstream::Interim>,
}

impl Wire {
    pub(super) fn new(outbound: Outbound) -> Self {
        let Outbound { method, scheme, host, path, mut headers, body_limit, on_interim, .. } =
            outbound;
        strip_conditions(&mut headers);
        Wire { method, scheme, host, path, headers, body_limit, on_interim }
    }

    /// The request with the conditions and range that `ask` puts in.
    pub(super) fn outbound(&self, ask: impl FnOnce(&mut HeaderMap)) -> Outbound {
        let mut headers = self.headers.clone();
        ask(&mut headers);
        Outbound {
            method: self.method.clone(),
            scheme: self.scheme,
            host: self.host.clone(),
            path: self.path.clone(),
            headers,
            body: Upload::Empty,
            body_limit: self.body_limit,
            on_interim: self.on_interim.clone(),
            upgrade: None,
        }
    }
}
