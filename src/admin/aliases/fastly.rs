//! Fastly's shape: a service is a site, a key a tag. What is purged is gone, or with
//! `Fastly-Soft-Purge: 1` stale.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Shape, purge, refused, said, told};
use crate::admin::Admin;
use crate::admin::access::{Caller, Read};
use crate::serve::purge::{PurgeMode, PurgeOrder, Purged};
use crate::site::Customers;

/// The most keys of one call.
const KEYS: usize = 256;

/// Whatever is named by a request, in its mode.
fn order(headers: &HeaderMap) -> PurgeOrder {
    let soft = headers.get("fastly-soft-purge").is_some_and(|value| value != "0");
    let mode = if soft { PurgeMode::Soft } else { PurgeMode::Hard };
    PurgeOrder { mode, ..PurgeOrder::default() }
}

fn done(purged: &Purged) -> Value {
    json!({ "status": "ok", "id": purged.seq.to_string() })
}

async fn answer(admin: &Admin, caller: &Caller, uri: &Uri, order: &PurgeOrder) -> Response {
    match purge(admin, caller, order).await {
        Ok((purged, noted)) => (noted, said(done(&purged))).into_response(),
        Err(problem) => told(Shape::Fastly, &problem, uri.path()),
    }
}

/// `POST /service/{site}/purge/{key}`.
pub(super) async fn by_key(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path((site, _)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    // A key may hold slashes, and clients that do not escape them.
    let rest = uri.path().splitn(5, '/').nth(4).unwrap_or_default();
    let key = percent_decode_str(rest).decode_utf8_lossy().into_owned();
    let order = PurgeOrder { tags: vec![key], site: Some(site), ..order(&headers) };
    answer(&admin, &caller, &uri, &order).await
}

/// `POST /service/{site}/purge`, with keys in `Surrogate-Key` or in the body.
pub(super) async fn by_keys(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut keys: Vec<String> = headers
        .get_all("surrogate-key")
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split_ascii_whitespace().map(str::to_owned))
        .collect();
    // Some clients say no media type.
    let told_in_body = serde_json::from_slice::<Value>(&body).ok();
    let listed = told_in_body.as_ref().and_then(|body| body["surrogate_keys"].as_array());
    keys.extend(listed.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)));
    if keys.is_empty() || keys.len() > KEYS {
        let why = format!("name 1 to {KEYS} keys, in Surrogate-Key or as `surrogate_keys`");
        return refused(Shape::Fastly, StatusCode::BAD_REQUEST, &why, uri.path());
    }
    let order = PurgeOrder { tags: keys, site: Some(site), ..order(&headers) };
    match purge(&admin, &caller, &order).await {
        Err(problem) => told(Shape::Fastly, &problem, uri.path()),
        Ok((purged, noted)) => {
            // Clients look for each key that they sent.
            let ids = order.tags.iter().enumerate();
            let ids =
                ids.map(|(at, key)| (key.clone(), format!("{}-{}", purged.seq, at + 1).into()));
            (noted, said(Value::Object(ids.collect::<Map<_, _>>()))).into_response()
        }
    }
}

/// `POST /service/{site}/purge_all`: gone, whatever is said of soft.
pub(super) async fn all(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
) -> Response {
    let order = PurgeOrder { sites: vec![site], mode: PurgeMode::Hard, ..PurgeOrder::default() };
    answer(&admin, &caller, &uri, &order).await
}

/// `POST /purge/{url}`, the URL with or without its scheme.
pub(super) async fn by_url(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let target = uri.path_and_query().map_or("", |it| it.as_str());
    let url = target.strip_prefix("/purge/").unwrap_or_default();
    let url = match url.starts_with("http://") || url.starts_with("https://") {
        true => url.to_owned(),
        false => format!("http://{url}"),
    };
    let order = PurgeOrder { urls: vec![url], ..order(&headers) };
    answer(&admin, &caller, &uri, &order).await
}

/// `GET /service/{site}`: what clients ask before they purge.
pub(super) async fn service(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
) -> Response {
    match admin.entry(&caller, &site) {
        Ok(entry) => said(described(&entry.name)),
        Err(problem) => told(Shape::Fastly, &problem, uri.path()),
    }
}

fn described(name: &str) -> Value {
    let version = json!({ "number": 1, "active": true });
    json!({
        "id": name, "name": name, "type": "vcl", "version": 1,
        "versions": [version], "active_version": version,
    })
}

/// `GET /service`.
pub(super) async fn services(State(admin): State<Arc<Admin>>, Read(caller): Read) -> Response {
    let snapshot = admin.sites.snapshot();
    let entries = snapshot.names.iter().map(|(_, entry)| entry);
    let own = entries.filter(|entry| caller.whose.owns(entry.customer.as_deref()));
    said(own.map(|entry| described(&entry.name)).collect())
}

/// `GET /service/{site}/version`.
pub(super) async fn versions(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
) -> Response {
    match admin.entry(&caller, &site) {
        Ok(_) => said(json!([{ "number": 1, "active": true }])),
        Err(problem) => told(Shape::Fastly, &problem, uri.path()),
    }
}

/// `GET /tokens/self`: no services stands for all that the token sees.
pub(super) async fn token(Read(caller): Read) -> Response {
    said(json!({
        "id": caller.name, "name": caller.name,
        "scope": "purge_all purge_select", "scopes": ["purge_all", "purge_select"],
        "services": [],
    }))
}

/// `GET /current_user` and `/current_customer`.
pub(super) async fn user(Read(caller): Read) -> Response {
    let customer = match &caller.whose {
        Customers::All => "all",
        Customers::One(name) => name,
    };
    said(
        json!({ "id": customer, "name": caller.name, "role": "engineer", "customer_id": customer }),
    )
}
