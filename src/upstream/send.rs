//! The story of one request to an origin: pick a server, take or make a connection, exchange,
//! try again where that is allowed, and follow redirects.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use smallvec::SmallVec;
use tokio::time::{timeout, timeout_at};

use super::bill::Bill;
use super::body::{IncomingBody, Lease};
use super::connect::{addresses, connect};
use super::fault::{Fault, FaultKind};
use super::follow::follow;
use super::framing::settle;
use super::group::{Group, InFlight};
use super::pool::{self, Connection};
use super::request::{Order, Outbound};
use super::target::{HostValue, Scheme, Target};
use super::upload::{Progress, Stage};

/// A response of an origin: the head, and the body as it arrives.
pub struct Inbound {
    /// Status and fields, as sent; hop-by-hop fields included. `Content-Length` is gone if there
    /// was a `Transfer-Encoding` beside it.
    pub head: http::response::Parts,
    /// The body. Empty after a 101.
    pub body: IncomingBody,
    /// The server that answered, `host:port`.
    pub server: Arc<str>,
    /// How long things took.
    pub timings: Timings,
    /// The connection itself, after a 101 that was asked for; `None` otherwise.
    pub upgrade: Option<OnUpgrade>,
    pub(crate) scheme: Scheme,
}

/// How long an origin took.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// Making the connection, TLS included; `None` if there was one already.
    pub connect: Option<Duration>,
    /// From sending the request to the response head.
    pub first_byte: Duration,
}

/// Gets the response to a request from the group's servers.
///
/// Fails with the fault of the last attempt. Must run on a tokio runtime with I/O and timers; the
/// connection it uses belongs to the thread it runs on. Dropping the future, or the body of the
/// response, closes the connection (HTTP/1.1) or resets the stream (HTTP/2).
pub async fn send(group: &Arc<Group>, outbound: Outbound) -> Result<Inbound, Fault> {
    group.shared.counts.requests.bump();
    group.budget.earn();
    let bill = Bill::begin(group);
    let (mut order, visited) = Order::new(outbound)?;
    let host = match &group.host {
        Some(host) => host.clone(),
        None => HostValue::new(visited.clone())
            .ok_or_else(|| Fault::new(FaultKind::Internal).because("the host is no field value"))?,
    };
    let mut inbound = ask_group(group, &mut order, &host, &visited).await?;
    if group.settings.follow_redirects > 0 && order.may_follow() {
        // Boxed, as connecting is below: seldom run, and large to carry along.
        inbound = Box::pin(follow(group, order, inbound, &host, &visited)).await;
    }
    inbound.body.charge(bill);
    Ok(inbound)
}

/// Asks the servers of the group, one after the other as far as retries go.
pub(crate) async fn ask_group(
    group: &Arc<Group>,
    order: &mut Order,
    host: &HostValue,
    visited: &Authority,
) -> Result<Inbound, Fault> {
    let mut tried: SmallVec<[usize; 4]> = SmallVec::new();
    let mut last: Option<Fault> = None;
    loop {
        let place = group.pick(&tried, order.may_back_up());
        let Some((place, server)) = place.and_then(|at| Some((at, group.servers.get(at)?))) else {
            return Err(last.unwrap_or_else(|| Fault::new(FaultKind::NoServer)));
        };
        if let Some(fault) = last.take() {
            if !group.budget.spend() {
                group.shared.counts.retries_over_budget.bump();
                return Err(fault);
            }
            group.shared.counts.retries.bump();
        }
        let target = group.target(server, order.scheme, visited);
        let in_flight = Some(InFlight::begin(group, place));
        let failure = match (Attempt { group, target: &target, host, in_flight }).run(order).await {
            Ok(inbound) => {
                if server.health.succeeded() {
                    tracing::info!(site = group.site(), server = %target.label, "back in use");
                }
                return Ok(inbound);
            }
            Err(failure) => failure,
        };
        note(group, server, &target, &failure.fault);
        tried.push(place);
        if !failure.allows_retry(order) || tried.len() > usize::from(group.settings.retries) {
            return Err(failure.fault);
        }
        last = Some(failure.fault);
    }
}

fn note(group: &Group, server: &super::group::Server, target: &Target, fault: &Fault) {
    group.shared.counts.fault(fault.kind);
    tracing::debug!(site = group.site(), %fault, "an attempt failed");
    if fault.kind.blames_server() && server.health.failed(group.shared.clock.now()) {
        tracing::warn!(site = group.site(), server = %target.label, %fault, "out of use");
    }
}

/// An attempt that failed.
pub(crate) struct Failure {
    pub fault: Fault,
    /// Whether it is certain that the origin has seen nothing of the request.
    unsent: bool,
}

impl Failure {
    fn allows_retry(&self, order: &Order) -> bool {
        self.fault.kind.retryable() && order.whole && (self.unsent || order.may_repeat())
    }

    /// Whether a kept connection just turned out to have been closed by the origin, which says
    /// nothing about the origin's health.
    fn was_stale(&self, order: &Order) -> bool {
        let lost = matches!(
            self.fault.kind,
            FaultKind::Closed | FaultKind::Reset | FaultKind::BrokenPipe | FaultKind::UnexpectedEnd
        );
        lost && order.whole && (self.unsent || order.may_repeat())
    }
}

/// One attempt at one target.
pub(crate) struct Attempt<'a> {
    pub group: &'a Arc<Group>,
    pub target: &'a Target,
    pub host: &'a HostValue,
    pub in_flight: Option<InFlight>,
}

