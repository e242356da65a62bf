//! Pieces of a representation: where a 206 belongs, and what may be joined (RFC 9111 sections 3.3, 3.4).

use std::ops::Range;

use http::header::{CONTENT_LENGTH, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderValue, StatusCode};

use super::range;
use super::stored::Stored;
use super::validate;
use crate::header::content_range::ContentRange;

/// Where the bytes of a 206 belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The bytes that the body holds, end excluded.
    pub bytes: Range<u64>,
    /// The complete length of the representation.
    pub total: u64,
    /// Where `Content-Range` says that they end; behind `bytes.end` when the body is shorter than its
    /// own field says.
    pub claimed_end: u64,
}

impl Piece {
    /// Where the origin's bytes run out short of the total: it claimed to send all up to the end and
    /// sent less.
    pub fn reach(&self) -> Option<u64> {
        (self.claimed_end == self.total && self.bytes.end < self.total).then_some(self.bytes.end)
    }
}

/// Places the body of a 206 by its `Content-Range`; `None` when that cannot be done: no such field,
/// no complete length, an empty body, or more bytes than it says.
///
/// A body that is shorter than the field says holds the first bytes of what it says: the position of
/// its first byte is what a client would believe too.
pub fn place(headers: &HeaderMap) -> Option<Piece> {
    let range = ContentRange::parse(headers)?;
    let total = range.total?;
    let claimed = range.bytes.end - range.bytes.start;
    let length = match headers.get(CONTENT_LENGTH) {
        Some(value) => value.to_str().ok()?.parse().ok()?,
        None => claimed,
    };
    let end = range.bytes.start.checked_add(length)?;
    (length > 0 && length <= claimed).then_some(Piece {
        bytes: range.bytes.start..end,
        total,
        claimed_end: range.bytes.end,
    })
}

/// How to ask for bytes that a stored object lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The `Range` field: one range.
    pub range: HeaderValue,
    /// The `If-Range` field: a strong validator, so that the origin sends the whole when it changed.
    pub if_range: HeaderValue,
}

impl Completion {
    /// Puts the fields into an upstream request, in place of the client's conditions.
    pub fn apply(&self, headers: &mut HeaderMap) {
        validate::strip_conditions(headers);
        headers.insert(RANGE, self.range.clone());
        headers.insert(IF_RANGE, self.if_range.clone());
    }
}

/// The request for the bytes `missing` of `stored`. `None` without a strong validator: section 3.4
/// forbids to join such pieces, so asking for the rest is of no use and the whole must be fetched.
/// A range that runs to the end is asked without one (`5-`).
pub fn completion(stored: &Stored, missing: &Range<u64>) -> Option<Completion> {
    let if_range = strong_validator(stored)?;
    let open = stored.total.is_some_and(|total| missing.end >= total);
    let asked = if open { missing.start..u64::MAX } else { missing.clone() };
    let range = HeaderValue::from_str(&crate::header::range::format(&asked)).ok()?;
    Some(Completion { range, if_range })
}

/// Whether the 206 with these fields holds bytes of the stored representation: the same strong
/// validator and the same complete length, and it is placed. Returns where its bytes belong.
pub fn joins(stored: &Stored, status: StatusCode, headers: &HeaderMap) -> Option<Piece> {
    if status != StatusCode::PARTIAL_CONTENT || !validate::same_bytes(&stored.headers, headers) {
        return None;
    }
    let piece = place(headers)?;
    (stored.total == Some(piece.total) && stored.reach.is_none()).then_some(piece)
}

/// The validator for `If-Range`: a strong entity tag, else a `Last-Modified` that is strong.
fn strong_validator(stored: &Stored) -> Option<HeaderValue> {
    match stored.etag() {
        Some(tag) if tag.is_strong() => stored.headers.get(ETAG).cloned(),
        Some(_) => None,
        None => {
            let value = stored.headers.get(LAST_MODIFIED)?;
            range::is_strong_date(&stored.headers).then(|| value.clone())
        }
    }
}

#[cfg(test)]
#[path = "partial_tests.rs"]
mod tests;
