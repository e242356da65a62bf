//! How the node fares, in one answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::Admin;
use crate::admin::access::Read;
use crate::admin::problem::Problem;

/// How the node fares.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// Whether it takes traffic.
    ready: bool,
    /// The version of the program.
    version: &'static str,
    /// The node's name.
    name: String,
    /// Seconds since it started.
    uptime: u64,
    /// Snapshots of the sites since then: it grows with every change.
    generation: u64,
    /// How many sites the caller has.
    sites: usize,
    /// Those of them that were good once and cannot be built now.
    failed: Vec<String>,
    /// Those of them in use whose origin's servers are down, with the servers.
    origins: Vec<OriginDown>,
    /// Its disks; told to operators alone.
    disks: Vec<DiskHealth>,
}

/// A site with servers that are down.
#[derive(Serialize, ToSchema)]
struct OriginDown {
    site: String,
    /// The servers that are down.
    down: Vec<String>,
    /// How many there are in all.
    servers: usize,
}

/// How a disk fares.
#[derive(Serialize, ToSchema)]
struct DiskHealth {
    /// Its directory.
    path: String,
    /// `ok`, `sick` or `full`.
    state: &'static str,
    /// Bytes that it may hold.
    capacity: u64,
    /// Bytes of what it holds.
    bytes: u64,
    /// Records of what it holds.
    records: u64,
}

/// Tells how the node, its disks and the caller's sites fare.
#[utoipa::path(get, path = "/v1/health", tag = "health", responses((status = 200, body = Health)))]
pub(super) async fn health(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
) -> Result<Json<Health>, Problem> {
    let snapshot = admin.sites.snapshot();
    let own = || {
        let entries = snapshot.names.iter().map(|(_, entry)| entry);
        entries.filter(|entry| caller.whose.owns(entry.customer.as_deref()))
    };
    let mut origins = Vec::new();
    for site in own().filter_map(|entry| entry.site_in_use()) {
        let servers: Vec<_> = site.groups().flat_map(|group| group.status()).collect();
        let down: Vec<String> =
            servers.iter().filter(|it| !it.up).map(|it| it.server.clone()).collect();
        if !down.is_empty() {
            let (site, servers) = (site.name.to_string(), servers.len());
            origins.push(OriginDown { site, down, servers });
        }
    }
    let disks = match caller.customer() {
        Some(_) => Vec::new(),
        None => admin
            .serve
            .store
            .disk_figures()
            .into_iter()
            .map(|disk| DiskHealth {
                path: disk.path.display().to_string(),
                state: disk.state,
                capacity: disk.capacity,
                bytes: disk.live_bytes,
                records: disk.records,
            })
            .collect(),
    };
    Ok(Json(Health {
        ready: admin.is_ready(),
        version: env!("CARGO_PKG_VERSION"),
        name: admin.serve.name.clone(),
        uptime: admin.serve.clock.now().since(admin.started).as_secs(),
        generation: snapshot.generation,
        sites: own().count(),
        failed: own().filter(|it| it.failed()).map(|it| it.name.to_string()).collect(),
        origins,
        disks,
    }))
}
