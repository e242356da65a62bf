//! Names to addresses, with the true TTLs of the DNS.
//!
//! The resolver (hickory) asks and keeps a bounded cache. Each origin's [`Name`] keeps its last good
//! answer besides, so that a request never waits for the DNS while an answer is at hand:
//!
//! ```text
//! fresh (TTL)  | grace, 30 s             | stale, `dns_stale`           | nothing
//! use          | use, ask in background  | ask and wait; use if it fails | ask and wait; fail
//! ```
//! After a failure the DNS is left alone for a few seconds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::Notify;

use super::fault::{Fault, FaultKind};
use super::node_settings::NodeSettings;
use crate::clock::{Clock, Timestamp};

/// For how long after its TTL an answer is used without waiting, while a new one is fetched.
const GRACE: Duration = Duration::from_secs(30);

/// For how long the DNS is left alone after it failed.
const BACK_OFF: Duration = Duration::from_secs(5);

/// The least time that an answer is used: some names have a TTL of zero.
const LEAST_TTL: Duration = Duration::from_secs(1);

/// Most addresses of one name that are considered.
const MOST_ADDRESSES: usize = 16;

/// The addresses of an origin, in the order of the answer.
pub(crate) type Addresses = Arc<[IpAddr]>;

/// Asks the DNS; one per node.
pub(crate) struct Resolver {
    dns: Option<TokioResolver>,
    timeout: Duration,
    stale: Duration,
    clock: Clock,
}

impl Resolver {
    /// A resolver as the node's settings say. A machine without name servers can still reach
    /// origins by address.
    pub fn new(settings: &NodeSettings, clock: Clock) -> Self {
        Resolver {
            dns: build(settings),
            timeout: settings.resolve_timeout.0,
            stale: settings.dns_stale.0,
            clock,
        }
    }

    /// Looks a name up; the answer comes with how long it holds.
    async fn ask(&self, host: &str) -> Result<(Addresses, Duration), FaultKind> {
        // RFC 6761 section 6.3: localhost never goes to the DNS.
        if host == "localhost" || host.ends_with(".localhost") {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Ok((loopback.into(), Duration::from_secs(86_400)));
        }
        let dns = self.dns.as_ref().ok_or(FaultKind::NameUnresolved)?;
        // The final dot keeps the machine's search list out of a customer's name.
        let lookup = dns.lookup_ip(format!("{host}."));
        let answer = match tokio::time::timeout(self.timeout, lookup).await {
            Err(_) | Ok(Err(NetError::Timeout)) => return Err(FaultKind::ResolveTimeout),
            Ok(Err(error)) => {
                tracing::debug!(host, %error, "name not resolved");
                return Err(FaultKind::NameUnresolved);
            }
            Ok(Ok(answer)) => answer,
        };
        let addresses: Addresses = answer.iter().take(MOST_ADDRESSES).collect();
        let ttl = answer.valid_until().saturating_duration_since(Instant::now());
        match addresses.is_empty() {
            true => Err(FaultKind::NameUnresolved),
            false => Ok((addresses, ttl)),
        }
    }
}

