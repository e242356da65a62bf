//! A large object for one client, slice after slice.
//!
//! Each slice is a flight of its own that others board, and is stored like any range. The client's
//! body is put together from them: what is stored is read, what is missing is asked for as the
//! client comes near, a few slices ahead of it. All slices must be of the same representation, by a
//! strong validator and its length; when the object changes at the origin half-way the response
//! cannot be mended, and is cut.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use tokio::task::JoinHandle;

use super::order::{Asked, OnHead, Order, Wire};
use super::{COUNTERS, Flights, Inquiry, Outcome};
use crate::cache::slices::Slices;
use crate::cache::{Key, Policy, same_bytes};
use crate::header::range;
use crate::store::{Cut, End, Entry, Lookup, Reader};
use crate::upstream::Group;

/// What it takes to ask for further slices of an object.
pub struct Conductor {
    flights: Arc<Flights>,
    key: Key,
    policy: Arc<Policy>,
    group: Arc<Group>,
    asked: Asked,
    wire: Wire,
    on_head: Option<OnHead>,
    /// Whether to ask ahead: not where nothing is kept.
    ahead: bool,
}

/// How often a slice that broke off is asked for again from the same byte.
const RETRIES: u8 = 2;

impl Conductor {
    /// Prepares to ask as `inquiry` does, for other ranges; `order` is what it would ask with.
    pub fn new(
        flights: &Arc<Flights>,
        inquiry: &Inquiry<'_>,
        order: Order,
        ahead: bool,
    ) -> Arc<Self> {
        let Order { policy, group, outbound, on_head } = order;
        Arc::new(Conductor {
            flights: flights.clone(),
            key: inquiry.key.clone(),
            policy,
            group,
            asked: Asked::new(&inquiry.request),
            wire: Wire::new(outbound),
            on_head,
            ahead,
        })
    }

    /// Reads `range` of the representation that `first` has some bytes of, from wherever they are.
    pub fn read(self: Arc<Self>, first: Arc<Entry>, range: Range<u64>) -> Sliced {
        let (position, next) = (range.start, range.start);
        let mut sliced = Sliced {
            conductor: self,
            first,
            position,
            end: range.end,
            current: None,
            next,
            coming: VecDeque::new(),
            retries: RETRIES,
        };
        // At once: the first bytes of what is not kept are gone before long.
        sliced.read_first();
        sliced
    }

    /// A reader of `range`, which lies in one slice.
    async fn reader(&self, first: &Arc<Entry>, range: Range<u64>) -> Result<Reader, Cut> {
        Ok(self.entry(first, &range).await?.body.reader(range))
    }

    async fn entry(&self, first: &Arc<Entry>, range: &Range<u64>) -> Result<Arc<Entry>, Cut> {
        let request = self.asked.request();
        let found = match self.flights.store.peek(&self.key, request.headers) {
            Lookup::Found(entry) if is_same(first, &entry) => Some(entry),
            _ => None,
        };
        if let Some(entry) = found.as_ref().filter(|entry| entry.body.has(range.clone())) {
            return Ok(entry.clone());
        }
        let slice = self.flights.slices().at(range.start, first.stored.total);
        // A slice that broke off is asked for from there.
        let wanted = if slice.start == range.start { slice } else { range.clone() };
        let value = HeaderValue::try_from(range::format(&wanted)).map_err(|_| Cut::Missing)?;
        let inquiry = Inquiry {
            key: &self.key,
            policy: &self.policy,
            request,
            range: Some(&value),
            // What comes is joined to what is stored, or will be when the first slice has come.
            base: Some(found.as_ref().unwrap_or(first)),
        };
        let order = || Order {
            policy: self.policy.clone(),
            group: self.group.clone(),
            outbound: self.wire.outbound(|_| {}),
            on_head: self.on_head.clone(),
        };
        // What comes faster than it can be written would be lost for the next client.
        self.flights.store.caught_up(first).await;
        COUNTERS.slices.bump();
        match self.flights.obtain(inquiry, order).await {
            Outcome::Entry { entry, .. } | Outcome::Revalidated { entry, .. }
                if is_same(first, &entry) =>
            {
                Ok(entry)
            }
            _ => Err(Cut::Origin),
        }
    }
}

