//! Asking the origin whether a stored response still holds, and what its answer changes: RFC 9111
//! sections 4.3.1 (the question), 4.3.4 and 3.2 (304), 4.3.5 (HEAD).

use http::header::{
    AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
    SET_COOKIE, VARY,
};
use http::{HeaderName, StatusCode};

use super::control::Control;
use super::freshness::{Received, Source};
use super::policy::Policy;
use super::range;
use super::storable::Cleaned;
use super::stored::{Stored, etag};
use super::vary;
use super::verdict::Reason;
use super::{Request, freshness, static_files, storable};
use crate::clock::Timestamp;
use crate::header::{date, hop_by_hop};

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Fields that describe the stored bytes: a 304 has none to describe, so it must not change them
/// (RFC 9111 section 3.2). The entity tag is among them: see [`updated`].
const OF_THE_BYTES: [HeaderName; 6] =
    [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_MD5, CONTENT_DIGEST, ETAG];

/// Removes every condition and range that a client put into a request: they speak of the client's
/// copy, and would make the origin's answer useless for anybody else.
pub fn strip_conditions(headers: &mut HeaderMap) {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
        headers.remove(name);
    }
}

/// Turns an upstream request into the question whether `stored` still holds: its entity tag and its
/// date, and no other condition (section 4.3.1). False when it has no validator; the request then
/// fetches the whole anew.
pub fn conditional_headers(stored: &Stored, headers: &mut HeaderMap) -> bool {
    strip_conditions(headers);
    if let Some(tag) = stored.headers.get(ETAG).filter(|_| stored.etag().is_some()) {
        headers.insert(IF_NONE_MATCH, tag.clone());
    }
    if stored.last_modified().moment().is_some()
        && let Some(modified) = stored.headers.get(LAST_MODIFIED)
    {
        headers.insert(IF_MODIFIED_SINCE, modified.clone());
    }
    headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE)
}

/// A stored response after the origin confirmed it.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The response as it now is, for the clients that waited.
    pub stored: Stored,
    /// Why it must not stay in the store, if the confirmation says so.
    pub drop: Option<Reason>,
    /// The fields of the 304 that only the client whose request asked gets; see
    /// [`Storing::once`](super::Storing::once).
    pub once: HeaderMap,
}

impl Updated {
    /// Whether what is stored stays as it was: it is good still, but the answer is for the client's
    /// credentials alone (section 3.5).
    pub fn is_aside(&self) -> bool {
        self.drop == Some(Reason::Authorization)
    }
}

/// What a 304 to [`conditional_headers`] makes of `stored`: every field that the 304 has replaces
/// the stored ones, save those that describe the bytes, and the lifetime is reckoned anew.
///
/// Section 4.3.4 wants a 304 with a strong validator to select among stored responses. Our question
/// carries the validators of this one alone, so a 304 can only mean this one; an entity tag in it
/// that differs (an origin that marks its compressed forms, for one) is not taken over.
pub fn updated(
    policy: &Policy,
    request: &Request<'_>,
    stored: &Stored,
    headers: &HeaderMap,
    request_time: Timestamp,
    response_time: Timestamp,
) -> Updated {
    let mut news = headers.clone();
    hop_by_hop::strip_for_storing(&mut news);
    for name in OF_THE_BYTES {
        news.remove(name);
    }
    let mut cookies = HeaderMap::new();
    if !policy.store_set_cookie {
        storable::move_field(&mut news, &mut cookies, &SET_COOKIE);
    }
    let mut merged = stored.headers.clone();
    for (name, value) in &stored.hidden {
        merged.append(name, value.clone());
    }
    // An Age of long ago says nothing about this answer.
    merged.remove(AGE);
    if date::date(&news).moment().is_none() {
        news.insert(http::header::DATE, date::format(response_time));
    }
    let vary_changed =
        news.contains_key(VARY) && vary::spec(policy, &news) != Ok(stored.vary.clone());
    let names: Vec<HeaderName> = news.keys().cloned().collect();
    for name in names {
        merged.remove(&name);
        for value in news.get_all(&name) {
            merged.append(&name, value.clone());
        }
    }
    let mut updated = refreshed(policy, request, stored, merged, (request_time, response_time));
    if vary_changed {
        updated.drop = Some(Reason::VaryChanged);
    }
    if updated.drop.is_some() {
        // Its new fields are for the client that asked: nobody who waited may share them.
        updated.stored = updated.stored.outdated();
    }
    updated.once.extend(cookies);
    updated
}

