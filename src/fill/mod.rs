//! Joins the store and the origin: one fetch for many clients, streamed while it arrives.
//!
//! [`Flights::obtain`] is what a miss or a stale hit comes to. The first who asks leads: a detached
//! task fetches, the `lead` module judges the response head and the `pour` module writes the body to
//! the store. Everyone who wants the same sleeps until the head is known, the leader's own client
//! included, and then reads the growing body. A response that may not be shared goes to the leader's
//! client alone and releases all others at once, in parallel; the URL is remembered as such.

mod adopt;
mod flight;
mod lead;
mod order;
mod pour;
mod settings;
pub mod slices;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::timeout;

pub use order::{OnHead, Order};
pub use settings::Settings;

use crate::cache::{self, Key, Policy, Reason, Request};
use crate::clock::Clock;
use crate::count::Counter;
use crate::store::{Entry, Store};
use crate::upstream::{Fault, Inbound, Timings};
use flight::{Board, Boarding, Flight, Landing, Seat, What};
use lead::{Lead, wanted};

/// What flights have done since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests sent to origins through the cache: fetches, revalidations, resumptions.
    pub fetches: Counter,
    /// Of these, revalidations that the origin answered with 304.
    pub revalidated: Counter,
    /// Bytes of bodies that came from origins through the cache.
    pub fetched_bytes: Counter,
    /// Clients served by a fetch that another had begun.
    pub collapsed: Counter,
    /// Clients sent on their own way since the response was not for sharing.
    pub released: Counter,
    /// Clients refused since too many waited for the same.
    pub crowded: Counter,
    /// Waits that took too long, so that one of those who waited asked again.
    pub overdue: Counter,
    /// Fetches begun anew by one of those who waited, after a failure.
    pub elected: Counter,
    /// Bodies that broke off and were resumed where they stopped.
    pub resumed: Counter,
    /// Bodies cancelled since all clients had left.
    pub deserted: Counter,
    /// Slices asked for after the first, by clients or ahead of them.
    pub slices: Counter,
    /// Of these, asked for ahead.
    pub read_ahead: Counter,
    /// URLs whose origin gave all of it, or nothing to tell versions by, when asked for a slice.
    pub unsliced: Counter,
    /// Fetches overtaken by an invalidation of their URL.
    pub doomed: Counter,
}

/// The counters of the process's flights.
pub static COUNTERS: Counters = Counters {
    fetches: Counter::new(),
    revalidated: Counter::new(),
    fetched_bytes: Counter::new(),
    collapsed: Counter::new(),
    released: Counter::new(),
    crowded: Counter::new(),
    overdue: Counter::new(),
    elected: Counter::new(),
    resumed: Counter::new(),
    deserted: Counter::new(),
    slices: Counter::new(),
    read_ahead: Counter::new(),
    unsliced: Counter::new(),
    doomed: Counter::new(),
};

/// The flights of one node.
pub struct Flights {
    settings: Settings,
    store: Arc<Store>,
    clock: Clock,
    board: Board,
}

/// What a client wants that the store cannot give.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// Key of the URL.
    pub key: &'a Key,
    /// The site's policy.
    pub policy: &'a Policy,
    /// The request.
    pub request: Request<'a>,
    /// The `Range` to ask the origin for; `None` for the whole representation.
    pub range: Option<&'a HeaderValue>,
    /// What is stored and needs the origin's word, or more bytes.
    pub base: Option<&'a Arc<Entry>>,
}

/// Who answered, and how long it took.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Status of the response.
    pub status: StatusCode,
    /// The server, `host:port`.
    pub server: Arc<str>,
    /// How long it took.
    pub timings: Timings,
}

impl Answered {
    /// Who gave this response.
    pub fn of(inbound: &Inbound) -> Self {
        let (status, server) = (inbound.head.status, inbound.server.clone());
        Answered { status, server, timings: inbound.timings }
    }
}

/// How a client came by a shared response.
#[derive(Clone, Debug)]
pub enum How {
    /// It asked the origin.
    Led(Answered),
    /// It waited for, or boarded, a fetch that another had begun.
    Collapsed,
    /// The response had come into the store between look-up and inquiry.
    Stored,
}

