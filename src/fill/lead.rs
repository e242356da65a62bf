//! Leading a flight: ask the origin, judge the head of its response, tell those who wait.

use std::ops::Range;
use std::sync::Arc;

use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Body as _;

use super::flight::{Flight, What};
use super::order::{Asked, OnHead, Order, Wire};
use super::{Answered, COUNTERS, Flights, Inquiry};
use crate::cache::partial::{self, Completion, Piece};
use crate::cache::reuse::Failure;
use crate::cache::validate::conditional_headers;
use crate::cache::{self, Key, Policy, Reason, Reuse, Stored, tags};
use crate::clock::Timestamp;
use crate::header::no_vary_search::NoVarySearch;
use crate::header::range;
use crate::store::{Entry, Incoming, Part, Store, Writer};
use crate::upstream::{self, Fault, FaultKind, Group, Inbound, IncomingBody};

/// All that a detached task needs to fetch for a flight.
pub(super) struct Lead {
    pub(super) flights: Arc<Flights>,
    pub(super) flight: Arc<Flight>,
    pub(super) group: Arc<Group>,
    pub(super) wire: Wire,
    /// What is stored and needs the origin's word, or more bytes.
    pub(super) base: Option<Arc<Entry>>,
    /// Whether no client waits for it.
    pub(super) background: bool,
    policy: Arc<Policy>,
    on_head: Option<OnHead>,
    key: Key,
    asked: Asked,
    /// The range that the client wants, where that is all that is fetched.
    range: Option<HeaderValue>,
    _pilot: Pilot,
}

/// What the origin is asked.
enum Question {
    /// For all of it.
    Whole,
    /// For the client's range.
    Range(HeaderValue),
    /// Whether what is stored still holds.
    Revalidate(Arc<Entry>),
    /// For bytes that are missing of what is stored.
    Complete(Completion),
}

/// When the request was sent, and when the head of the response came.
#[derive(Clone, Copy)]
struct Times {
    asked: Timestamp,
    came: Timestamp,
    /// The newest purge when it was sent.
    fill_seq: u64,
}

/// What a response head comes to.
enum Next {
    /// It does not fit the question: ask again, plainly.
    AskPlainly,
    /// Everybody knows; the body is to be written.
    Pour(Box<(Writer, IncomingBody)>),
    /// Everybody knows all there is to know.
    Landed,
}

/// Whatever becomes of the task, nobody waits for ever and nobody boards any more.
pub(super) struct Pilot(pub(super) Arc<Flights>, pub(super) Arc<Flight>);

impl Drop for Pilot {
    fn drop(&mut self) {
        self.0.board.remove(&self.1);
        // Does nothing if the flight has landed.
        self.1.land(What::Failed(Arc::new(Fault::new(FaultKind::Internal))), None);
    }
}

impl Lead {
    pub(super) fn new(
        flights: &Arc<Flights>,
        flight: &Arc<Flight>,
        inquiry: &Inquiry<'_>,
        order: Order,
        background: bool,
    ) -> Self {
        let Order { policy, group, outbound, on_head } = order;
        Lead {
            flights: flights.clone(),
            flight: flight.clone(),
            group,
            wire: Wire::new(outbound),
            base: inquiry.base.cloned(),
            background,
            policy,
            on_head,
            key: inquiry.key.clone(),
            asked: Asked::new(&inquiry.request),
            range: inquiry.range.cloned(),
            _pilot: Pilot(flights.clone(), flight.clone()),
        }
    }

    /// Fetches, and tells everybody what came of it.
    pub(super) async fn run(mut self) {
        let mut question = self.question();
        loop {
            let next = match self.ask(&question).await {
                Ok((inbound, times)) => self.judge(&question, inbound, times),
                Err(fault) => self.failed(fault),
            };
            question = match next {
                Next::Landed => return,
                Next::Pour(pouring) => {
                    let (writer, body) = *pouring;
                    return self.pour(writer, body).await;
                }
                Next::AskPlainly => self.plain_question(),
            };
        }
    }

    fn question(&self) -> Question {
        let Some(base) = &self.base else { return self.plain_question() };
        let now = self.flights.clock.now();
        let judgement = cache::judge(&self.policy, &self.asked.request(), &base.stored, now);
        let fresh = judgement.reuse == Reuse::Fresh;
        // To a client that wants more than there is, a 304 would be of no use. The bytes that are
        // missing come with the origin's word on the rest: If-Range asks for it.
        if !base.is_whole() && (fresh || !self.background) {
            let gap = self.missing(base);
            if gap.is_some() || fresh {
                let completion = gap.and_then(|gap| partial::completion(&base.stored, &gap));
                return completion.map_or_else(|| self.plain_question(), Question::Complete);
            }
        }
        match base.stored.has_validator() {
            true => Question::Revalidate(base.clone()),
            false => self.plain_question(),
        }
    }

    fn plain_question(&self) -> Question {
        self.range.clone().map_or(Question::Whole, Question::Range)
    }

