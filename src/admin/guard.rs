//! Says who asks: by the socket, by the operator's token, or by one from the table of tokens. On TCP
//! strangers learn nothing, and a Host that is not this machine's is refused, against DNS rebinding.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::admin::Admin;
use crate::admin::access::Caller;
use crate::admin::problem::Problem;
use crate::audit::{Actor, Event};

/// What anyone on the machine may read without a token.
const OPEN: [&str; 4] = ["/metrics", "/livez", "/readyz", "/v1/openapi.json"];
/// Fields beside `Authorization` in which the clients of other networks' APIs show their tokens.
const FIELDS: [&str; 2] = ["fastly-key", "x-auth-key"];

/// Puts the guard before every route.
pub(super) fn protect(router: Router, admin: Arc<Admin>) -> Router {
    router.layer(middleware::from_fn_with_state(admin, check))
}

/// Whoever can open the socket is the operator.
pub(super) fn trust(router: Router) -> Router {
    router.layer(middleware::from_fn(async |mut request: Request, next: Next| {
        request.extensions_mut().insert(Caller::operator("socket", "the admin socket".into()));
        next.run(request).await
    }))
}

async fn check(State(admin): State<Arc<Admin>>, mut request: Request, next: Next) -> Response {
    if !names_this_machine(request.headers(), &admin.hosts) {
        // A page in an operator's browser can point its own name at 127.0.0.1.
        let message = "the Host is not this machine's; [admin] hosts names others";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    let path = request.uri().path();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let from = peer.map_or_else(String::new, |peer| peer.0.ip().to_string());
    if let Some(caller) = caller(&admin, request.headers(), &from) {
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    // These know by a signature of their own who asks.
    if OPEN.contains(&path) || super::aliases::signs(path, request.headers()) {
        return next.run(request).await;
    }
    let actor = Actor { name: "a stranger".into(), from, ..Actor::default() };
    let action = format!("{} {path}", request.method());
    let detail = "no token, or one that does not hold".into();
    admin.serve.audit.note_stranger(Event { actor, action, status: 401, detail }).await;
    stranger(path).into_response()
}

/// What somebody gets who shows no token that holds.
fn stranger(path: &str) -> Response {
    if let Some(response) = super::aliases::stranger(path) {
        return response;
    }
    let message = "show a token that holds, as `Authorization: Bearer …`: the operator's is in \
                   state_dir/admin.token, others are made by `brink token create`";
    Problem::new(StatusCode::UNAUTHORIZED, message)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        .into_response()
}

fn names_this_machine(headers: &HeaderMap, others: &[String]) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || others.iter().any(|other| name.eq_ignore_ascii_case(other))
}

fn caller(admin: &Admin, headers: &HeaderMap, from: &str) -> Option<Caller> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let shown = bearer.or_else(|| FIELDS.iter().find_map(|name| text(name)))?.trim();
    if admin.token.matches(shown) {
        return Some(Caller::operator("admin.token", from.to_owned()));
    }
    admin.tokens.caller(shown, from)
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
            ("admin.example:443", true),
            ("rebound.example:9911", false),
            ("10.0.0.1:9911", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            let others = ["admin.example".to_owned()];
            assert_eq!(names_this_machine(&headers, &others), passes, "{host}");
        }
    }
}
