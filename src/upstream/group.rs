//! The servers of one site: who they are, how they fare, and who is next.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use http::uri::Authority;
use parking_lot::Mutex;

use super::balance::{Balancer, Candidate, Candidates};
use super::connect::Terms;
use super::health::Health;
use super::pool::Keep;
use super::retry::Budget;
use super::settings::{ServerSettings, Settings};
use super::shared::Shared;
use super::target::{Host, HostValue, Scheme, Target, parse_host};
use crate::setting::Complaint;

/// Targets kept beside the servers' own: of redirects, and for names that clients asked for.
const MOST_EXTRAS: usize = 32;

/// The origin of one site. Made when the site is loaded; it connects to nothing and reads no file
/// before its first request.
pub struct Group {
    site: u32,
    name: Arc<str>,
    pub(crate) settings: Settings,
    pub(crate) shared: Arc<Shared>,
    pub(crate) servers: Box<[Server]>,
    pub(crate) host: Option<HostValue>,
    pub(crate) budget: Budget,
    balancer: Balancer,
    extras: Mutex<Vec<Arc<Target>>>,
}

/// One server and how it fares.
pub(crate) struct Server {
    pub settings: ServerSettings,
    pub health: Health,
    pub in_flight: AtomicU32,
    plain: OnceLock<Arc<Target>>,
    secure: OnceLock<Arc<Target>>,
}

/// How one server fares, for the admin listener.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerStatus {
    /// Its URL as in the settings.
    pub server: String,
    /// Whether it is a backup.
    pub backup: bool,
    /// Whether it gets requests now.
    pub up: bool,
    /// Whether active checks hold it for bad.
    pub checked_bad: bool,
    /// Requests under way.
    pub in_flight: u32,
}

impl Group {
    /// The group that the settings describe, of a site with this number and name. Refuses settings
    /// that [`Settings::validate`] complains of.
    pub fn new(
        (site, name): (u32, &Arc<str>),
        settings: &Settings,
        shared: &Arc<Shared>,
    ) -> Result<Arc<Self>, Complaint> {
        if let Some(complaint) = settings.validate().into_iter().next() {
            return Err(complaint);
        }
        let host = match &settings.host {
            None => None,
            Some(text) => {
                let host = Authority::try_from(text.as_str()).ok().and_then(HostValue::new);
                Some(host.ok_or_else(|| Complaint::new("host", "it cannot be a Host field"))?)
            }
        };
        // The only server of a site stays in use whatever happens, as in nginx.
        let alone = settings.servers.len() == 1;
        let servers = settings.servers.iter().map(|server| Server {
            health: Health::new(if alone { 0 } else { server.max_fails }, server.fail_timeout.0),
            settings: server.clone(),
            in_flight: AtomicU32::new(0),
            plain: OnceLock::new(),
            secure: OnceLock::new(),
        });
        Ok(Arc::new(Group {
            site,
            name: Arc::clone(name),
            servers: servers.collect(),
            host,
            budget: Budget::new(settings.retry_budget),
            balancer: Balancer::new(settings.balance, settings.servers.len()),
            extras: Mutex::default(),
            shared: shared.clone(),
            settings: settings.clone(),
        }))
    }

    /// What the group was made of.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The site that the group belongs to.
    pub fn site(&self) -> u32 {
        self.site
    }

    /// The name of that site.
    pub fn site_name(&self) -> &Arc<str> {
        &self.name
    }

    /// How each server fares now.
    pub fn status(&self) -> Vec<ServerStatus> {
        let status = |server: &Server| ServerStatus {
            server: server.settings.url.to_string(),
            backup: server.settings.backup,
            up: server.health.is_up(&self.shared.clock),
            checked_bad: server.health.is_checked_bad(),
            in_flight: server.in_flight.load(Ordering::Relaxed),
        };
        self.servers.iter().map(status).collect()
    }