    /// What the client wants of a partial object and is not there, as one range.
    fn missing(&self, base: &Entry) -> Option<Range<u64>> {
        let gaps = base.body.missing(wanted(base, self.range.as_ref())?);
        Some(gaps.first()?.start..gaps.last()?.end)
    }

    async fn ask(&mut self, question: &Question) -> Result<(Inbound, Times), Fault> {
        let ask = |headers: &mut HeaderMap| match question {
            Question::Whole => {}
            Question::Range(range) => drop(headers.insert(RANGE, range.clone())),
            Question::Revalidate(base) => drop(conditional_headers(&base.stored, headers)),
            Question::Complete(completion) => completion.apply(headers),
        };
        let outbound = self.wire.outbound(ask);
        // The response is judged as the answer to what was really asked.
        self.asked.headers.remove(RANGE);
        if let Some(range) = outbound.headers.get(RANGE) {
            self.asked.headers.insert(RANGE, range.clone());
        }
        COUNTERS.fetches.bump();
        // In this order: a purge that comes while the origin is asked holds for its answer.
        let fill_seq = self.store().purge_seq();
        let asked = self.flights.clock.now();
        let mut inbound = upstream::send(&self.group, outbound).await?;
        let head = &mut inbound.head;
        if let Some(on_head) = &self.on_head
            && let Some(policy) = on_head(head.status, &mut head.headers, &self.policy)
        {
            self.policy = policy;
        }
        // A 304 that names no tags leaves those that are stored.
        if head.status != StatusCode::NOT_MODIFIED || head.headers.contains_key(tags::SURROGATE_KEY)
        {
            tags::add(&mut head.headers, &self.policy.tags);
        }
        Ok((inbound, Times { asked, came: self.flights.clock.now(), fill_seq }))
    }

    fn judge(&self, question: &Question, inbound: Inbound, times: Times) -> Next {
        let status = inbound.head.status;
        if let Some((base, piece)) = self.joined(&inbound) {
            return self.completed(&base, piece, inbound, times);
        }
        match question {
            Question::Revalidate(base) if status == StatusCode::NOT_MODIFIED => {
                return self.revalidated(base, &inbound, times);
            }
            Question::Complete(..) if status != StatusCode::OK && !status.is_server_error() => {
                return Next::AskPlainly;
            }
            _ if status == StatusCode::NOT_MODIFIED => {
                let why = "304 without having been asked";
                return self.failed(Fault::new(FaultKind::InvalidResponse).because(why));
            }
            _ => {}
        }
        if status.is_server_error() && self.note_failure(Failure::Status(status)) {
            return self.for_leader_alone(inbound, What::Erroring(status));
        }
        self.arrived(inbound, times)
    }

    /// A 304: what is stored holds, with new metadata (RFC 9111 section 4.3.4).
    fn revalidated(&self, base: &Arc<Entry>, inbound: &Inbound, times: Times) -> Next {
        COUNTERS.revalidated.bump();
        let Times { asked, came, fill_seq } = times;
        let (request, headers) = (self.asked.request(), &inbound.head.headers);
        let mut updated =
            cache::updated(&self.policy, &request, &base.stored, headers, asked, came);
        updated.stored.fill_seq = fill_seq;
        let entry = if updated.is_aside() {
            self.store().aside(base, updated.stored)
        } else {
            self.store().update(&self.key, base, updated.stored)
        };
        if updated.drop.is_some() {
            // Does nothing to what is stored beside an entry that is not.
            self.store().remove_entry(&self.key, &entry);
        }
        self.flights.board.remove(&self.flight);
        self.flight.leave_once(updated.once);
        self.flight.land(What::Revalidated(entry), Some(Answered::of(inbound)));
        Next::Landed
    }

    /// A 206 that brings bytes missing of what is stored (RFC 9111 section 3.4).
    fn completed(&self, base: &Arc<Entry>, piece: Piece, inbound: Inbound, times: Times) -> Next {
        let Times { asked, came, fill_seq } = times;
        let (request, headers) = (self.asked.request(), &inbound.head.headers);
        let mut updated =
            cache::updated(&self.policy, &request, &base.stored, headers, asked, came);
        updated.stored.fill_seq = fill_seq;
        if updated.drop.is_some() {
            self.flight.doom.set();
            if !updated.is_aside() {
                self.store().remove_entry(&self.key, base);
            }
        }
        let part = Part { range: piece.bytes, onto: Some(base.clone()) };
        self.flight.leave_once(updated.once);
        self.write(inbound, &self.key, updated.stored, Some(part))
    }

