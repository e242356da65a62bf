//! Whether an object is fetched by slices, and what goes on asking once its head has come.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};

use crate::cache::partial;
use crate::cache::slices::{Known, SliceMode};
use crate::fill::slices::Conductor;
use crate::fill::{COUNTERS, Inquiry, Order, Outcome};
use crate::header::present::Present;
use crate::header::range::{self, Spec};
use crate::serve::Serve;
use crate::serve::exchange::Exchange;
use crate::serve::miss;
use crate::serve::plan::{Asked, Plan};
use crate::serve::range::{first as sent_first, to_ask};
use crate::store::Entry;

/// The slice to ask the origin for first, as a `Range`; `None` if the client's own question is to be
/// passed on.
pub fn first(
    serve: &Serve,
    asked: &Asked,
    plan: &Plan,
    base: Option<&Arc<Entry>>,
) -> Option<HeaderValue> {
    let mode = asked.policy().slice;
    let several = asked.present.has(Present::RANGE) && plan.range.is_none();
    if mode == SliceMode::Never || several || asked.head.method != Method::GET {
        return None;
    }
    let range = to_ask(asked, plan, base);
    let known = match base {
        None if asked.head.headers.contains_key(header::IF_RANGE) => return None,
        None => Known::Nothing { range: first_byte(range)? },
        Some(base) => part(base, range)?,
    };
    if serve.store.is_unsliced(plan.key()) {
        return None;
    }
    let slice = serve.flights.slices().first(mode, known)?;
    HeaderValue::try_from(range::format(&slice)).ok()
}

/// Where a range begins, if there is one; nothing if that depends on the length of the object.
fn first_byte(range: Option<&HeaderValue>) -> Option<Option<u64>> {
    let Some(range) = range else { return Some(None) };
    match range::parse(range.as_bytes(), 1)?.first()? {
        Spec::From(first) | Spec::Between(first, _) => Some(Some(*first)),
        Spec::Last(_) => None,
    }
}

/// What is known of an object of which a part is stored; nothing if the rest cannot be joined to it.
fn part(base: &Entry, range: Option<&HeaderValue>) -> Option<Known> {
    let total = base.stored.total.filter(|_| !base.is_whole() && base.stored.reach.is_none())?;
    partial::completion(&base.stored, &(0..1))?;
    let wanted = match range {
        None => 0..total,
        Some(range) => range::parse(range.as_bytes(), 1)?.first()?.resolve(total)?,
    };
    let first = base.body.missing(wanted).first()?.start;
    Some(Known::Part { total, first })
}

/// Whether the client's own question must be asked, since slices of this object cannot be had: there
/// is no such range, or nothing tells its versions apart.
pub fn is_refused(plan: &Plan, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Uncacheable { inbound: Some(inbound), .. } => match inbound.head.status {
            StatusCode::RANGE_NOT_SATISFIABLE => plan.range.is_none(),
            // A slice that may not be stored is not what the client asked for.
            status => status == StatusCode::PARTIAL_CONTENT,
        },
        Outcome::Entry { entry, .. } => {
            let is_part = entry.stored.total.is_some_and(|total| {
                let (_, until) = entry.body.progress();
                until.is_some_and(|until| until < total) && !entry.is_whole()
            });
            is_part && partial::completion(&entry.stored, &(0..1)).is_none()
        }
        _ => false,
    }
}

/// What asks for bytes that the disk loses while they are sent, if they can be joined to those before.
/// Nothing where no bytes are sent, or all of them have been read already.
pub fn rescue(
    serve: &Serve,
    exchange: &Exchange,
    asked: &Asked,
    plan: &Plan,
    entry: &Arc<Entry>,
) -> Option<Arc<Conductor>> {
    if !entry.body.is_filed() || asked.policy().slice == SliceMode::Never {
        return None;
    }
    let end = sent_first(asked, entry)?.end.min(entry.stored.total?);
    if exchange.ahead.as_ref().is_some_and(|ahead| end <= ahead.end()) {
        return None;
    }
    partial::completion(&entry.stored, &(0..1))?;
    let inquiry = miss::inquiry(asked, plan, None, Some(entry));
    Some(Conductor::new(&serve.flights, &inquiry, miss::order(serve, exchange, asked), true))
}

/// What goes on asking for the slices that follow; nothing if the entry will have all bytes by
/// itself.
pub fn conductor(
    serve: &Serve,
    inquiry: &Inquiry<'_>,
    entry: &Entry,
    stored: bool,
    order: impl FnOnce() -> Order,
) -> Option<Arc<Conductor>> {
    let total = entry.stored.total;
    let (next, until) = entry.body.progress();
    let end = until.unwrap_or(u64::MAX);
    let comes = |gap: &std::ops::Range<u64>| next <= gap.start && gap.end <= end;
    if total.is_none_or(|total| entry.body.missing(0..total).iter().all(comes)) {
        if until.is_none() || total == until && next == 0 {
            // It sent all of it.
            COUNTERS.unsliced.bump();
            serve.store.mark_unsliced(inquiry.key);
        }
        return None;
    }
    Some(Conductor::new(&serve.flights, inquiry, order(), stored))
}
