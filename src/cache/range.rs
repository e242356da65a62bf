//! Which bytes of a stored representation a client gets (RFC 9110 sections 13.1.5 and 14).

use std::ops::Range;

use http::header::{HeaderMap, IF_RANGE, RANGE};
use http::{Method, StatusCode};

use super::policy::Policy;
use super::stored::{Stored, etag};
use crate::header::date;
use crate::header::etag::EntityTag;
use crate::header::range::{Spec, parse};

/// The bytes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them, as a 200.
    Whole,
    /// These, as a 206.
    One(Range<u64>),
    /// These, in this order, as a 206 of several parts. Never touching each other.
    Many(Vec<Range<u64>>),
    /// None: 416.
    Unsatisfiable,
}

/// Ranges with a gap smaller than this are sent as one: a part's own head would be longer.
const GAP: u64 = 80;

/// Roughly how many bytes the head of each part takes.
const PART: u64 = 140;

/// Chooses the bytes for a request from a stored 200. The `Range` is ignored (`Whole`) where it may
/// be: another method than GET, malformed, more ranges than the site answers, a length that is not
/// known yet, an `If-Range` that names another version, or parts that together are no shorter than
/// the whole.
pub fn select(policy: &Policy, method: &Method, request: &HeaderMap, stored: &Stored) -> Selection {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(value), None) = (lines.next(), lines.next()) else { return Selection::Whole };
    let Some(extent) = stored.extent() else { return Selection::Whole };
    if *method != Method::GET
        || stored.status != StatusCode::OK
        || !if_range_holds(request, &stored.headers)
    {
        return Selection::Whole;
    }
    match parse(value.as_bytes(), policy.max_ranges) {
        None => Selection::Whole,
        Some(specs) => choose(&specs, extent, stored.total.unwrap_or(extent)),
    }
}

fn choose(specs: &[Spec], extent: u64, total: u64) -> Selection {
    // A last-n range of nothing at all means all of it (section 14.1.2).
    if total == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(count) if *count > 0)) {
        return Selection::Whole;
    }
    let mut ranges: Vec<_> = specs.iter().filter_map(|spec| spec.resolve(extent)).collect();
    if ranges.is_empty() {
        // Bytes that the origin announced and did not deliver: only the origin can say more.
        ranges = specs.iter().filter_map(|spec| spec.resolve(total)).collect();
    }
    let ranges = merge(ranges);
    let bytes: u64 = ranges.iter().map(|range| range.end - range.start + PART).sum();
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        [one] => Selection::One(one.clone()),
        _ if bytes >= total => Selection::Whole,
        _ => Selection::Many(ranges),
    }
}

/// Sorts ranges and joins those that overlap or lie close (section 15.3.7.2), so that no byte is
/// sent twice however often a client asks for it.
fn merge(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(GAP) => {
                last.end = last.end.max(range.end);
            }
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether `If-Range` allows a part: there is none, or it names this version by a strong validator
/// (section 13.1.5).
pub fn if_range_holds(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(value) = request.get(IF_RANGE) else { return true };
    if let Some(moment) = date::parse(value.as_bytes()) {
        return date::last_modified(stored).moment() == Some(moment) && is_strong_date(stored);
    }
    match (EntityTag::parse(value.as_bytes()), etag(stored)) {
        (Some(asked), Some(held)) => asked.same_bytes(&held),
        _ => false,
    }
}

/// Whether `Last-Modified` is a strong validator: the response was made long enough after the change
/// that a second change in between would show (RFC 9110 section 8.8.2.2; a minute covers clocks that
/// disagree).
pub fn is_strong_date(headers: &HeaderMap) -> bool {
    match (date::last_modified(headers).moment(), date::date(headers).moment()) {
        (Some(modified), Some(date)) => date.seconds() >= modified.seconds().saturating_add(60),
        _ => false,
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
