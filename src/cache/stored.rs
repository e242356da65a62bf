//! A stored response without its body.

use http::header::ETAG;
use http::{HeaderMap, StatusCode};

use super::freshness::Lifetimes;
use super::key::Key;
use super::vary::VarySpec;
use crate::clock::Timestamp;
use crate::header::date::{self, Date};
use crate::header::etag::EntityTag;

/// Everything about a stored response but its bytes. It never changes; an update makes a new one.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The status; 200 for pieces of a representation that came as 206.
    pub status: StatusCode,
    /// The fields as clients get them, without `Age` and without what belongs to one connection.
    pub headers: HeaderMap,
    /// The fields that only we read ([`control::hide`](super::control::hide)); usually empty.
    pub hidden: HeaderMap,
    /// When the request was sent.
    pub request_time: Timestamp,
    /// When the head of the response came.
    pub response_time: Timestamp,
    /// How long it lives.
    pub lifetimes: Lifetimes,
    /// What selects it among the variants of its URL.
    pub vary: Option<VarySpec>,
    /// The complete length of the representation in bytes, where known.
    pub total: Option<u64>,
    /// Where the origin's bytes run out, if that is short of `total`: its 206 ran to the end but was
    /// shorter than its own `Content-Range`.
    pub reach: Option<u64>,
    /// Number of the newest purge rule when the origin was asked for it, or last confirmed it.
    pub fill_seq: u64,
    /// Names these bytes: new for each representation, kept by updates.
    pub object_id: u64,
    /// The object that this one was made from.
    pub parent: Option<Parent>,
    /// Until then the origin is not asked again, because it failed.
    pub rest_until: Option<Timestamp>,
}

/// The original of a derived object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its key.
    pub key: Key,
    /// Its bytes.
    pub object_id: u64,
}

impl Stored {
    /// The entity tag.
    pub fn etag(&self) -> Option<EntityTag<'_>> {
        etag(&self.headers)
    }

    /// When it was last changed.
    pub fn last_modified(&self) -> Date {
        date::last_modified(&self.headers)
    }

    /// The length that ranges are measured against: how far the origin's bytes go.
    pub fn extent(&self) -> Option<u64> {
        self.reach.or(self.total)
    }

    /// Whether the origin can be asked whether it still holds.
    pub fn has_validator(&self) -> bool {
        has_validator(&self.headers)
    }

    /// Roughly how many bytes of memory this takes besides the body.
    pub fn weight(&self) -> usize {
        let fields = |headers: &HeaderMap| {
            headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 64)
                .sum::<usize>()
        };
        std::mem::size_of::<Stored>() + fields(&self.headers) + fields(&self.hidden)
    }

    /// The same after the origin failed at `now`: it is not asked again before the site's back-off
    /// is over; in offline mode that is as long again as the object lived.
    pub fn after_failure(&self, policy: &super::Policy, now: Timestamp) -> Stored {
        let rest = match policy.offline {
            true => policy.error_back_off.max(self.lifetimes.fresh),
            false => policy.error_back_off,
        };
        Stored { rest_until: Some(now.plus(rest)), ..self.clone() }
    }
}

/// The entity tag of a response.
pub fn etag(headers: &HeaderMap) -> Option<EntityTag<'_>> {
    headers.get(ETAG).and_then(|value| EntityTag::parse(value.as_bytes()))
}

/// Whether a response has an entity tag or a valid `Last-Modified`.
pub fn has_validator(headers: &HeaderMap) -> bool {
    etag(headers).is_some() || date::last_modified(headers).moment().is_some()
}
