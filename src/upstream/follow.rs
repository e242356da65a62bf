//! Following redirects for the client, within bounds (F16).
//!
//! Whatever stands in the way of a hop (a host that may not be dialled, a port that is not allowed, a
//! failure there), the client gets the redirect itself: it can go where we cannot.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE, LOCATION, PROXY_AUTHORIZATION};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue};

use super::group::Group;
use super::redirect::{destination, is_redirect};
use super::request::Order;
use super::send::{Attempt, Inbound, ask_group};
use super::target::{Host, HostValue, Scheme, Target};

/// Where the last response came from.
struct Trail<'a> {
    group: &'a Arc<Group>,
    /// The `Host` that the group's servers get, and the one that the client asked for.
    host: &'a HostValue,
    visited: &'a Authority,
    /// Somewhere else, or `None` for the group's own servers.
    elsewhere: Option<(Arc<Target>, HostValue)>,
    scheme: Scheme,
}

/// Follows the redirect that `inbound` may be, and those after it.
pub(crate) async fn follow(
    group: &Arc<Group>,
    mut order: Order,
    mut inbound: Inbound,
    host: &HostValue,
    visited: &Authority,
) -> Inbound {
    let mut trail = Trail { group, host, visited, elsewhere: None, scheme: inbound.scheme };
    for hop in 0..=group.settings.follow_redirects {
        if !is_redirect(inbound.head.status) {
            return inbound;
        }
        // What follows changes the trail; the client needs to know where this redirect stood.
        let absolute = if hop > 0 { trail.absolute(&inbound, &order.path) } else { None };
        let last = hop == group.settings.follow_redirects;
        let next = if last { None } else { trail.step(&inbound.head.headers, &mut order).await };
        match next {
            Some(next) => inbound = next,
            None => {
                if let Some(location) = absolute {
                    inbound.head.headers.insert(LOCATION, location);
                }
                return inbound;
            }
        }
    }
    inbound
}

impl Trail<'_> {
    /// Goes one hop, if it can be gone.
    async fn step(&mut self, answered: &HeaderMap, order: &mut Order) -> Option<Inbound> {
        let destination = destination(answered, self.scheme, &order.path)?;
        match destination.elsewhere {
            None if destination.path == order.path => return None,
            None => {}
            Some((scheme, host, port)) => {
                self.turn(scheme, host, port, &destination.path, order)?
            }
        }
        order.path = destination.path;
        self.group.shared.counts.redirects.bump();
        let outcome = match &self.elsewhere {
            None => ask_group(self.group, order, self.host, self.visited).await,
            Some((target, host)) => Attempt { group: self.group, target, host, in_flight: None }
                .run(order)
                .await
                .map_err(|failure| failure.fault),
        };
        match outcome {
            Ok(inbound) => {
                self.scheme = inbound.scheme;
                Some(inbound)
            }
            Err(fault) => {
                tracing::debug!(site = self.group.site(), %fault, "a redirect was not followed");
                None
            }
        }
    }

    /// Aims at another authority; `None` if we do not go there.
    fn turn(
        &mut self,
        scheme: Scheme,
        host: Host,
        port: u16,
        path: &PathAndQuery,
        order: &mut Order,
    ) -> Option<()> {
        if names(self.visited, scheme, &host, port)
            || names(&self.host.authority, scheme, &host, port)
        {
            // The site itself. If only the scheme differs, it is the client who has to change it;
            // and what leads back to where we are would lead there again.
            let same_scheme = scheme == self.scheme || scheme == order.scheme;
            let progress = *path != order.path || self.elsewhere.is_some();
            self.elsewhere = None;
            return (same_scheme && progress).then_some(());
        }
        let settings = &self.group.settings;
        let is_server = settings.servers.iter().any(|server| {
            server.url.host == host && settings.reach(&server.url, order.scheme) == (scheme, port)
        });
        if !is_server && !settings.redirect_ports.contains(&port) {
            return None;
        }
        let target = self.group.extra(scheme, &host, port, None);
        let value = HostValue::new(target.authority()?)?;
        // What the client confided to this site is not for another host.
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            order.headers.remove(name);
        }
        self.elsewhere = Some((target, value));
        Some(())
    }

    /// The `Location` of a later redirect as the client must see it: it knows nothing of the hops
    /// before.
    fn absolute(&self, inbound: &Inbound, path: &PathAndQuery) -> Option<HeaderValue> {
        let destination = destination(&inbound.head.headers, self.scheme, path)?;
        let text = match (&destination.elsewhere, &self.elsewhere) {
            (Some(_), _) => return None,
            (None, None) => destination.path.to_string(),
            (None, Some((target, host))) => {
                format!("{}://{}{}", target.scheme.as_str(), host.authority, destination.path)
            }
        };
        HeaderValue::try_from(text).ok()
    }
}

/// Whether `authority` means this host and port.
fn names(authority: &Authority, scheme: Scheme, host: &Host, port: u16) -> bool {
    authority.port_u16().unwrap_or(scheme.port()) == port
        && authority.host().eq_ignore_ascii_case(&host.to_string())
}
