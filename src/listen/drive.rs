//! Drives one connection: polls hyper, and decides when waiting for the client has to end.
//!
//! ```text
//! First ──request──▶ Busy ──response whole──▶ Idle ──bytes──▶ Head ──request──▶ Busy
//!   │ header_timeout            keep_alive │                   │ header_timeout
//!   ▼ cut off                              ▼ ended politely    ▼ cut off
//! ```
//! hyper has a timeout of its own for heads, but it runs from the end of the last response and so
//! would be the keep-alive time as well.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::HttpService;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Activity;
use super::drain::Stage;
use super::gather::Outflow;
use super::meters::Meters;
use super::{BoxError, Connection, Settings};

/// A connection of hyper's, of either protocol.
pub(super) trait Conversation: Future<Output = hyper::Result<()>> {
    /// Takes no further requests and ends when the running ones have.
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Conversation for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, Error: Into<BoxError>, ResBody: Body<Error: Into<BoxError>> + 'static>,
    I: Read + Write + Unpin + Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, E> Conversation for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, Error: Into<BoxError>, ResBody: Body<Error: Into<BoxError>> + 'static>,
    I: Read + Write + Unpin,
    E: Http2ServerConnExec<S::Future, S::ResBody>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection to its end. What hyper wrote leaves by `outflow`.
pub(super) async fn drive<C: Conversation, O: Outflow>(
    conversation: C,
    mut outflow: O,
    connection: &Connection,
    meters: &Meters,
) {
    let mut conversation = pin!(conversation);
    let mut pace = Pace::new(connection);
    let watch = connection.drain.clone();
    let (mut first, mut second) = (watch.clone(), watch.clone());
    let mut draining = pin!(first.reached(Stage::Draining));
    let mut aborting = pin!(second.reached(Stage::Aborting));
    let mut registered = false;
    poll_fn(|cx| {
        loop {
            let polled = conversation.as_mut().poll(cx);
            // Before anything else is looked at, since each way on may end the connection.
            let flushed = outflow.poll_flush(cx);
            if let Poll::Ready(result) = polled {
                note_end(&result, meters);
                return Poll::Ready(());
            }
            if let Poll::Ready(Err(error)) = flushed {
                tracing::trace!(%error, "a client could not be written to");
                return Poll::Ready(());
            }
            // Waiting for a drain takes a lock that all connections share, so it is done once and
            // again only when there is news.
            if !registered || watch.begun() {
                registered = true;
                if aborting.as_mut().poll(cx).is_ready() {
                    meters.aborted.bump();
                    return Poll::Ready(());
                }
                if !pace.is_draining() && draining.as_mut().poll(cx).is_ready() {
                    if pace.drain() {
                        conversation.as_mut().finish();
                    }
                    continue;
                }
            }
            if pace.is_abused() {
                meters.abused.bump();
                return Poll::Ready(());
            }
            match std::task::ready!(pace.poll_expired(cx)) {
                Expired::Finish => conversation.as_mut().finish(),
                Expired::Head => {
                    meters.head_timeouts.bump();
                    return Poll::Ready(());
                }
                Expired::Idle => {
                    meters.idle_closed.bump();
                    conversation.as_mut().finish();
                }
                Expired::Unfinished => return Poll::Ready(()),
            }
        }
    })
    .await;
}

fn note_end(result: &hyper::Result<()>, meters: &Meters) {
    if let Err(error) = result {
        if error.is_parse() {
            meters.malformed.bump();
        }
        tracing::trace!(%error, "a connection ended in error");
    }
}

/// What the connection is waiting for the client to do.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    /// Nothing: a request is running, or a response is on its way.
    Busy,
    /// To send its first request.
    First(Instant),
    /// To send another; `reads` tells when it begins to.
    Idle { since: Instant, reads: u32 },
    /// To go on with a head that it began.
    Head(Instant),
}