/// What came of an inquiry.
pub enum Outcome {
    /// A response; its body may still grow. It answers the inquiry even if it is not fresh, but its
    /// header fields and status are the story's to judge (a range may be missing, RFC 9110 14.2).
    Entry {
        /// The response.
        entry: Arc<Entry>,
        /// How the client came by it.
        how: How,
        /// Whether it is, or will be, stored.
        stored: bool,
        /// Fields for the client that asked the origin, and for no other.
        once: HeaderMap,
    },
    /// The origin confirmed what is stored; its metadata are new.
    Revalidated {
        /// The entry with its new metadata.
        entry: Arc<Entry>,
        /// How the client came by it.
        how: How,
        /// Fields for the client that asked the origin, and for no other.
        once: HeaderMap,
    },
    /// The response is not for sharing. The leader has it; all others go for themselves.
    Uncacheable {
        /// Why.
        reason: Reason,
        /// The response, for the leader alone.
        inbound: Option<Inbound>,
    },
    /// The origin answered with a server error while something is stored that may be served instead.
    Erroring {
        /// The error.
        status: StatusCode,
        /// The response, for the leader alone.
        inbound: Option<Inbound>,
    },
    /// The origin did not answer.
    Failed(Arc<Fault>),
    /// Too many wait for the same already: 503, or something stale.
    Crowded,
}

/// How often a client boards at most, whatever the reasons.
const MOST_BOARDINGS: u32 = 8;

impl Flights {
    /// The flights for `store`.
    pub fn new(settings: Settings, store: Arc<Store>, clock: Clock) -> Arc<Self> {
        let board = Board::new(settings.max_waiters as usize);
        Arc::new(Flights { settings, store, clock, board })
    }

    /// Gets what the inquiry is for, from a fetch under way or a new one. `order` is called if this
    /// client is to lead. Dropping the future gives up the client's place; a fetch that it has begun
    /// goes on, and is cancelled only if it is large and no other client is left.
    pub async fn obtain(
        self: &Arc<Self>,
        inquiry: Inquiry<'_>,
        order: impl FnOnce() -> Order,
    ) -> Outcome {
        let mut order = Some(order);
        let (mut late, mut elections) = (None, 0);
        for boardings in 1.. {
            let now = self.clock.now();
            let boarding = match boardings {
                ..=MOST_BOARDINGS => self.board.board(&inquiry, &self.store, now, late.as_ref()),
                _ => Boarding::Seat(self.board.alone(inquiry.key)),
            };
            let seat = match boarding {
                Boarding::Stored(entry) => {
                    return Outcome::Entry {
                        entry,
                        how: How::Stored,
                        stored: true,
                        once: HeaderMap::new(),
                    };
                }
                Boarding::Uncacheable => return uncacheable(Reason::Uncacheable, None),
                Boarding::Crowded => return Outcome::Crowded,
                Boarding::Seat(seat) => seat,
            };
            if seat.leads {
                COUNTERS.elected.add(u64::from(elections > 0));
                if let Some(order) = order.take() {
                    self.launch(&seat.flight, &inquiry, order(), false);
                }
                let landing = seat.landing().await;
                return self.for_leader(seat, landing);
            }
            match self.wait(&seat, late.is_none()).await {
                Some(landing) => match self.for_follower(&seat, &inquiry, landing, elections) {
                    Ok(outcome) => return outcome,
                    Err(Again::OwnVariant) => {}
                    Err(Again::Elected) => elections += 1,
                },
                None => {
                    COUNTERS.overdue.bump();
                    late = Some(seat.flight.clone());
                }
            }
        }
        Outcome::Crowded
    }

    /// The same, but nobody else waits for it: for URLs marked as uncacheable, whose next response
    /// may well be storable again.
    pub fn obtain_alone(
        self: &Arc<Self>,
        inquiry: Inquiry<'_>,
        order: Order,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let seat = self.board.alone(inquiry.key);
        self.launch(&seat.flight, &inquiry, order, false);
        let flights = self.clone();
        async move {
            let landing = seat.landing().await;
            flights.for_leader(seat, landing)
        }
    }

    /// Refreshes what is stored, behind the client's back; does nothing if that is under way.
    pub fn refresh(self: &Arc<Self>, inquiry: Inquiry<'_>, order: impl FnOnce() -> Order) {
        let boarding = self.board.board(&inquiry, &self.store, self.clock.now(), None);
        if let Boarding::Seat(seat) = boarding
            && seat.leads
        {
            self.launch(&seat.flight, &inquiry, order(), true);
        }
    }

    /// Removes a URL from the store and sees to it that no fetch under way brings it back. Those who
    /// wait for such a fetch still get it.
    pub fn invalidate(&self, key: &Key) {
        // In this order: a fetch that is being stored right now is removed with the rest.
        self.board.doom(key);
        self.store.invalidate(key);
    }

