//! Which bytes of an object the client gets, and whether they are there.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

use crate::cache::range::if_range_holds;
use crate::cache::{self, Precondition, Selection};
use crate::header::content_range::ContentRange;
use crate::serve::body::{Body, Multipart, Source};
use crate::serve::deliver::Further;
use crate::serve::plan::{Asked, Plan};
use crate::store::Entry;

/// Whether the store has every byte that the answer from `entry` would send.
pub fn has_all(asked: &Asked, entry: &Entry) -> bool {
    if entry.body.whole().is_some() {
        return true;
    }
    let (method, fields, stored) = (&asked.head.method, &asked.head.headers, &entry.stored);
    let condition = cache::precondition(method, fields, stored.status, &stored.headers);
    if *method == Method::HEAD || condition != Precondition::Proceed {
        return true;
    }
    match cache::select(asked.policy(), method, fields, stored) {
        Selection::Whole => entry.is_whole(),
        Selection::One(range) => entry.body.has(range),
        Selection::Many(ranges) => ranges.into_iter().all(|range| entry.body.has(range)),
        Selection::Unsatisfiable => true,
    }
}

/// The first bytes in one piece that the answer from `entry` would send; `None` if it sends none.
pub fn first(asked: &Asked, entry: &Entry) -> Option<Range<u64>> {
    let (method, fields, stored) = (&asked.head.method, &asked.head.headers, &entry.stored);
    let condition = cache::precondition(method, fields, stored.status, &stored.headers);
    if *method == Method::HEAD || condition != Precondition::Proceed {
        return None;
    }
    match cache::select(asked.policy(), method, fields, stored) {
        Selection::Whole => Some(0..u64::MAX),
        Selection::One(range) => Some(range),
        Selection::Many(ranges) => ranges.into_iter().next(),
        Selection::Unsatisfiable => None,
    }
}

/// The range to ask the origin for: the client's own, unless all of a stored object is at stake, or
/// the client names a version that is not the stored one or that only a whole answer can be compared
/// with.
pub fn to_ask<'a>(
    asked: &Asked,
    plan: &'a Plan,
    base: Option<&Arc<Entry>>,
) -> Option<&'a HeaderValue> {
    let fields = &asked.head.headers;
    let whole = match base {
        Some(entry) => entry.is_whole() || !if_range_holds(fields, &entry.stored.headers),
        None => fields.contains_key(header::IF_RANGE),
    };
    plan.range.as_ref().filter(|_| !whole)
}

/// The bytes that the origin sent in answer to this client's own range, as its `Content-Range` in
/// `once` says and as far as it announced them.
pub fn as_sent(entry: &Entry, once: &HeaderMap) -> Option<Range<u64>> {
    let told = ContentRange::parse(once)?.bytes;
    let (_, until) = entry.body.progress();
    Some(told.start..until.map_or(told.end, |until| until.min(told.end)))
}

/// The body of a 206 of one part; sets the fields that describe it.
pub fn one(
    entry: &Arc<Entry>,
    range: Range<u64>,
    headers: &mut HeaderMap,
    further: Further,
) -> Body {
    let total = entry.stored.total;
    headers.insert(header::CONTENT_RANGE, ContentRange { bytes: range.clone(), total }.format());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    match further.slices {
        Some(conductor) => Body::by_slices(conductor, entry, range),
        None => Body::stored(entry, range, further.rescue),
    }
}

/// The body of a 206 of several parts (RFC 9110 section 15.3.7.2); sets the fields that describe it.
pub fn many(entry: &Entry, ranges: Vec<Range<u64>>, headers: &mut HeaderMap) -> Body {
    let boundary = format!("{:032x}", fastrand::u128(..));
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    let total = entry.stored.total;
    let mut parts = VecDeque::with_capacity(ranges.len());
    let mut length = 0;
    for range in ranges {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if let Some(content_type) = &content_type {
            head.extend_from_slice(b"Content-Type: ");
            head.extend_from_slice(content_type.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"Content-Range: ");
        head.extend_from_slice(ContentRange { bytes: range.clone(), total }.format().as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
        length += head.len() as u64 + (range.end - range.start);
        parts.push_back((Bytes::from(head), entry.body.reader(range)));
    }
    let closing = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    length += closing.len() as u64;
    if let Ok(value) = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Body::new(Source::Multipart(Box::new(Multipart::new(parts, closing, length))))
}
