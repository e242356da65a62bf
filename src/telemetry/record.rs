//! What there is to say of one finished request.
//!
//! `serve` builds a [`Record`] on the request's path, so every field is a cheap clone: a number, a
//! static word, or shared bytes ([`Text`]). There is no field for cookies or credentials; what a
//! client hides in a query is masked when the line is written.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, GetAll};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::share::Share;
use crate::cache::verdict::{Reason, Verdict};
use crate::clock::Timestamp;

/// One finished request, as the access log tells it.
#[derive(Clone, Debug)]
pub struct Record {
    /// What came of it; the part that is counted too.
    pub outcome: Outcome,
    /// When the request's head had been read.
    pub time: Timestamp,
    /// The request's id, as in `X-Request-Id`.
    pub request_id: Text,
    /// The site that answered; absent when no site has the host.
    pub site: Text,
    /// Who asked, after PROXY protocol and trusted `X-Forwarded-For`.
    pub client: IpAddr,
    /// The host as the client named it.
    pub host: Text,
    /// The request target as the client sent it; path and query are taken from it.
    pub target: Uri,
    /// The hash of the cache key.
    pub key: Option<u64>,
    /// The origin's part, if it was asked for this request; boxed, since hits have none.
    pub origin: Option<Box<Origin>>,
    /// The version of TLS, such as `TLSv1.3`; absent over plain TCP.
    pub tls: Option<&'static str>,
    /// The `User-Agent` field.
    pub user_agent: Text,
    /// The `Referer` field.
    pub referer: Text,
    /// The id on an error page that the edge made.
    pub error_id: Text,
    /// The product's error code, such as `40010041`.
    pub code: Option<u32>,
    /// The share of such requests that the site wants logged.
    pub share: Share,
    /// What only the form with 21 fields tells; boxed, and absent where another form is written.
    pub details: Option<Box<Details>>,
}

/// What one form of the log tells and the others do not.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The address that the client connected to.
    pub server: Option<IpAddr>,
    /// How many bytes of body the client announced, 0 if it sent none; absent when it did not say.
    pub request_length: Option<u64>,
    /// The response's `Content-Type`.
    pub content_type: Text,
    /// The response's `Cache-Control`, as sent to the client.
    pub cache_control: Text,
    /// The status that the origin gave what was sent, however long ago.
    pub source: Option<StatusCode>,
}

/// What came of a request: all that metrics need to know.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The protocol that the client spoke.
    pub version: Version,
    /// The method.
    pub method: Method,
    /// The final status.
    pub status: StatusCode,
    /// How the object was obtained and why so; absent when the edge answered by itself.
    pub verdict: Option<(Verdict, Reason)>,
    /// Where the body came from.
    pub tier: Tier,
    /// Bytes of the body that were handed to the connection.
    pub bytes_out: u64,
    /// From the request's head to the response's head.
    pub first_byte: Option<Duration>,
    /// From the request's head to the end of the response.
    pub duration: Duration,
    /// How the response ended.
    pub ended: Ended,
}

/// The origin's part in a request.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address of the server that was asked.
    pub server: Text,
    /// Its status; absent when there was no response.
    pub status: Option<StatusCode>,
    /// How long connecting took; absent when a kept connection was used.
    pub connect: Option<Duration>,
    /// From the request that we sent to the first byte of its response.
    pub first_byte: Option<Duration>,
    /// Why there was no usable response, a word of RFC 9209, such as `connection_timeout`.
    pub fault: Option<&'static str>,
}

/// Where the bytes of a body came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// The memory store.
    Memory,
    /// The disk store.
    Disk,
    /// The origin, through us.
    Origin,
    /// The edge itself: refusals, redirects, error pages.
    #[default]
    Edge,
}

/// How a response ended. Until it is known, the client is taken to have gone away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// The whole response was handed over.
    Whole,
    /// The client went away first.
    #[default]
    ClientGone,
    /// We had to cut it, because the origin or a timeout cut us.
    Cut,
}