/// Why waiting is over.
#[derive(Clone, Copy, Debug)]
enum Expired {
    /// A request head took too long.
    Head,
    /// The connection rested for too long.
    Idle,
    /// The connection rests while the node drains.
    Finish,
    /// A connection that was told to end did not.
    Unfinished,
}

/// Keeps the time of one connection.
struct Pace {
    activity: Arc<Activity>,
    settings: Arc<Settings>,
    http2: bool,
    waiting: Waiting,
    begun: u32,
    draining: Option<Instant>,
    finishing: Option<Instant>,
    /// Set lazily: it may fire early and is then set again, which spares moving it per request.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    fn new(connection: &Connection) -> Pace {
        Pace {
            activity: connection.activity.clone(),
            settings: connection.settings.clone(),
            http2: connection.http2,
            waiting: Waiting::First(Instant::now()),
            begun: 0,
            draining: None,
            finishing: None,
            timer: None,
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// The node drains. Returns whether the connection should be told at once: an HTTP/2 client
    /// learns by GOAWAY which requests were taken, while an HTTP/1 client whose next request is
    /// already on its way could not tell, so its connection rests a moment longer.
    fn drain(&mut self) -> bool {
        self.draining = Some(Instant::now());
        if self.http2 {
            self.finishing = self.draining;
        }
        self.http2
    }

    /// Whether the client makes work only to cancel it (CVE-2023-44487). What it cancels before
    /// anybody looked at it, h2 counts by itself.
    fn is_abused(&self) -> bool {
        let cancelled = self.activity.cancelled();
        let most_of_all = cancelled > self.activity.begun() / 2;
        self.http2 && cancelled > self.settings.h2.cancelled && most_of_all
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            self.observe();
            let Some((deadline, expired)) = self.deadline() else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            std::task::ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                if matches!(expired, Expired::Idle | Expired::Finish) {
                    self.finishing = Some(Instant::now());
                }
                return Poll::Ready(expired);
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// Looks at what happened since the last time.
    fn observe(&mut self) {
        let begun = self.activity.begun();
        let served = begun != self.begun;
        self.begun = begun;
        let reads = self.activity.reads();
        self.waiting = match self.waiting {
            _ if self.activity.active() > 0 || self.activity.unflushed() => Waiting::Busy,
            Waiting::Busy => Waiting::Idle { since: Instant::now(), reads },
            _ if served => Waiting::Idle { since: Instant::now(), reads },
            Waiting::Idle { reads: before, .. } if reads != before => Waiting::Head(Instant::now()),
            unchanged => unchanged,
        };
    }

    /// How long a connection that was told to end may take to send what it still holds: an honest
    /// client takes the last of it at the minimum rate.
    fn flush_time(&self) -> Duration {
        let settings = &self.settings;
        let held = settings.h2.send_buffer.0.checked_div(settings.minimum_rate.0).unwrap_or(0);
        settings.write_timeout.0 + settings.discard_timeout.0 + Duration::from_secs(held)
    }

    fn deadline(&self) -> Option<(Instant, Expired)> {
        let settings = &self.settings;
        let (deadline, expired) = match self.waiting {
            Waiting::Busy => return None,
            Waiting::First(since) | Waiting::Head(since) | Waiting::Idle { since, .. }
                if self.finishing.is_some() =>
            {
                let since = self.finishing.map_or(since, |finishing| finishing.max(since));
                return Some((since + self.flush_time(), Expired::Unfinished));
            }
            Waiting::First(since) | Waiting::Head(since) => {
                (since + settings.header_timeout.0, Expired::Head)
            }
            Waiting::Idle { since, .. } => (since + settings.keep_alive.0, Expired::Idle),
        };
        let drained = self.draining.map(|since| since + settings.drain_idle.0);
        match (drained, self.waiting) {
            (Some(drained), Waiting::First(_) | Waiting::Idle { .. }) if drained < deadline => {
                Some((drained, Expired::Finish))
            }
            _ => Some((deadline, expired)),
        }
    }
}
