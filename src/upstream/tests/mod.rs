//! Origins over real sockets, in short plays: an origin, a request, what must come of it.

mod connections;
mod failures;
mod names;
mod origin;
mod protocols;
mod redirects;
mod secured;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, Method};
use http_body_util::BodyExt;

use super::*;
use crate::clock::Clock;

/// What a node allows in these tests: loopback.
fn shared() -> Arc<Shared> {
    let settings: NodeSettings =
        toml::from_str("allow_private = [\"127.0.0.0/8\", \"::1/128\"]").unwrap();
    Shared::new(&settings, Clock::system())
}

/// The group of a `[origin]` table.
fn group(table: &str) -> Arc<Group> {
    group_of(table, &shared())
}

fn group_of(table: &str, shared: &Arc<Shared>) -> Arc<Group> {
    Group::new((7, &"seven".into()), &toml::from_str(table).unwrap(), shared).unwrap()
}

/// A group with one server and nothing else said.
fn plain(origin: &origin::Origin) -> Arc<Group> {
    group(&format!("servers = [\"{}\"]", origin.address))
}

fn get(path: &'static str) -> Outbound {
    Outbound {
        method: Method::GET,
        scheme: Scheme::Http,
        host: Authority::from_static("www.example"),
        path: PathAndQuery::from_static(path),
        headers: HeaderMap::new(),
        body: Upload::Empty,
        body_limit: 1 << 20,
        on_interim: None,
        upgrade: None,
    }
}

fn post(body: Upload) -> Outbound {
    Outbound { method: Method::POST, body, ..get("/") }
}

/// Sends, reads the whole body, and gives both back.
async fn fetch(group: &Arc<Group>, outbound: Outbound) -> Result<(Inbound, Bytes), Fault> {
    let mut inbound = send(group, outbound).await?;
    let body = (&mut inbound.body).collect().await?.to_bytes();
    Ok((inbound, body))
}

async fn fault(group: &Arc<Group>, outbound: Outbound) -> FaultKind {
    match fetch(group, outbound).await {
        Ok((inbound, _)) => panic!("{} instead of a fault", inbound.head.status),
        Err(fault) => fault.kind,
    }
}

/// Lets other tasks run, such as a connection that has yet to see its end.
async fn breathe() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[test]
fn requests_and_idle_groups_are_light() {
    let group = group("servers = [\"127.0.0.1:1\"]");
    assert!(size_of_val(&send(&group, get("/"))) < 4096);
    assert!(size_of::<Group>() + size_of::<super::group::Server>() < 1024);
}

#[test]
fn a_request_can_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let group = group("servers = [\"127.0.0.1:1\"]");
    is_send(&send(&group, get("/")));
    fn is_body<T: Send + http_body::Body<Data = Bytes, Error = Fault> + 'static>() {}
    is_body::<IncomingBody>();
}
