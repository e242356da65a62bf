//! Gets an object through the cache: one fetch, shared with whoever else wants the same.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::cache::reuse::Failure;
use crate::cache::{Reason, usable_on_error};
use crate::fill::{Answered, How, Inquiry, Order, Outcome};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::deliver::Obtained;
use crate::serve::exchange::Exchange;
use crate::serve::forward;
use crate::serve::plan::{Asked, Plan};
use crate::serve::range;
use crate::store::Entry;
use crate::upstream::{Fault, Inbound, Upload};

/// Gets what the store lacks. `base` is what it has: something stale, or some of the bytes.
///
/// # Errors
/// The origin failed, and nothing stale may stand in.
pub async fn fetch(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    plan: &Plan,
    reason: Reason,
    base: Option<Arc<Entry>>,
) -> Result<Obtained, Refusal> {
    exchange.decided(reason);
    let base = base.as_ref();
    let inquiry = inquiry(asked, plan, range::to_ask(asked, plan, base), base);
    let mut outcome = serve.flights.obtain(inquiry, || order(serve, exchange, asked)).await;
    if let Outcome::Erroring { status, inbound: None } = outcome
        && let Some(obtained) = stale(serve, asked, base, Failure::Status(status))
    {
        // The one who asked has found out for all: an origin in trouble gets no herd.
        return Ok(obtained);
    }
    if matches!(
        outcome,
        Outcome::Uncacheable { inbound: None, .. } | Outcome::Erroring { inbound: None, .. }
    ) {
        // What the one who asked got was not for sharing: everyone asks for themselves.
        outcome = serve.flights.obtain_alone(inquiry, order(serve, exchange, asked)).await;
    }
    match outcome {
        Outcome::Entry { entry, how, stored, once } => {
            let collapsed = note(exchange, &how);
            Ok(Obtained::fetched(entry, reason, answered_status(&how), stored, collapsed)
                .with(once))
        }
        Outcome::Revalidated { entry, how, once } => {
            let collapsed = note(exchange, &how);
            let status = answered_status(&how).or(Some(StatusCode::NOT_MODIFIED));
            Ok(Obtained::fetched(entry, Reason::Revalidated, status, true, collapsed).with(once))
        }
        Outcome::Uncacheable { reason, inbound: Some(inbound) } => {
            Ok(streamed(exchange, reason, inbound))
        }
        Outcome::Erroring { status, inbound: Some(inbound) } => {
            match stale(serve, asked, base, Failure::Status(status)) {
                Some(obtained) => {
                    exchange.asked_origin(&Answered::of(&inbound));
                    Ok(obtained.after(status))
                }
                None => Ok(streamed(exchange, Reason::OriginError, inbound)),
            }
        }
        // Who asks alone leads, and who leads gets the response.
        Outcome::Uncacheable { inbound: None, .. } | Outcome::Erroring { inbound: None, .. } => {
            Err(Refusal::broken())
        }
        Outcome::Failed(fault) => {
            exchange.origin_failed(&fault);
            stale(serve, asked, base, Failure::Unreachable).ok_or_else(|| failed(exchange, &fault))
        }
        Outcome::Crowded => stale(serve, asked, base, Failure::Unreachable).ok_or_else(crowded),
    }
}

/// Has an entry refreshed behind the client's back.
pub fn refresh(serve: &Serve, exchange: &Exchange, asked: &Asked, plan: &Plan, entry: &Arc<Entry>) {
    let inquiry = inquiry(asked, plan, None, Some(entry));
    serve.flights.refresh(inquiry, || order(serve, exchange, asked));
}

fn inquiry<'a>(
    asked: &'a Asked,
    plan: &'a Plan,
    range: Option<&'a HeaderValue>,
    base: Option<&'a Arc<Entry>>,
) -> Inquiry<'a> {
    Inquiry { key: plan.key(), policy: &asked.site().policy, request: asked.request(), range, base }
}

/// What it takes to ask the origin for the whole URL.
fn order(serve: &Serve, exchange: &Exchange, asked: &Asked) -> Order {
    Order {
        policy: Arc::clone(&asked.site().policy),
        group: Arc::clone(&asked.site().group),
        outbound: forward::outbound(serve, exchange, asked, Upload::Empty),
    }
}

/// What is stored, although it is stale, where the origin's failure allows that.
fn stale(
    serve: &Serve,
    asked: &Asked,
    base: Option<&Arc<Entry>>,
    failure: Failure,
) -> Option<Obtained> {
    let entry = base.filter(|entry| range::has_all(asked, entry))?;
    let now = serve.clock.now();
    let leave =
        usable_on_error(&asked.site().policy, &asked.request(), &entry.stored, failure, now)?;
    Some(Obtained::stale(Arc::clone(entry), leave))
}

fn streamed(exchange: &mut Exchange, reason: Reason, inbound: Inbound) -> Obtained {
    exchange.asked_origin(&Answered::of(&inbound));
    Obtained::streamed(inbound, reason)
}

fn failed(exchange: &mut Exchange, fault: &Fault) -> Refusal {
    exchange.decided(Reason::OriginError);
    Refusal::from(fault)
}

fn crowded() -> Refusal {
    let refusal =
        Refusal::edge(StatusCode::SERVICE_UNAVAILABLE, 50_310_000, "too many wait for the same");
    refusal.with(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"))
}

/// Notes who answered; whether the client shared another's fetch.
fn note(exchange: &mut Exchange, how: &How) -> bool {
    match how {
        How::Led(answered) => {
            exchange.asked_origin(answered);
            false
        }
        How::Collapsed => true,
        How::Stored => false,
    }
}

fn answered_status(how: &How) -> Option<StatusCode> {
    match how {
        How::Led(answered) => Some(answered.status),
        How::Collapsed | How::Stored => None,
    }
}