impl Attempt<'_> {
    /// Sends the order over a kept connection, or a new one.
    pub async fn run(mut self, order: &mut Order) -> Result<Inbound, Failure> {
        let (group, target) = (self.group, self.target);
        let shared = &group.shared;
        let unsent = |fault: Fault| Failure { fault: fault.at(&target.label), unsent: true };
        let exclusive = order.upgrade.is_some();
        let addresses = addresses(shared, target).await.map_err(unsent)?;
        let started = Instant::now();
        if let Some(kept) = pool::take(target.id, &addresses, exclusive, started) {
            shared.counts.reused.bump();
            match self.exchange(order, kept, started, None).await {
                Err(failure) if failure.was_stale(order) => shared.counts.stale_connections.bump(),
                outcome => return outcome,
            }
        }
        let started = Instant::now();
        let terms = group.terms();
        let fresh = Box::pin(connect(shared, target, &addresses, &terms, exclusive));
        let fresh = fresh.await.map_err(unsent)?;
        if let Connection::Shared(lent) = &fresh {
            pool::share(target.id, lent, group.keep(), &shared.idle);
        }
        let connected = Instant::now();
        self.exchange(order, fresh, connected, Some(connected - started)).await
    }

    /// `started` is the present.
    async fn exchange(
        &mut self,
        order: &mut Order,
        connection: Connection,
        started: Instant,
        connect: Option<Duration>,
    ) -> Result<Inbound, Failure> {
        let settings = &self.group.settings;
        let http2 = matches!(connection, Connection::Shared(_));
        let request = order.request(self.target.scheme, self.host, http2);
        // Whatever happens from here on, dropping the lease ends the upload.
        let mut lease = self.lease(connection, request.body().progress());
        let Lease { connection: Some(connection), upload, .. } = &mut lease else {
            return Err(self.lost(Fault::new(FaultKind::Internal), None));
        };
        let upload = upload.as_deref();
        let answer = connection.send(request);
        let patience = (settings.first_byte_timeout.0, settings.between_bytes_timeout.0);
        match await_head(answer, upload, started, patience).await {
            Ok(Ok(response)) => {
                let timings = Timings { connect, first_byte: started.elapsed() };
                self.receive(order, response, lease, timings)
            }
            Ok(Err(mut error)) => {
                let fault = Fault::from_hyper(error.error());
                let Some(request) = error.take_message() else {
                    return Err(self.lost(fault, upload));
                };
                order.restore(request);
                let fault = Fault { kind: FaultKind::Closed, ..fault }.at(&self.target.label);
                Err(Failure { fault, unsent: true })
            }
            Err(kind) => {
                if let Connection::Shared(lent) = connection {
                    // It may well be dead; whoever comes next shall not find out the hard way.
                    pool::forget(self.target.id, lent);
                }
                Err(self.lost(Fault::new(kind), upload))
            }
        }
    }

    fn lease(&self, connection: Connection, upload: Option<Arc<Progress>>) -> Lease {
        Lease {
            connection: Some(connection),
            target: self.target.id,
            keep: self.group.keep(),
            cap: self.group.shared.idle.clone(),
            reusable: false,
            upload,
            in_flight: None,
        }
    }

    /// The failure of a request that may have reached the origin.
    fn lost(&self, fault: Fault, upload: Option<&Progress>) -> Failure {
        let kind = match upload.map(Progress::stage) {
            Some(Stage::Failed(kind)) => kind,
            _ => fault.kind,
        };
        Failure { fault: Fault { kind, ..fault }.at(&self.target.label), unsent: false }
    }

    fn receive(
        &mut self,
        order: &Order,
        mut response: Response<Incoming>,
        mut lease: Lease,
        timings: Timings,
    ) -> Result<Inbound, Failure> {
        let wrong = |why: &str| {
            self.lost(Fault::new(FaultKind::InvalidResponse).because(why), lease.upload.as_deref())
        };
        let mut upgrade = None;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if order.upgrade.is_none() {
                return Err(wrong("101 without having been asked"));
            }
            upgrade = Some(hyper::upgrade::on(&mut response));
        }
        let (mut head, body) = response.into_parts();
        lease.reusable = settle(&mut head).map_err(wrong)? && upgrade.is_none();
        if upgrade.is_some() || !lease.has_uploaded() {
            lease.detach();
        }
        lease.in_flight = self.in_flight.take();
        let server = self.target.label.clone();
        let between_bytes = self.group.settings.between_bytes_timeout.0;
        Ok(Inbound {
            body: IncomingBody::new(body, lease, server.clone(), between_bytes),
            head,
            server,
            timings,
            upgrade,
            scheme: self.target.scheme,
        })
    }
}

/// Waits for the response head, but not for ever: `patience` is for the head once the request is
/// sent, and for the origin taking more of the upload until then. A client that is slow to send is
/// for whoever listens to it to bound.
async fn await_head<F: Future>(
    answer: F,
    upload: Option<&Progress>,
    started: Instant,
    (first_byte, stall): (Duration, Duration),
) -> Result<F::Output, FaultKind> {
    let Some(progress) = upload else {
        let answer = timeout_at((started + first_byte).into(), answer).await;
        return answer.map_err(|_| FaultKind::FirstByteTimeout);
    };
    tokio::pin!(answer);
    loop {
        let (sent, finished) = (progress.sent(), progress.stage() == Stage::Finished);
        let patience = if finished { first_byte } else { stall };
        if let Ok(outcome) = timeout(patience, &mut answer).await {
            return Ok(outcome);
        }
        match progress.stage() {
            Stage::Finished if finished => return Err(FaultKind::FirstByteTimeout),
            Stage::WaitingForOrigin if progress.sent() == sent => {
                return Err(FaultKind::SendTimeout);
            }
            _ => {}
        }
    }
}
