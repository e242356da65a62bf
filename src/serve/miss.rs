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
use crate::serve::rules;
use crate::serve::slices;
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
    let (mut outcome, slicing) = ask(serve, exchange, asked, plan, base).await;
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
        let inquiry = inquiry(asked, plan, range::to_ask(asked, plan, base), base);
        outcome = serve.flights.obtain_alone(inquiry, order(serve, exchange, asked)).await;
    }
    match outcome {
        Outcome::Entry { entry, how, stored, mut once } => {
            let collapsed = note(exchange, &how);
            let conductor = slicing.then(|| {
                once.remove(http::header::CONTENT_RANGE);
                let inquiry = inquiry(asked, plan, None, base);
                slices::conductor(serve, &inquiry, &entry, stored, || order(serve, exchange, asked))
            });
            let conductor = conductor.flatten();
            let rescue = || slices::rescue(serve, exchange, asked, plan, &entry);
            let rescue = conductor.is_none().then(rescue).flatten();
            let fetched =
                Obtained::fetched(entry, reason, answered_status(&how), stored, collapsed);
            Ok(fetched.with(once).by_slices(conductor).rescued_by(rescue))
        }
        Outcome::Revalidated { entry, how, once } => {
            let collapsed = note(exchange, &how);
            let status = answered_status(&how).or(Some(StatusCode::NOT_MODIFIED));
            let rescue = slices::rescue(serve, exchange, asked, plan, &entry);
            let fetched = Obtained::fetched(entry, Reason::Revalidated, status, true, collapsed);
            Ok(fetched.with(once).rescued_by(rescue))
        }
        Outcome::Uncacheable { reason: not_stored, inbound: Some(inbound) } => {
            Ok(streamed(exchange, not_stored, inbound).wanted_for(reason))
        }
        Outcome::Erroring { status, inbound: Some(inbound) } => {
            match stale(serve, asked, base, Failure::Status(status)) {
                Some(obtained) => {
                    exchange.asked_origin(&Answered::of(&inbound));
                    Ok(obtained.after(status))
                }
                None => Ok(streamed(exchange, Reason::OriginError, inbound).wanted_for(reason)),
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

/// Asks for a slice where that makes sense, else for what the client wants. Says whether it was a
/// slice.
async fn ask(
    serve: &Serve,
    exchange: &Exchange,
    asked: &Asked,
    plan: &Plan,
    base: Option<&Arc<Entry>>,
) -> (Outcome, bool) {
    if let Some(slice) = slices::first(serve, asked, plan, base) {
        let inquiry = inquiry(asked, plan, Some(&slice), base);
        let outcome = serve.flights.obtain(inquiry, || order(serve, exchange, asked)).await;
        if !slices::is_refused(plan, &outcome) {
            return (outcome, true);
        }
        serve.store.mark_unsliced(plan.key());
    }
    let inquiry = inquiry(asked, plan, range::to_ask(asked, plan, base), base);
    (serve.flights.obtain(inquiry, || order(serve, exchange, asked)).await, false)
}

/// Has an entry refreshed behind the client's back.
pub fn refresh(serve: &Serve, exchange: &Exchange, asked: &Asked, plan: &Plan, entry: &Arc<Entry>) {
    let inquiry = inquiry(asked, plan, None, Some(entry));
    serve.flights.refresh(inquiry, || order(serve, exchange, asked));
}

pub(super) fn inquiry<'a>(
    asked: &'a Asked,
    plan: &'a Plan,
    range: Option<&'a HeaderValue>,
    base: Option<&'a Arc<Entry>>,
) -> Inquiry<'a> {
    Inquiry { key: plan.key(), policy: asked.policy(), request: asked.request(), range, base }
}

/// What it takes to ask the origin.
pub(super) fn order(serve: &Serve, exchange: &Exchange, asked: &Asked) -> Order {
    Order {
        policy: Arc::clone(asked.policy()),
        group: Arc::clone(asked.origin()),
        outbound: forward::outbound(serve, exchange, asked, Upload::Empty),
        on_head: rules::on_head(exchange),
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
    let leave = usable_on_error(asked.policy(), &asked.request(), &entry.stored, failure, now)?;
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