/// Whether both are of the same representation beyond doubt.
fn is_same(first: &Entry, other: &Entry) -> bool {
    first.stored.total == other.stored.total
        && (first.stored.object_id == other.stored.object_id
            || same_bytes(&first.stored.headers, &other.stored.headers))
}

/// The body of a response that is fetched by slices.
pub struct Sliced {
    conductor: Arc<Conductor>,
    /// The entry that the response head came from.
    first: Arc<Entry>,
    position: u64,
    end: u64,
    current: Option<Reader>,
    /// Where the slice begins that has not been asked for yet.
    next: u64,
    coming: VecDeque<JoinHandle<Result<Reader, Cut>>>,
    retries: u8,
}

impl Sliced {
    /// The next bytes, about `most` for a client that is held back; `None` at the end of the range, an
    /// error wherever it cannot go on.
    pub fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<Option<Result<Bytes, Cut>>> {
        while self.position < self.end {
            let polled = match &mut self.current {
                Some(reader) => ready!(reader.poll_piece(context, most)),
                None => match ready!(self.poll_reader(context, most)) {
                    Ok(reader) => {
                        self.current = Some(reader);
                        continue;
                    }
                    Err(cut) => Some(Err(cut)),
                },
            };
            match polled {
                Some(Ok(bytes)) => {
                    self.position += bytes.len() as u64;
                    self.retries = RETRIES;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                None => self.current = None,
                Some(Err(cut)) if self.retries == 0 => return Poll::Ready(Some(Err(cut))),
                Some(Err(_)) => {
                    self.retries -= 1;
                    self.begin_again();
                }
            }
        }
        Poll::Ready(None)
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// Gives up what is on its way, and goes on from where the client is.
    fn begin_again(&mut self) {
        self.current = None;
        self.stop();
        self.next = self.position;
    }

    fn poll_reader(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Result<Reader, Cut>> {
        let settings = &self.conductor.flights.settings;
        let ahead = match self.conductor.ahead {
            // What is held ready for a client that is held back would lie there for long.
            true if (most as u64) < settings.slice_size.0 => settings.read_ahead.min(1),
            true => settings.read_ahead,
            false => 0,
        };
        while self.next < self.end && self.coming.len() <= usize::from(ahead) {
            COUNTERS.read_ahead.add(u64::from(!self.coming.is_empty()));
            let range = self.take_slice();
            let (conductor, first) = (self.conductor.clone(), self.first.clone());
            self.coming
                .push_back(tokio::spawn(async move { conductor.reader(&first, range).await }));
        }
        let Some(coming) = self.coming.front_mut() else {
            return Poll::Ready(Err(Cut::Missing));
        };
        let reader = ready!(Pin::new(coming).poll(context)).unwrap_or(Err(Cut::Abandoned));
        self.coming.pop_front();
        Poll::Ready(reader)
    }

    /// Reads the next slice from the entry that the head came from, if it is there or on its way.
    fn read_first(&mut self) {
        if self.next < self.end && self.is_in_first() {
            let range = self.take_slice();
            self.current = Some(self.first.body.reader(range));
        }
    }

    /// Whether the next slice can be read from the entry that the head came from.
    fn is_in_first(&self) -> bool {
        let body = &self.first.body;
        let slice = self.slice();
        let (written, until) = body.progress();
        let coming = body.end() == End::Growing && until.is_some_and(|until| slice.end <= until);
        body.has(slice.clone())
            || coming && body.missing(slice).first().is_none_or(|gap| written <= gap.start)
    }

    /// What is wanted of the slice that has not been asked for yet.
    fn slice(&self) -> Range<u64> {
        let slice = self.conductor.flights.slices().at(self.next, self.first.stored.total);
        self.next..slice.end.min(self.end)
    }

    fn take_slice(&mut self) -> Range<u64> {
        let range = self.slice();
        self.next = range.end;
        range
    }

    fn stop(&mut self) {
        self.coming.drain(..).for_each(|coming| coming.abort());
    }
}

impl Drop for Sliced {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Flights {
    /// What slices are like.
    pub fn slices(&self) -> Slices {
        Slices { size: self.settings.slice_size.0, over: self.settings.slice_over.0 }
    }
}
