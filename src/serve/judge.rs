//! What is stored, and whether it may be used. Nothing is fetched and nothing changed here, so
//! `explain` asks the same questions.

use std::ops::Range;
use std::sync::Arc;

use crate::cache::{self, Judgement, Reason, Reuse};
use crate::clock::Timestamp;
use crate::serve::Serve;
use crate::serve::plan::{Asked, Plan};
use crate::serve::range;
use crate::store::{Entry, Lookup};

/// What the store has for a request.
pub enum Finding {
    /// It can be sent as it is.
    Usable(Arc<Entry>, Judgement),
    /// It can be sent, and is to be refreshed behind the answer (RFC 5861).
    Refreshable(Arc<Entry>, Judgement),
    /// The origin must be asked, for this reason; what is stored may spare it the body.
    Wanting(Reason, Option<Arc<Entry>>),
    /// The origin must be asked, and the client forbids that.
    Refused(Reason),
}

impl Finding {
    /// Whether memory has nothing at all of the URL.
    pub fn is_absent(&self) -> bool {
        matches!(self, Finding::Wanting(Reason::UriMiss, None) | Finding::Refused(_))
    }

    /// What would be sent, if only the disk can tell whether its first bytes are there, and where
    /// these begin.
    pub fn in_doubt(&self, asked: &Asked) -> Option<(Arc<Entry>, Range<u64>)> {
        let (Finding::Usable(entry, _) | Finding::Refreshable(entry, _)) = self else {
            return None;
        };
        if entry.body.whole().is_some() {
            return None;
        }
        let first = range::first(asked, entry)?;
        entry.body.is_in_doubt(first.start).then(|| (Arc::clone(entry), first))
    }
}

/// Looks up the plan's key and judges what is there. Unless that can be used as it is, the request
/// has all its fields afterwards ([`Asked::tell_scheme`]).
pub fn judge(serve: &Serve, asked: &mut Asked, plan: &Plan, now: Timestamp) -> Finding {
    let mut found = serve.store.get(&plan.question, &asked.head.headers);
    if !matches!(found, Lookup::Found(_) | Lookup::Absent) {
        asked.tell_scheme();
        found = serve.store.get(&plan.question, &asked.head.headers);
    }
    let finding = judge_found(asked, plan, found, now);
    if !matches!(finding, Finding::Usable(..)) {
        asked.tell_scheme();
    }
    finding
}

/// Judges what was found under the plan's key.
pub fn judge_found(asked: &Asked, plan: &Plan, found: Lookup, now: Timestamp) -> Finding {
    let finding = match found {
        Lookup::Found(entry) => weigh(asked, entry, now),
        Lookup::VaryMiss => Finding::Wanting(Reason::VaryMiss, None),
        Lookup::Marker(_) => Finding::Wanting(Reason::Uncacheable, None),
        Lookup::Absent => Finding::Wanting(Reason::UriMiss, None),
    };
    match finding {
        Finding::Wanting(..) if plan.only_if_cached => Finding::Refused(Reason::OnlyIfCached),
        finding => finding,
    }
}

/// Judges one entry.
fn weigh(asked: &Asked, entry: Arc<Entry>, now: Timestamp) -> Finding {
    let judgement = cache::judge(asked.policy(), &asked.request(), &entry.stored, now);
    match judgement.reuse {
        // Bytes may be missing: a range was stored, or the client wants another one.
        Reuse::Fresh | Reuse::Stale | Reuse::StaleWhileRevalidate
            if !range::has_all(asked, &entry) =>
        {
            Finding::Wanting(Reason::Partial, Some(entry))
        }
        Reuse::Fresh | Reuse::Stale => Finding::Usable(entry, judgement),
        Reuse::StaleWhileRevalidate => Finding::Refreshable(entry, judgement),
        Reuse::Revalidate => Finding::Wanting(judgement.reason, Some(entry)),
    }
}