    /// A response to be judged on its own.
    fn arrived(&self, inbound: Inbound, times: Times) -> Next {
        let (request, head) = (self.asked.request(), &inbound.head);
        let storing = cache::storable(
            &self.policy,
            &request,
            head.status,
            &head.headers,
            times.asked,
            times.came,
        );
        let storing = match storing {
            Ok(storing) => storing,
            Err(reason) => return self.not_for_sharing(inbound, reason),
        };
        let piece = storing.piece.clone();
        let mut once = storing.once.clone();
        if let Some(range) = head.headers.get(CONTENT_RANGE).filter(|_| piece.is_some()) {
            // Where the origin's own word on its bytes is odd, the client that asked gets just that.
            once.insert(CONTENT_RANGE, range.clone());
        }
        self.flight.leave_once(once);
        let mut stored = storing.into_stored(self.store().new_object_id());
        stored.fill_seq = times.fill_seq;
        if piece.is_none() {
            stored.total = stored.total.or(inbound.body.size_hint().exact());
        }
        let part = piece.map(|piece| Part { range: piece.bytes, onto: None });
        let key = self.place_in_queries(&inbound.head.headers);
        self.write(inbound, &key, stored, part)
    }

    /// What is stored in part, if the response is a 206 that may be joined to it.
    fn joined(&self, inbound: &Inbound) -> Option<(Arc<Entry>, Piece)> {
        let base = self.base.as_ref().filter(|base| !base.is_whole())?;
        let piece = partial::joins(&base.stored, inbound.head.status, &inbound.head.headers)?;
        Some((base.clone(), piece))
    }

    /// Opens the body and tells everybody.
    fn write(&self, inbound: Inbound, key: &Key, stored: Stored, part: Option<Part>) -> Next {
        let answered = Answered::of(&inbound);
        let variant = match &stored.vary {
            Some(spec) => self.key.variant(spec, &self.asked.headers),
            None => self.key.clone(),
        };
        let (entry, writer) = self.store().insert(Incoming {
            key,
            request_headers: &self.asked.headers,
            stored,
            part,
            max_variants: self.policy.max_variants,
            doom: self.flight.doom.clone(),
        });
        if !writer.keeps() {
            // Its first bytes will be gone before long.
            self.flights.board.remove(&self.flight);
        }
        let stored = writer.keeps() && !self.flight.doom.is_set();
        self.flight.land(What::Entry { entry, variant, stored }, Some(answered));
        Next::Pour(Box::new((writer, inbound.body)))
    }

    /// A response for one client: all others go for themselves, at once.
    fn not_for_sharing(&self, inbound: Inbound, reason: Reason) -> Next {
        // Marked first, so that who comes now does not begin to wait.
        if reason.foretells() && !inbound.head.status.is_server_error() {
            let until = self.flights.clock.now().plus(self.policy.uncacheable_memory);
            self.store().mark(&self.key, until);
            if let Some(base) = &self.base {
                self.store().remove_entry(&self.key, base);
            }
        }
        self.for_leader_alone(inbound, What::Uncacheable(reason))
    }

    fn for_leader_alone(&self, inbound: Inbound, what: What) -> Next {
        let answered = Answered::of(&inbound);
        self.flights.board.remove(&self.flight);
        self.flight.leave_gift(inbound);
        self.flight.land(what, Some(answered));
        Next::Landed
    }

    fn failed(&self, fault: Fault) -> Next {
        self.note_failure(Failure::Unreachable);
        self.flights.board.remove(&self.flight);
        self.flight.land(What::Failed(Arc::new(fault)), None);
        Next::Landed
    }

    /// Whether what is stored may be served instead; if so, the origin is left alone for a while.
    fn note_failure(&self, failure: Failure) -> bool {
        let Some(base) = &self.base else { return false };
        let (policy, now) = (&self.policy, self.flights.clock.now());
        let request = self.asked.request();
        let usable = cache::usable_on_error(policy, &request, &base.stored, failure, now).is_some();
        if usable {
            let resting = base.stored.after_failure(policy, now);
            self.store().update(&self.key, base, resting);
        }
        usable
    }

    /// The key to store under, as `No-Vary-Search` in the response has it, and remembers that.
    fn place_in_queries(&self, headers: &HeaderMap) -> Key {
        let rule = NoVarySearch::parse(headers);
        if rule.is_none() && !self.store().has_search_rules() {
            return self.key.clone();
        }
        let (site, request) = (self.key.site(), self.asked.request());
        let path = cache::path_key(&self.policy, site, &request);
        let key = match &rule {
            Some(rule) => cache::key_under(&self.policy, site, &request, rule),
            None if self.store().search_rule(&path).is_none() => self.key.clone(),
            None => cache::key(&self.policy, site, &request),
        };
        self.store().learn_search_rule(&path, rule);
        key
    }

    fn store(&self) -> &Arc<Store> {
        &self.flights.store
    }
}

/// The bytes of a partial object that a client wants who asks for `range`, if it has such bytes.
pub(super) fn wanted(entry: &Entry, range: Option<&HeaderValue>) -> Option<Range<u64>> {
    let length = entry.stored.extent()?;
    match range {
        None => Some(0..length),
        Some(value) => range::parse(value.as_bytes(), 1)?.first()?.resolve(length),
    }
}