    /// How many fetches others could board, and how many clients wait for them.
    pub fn under_way(&self) -> (usize, usize) {
        self.board.count()
    }

    fn launch(
        self: &Arc<Self>,
        flight: &Arc<Flight>,
        inquiry: &Inquiry<'_>,
        order: Order,
        background: bool,
    ) {
        let lead = Lead::new(self, flight, inquiry, order, background);
        tokio::spawn(lead.run());
    }

    /// Sleeps until the flight has landed; `None` if that takes too long. Who has waited in vain once
    /// waits for the second flight as long as upstream's own timeouts let it go on.
    async fn wait(&self, seat: &Seat, impatient: bool) -> Option<Landing> {
        if !impatient {
            return Some(seat.landing().await);
        }
        timeout(self.settings.wait_timeout.0, seat.landing()).await.ok()
    }

    fn for_leader(&self, seat: Seat, landing: Landing) -> Outcome {
        let Landing { what, answered } = landing;
        let how = answered.map_or(How::Collapsed, How::Led);
        match what {
            What::Entry { entry, stored, .. } => {
                Outcome::Entry { entry, how, stored, once: seat.once() }
            }
            What::Revalidated(entry) => Outcome::Revalidated { entry, how, once: seat.once() },
            What::Uncacheable(reason) => uncacheable(reason, seat.gift()),
            What::Erroring(status) => Outcome::Erroring { status, inbound: seat.gift() },
            What::Failed(fault) => Outcome::Failed(fault),
        }
    }

    /// Why a stored response is not for those who waited for it.
    fn unshared(&self, inquiry: &Inquiry<'_>, entry: &Entry) -> Reason {
        let now = self.clock.now();
        cache::judge(inquiry.policy, &inquiry.request, &entry.stored, now).reason
    }

    fn for_follower(
        &self,
        seat: &Seat,
        inquiry: &Inquiry<'_>,
        landing: Landing,
        elections: u8,
    ) -> Result<Outcome, Again> {
        let how = How::Collapsed;
        let outcome = match landing.what {
            // A response for other values of the fields that Vary names: on to one's own, which now
            // has a key, so that all who want the same share one fetch again.
            What::Entry { entry, variant, .. } if !selects(inquiry, &entry, &variant) => {
                return Err(Again::OwnVariant);
            }
            // What the origin confirmed for another are not the bytes that this client wants.
            What::Revalidated(entry) if !has_wanted(inquiry, &entry) => {
                return Err(Again::OwnVariant);
            }
            // What must be validated for each use was validated for the leader's alone: to hand it to
            // others could show one user's page to another (RFC 9111 section 5.2.2.4).
            What::Entry { entry, .. } | What::Revalidated(entry)
                if !entry.stored.lifetimes.is_shareable() =>
            {
                COUNTERS.released.bump();
                return Ok(uncacheable(self.unshared(inquiry, &entry), None));
            }
            What::Entry { entry, stored, .. } => {
                Outcome::Entry { entry, how, stored, once: HeaderMap::new() }
            }
            What::Revalidated(entry) => Outcome::Revalidated { entry, how, once: HeaderMap::new() },
            What::Uncacheable(reason) => {
                COUNTERS.released.bump();
                return Ok(uncacheable(reason, None));
            }
            What::Erroring(status) => Outcome::Erroring { status, inbound: None },
            What::Failed(fault) => {
                let again = fault.kind.retryable() && elections < self.settings.elections;
                return if again { Err(Again::Elected) } else { Ok(Outcome::Failed(fault)) };
            }
        };
        debug_assert!(!seat.leads);
        COUNTERS.collapsed.bump();
        Ok(outcome)
    }
}

/// Why a client that waited asks again.
enum Again {
    /// What came is another variant, or other bytes.
    OwnVariant,
    /// The fetch failed; the first who comes back leads for all the others.
    Elected,
}

fn uncacheable(reason: Reason, inbound: Option<Inbound>) -> Outcome {
    Outcome::Uncacheable { reason, inbound }
}

fn has_wanted(inquiry: &Inquiry<'_>, entry: &Entry) -> bool {
    entry.is_whole() || wanted(entry, inquiry.range).is_none_or(|range| entry.body.has(range))
}

fn selects(inquiry: &Inquiry<'_>, entry: &Entry, variant: &Key) -> bool {
    let spec = entry.stored.vary.as_ref();
    spec.is_none_or(|spec| inquiry.key.variant(spec, inquiry.request.headers) == *variant)
}
