//! Idle connections, kept per serving thread.
//!
//! A connection lives on the thread that made it, so the pool is the thread's own: no other thread
//! ever asks for it, and its lock is never contended. (It is a lock and not a cell because a task
//! may be moved, on a runtime with several threads.) What is shared is only the count under the
//! node's cap.
//!
//! HTTP/1.1 connections are taken out and brought back; an HTTP/2 connection stays and is lent to
//! many at once.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use parking_lot::Mutex;

use super::exclusive::Exclusive;
use super::shared::{IdleCap, IdlePlace};
use super::upload::UploadBody;

/// Requests that one HTTP/2 connection carries at once; then another is made.
const MOST_STREAMS: u32 = 100;

/// How often expired connections are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// How long, and how many, connections of a server are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    pub idle_timeout: Duration,
    pub max_idle: usize,
}

/// A connection ready to take a request.
pub(crate) enum Connection {
    /// HTTP/1.1: one request at a time.
    Exclusive(Box<Exclusive>),
    /// HTTP/2.
    Shared(Lent),
}

impl Connection {
    /// Sends a request and waits for the head of the response.
    pub async fn send(
        &mut self,
        request: Request<UploadBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<UploadBody>>> {
        match self {
            Connection::Exclusive(own) => {
                let mut answer = pin!(own.sender.try_send_request(request));
                poll_fn(|cx| own.poll_with(cx, |cx| answer.as_mut().poll(cx))).await
            }
            Connection::Shared(lent) => lent.sender.try_send_request(request).await,
        }
    }
}

/// A share in an HTTP/2 connection.
pub(crate) struct Lent {
    pub sender: http2::SendRequest<UploadBody>,
    pub address: SocketAddr,
    streams: Arc<AtomicU32>,
}

impl Lent {
    /// The first share in a new connection.
    pub fn new(sender: http2::SendRequest<UploadBody>, address: SocketAddr) -> Self {
        Lent { sender, address, streams: Arc::new(AtomicU32::new(1)) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Idle {
    connection: Box<Exclusive>,
    until: Instant,
    _place: IdlePlace,
}

struct Multiplexed {
    sender: http2::SendRequest<UploadBody>,
    address: SocketAddr,
    streams: Arc<AtomicU32>,
    keep: Duration,
    last_used: Instant,
    _place: IdlePlace,
}

impl Multiplexed {
    fn is_worth_keeping(&self, now: Instant) -> bool {
        let busy = self.streams.load(Ordering::Relaxed) > 0;
        !self.sender.is_closed() && (busy || now < self.last_used + self.keep)
    }
}

/// The connections to one target.
#[derive(Default)]
struct Slot {
    exclusive: VecDeque<Idle>,
    multiplexed: Vec<Multiplexed>,
}

#[derive(Default)]
struct Pool {
    slots: HashMap<u64, Slot, foldhash::fast::RandomState>,
    sweeping: bool,
}

thread_local! {
    static POOL: Arc<Mutex<Pool>> = Arc::default();
}

fn pool() -> Arc<Mutex<Pool>> {
    POOL.with(Arc::clone)
}

/// Takes a connection to the target `id` that leads to one of `addresses`. Those that lead
/// elsewhere are closed: the name has moved on.
pub(crate) fn take(
    id: u64,
    addresses: &[IpAddr],
    exclusive: bool,
    now: Instant,
) -> Option<Connection> {
    POOL.with(|pool| {
        let mut pool = pool.lock();
        let slot = pool.slots.get_mut(&id)?;
        let lent = if exclusive { None } else { slot.lend(addresses, now) };
        lent.map(Connection::Shared).or_else(|| slot.take(addresses, now))
    })
}

/// Brings an HTTP/1.1 connection back. It must have carried its last response to the end; if it is
/// not ready for the next request now, or there is no room, it is closed.
pub(crate) fn bring_back(id: u64, connection: Box<Exclusive>, keep: Keep, cap: &Arc<IdleCap>) {
    if keep.idle_timeout.is_zero() || !connection.is_done() {
        return;
    }
    let pool = pool();
    let mut locked = pool.lock();
    let slot = locked.slots.entry(id).or_default();
    if slot.exclusive.len() >= keep.max_idle {
        return;
    }
    let Some(place) = cap.enter() else { return };
    let until = Instant::now() + keep.idle_timeout;
    slot.exclusive.push_back(Idle { connection, until, _place: place });
    let sweeping = locked.sweeping;
    drop(locked);
    if !sweeping {
        start_sweeping(&pool);
    }
}

/// Keeps a new HTTP/2 connection for others beside the holder of `lent`.
pub(crate) fn share(id: u64, lent: &Lent, keep: Keep, cap: &Arc<IdleCap>) {
    let pool = pool();
    let mut locked = pool.lock();
    let slot = locked.slots.entry(id).or_default();
    if keep.idle_timeout.is_zero() || slot.multiplexed.len() >= keep.max_idle {
        return;
    }
    let Some(place) = cap.enter() else { return };
    slot.multiplexed.push(Multiplexed {
        sender: lent.sender.clone(),
        address: lent.address,
        streams: lent.streams.clone(),
        keep: keep.idle_timeout,
        last_used: Instant::now(),
        _place: place,
    });
    let sweeping = locked.sweeping;
    drop(locked);
    if !sweeping {
        start_sweeping(&pool);
    }
}

/// Forgets an HTTP/2 connection that went silent; requests on it run on.
pub(crate) fn forget(id: u64, lent: &Lent) {
    POOL.with(|pool| {
        if let Some(slot) = pool.lock().slots.get_mut(&id) {
            slot.multiplexed.retain(|kept| !Arc::ptr_eq(&kept.streams, &lent.streams));
        }
    });
}

impl Slot {
    fn take(&mut self, addresses: &[IpAddr], now: Instant) -> Option<Connection> {
        // The one used last is the one least likely to be closed by the origin.
        while let Some(Idle { mut connection, until, .. }) = self.exclusive.pop_back() {
            let fits = addresses.contains(&connection.address.ip());
            if fits && now < until && connection.is_ready() {
                return Some(Connection::Exclusive(connection));
            }
        }
        None
    }

    fn lend(&mut self, addresses: &[IpAddr], now: Instant) -> Option<Lent> {
        if self.multiplexed.is_empty() {
            return None;
        }
        self.multiplexed
            .retain(|kept| kept.is_worth_keeping(now) && addresses.contains(&kept.address.ip()));
        let kept = self
            .multiplexed
            .iter_mut()
            .find(|kept| kept.streams.load(Ordering::Relaxed) < MOST_STREAMS)?;
        kept.streams.fetch_add(1, Ordering::Relaxed);
        kept.last_used = now;
        Some(Lent {
            sender: kept.sender.clone(),
            address: kept.address,
            streams: kept.streams.clone(),
        })
    }

    fn sweep(&mut self, now: Instant) {
        self.exclusive.retain_mut(|idle| now < idle.until && idle.connection.is_ready());
        self.multiplexed.retain(|kept| kept.is_worth_keeping(now));
    }

    fn is_empty(&self) -> bool {
        self.exclusive.is_empty() && self.multiplexed.is_empty()
    }
}

/// Sees to it that expired connections are closed even if nobody asks for them again. The task
/// ends when the pool is empty, or its thread has gone. Call it without the lock: a runtime that
/// is shutting down drops the task, and with it the mark, on the spot.
fn start_sweeping(pool: &Arc<Mutex<Pool>>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    if std::mem::replace(&mut pool.lock().sweeping, true) {
        return;
    }
    let mark = Sweeping(Arc::downgrade(pool));
    runtime.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            let Some(pool) = mark.0.upgrade() else { return };
            let mut locked = pool.lock();
            let now = Instant::now();
            locked.slots.retain(|_, slot| {
                slot.sweep(now);
                !slot.is_empty()
            });
            if locked.slots.is_empty() {
                return;
            }
        }
    });
}

/// Says that a sweeper is at work, until it ends in whatever way (its runtime may go first).
struct Sweeping(Weak<Mutex<Pool>>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(pool) = self.0.upgrade() {
            pool.lock().sweeping = false;
        }
    }
}
