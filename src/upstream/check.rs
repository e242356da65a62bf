//! Active health checks: each server is asked for one path, again and again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::header::USER_AGENT;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::timeout;

use super::connect::{addresses, connect};
use super::fault::{Fault, FaultKind};
use super::group::{Group, Server};
use super::pool::Connection;
use super::request::{Order, Outbound};
use super::settings::HealthSettings;
use super::target::{HostValue, Scheme};
use super::upload::Upload;

/// Starts the active checks that the group's settings ask for, if they do, on the present runtime.
/// They end when nobody else holds the group any more.
pub fn watch(group: &Arc<Group>) {
    let Some(settings) = group.settings.health.clone() else { return };
    let group = Arc::downgrade(group);
    tokio::spawn(async move {
        loop {
            let Some(group) = group.upgrade() else { return };
            join_all(group.servers.iter().map(|server| check(&group, server, &settings))).await;
            drop(group);
            tokio::time::sleep(jittered(settings.interval.0)).await;
        }
    });
}

/// A tenth more or less, so that the nodes of a network do not all knock at once.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

async fn check(group: &Arc<Group>, server: &Server, settings: &HealthSettings) {
    let outcome = match timeout(settings.timeout.0, ask(group, server, settings)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::new(FaultKind::FirstByteTimeout)),
    };
    let good = outcome.as_ref().is_ok_and(|status| is_good(*status, &settings.status));
    let needed = if good { settings.healthy } else { settings.unhealthy };
    if !server.health.checked(good, needed) {
        return;
    }
    let (site, server) = (group.site(), &server.settings.url);
    match outcome {
        _ if good => tracing::info!(site, %server, "checks find it good again"),
        Ok(status) => tracing::warn!(site, %server, status, "checks find it bad"),
        Err(fault) => tracing::warn!(site, %server, %fault, "checks find it bad"),
    }
}

fn is_good(status: u16, wanted: &[u16]) -> bool {
    if wanted.is_empty() { (200..400).contains(&status) } else { wanted.contains(&status) }
}

/// Asks once, over a connection of its own: that one can still be made is part of the question.
async fn ask(group: &Group, server: &Server, settings: &HealthSettings) -> Result<u16, Fault> {
    let named = settings.host.as_deref().and_then(|text| text.parse::<Authority>().ok());
    let visited = named.clone().unwrap_or_else(|| Authority::from_static("localhost"));
    let target = group.target(server, Scheme::Http, &visited);
    let host = match (named, &group.host) {
        (Some(named), _) => HostValue::new(named),
        (None, Some(host)) => Some(host.clone()),
        (None, None) => target.authority().and_then(HostValue::new),
    };
    let wrong = || Fault::new(FaultKind::Internal);
    let host = host.ok_or_else(wrong)?;
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("brink (health check)"));
    let outbound = Outbound {
        method: Method::GET,
        scheme: target.scheme,
        host: host.authority.clone(),
        path: PathAndQuery::try_from(settings.path.as_str()).map_err(|_| wrong())?,
        headers,
        body: Upload::Empty,
        body_limit: 0,
        on_interim: None,
        upgrade: None,
    };
    let (mut order, _) = Order::new(outbound)?;
    let addresses = addresses(&group.shared, &target).await?;
    let mut connection = connect(&group.shared, &target, &addresses, &group.terms(), false).await?;
    let http2 = matches!(connection, Connection::Shared(_));
    let request = order.request(target.scheme, &host, http2);
    match connection.send(request).await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(Fault::from_hyper(error.error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_good_by_list_or_by_range() {
        assert!(is_good(204, &[]) && is_good(302, &[]) && !is_good(404, &[]) && !is_good(503, &[]));
        assert!(is_good(404, &[404]) && !is_good(200, &[404]));
    }

    #[test]
    fn intervals_vary_by_a_tenth() {
        let second = Duration::from_secs(1);
        let (least, most) = (Duration::from_millis(900), Duration::from_millis(1100));
        assert!((0..100).all(|_| (least..=most).contains(&jittered(second))));
    }
}
