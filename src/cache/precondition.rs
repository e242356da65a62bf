//! Conditions of clients, evaluated on a stored response in the order of RFC 9110 section 13.2.2.

use http::header::{
    HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE,
};
use http::{Method, StatusCode};

use super::stored::etag;
use crate::clock::Timestamp;
use crate::header::date;
use crate::header::etag::{EntityTag, any_listed};

/// What a client's conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// Answer 304: the client's copy is good.
    NotModified,
    /// Answer 412: the client asked for a version that is not ours.
    Failed,
}

/// Evaluates the conditions of a GET or HEAD on the response with `status` and `headers` that would
/// be sent. Conditions on anything but a 200 are ignored (section 13.2.1 lets them count only where
/// the answer without them would be a success).
///
/// Where the response has no `Last-Modified`, its `Date` stands in for it (RFC 9111 section 4.3.2).
pub fn precondition(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    headers: &HeaderMap,
) -> Precondition {
    let read = *method == Method::GET || *method == Method::HEAD;
    if status != StatusCode::OK || !read {
        return Precondition::Proceed;
    }
    let tag = etag(headers);
    if request.contains_key(IF_MATCH) {
        let strong = |listed: &EntityTag<'_>| tag.is_some_and(|tag| tag.same_bytes(listed));
        if !listed(request, IF_MATCH, strong) {
            return Precondition::Failed;
        }
    } else if let Some(moment) = moment(request, IF_UNMODIFIED_SINCE)
        && changed(headers).is_some_and(|changed| changed > moment)
    {
        return Precondition::Failed;
    }
    if request.contains_key(IF_NONE_MATCH) {
        let weak = |listed: &EntityTag<'_>| tag.is_some_and(|tag| tag.equivalent(listed));
        if listed(request, IF_NONE_MATCH, weak) {
            return Precondition::NotModified;
        }
    } else if let Some(moment) = moment(request, IF_MODIFIED_SINCE)
        && changed(headers).is_some_and(|changed| changed <= moment)
    {
        return Precondition::NotModified;
    }
    Precondition::Proceed
}

/// The fields of a 304 that is made from a stored response (RFC 9110 section 15.4.5): all but those
/// that describe a body. It keeps what a 200 would have said that caches need: Cache-Control,
/// Content-Location, Date, ETag, Expires, Vary, and what the site's pages rely on besides.
pub fn not_modified_headers(headers: &mut HeaderMap) {
    use http::header::{
        CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    };
    for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE] {
        headers.remove(name);
    }
}

fn listed(request: &HeaderMap, name: HeaderName, matches: impl Fn(&EntityTag<'_>) -> bool) -> bool {
    any_listed(request.get_all(name).iter().map(|line| line.as_bytes()), matches)
}

/// A date in a condition; a field that is no date is ignored (section 13.1.3).
fn moment(request: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    date::field(request, name).moment()
}

fn changed(headers: &HeaderMap) -> Option<Timestamp> {
    date::last_modified(headers).moment().or_else(|| date::date(headers).moment())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn fields(text: &str) -> HeaderMap {
        text.lines()
            .filter_map(|line| line.trim().split_once(": "))
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    const MON: &str = "Mon, 01 Jan 2024 00:00:00 GMT";
    const TUE: &str = "Tue, 02 Jan 2024 00:00:00 GMT";

    #[test]
    fn conditions_in_their_order() {
        use Precondition::{Failed, NotModified, Proceed};
        let tagged = format!("ETag: \"a\"\nLast-Modified: {MON}\nDate: {TUE}");
        let weak = "ETag: W/\"a\"".to_owned();
        let dated = format!("Date: {TUE}");
        for (stored, request, expected) in [
            (&tagged, String::new(), Proceed),
            (&tagged, "If-None-Match: \"a\"".into(), NotModified),
            (&tagged, "If-None-Match: \"b\", W/\"a\"".into(), NotModified),
            (&tagged, "If-None-Match: *".into(), NotModified),
            (&tagged, "If-None-Match: \"b\"".into(), Proceed),
            (&weak, "If-None-Match: W/\"a\"".into(), NotModified),
            (&weak, "If-Match: W/\"a\"".into(), Failed),
            (&tagged, "If-Match: \"a\"".into(), Proceed),
            (&tagged, "If-Match: *".into(), Proceed),
            (&tagged, "If-Match: \"b\"".into(), Failed),
            (&tagged, "If-Match: \"a\"\nIf-None-Match: \"a\"".into(), NotModified),
            (&tagged, format!("If-None-Match: \"b\"\nIf-Modified-Since: {TUE}"), Proceed),
            (&tagged, format!("If-None-Match: \"a\"\nIf-Modified-Since: {MON}"), NotModified),
            (&tagged, format!("If-Modified-Since: {MON}"), NotModified),
            (&tagged, format!("If-Modified-Since: {TUE}"), NotModified),
            (&tagged, "If-Modified-Since: Sun, 31 Dec 2023 00:00:00 GMT".into(), Proceed),
            (&tagged, "If-Modified-Since: Monday, 01-Jan-24 00:00:00 GMT".into(), NotModified),
            (&tagged, "If-Modified-Since: yesterday".into(), Proceed),
            (&tagged, "If-Unmodified-Since: Sun, 31 Dec 2023 00:00:00 GMT".into(), Failed),
            (&tagged, format!("If-Unmodified-Since: {MON}"), Proceed),
            (&dated, format!("If-Modified-Since: {TUE}"), NotModified),
            (&dated, format!("If-Modified-Since: {MON}"), Proceed),
            (&String::new(), format!("If-Modified-Since: {MON}"), Proceed),
        ] {
            let (request, stored) = (fields(&request), fields(stored));
            let found = precondition(&Method::GET, &request, StatusCode::OK, &stored);
            assert_eq!(found, expected, "{request:?} on {stored:?}");
            for (method, status) in [(Method::GET, 404), (Method::POST, 200)] {
                let status = StatusCode::from_u16(status).unwrap();
                assert_eq!(precondition(&method, &request, status, &stored), Proceed);
            }
        }
    }
}