/// `stored` with the fields `merged`, all that follows from them, and what they now forbid.
fn refreshed(
    policy: &Policy,
    request: &Request<'_>,
    stored: &Stored,
    mut merged: HeaderMap,
    (request_time, response_time): (Timestamp, Timestamp),
) -> Updated {
    let control = Control::of(&merged);
    let html = static_files::is_html(&merged);
    let force = policy.rule(request, stored.status, html).is_some_and(|(_, rule)| rule.force);
    let received = Received {
        policy,
        request,
        status: stored.status,
        headers: &merged,
        control: &control,
        // A 304 to a request with cookies confirms bytes that came without.
        estimate: freshness::may_estimate(request) || stored.lifetimes.source == Source::Heuristic,
        request_time,
        response_time,
    };
    let lifetimes = received.lifetimes(force);
    let drop = match () {
        () if control.directives.no_store && !control.directives.must_understand && !force => {
            Some(Reason::NoStore)
        }
        () if control.directives.private.is_whole() && !force => Some(Reason::Private),
        () if storable::is_for_credentials(policy, request, &control) => {
            Some(Reason::Authorization)
        }
        () => None,
    };
    let Cleaned { hidden, once } = storable::clean(&mut merged, &control, &lifetimes);
    let stored = Stored {
        headers: merged,
        hidden,
        request_time,
        response_time,
        lifetimes,
        rest_until: None,
        ..stored.clone()
    };
    Updated { stored, drop, once }
}

/// What an answer to HEAD does to the stored answer to GET.
#[derive(Clone, Debug)]
pub enum HeadEffect {
    /// It speaks of the same bytes: this replaces the stored response.
    Update(Box<Updated>),
    /// It speaks of others: the stored response is to be taken as stale.
    Outdated,
    /// It says nothing about the stored response.
    Nothing,
}

/// Judges the answer to a HEAD that went to the origin (section 4.3.5): a 200 whose validators and
/// length, as far as it has them, are those of the stored response refreshes it like a 304.
pub fn head_effect(
    policy: &Policy,
    request: &Request<'_>,
    stored: &Stored,
    status: StatusCode,
    headers: &HeaderMap,
    times: (Timestamp, Timestamp),
) -> HeadEffect {
    if status.is_server_error() || status == StatusCode::NOT_MODIFIED {
        return HeadEffect::Nothing;
    }
    if status != stored.status {
        return HeadEffect::Outdated;
    }
    let same = |name: &HeaderName| match (headers.get(name), stored.headers.get(name)) {
        (None, _) => true,
        (Some(new), Some(old)) => new == old,
        (Some(_), None) => false,
    };
    let length = match (headers.get(CONTENT_LENGTH), stored.total) {
        (Some(told), Some(total)) => told.to_str().is_ok_and(|told| told.parse() == Ok(total)),
        _ => true,
    };
    if same(&ETAG) && same(&LAST_MODIFIED) && length {
        let update = updated(policy, request, stored, headers, times.0, times.1);
        HeadEffect::Update(Box::new(update))
    } else {
        HeadEffect::Outdated
    }
}

impl Stored {
    /// The same, stale from now on: the next request asks the origin first.
    pub fn outdated(&self) -> Stored {
        let mut stored = self.clone();
        stored.lifetimes.fresh = std::time::Duration::ZERO;
        stored.lifetimes.stale_while_revalidate.window = std::time::Duration::ZERO;
        stored
    }
}

/// Whether two responses are of the same bytes beyond doubt: equal strong entity tags, or where
/// neither has a tag, equal dates of last change that are strong on both sides (RFC 9110 sections
/// 8.8.2.2 and 13.3). Only such may be joined.
pub fn same_bytes(one: &HeaderMap, two: &HeaderMap) -> bool {
    match (etag(one), etag(two)) {
        (Some(one), Some(two)) => one.same_bytes(&two),
        (None, None) => {
            let dates = (date::last_modified(one).moment(), date::last_modified(two).moment());
            matches!(dates, (Some(a), Some(b)) if a == b)
                && range::is_strong_date(one)
                && range::is_strong_date(two)
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