    /// What the settings say about connections.
    pub(crate) fn terms(&self) -> Terms<'_> {
        Terms {
            timeout: self.settings.connect_timeout.0,
            http2: self.settings.http2,
            tls: &self.settings.tls,
        }
    }

    /// What the settings say about idle connections.
    pub(crate) fn keep(&self) -> Keep {
        Keep {
            idle_timeout: self.settings.idle_timeout.0,
            max_idle: usize::from(self.settings.max_idle),
        }
    }

    /// The next server to ask, other than those `tried`. Backups come in only when no primary is
    /// up; once something was tried, `may_back_up` must agree to that as well. If nothing is up, a
    /// server that only failures took out is tried all the same, once.
    pub(crate) fn pick(&self, tried: &[usize], may_back_up: bool) -> Option<usize> {
        let choose = |backup: bool, fit: &dyn Fn(&Health) -> bool| {
            let candidates: Candidates = self
                .servers
                .iter()
                .enumerate()
                .filter(|(place, server)| {
                    server.settings.backup == backup
                        && !tried.contains(place)
                        && fit(&server.health)
                })
                .map(|(place, server)| server.candidate(place))
                .collect();
            self.balancer.choose(&candidates)
        };
        let up = |health: &Health| health.is_up(&self.shared.clock);
        let not_bad = |health: &Health| !health.is_checked_bad();
        let mut place = choose(false, &up);
        if place.is_none() && (tried.is_empty() || may_back_up) {
            place = choose(true, &up);
        }
        if place.is_none() && tried.is_empty() {
            place = choose(false, &not_bad).or_else(|| choose(true, &not_bad));
        }
        place
    }

    /// Where to connect to reach `server` for a client that spoke `client` and asked for `host`.
    pub(crate) fn target(&self, server: &Server, client: Scheme, host: &Authority) -> Arc<Target> {
        let url = &server.settings.url;
        let (scheme, port) = self.settings.reach(url, client);
        let (kept, named) = match scheme {
            Scheme::Http => (&server.plain, None),
            Scheme::Https => (&server.secure, self.server_name()),
        };
        if scheme == Scheme::Https && named.is_none() && matches!(url.host, Host::Address(_)) {
            // An address has no name of its own: the certificate must be the visited host's.
            if let Ok(visited) = parse_host(host.host()) {
                return self.extra(scheme, &url.host, port, Some(&visited));
            }
        }
        kept.get_or_init(|| Arc::new(Target::new(scheme, url.host.clone(), port, named.as_ref())))
            .clone()
    }

    /// The name that TLS asks for whatever the server: `tls.server_name`, or that of `host`.
    fn server_name(&self) -> Option<Host> {
        match (&self.settings.tls.server_name, &self.host) {
            (Some(name), _) => parse_host(name).ok(),
            (None, Some(host)) => parse_host(host.authority.host()).ok(),
            (None, None) => None,
        }
    }

    /// A target that is not one of the servers' own, from memory or made.
    pub(crate) fn extra(
        &self,
        scheme: Scheme,
        host: &Host,
        port: u16,
        server_name: Option<&Host>,
    ) -> Arc<Target> {
        let made = Target::new(scheme, host.clone(), port, server_name);
        let mut extras = self.extras.lock();
        let known = extras
            .iter()
            .find(|known| known.is(scheme, host, port) && known.server_name == made.server_name);
        if let Some(known) = known {
            return known.clone();
        }
        if extras.len() >= MOST_EXTRAS {
            extras.remove(0);
        }
        let made = Arc::new(made);
        extras.push(made.clone());
        made
    }
}

impl Server {
    fn candidate(&self, place: usize) -> Candidate {
        let busy = self.in_flight.load(Ordering::Relaxed);
        Candidate { place, weight: self.settings.weight, busy }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("site", &self.site).field("servers", &self.status()).finish()
    }
}

/// A request under way at a server, counted until its response is over.
pub(crate) struct InFlight {
    group: Arc<Group>,
    place: usize,
}

impl InFlight {
    /// Counts a request that is now to be sent to the server in `place`.
    pub fn begin(group: &Arc<Group>, place: usize) -> Self {
        if let Some(server) = group.servers.get(place) {
            server.health.chosen(&group.shared.clock);
            server.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        InFlight { group: group.clone(), place }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(server) = self.group.servers.get(self.place) {
            server.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Timestamp};
    use crate::upstream::NodeSettings;
    use std::time::Duration;

    fn group(servers: &str) -> (Arc<Group>, Clock) {
        let settings: Settings = toml::from_str(&format!("servers = [{servers}]")).unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let shared = Shared::new(&NodeSettings::default(), clock.clone());
        (Group::new((1, &"a".into()), &settings, &shared).unwrap(), clock)
    }

    #[test]
    fn backups_wait_until_no_primary_is_up() {
        let (group, clock) = group(r#""a", "b", { url = "c", backup = true }"#);
        let fail = |place: usize| group.servers[place].health.failed(clock.now());
        assert!((0..50).all(|_| group.pick(&[], true) != Some(2)));
        assert!(fail(0));
        assert!((0..50).all(|_| group.pick(&[], true) == Some(1)));
        assert_eq!(group.pick(&[1], true), Some(2));
        assert_eq!(group.pick(&[1], false), None);
        assert!(fail(1));
        assert_eq!(group.pick(&[], false), Some(2));
        // With all of them out, a primary is tried all the same, but nothing is tried twice.
        assert!(fail(2));
        assert!(matches!(group.pick(&[], true), Some(0 | 1)));
        assert_eq!(group.pick(&[0], true), None);
        clock.advance(Duration::from_secs(10));
        assert!(matches!(group.pick(&[], true), Some(0 | 1)));
    }

    #[test]
    fn what_checks_call_bad_is_not_asked_at_all() {
        let (group, _) = group(r#""a", "b""#);
        assert!(group.servers[0].health.checked(false, 1));
        assert!(group.servers[1].health.checked(false, 1));
        assert_eq!(group.pick(&[], true), None);
        assert!(group.status().iter().all(|status| status.checked_bad && !status.up));
    }

    #[test]
    fn a_lone_server_is_never_given_up() {
        let (group, clock) = group(r#""a""#);
        assert!(!group.servers[0].health.failed(clock.now()));
        assert_eq!(group.pick(&[], true), Some(0));
    }

    #[test]
    fn an_address_behind_tls_is_asked_for_the_visited_name() {
        let (group, _) = group(r#""https://192.0.2.1""#);
        let target =
            |host: &str| group.target(&group.servers[0], Scheme::Http, &host.parse().unwrap());
        let (a, b) = (target("a.example"), target("b.example"));
        assert_ne!(a.id, b.id, "connections for two names are never mixed");
        assert_eq!(a.id, target("a.example:8080").id);
        assert_eq!(a.server_name, "a.example".try_into().ok());
    }
}
