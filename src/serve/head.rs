//! A HEAD that the store cannot answer: it goes to the origin as it is, and what comes back may
//! freshen or invalidate what is stored for GET (RFC 9111 section 4.3.5).

use std::sync::Arc;

use crate::cache::{self, HeadEffect, Reason};
use crate::serve::Serve;
use crate::serve::answer::Refusal;
use crate::serve::deliver::Obtained;
use crate::serve::exchange::Exchange;
use crate::serve::pass;
use crate::serve::plan::{Asked, Plan};
use crate::store::Entry;
use crate::upstream::Upload;

/// Asks the origin and lets the store learn from the answer.
///
/// # Errors
/// The origin failed.
pub async fn ask(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    plan: &Plan,
    reason: Reason,
    base: Option<Arc<Entry>>,
) -> Result<Obtained, Refusal> {
    exchange.decided(reason);
    let sent = serve.clock.now();
    let inbound = pass::ask(serve, exchange, asked, Upload::Empty).await?;
    if let Some(entry) = base {
        let (policy, request, now) = (asked.policy(), asked.request(), serve.clock.now());
        let (status, fields) = (inbound.head.status, &inbound.head.headers);
        match cache::head_effect(policy, &request, &entry.stored, status, fields, (sent, now)) {
            HeadEffect::Update(updated) if updated.drop.is_none() => {
                let _ = serve.store.update(plan.key(), &entry, updated.stored);
            }
            HeadEffect::Update(updated) if updated.is_aside() => {}
            HeadEffect::Update(_) | HeadEffect::Outdated => {
                serve.store.remove_entry(plan.key(), &entry);
            }
            HeadEffect::Nothing => {}
        }
    }
    Ok(Obtained::streamed(inbound, reason))
}
