//! Keeps strangers off the TCP side: bearer token, and a Host check against DNS rebinding.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::admin::Admin;
use crate::admin::problem::Problem;

/// What anyone on the machine may read without a token.
const OPEN: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// Puts the guard before every route.
pub(super) fn protect(router: Router, admin: Arc<Admin>) -> Router {
    router.layer(middleware::from_fn_with_state(admin, check))
}

async fn check(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    if !names_this_machine(request.headers()) {
        // A page in an operator's browser can point its own name at 127.0.0.1.
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "the Host is not this machine's")
            .into_response();
    }
    if OPEN.contains(&request.uri().path()) || shows_token(&admin, request.headers()) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "show the token from state_dir/admin.token as a bearer token",
    )
    .into_response()
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shows_token(admin: &Admin, headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|shown| admin.token.matches(shown.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_pass() {
        for (host, passes) in [
            ("localhost", true),
            ("LocalHost:9911", true),
            ("127.0.0.1:9911", true),
            ("[::1]:9911", true),
            ("rebound.example:9911", false),
            ("10.0.0.1:9911", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(names_this_machine(&headers), passes, "{host}");
        }
    }
}