fn build(settings: &NodeSettings) -> Option<TokioResolver> {
    let provider = TokioRuntimeProvider::default();
    let mut builder = if settings.resolvers.is_empty() {
        TokioResolver::builder(provider)
            .inspect_err(|error| tracing::warn!(%error, "no name servers: origins need addresses"))
            .ok()?
    } else {
        let servers = settings.resolvers.iter().map(|server| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            connections.iter_mut().for_each(|connection| connection.port = server.port());
            NameServerConfig::new(server.ip(), true, connections)
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        TokioResolver::builder_with_config(config, provider)
    };
    let options = builder.options_mut();
    options.cache_size = u64::from(settings.dns_cache);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // A tenth of a second short of ours, so that the DNS's own error is the one that is told.
    options.timeout = (settings.resolve_timeout.0 / 2).max(Duration::from_millis(100));
    options.attempts = 1;
    builder.build().ok()
}

/// What is known of one name.
struct Known {
    addresses: Option<Addresses>,
    fresh_until: Timestamp,
    /// The last failure, and until when the DNS is left alone because of it.
    failure: Option<(FaultKind, Timestamp)>,
}

/// What to do about a name.
#[derive(Debug, PartialEq)]
enum Step {
    Use(Addresses),
    UseAndAsk(Addresses),
    AskAndWait,
    Fail(FaultKind),
}

/// Decides purely; see the drawing at the head of this file.
fn step(known: Option<&Known>, now: Timestamp, stale: Duration) -> Step {
    let Some(known) = known else { return Step::AskAndWait };
    let resting = known.failure.filter(|(_, until)| now < *until);
    match &known.addresses {
        Some(addresses) if now < known.fresh_until => Step::Use(addresses.clone()),
        Some(addresses) if resting.is_some() && now < known.fresh_until.plus(stale) => {
            Step::Use(addresses.clone())
        }
        Some(addresses) if now < known.fresh_until.plus(GRACE.min(stale)) => {
            Step::UseAndAsk(addresses.clone())
        }
        _ => match resting {
            Some((kind, _)) => Step::Fail(kind),
            None => Step::AskAndWait,
        },
    }
}

/// What is known after an answer; a failure keeps the addresses of before.
fn learn(
    known: Option<&Known>,
    answer: Result<(Addresses, Duration), FaultKind>,
    now: Timestamp,
) -> Known {
    match answer {
        Ok((addresses, ttl)) => Known {
            addresses: Some(addresses),
            fresh_until: now.plus(ttl.max(LEAST_TTL)),
            failure: None,
        },
        Err(kind) => Known {
            addresses: known.and_then(|known| known.addresses.clone()),
            fresh_until: known.map_or(now, |known| known.fresh_until),
            failure: Some((kind, now.plus(BACK_OFF))),
        },
    }
}

/// One host name and what is known of its addresses.
pub(crate) struct Name(Arc<State>);

struct State {
    host: Arc<str>,
    known: ArcSwapOption<Known>,
    asking: AtomicBool,
    answered: Notify,
}

impl Name {
    /// A name of which nothing is known yet.
    pub fn new(host: Arc<str>) -> Self {
        Name(Arc::new(State {
            host,
            known: ArcSwapOption::empty(),
            asking: AtomicBool::new(false),
            answered: Notify::new(),
        }))
    }

    /// The addresses of this name.
    pub async fn addresses(&self, resolver: &Arc<Resolver>) -> Result<Addresses, Fault> {
        // Twice: once to ask, once to read what came of it. The answer may have a TTL of zero, but
        // is good for one second (LEAST_TTL); a failure is remembered as well.
        for _ in 0..2 {
            let answered = self.0.answered.notified();
            tokio::pin!(answered);
            // Registered before the state is read, so that no answer is missed in between.
            answered.as_mut().enable();
            let now = resolver.clock.now();
            match step(self.0.known.load().as_deref(), now, resolver.stale) {
                Step::Use(addresses) => return Ok(addresses),
                Step::UseAndAsk(addresses) => {
                    self.0.start_asking(resolver);
                    return Ok(addresses);
                }
                Step::Fail(kind) => return Err(Fault::new(kind).because(&self.0.host)),
                Step::AskAndWait => {
                    self.0.start_asking(resolver);
                    // The query has its own timeout; this one is for a runtime that went away.
                    let patience = resolver.timeout + Duration::from_secs(1);
                    if tokio::time::timeout(patience, answered).await.is_err() {
                        self.0.asking.store(false, Ordering::Release);
                        break;
                    }
                }
            }
        }
        Err(Fault::new(FaultKind::ResolveTimeout).because(&self.0.host))
    }
}

impl State {
    /// Asks in a task of its own, so that a client that leaves does not take the answer away from
    /// others. At most one question per name is under way.
    fn start_asking(self: &Arc<Self>, resolver: &Arc<Resolver>) {
        if self.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (state, resolver) = (self.clone(), resolver.clone());
        tokio::spawn(async move {
            let answer = resolver.ask(&state.host).await;
            let known = learn(state.known.load().as_deref(), answer, resolver.clock.now());
            state.known.store(Some(Arc::new(known)));
            state.asking.store(false, Ordering::Release);
            state.answered.notify_waiters();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALE: Duration = Duration::from_secs(3600);

    fn answer(last: u8, ttl: u64) -> Result<(Addresses, Duration), FaultKind> {
        Ok(([IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))].into(), Duration::from_secs(ttl)))
    }

    fn addresses(last: u8) -> Addresses {
        answer(last, 0).unwrap().0
    }

    #[test]
    fn an_answer_is_used_for_its_ttl_then_renewed_in_the_background() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let known = learn(None, answer(1, 60), clock.now());
        clock.advance(Duration::from_secs(59));
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::Use(addresses(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::UseAndAsk(addresses(1)));
        clock.advance(GRACE);
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::AskAndWait);
        let known = learn(Some(&known), answer(2, 60), clock.now());
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::Use(addresses(2)));
    }

    #[test]
    fn the_last_answer_outlives_a_failing_dns_for_a_bounded_time() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let known = learn(None, answer(1, 60), clock.now());
        clock.advance(Duration::from_secs(600));
        let known = learn(Some(&known), Err(FaultKind::ResolveTimeout), clock.now());
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::Use(addresses(1)));
        // After the rest the DNS is asked again, and once more fails.
        clock.advance(BACK_OFF);
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::AskAndWait);
        clock.advance(STALE);
        let known = learn(Some(&known), Err(FaultKind::ResolveTimeout), clock.now());
        let failed = Step::Fail(FaultKind::ResolveTimeout);
        assert_eq!(step(Some(&known), clock.now(), STALE), failed);
    }

    #[test]
    fn a_name_that_never_resolved_fails_and_is_left_alone_for_a_while() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        assert_eq!(step(None, clock.now(), STALE), Step::AskAndWait);
        let known = learn(None, Err(FaultKind::NameUnresolved), clock.now());
        let failed = Step::Fail(FaultKind::NameUnresolved);
        assert_eq!(step(Some(&known), clock.now(), STALE), failed);
        clock.advance(BACK_OFF);
        assert_eq!(step(Some(&known), clock.now(), STALE), Step::AskAndWait);
    }

    #[test]
    fn a_ttl_of_zero_is_good_for_one_second() {
        let now = Timestamp::from_seconds(1_000);
        let known = learn(None, answer(1, 0), now);
        assert_eq!(step(Some(&known), now, Duration::ZERO), Step::Use(addresses(1)));
        let later = now.plus(LEAST_TTL);
        assert_eq!(step(Some(&known), later, Duration::ZERO), Step::AskAndWait);
    }

    #[tokio::test]
    async fn localhost_needs_no_dns() {
        let settings = NodeSettings::default();
        let resolver = Arc::new(Resolver::new(&settings, Clock::system()));
        let found = Name::new("localhost".into()).addresses(&resolver).await.unwrap();
        assert_eq!(found.first(), Some(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
