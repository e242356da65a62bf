//! Cloudflare's shape: a zone is a site. What is purged is gone.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shape, purge as purged_for, refused, said, told};
use crate::admin::Admin;
use crate::admin::access::{Caller, Read};
use crate::serve::purge::{PurgeMode, PurgeOrder};
use crate::site::{Entry, display_host};

/// What is to be purged; more than one kind at a time is several orders to us, and none to Cloudflare.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    purge_everything: bool,
    files: Vec<File>,
    tags: Vec<String>,
    hosts: Vec<String>,
    prefixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Url(String),
    WithFields { url: String },
}

fn ok(result: Value) -> Value {
    json!({ "success": true, "errors": [], "messages": [], "result": result })
}

fn page(result: Vec<Value>) -> Value {
    let count = result.len();
    let mut page = ok(result.into());
    page["result_info"] = json!({
        "page": 1, "per_page": count.max(20), "total_pages": 1, "count": count, "total_count": count,
    });
    page
}

/// `POST` or `DELETE /client/v4/zones/{site}/purge_cache`.
pub(super) async fn purge(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
    body: Bytes,
) -> Response {
    let entry = match admin.entry(&caller, &site) {
        Ok(entry) => entry,
        Err(problem) => return told(Shape::Cloudflare, &problem, uri.path()),
    };
    let bad = |why: &str| refused(Shape::Cloudflare, StatusCode::BAD_REQUEST, why, uri.path());
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => return bad(&format!("the body is no order: {error}")),
    };
    match wanted.order(&entry) {
        Ok(order) => answer(&admin, &caller, &uri, &order, &entry.name).await,
        Err(why) => bad(&why),
    }
}

async fn answer(
    admin: &Admin,
    caller: &Caller,
    uri: &Uri,
    order: &PurgeOrder,
    zone: &str,
) -> Response {
    match purged_for(admin, caller, order).await {
        Ok((_, noted)) => (noted, said(ok(json!({ "id": zone })))).into_response(),
        Err(problem) => told(Shape::Cloudflare, &problem, uri.path()),
    }
}

impl Wanted {
    fn order(self, zone: &Entry) -> Result<PurgeOrder, String> {
        let with_scheme = |text: String| match text.contains("://") {
            true => text,
            false => format!("http://{text}"),
        };
        let mut order = PurgeOrder { mode: PurgeMode::Hard, ..PurgeOrder::default() };
        if self.purge_everything {
            order.sites = vec![zone.name.to_string()];
            return Ok(order);
        }
        let urls = self.files.into_iter().map(|file| match file {
            File::Url(url) | File::WithFields { url } => with_scheme(url),
        });
        order.urls = urls.collect();
        // A host alone is all of it.
        let whole = |prefix: String| match prefix.split_once("://") {
            Some((_, rest)) if !rest.contains('/') => format!("{prefix}/"),
            _ => prefix,
        };
        order.prefixes = self.prefixes.into_iter().map(with_scheme).map(whole).collect();
        order.hosts = self.hosts;
        order.site = (!self.tags.is_empty()).then(|| zone.name.to_string());
        order.tags = self.tags;
        Ok(order)
    }
}

fn described(entry: &Entry) -> Value {
    let name =
        entry.hosts.first().map_or_else(|| entry.name.to_string(), |host| display_host(host));
    json!({ "id": &*entry.name, "name": name, "status": "active", "paused": false, "type": "full" })
}

/// What zones are looked for.
#[derive(Deserialize)]
pub(super) struct Named {
    name: Option<String>,
}

/// `GET /client/v4/zones`, perhaps by the name of one of their hosts.
pub(super) async fn zones(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Query(named): Query<Named>,
) -> Response {
    let snapshot = admin.sites.snapshot();
    let entries = snapshot.names.iter().map(|(_, entry)| entry);
    let own = entries.filter(|entry| caller.whose.owns(entry.customer.as_deref()));
    let found = own.filter(|entry| {
        named.name.as_deref().is_none_or(|name| {
            let of = |host: &str| {
                host == name || host.strip_suffix(name).is_some_and(|it| it.ends_with('.'))
            };
            entry.hosts.iter().any(|host| of(&display_host(host)))
        })
    });
    said(page(found.map(|entry| described(entry)).collect()))
}

/// `GET /client/v4/zones/{site}`.
pub(super) async fn zone(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
) -> Response {
    match admin.entry(&caller, &site) {
        Ok(entry) => said(ok(described(&entry))),
        Err(problem) => told(Shape::Cloudflare, &problem, uri.path()),
    }
}

/// `GET /client/v4/zones/{site}/pagerules`: there are none.
pub(super) async fn nothing(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path(site): Path<String>,
    uri: Uri,
) -> Response {
    match admin.entry(&caller, &site) {
        Ok(_) => said(page(Vec::new())),
        Err(problem) => told(Shape::Cloudflare, &problem, uri.path()),
    }
}

/// `GET /client/v4/zones/{site}/settings/{name}`: what clients look at before they purge is off here.
pub(super) async fn setting(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Path((site, name)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    match admin.entry(&caller, &site) {
        Ok(_) => said(ok(json!({ "id": name, "value": "off", "editable": false }))),
        Err(problem) => told(Shape::Cloudflare, &problem, uri.path()),
    }
}

/// `GET /client/v4/user/tokens/verify`.
pub(super) async fn verify(Read(caller): Read) -> Response {
    said(ok(json!({ "id": caller.name, "status": "active" })))
}