/// Words or bytes that are cheap to share; absent by default.
#[derive(Clone, Debug, Default)]
pub enum Text {
    /// Nothing to say.
    #[default]
    Absent,
    /// A word of ours.
    Static(&'static str),
    /// A shared string.
    Shared(Arc<str>),
    /// Shared bytes, not necessarily UTF-8.
    Bytes(Bytes),
    /// The value of a header field.
    Field(HeaderValue),
}

/// A record of nothing yet; what `mem::take` leaves behind costs no allocation.
impl Default for Record {
    fn default() -> Self {
        Record {
            outcome: Outcome::default(),
            time: Timestamp::default(),
            request_id: Text::Absent,
            site: Text::Absent,
            client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            host: Text::Absent,
            target: Uri::default(),
            key: None,
            origin: None,
            tls: None,
            user_agent: Text::Absent,
            referer: Text::Absent,
            error_id: Text::Absent,
            code: None,
            share: Share::default(),
            details: None,
        }
    }
}

impl Details {
    /// Nothing known.
    pub(super) const NONE: Details = Details {
        server: None,
        request_length: None,
        content_type: Text::Absent,
        cache_control: Text::Absent,
        source: None,
    };
}

impl Record {
    /// Whether something failed; such requests are logged in any case.
    fn is_failure(&self) -> bool {
        self.outcome.status.is_server_error()
            || self.outcome.ended == Ended::Cut
            || self.origin.as_ref().is_some_and(|origin| origin.fault.is_some())
    }

    /// The share of which the line stands for all, unless it stands for itself alone.
    #[inline]
    pub(super) fn sampled(&self) -> Option<Share> {
        (!self.share.is_whole() && !self.is_failure()).then_some(self.share)
    }

    /// Notes the fields of the response that the details are about, if these are wanted.
    #[inline]
    pub fn describe(&mut self, headers: &HeaderMap) {
        if let Some(details) = &mut self.details {
            details.content_type = headers.get(header::CONTENT_TYPE).into();
            details.cache_control = joined(headers.get_all(header::CACHE_CONTROL));
        }
    }
}

/// The lines of one field as one; nearly always there is one at most.
fn joined(lines: GetAll<'_, HeaderValue>) -> Text {
    let mut rest = lines.iter();
    match (rest.next(), rest.next()) {
        (first, None) => first.into(),
        _ => {
            let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
            Text::Bytes(lines.join(&b", "[..]).into())
        }
    }
}

impl Tier {
    /// Every tier, in the order of their index.
    pub const ALL: [Tier; 4] = [Tier::Memory, Tier::Disk, Tier::Origin, Tier::Edge];

    /// The word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            Tier::Disk => "disk",
            Tier::Origin => "origin",
            Tier::Edge => "edge",
        }
    }
}

impl Ended {
    /// The word in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Ended::Whole => "whole",
            Ended::ClientGone => "client-gone",
            Ended::Cut => "cut",
        }
    }
}

impl Text {
    /// The bytes, if there are any to speak of.
    #[inline]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Text::Absent => None,
            Text::Static(text) => Some(text.as_bytes()),
            Text::Shared(text) => Some(text.as_bytes()),
            Text::Bytes(bytes) => Some(bytes),
            Text::Field(value) => Some(value.as_bytes()),
        }
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Text::Static(text)
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Text::Shared(text)
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        Text::Bytes(bytes)
    }
}

impl From<HeaderValue> for Text {
    fn from(value: HeaderValue) -> Self {
        Text::Field(value)
    }
}

/// A field that may be missing: `headers.get(USER_AGENT).into()`.
impl From<Option<&HeaderValue>> for Text {
    fn from(value: Option<&HeaderValue>) -> Self {
        value.map_or(Text::Absent, |value| Text::Field(value.clone()))
    }
}
