//! The site's own pages in place of errors.
//!
//! An error that the edge makes keeps its status and gets the page for a body; an origin's error
//! becomes a 302 to the page, as does a picture that is wanting to the site's picture for that.
//!
//! A page is a file of the site: it is looked up and fetched from the site's own origin like any
//! other, as nobody in particular. Rules of the request phase are left out, since they may be why it is
//! needed; those of what goes to the origin and of what is cached run as ever. Where there are rules it
//! is stored apart, so that no visitor gets by its own URL what not all of them have seen. What it
//! costs is bounded. An origin that fails is never asked for a page while a client waits; it is asked
//! for one page once in ten seconds at most, whoever wants it, and once in a minute while it is well,
//! so that its pages are there when it is not. A page that is not to be had at once is left out: the
//! answer is what it would be without.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::cache::reuse::Failure;
use crate::cache::usable_on_error;
use crate::clock::Timestamp;
use crate::fill::Outcome;
use crate::header::present::Present;
use crate::serve::Serve;
use crate::serve::answer::{Refusal, Whose};
use crate::serve::body::Body;
use crate::serve::exchange::Exchange;
use crate::serve::identify::Identity;
use crate::serve::judge::{self, Finding};
use crate::serve::plan::{self, Asked, Course, Plan};
use crate::serve::{miss, range, rules};
use crate::site::{ErrorPages, ErrorSource, Instead};
use crate::store::{Ahead, Entry};
use crate::telemetry::Tier;

/// How long a client waits for a page before it gets the error without.
const PATIENCE: Duration = Duration::from_secs(3);
/// How much of an origin's own words is read for nothing, in bytes.
const DISCARDED: usize = 64 << 10;
/// Largest picture in place of another, in bytes.
const LARGEST_IMAGE: u64 = 30 << 10;
/// Says what a browser wants to do with the answer (Fetch Metadata).
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// What a page's body needs said of it.
const OF_THE_BODY: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_ENCODING,
    header::CONTENT_SECURITY_POLICY,
];
/// What an origin says of its error that is not true of a 302.
const OF_THE_ERROR: [HeaderName; 8] = [
    header::ETAG,
    header::LAST_MODIFIED,
    header::AGE,
    header::EXPIRES,
    header::ACCEPT_RANGES,
    header::VARY,
    header::PRAGMA,
    header::RETRY_AFTER,
];

/// What the site's pages need to know of a request when its answer is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Whether the client asked for a picture.
    pub image: bool,
    /// Whether the answer is said to programs, or in a rule's own words: it is meant as it is.
    pub final_words: bool,
    /// Who made an error of the edge's own.
    pub source: Option<ErrorSource>,
}

impl Wish {
    /// The answer is a refusal.
    pub fn refused(&mut self, refusal: &Refusal) {
        (self.final_words, self.source) = (refusal.json, source(refusal));
    }
}

/// Who made an error, as the site's pages tell them apart.
pub fn source(refusal: &Refusal) -> Option<ErrorSource> {
    match refusal.code {
        40_310_002 | 40_310_012 => Some(ErrorSource::Refused),
        40_310_011 | 40_310_013..=40_310_015 => Some(ErrorSource::Hotlink),
        40_310_020..=40_310_022 | 50_310_020 | 40_110_910 => Some(ErrorSource::Authentication),
        40_310_003 | 40_010_030 | 40_310_031 | 40_310_032 => Some(ErrorSource::Security),
        40_310_999 | 40_410_999 => Some(ErrorSource::Rules),
        40_510_001 => Some(ErrorSource::Closed),
        _ => (refusal.whose == Whose::Origin).then_some(ErrorSource::Unreachable),
    }
}

/// Whether a request is for a picture, by what browsers say of it, else by its name.
pub fn wants_image(path: &str, headers: &HeaderMap) -> bool {
    const NAMES: [&str; 9] = ["avif", "bmp", "gif", "ico", "jpeg", "jpg", "png", "svg", "webp"];
    if let Some(purpose) = headers.get(SEC_FETCH_DEST) {
        return purpose == "image";
    }
    let accept = headers.get(header::ACCEPT).map_or(&b""[..], HeaderValue::as_bytes);
    let name = path.rsplit('/').next().unwrap_or_default();
    let end = name.split('!').next().and_then(|name| name.rsplit_once('.')).map(|(_, end)| end);
    let is_named = end.is_some_and(|end| NAMES.iter().any(|name| name.eq_ignore_ascii_case(end)));
    let is_page = accept.windows(9).any(|text| text.eq_ignore_ascii_case(b"text/html"));
    !is_page && (is_named || accept.get(..6).is_some_and(|it| it.eq_ignore_ascii_case(b"image/")))
}

/// Whether the site has something to put in place of an answer with this status. Has the pages for
/// outages looked after while there is none.
pub fn are_for(serve: &Serve, exchange: &mut Exchange, status: StatusCode) -> bool {
    let has_pages = |identity: &&Arc<Identity>| identity.site.pages.is_some();
    let Some(identity) = exchange.identity.as_ref().filter(has_pages).cloned() else {
        return false;
    };
    let Some(pages) = &identity.site.pages else { return false };
    let from_origin = exchange.record.outcome.tier == Tier::Origin;
    if from_origin && !status.is_server_error() && pages.are_due(exchange.now) {
        for path in pages.settings.for_outages() {
            refresh(serve, exchange, &identity, pages, path);
        }
    }
    choose(pages, exchange, status).is_some()
}

/// What the client gets in place of such an answer, or the answer where that cannot be had.
pub async fn instead(
    serve: &Serve,
    exchange: &mut Exchange,
    response: Response<Body>,
) -> Response<Body> {
    let Some(identity) = exchange.identity.clone() else { return response };
    let Some(pages) = &identity.site.pages else { return response };
    match choose(pages, exchange, response.status()) {
        Some((chosen, failing)) => {
            replace(serve, exchange, &identity, (pages, chosen, failing), response).await
        }
        None => response,
    }
}

/// What the answer is replaced by, and whether its origin is failing.
fn choose<'a>(
    pages: &'a ErrorPages,
    exchange: &Exchange,
    status: StatusCode,
) -> Option<(Instead<'a>, bool)> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    let Wish { image, final_words, source } = exchange.wish;
    let (settings, is_ours) = (&pages.settings, exchange.record.code.is_some());
    let (chosen, failing) = match is_ours {
        true => {
            let failing = source == Some(ErrorSource::Unreachable);
            (settings.for_edge(source, status, image)?, failing)
        }
        false => (settings.for_origin(status, image)?, status.is_server_error()),
    };
    (!final_words && goes(chosen, exchange, pages)).then_some((chosen, failing))
}

/// Whether the client can be sent there: not from one page to another, and not with a body that it
/// would send again.
fn goes(chosen: Instead<'_>, exchange: &Exchange, pages: &ErrorPages) -> bool {
    let method = &exchange.record.outcome.method;
    matches!(chosen, Instead::Page(_))
        || matches!(*method, Method::GET | Method::HEAD | Method::POST)
            && !pages.settings.has(exchange.record.target.path())
}

async fn replace(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Arc<Identity>,
    (pages, chosen, failing): (&ErrorPages, Instead<'_>, bool),
    response: Response<Body>,
) -> Response<Body> {
    let (Instead::Page(path) | Instead::Elsewhere(path) | Instead::Image(path)) = chosen;
    let Some((entry, ahead)) = page(serve, exchange, identity, pages, (path, failing)).await else {
        return response;
    };
    let size = entry.stored.total.or(entry.body.total());
    match chosen {
        Instead::Page(_) => {
            let head = exchange.record.outcome.method == Method::HEAD;
            with_page(response, &entry, ahead, head)
        }
        Instead::Image(_) if size.is_none_or(|size| size > LARGEST_IMAGE) => response,
        Instead::Elsewhere(_) | Instead::Image(_) => {
            exchange.record.outcome.tier = Tier::Edge;
            sent_to(response, path)
        }
    }
}

/// The answer with the page for its body.
fn with_page(
    mut response: Response<Body>,
    entry: &Arc<Entry>,
    ahead: Option<Ahead>,
    head: bool,
) -> Response<Body> {
    let headers = response.headers_mut();
    for name in OF_THE_BODY {
        match entry.stored.headers.get(&name) {
            Some(value) => drop(headers.insert(name, value.clone())),
            None => drop(headers.remove(name)),
        }
    }
    if head {
        if let Some(total) = entry.stored.total.or(entry.body.total()) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(total));
        }
        *response.body_mut() = Body::empty();
        return response;
    }
    let mut body = match entry.body.whole() {
        Some(bytes) => Body::whole(bytes.clone()),
        None => Body::stored(entry, 0..u64::MAX, None),
    };
    if let Some(ahead) = ahead {
        body.begin_with(ahead);
    }
    *response.body_mut() = body;
    response
}

/// A 302 to a page of the site, which nobody may keep: the error may be gone the next time.
fn sent_to(mut response: Response<Body>, path: &str) -> Response<Body> {
    let Ok(location) = HeaderValue::try_from(path) else { return response };
    *response.status_mut() = StatusCode::FOUND;
    let_go(std::mem::replace(response.body_mut(), Body::empty()));
    let headers = response.headers_mut();
    let is_of_error = |name: &HeaderName| {
        let text = name.as_str();
        OF_THE_ERROR.contains(name)
            || text.starts_with("content-")
            || text.ends_with("cache-control")
            || text == "surrogate-control"
    };
    let untrue: Vec<HeaderName> =
        headers.keys().filter(|name| is_of_error(name)).cloned().collect();
    for name in untrue {
        headers.remove(name);
    }
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Reads what an origin says of its error to the end, if that is near, so that its connection can be
/// used again: each error would cost it one.
fn let_go(mut body: Body) {
    if !body.is_from_origin() {
        return;
    }
    tokio::spawn(async move {
        let reading = async {
            let mut left = DISCARDED;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.checked_sub(frame.data_ref().map_or(0, |bytes| bytes.len()))?;
            }
            Some(())
        };
        let _ = timeout(PATIENCE, reading).await;
    });
}

/// The page, if it can be had in time; with it what was read of its body to see whether it is there.
async fn page(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Arc<Identity>,
    pages: &ErrorPages,
    (path, failing): (&str, bool),
) -> Option<(Arc<Entry>, Option<Ahead>)> {
    let (mut asked, plan) = question(serve, identity, pages, path)?;
    (exchange.ahead, exchange.brought) = (None, false);
    let finding = serve.find(exchange, &mut asked, &plan).await;
    let (ahead, stale) = (exchange.ahead.take(), !matches!(finding, Finding::Usable(..)));
    if stale && (failing || matches!(finding, Finding::Refreshable(..))) {
        refresh(serve, exchange, identity, pages, path);
    }
    let found = match finding {
        Finding::Usable(entry, _) | Finding::Refreshable(entry, _) => Some((entry, ahead)),
        Finding::Wanting(_, base) => {
            let fetched = match pages.door(path).filter(|_| !failing) {
                Some(door) => {
                    rules::leave_for_own(serve, exchange, identity, &asked.head);
                    let fetching = fetch(serve, exchange, (&mut asked, &plan), base.as_ref(), door);
                    let fetched = timeout(PATIENCE, fetching).await.ok().flatten();
                    exchange.ruled = None;
                    fetched
                }
                None => None,
            };
            fetched.or_else(|| kept(serve, &asked, base)).map(|entry| (entry, None))
        }
        Finding::Refused(_) => None,
    };
    found.filter(|(entry, _)| entry.stored.status == StatusCode::OK)
}

/// What is asked for and under which key: a plain GET of the path, as nobody in particular.
fn question(
    serve: &Serve,
    identity: &Arc<Identity>,
    pages: &ErrorPages,
    path: &str,
) -> Option<(Asked, Plan)> {
    let (head, ()) = Request::get(path).body(()).ok()?.into_parts();
    let (identity, policy) = (Arc::clone(identity), Arc::clone(&pages.policy));
    let present = Present::of(&head.headers);
    let mut asked = Asked::new(identity, head, present, Some(policy)).ok()?;
    asked.tell_scheme();
    match plan::plan(serve, &asked, false) {
        Course::Cache(plan) => Some((asked, plan)),
        Course::Pass(_) => None,
    }
}

/// Asks the origin for a page, unless it was asked a moment ago. Those who come meanwhile wait for the
/// same.
async fn fetch(
    serve: &Serve,
    exchange: &Exchange,
    (asked, plan): (&mut Asked, &Plan),
    base: Option<&Arc<Entry>>,
    door: &Mutex<Timestamp>,
) -> Option<Arc<Entry>> {
    let mut not_before = door.lock().await;
    let now = serve.clock.now();
    if let Finding::Usable(entry, _) | Finding::Refreshable(entry, _) =
        judge::judge(serve, asked, plan, now)
    {
        return Some(entry);
    }
    if !ErrorPages::opens(&mut not_before, now) {
        return None;
    }
    let asked = &*asked;
    let inquiry = || miss::inquiry(asked, plan, None, base);
    let order = || miss::order(serve, exchange, asked);
    let mut outcome = serve.flights.obtain(inquiry(), order).await;
    if matches!(outcome, Outcome::Uncacheable { inbound: None, .. }) {
        // It could not be stored when a visitor wanted it; now it may be.
        outcome = serve.flights.obtain_alone(inquiry(), order()).await;
    }
    let (entry, stored) = match outcome {
        Outcome::Entry { entry, stored, .. } => (entry, stored),
        Outcome::Revalidated { entry, .. } => (entry, true),
        _ => return None,
    };
    if stored && entry.stored.lifetimes.is_shareable() {
        // From here on the cache spares the origin; what is purged may be fetched again at once.
        *not_before = Timestamp::default();
    }
    Some(entry)
}

/// What is stored of a page although it is old: better than none, unless its origin forbids that.
fn kept(serve: &Serve, asked: &Asked, base: Option<Arc<Entry>>) -> Option<Arc<Entry>> {
    let entry = base.filter(|entry| range::has_all(asked, entry))?;
    let (request, now) = (asked.request(), serve.clock.now());
    usable_on_error(asked.policy(), &request, &entry.stored, Failure::Unreachable, now)?;
    Some(entry)
}

/// Has a page fetched behind the answer, unless it is fresh, or its origin was asked a moment ago.
fn refresh(
    serve: &Serve,
    exchange: &mut Exchange,
    identity: &Arc<Identity>,
    pages: &ErrorPages,
    path: &str,
) {
    let Some((mut asked, plan)) = question(serve, identity, pages, path) else { return };
    let now = serve.clock.now();
    let base = match judge::judge(serve, &mut asked, &plan, now) {
        Finding::Usable(..) | Finding::Refused(_) => return,
        Finding::Refreshable(entry, _) => Some(entry),
        Finding::Wanting(_, base) => base,
    };
    let Some(mut not_before) = pages.door(path).and_then(|door| door.try_lock().ok()) else {
        return;
    };
    if ErrorPages::opens(&mut not_before, now) {
        rules::leave_for_own(serve, exchange, identity, &asked.head);
        let inquiry = miss::inquiry(&asked, &plan, None, base.as_ref());
        serve.flights.refresh(inquiry, || miss::order(serve, exchange, &asked));
        exchange.ruled = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), value.parse().unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn pictures_are_told_by_what_browsers_say_then_by_their_names() {
        let page = ("accept", "text/html,application/xhtml+xml,image/avif,*/*;q=0.8");
        let picture = ("accept", "image/avif,image/webp,*/*;q=0.8");
        for (path, fields, is_image) in [
            ("/a.jpg", &[("sec-fetch-dest", "image")][..], true),
            ("/a.jpg", &[("sec-fetch-dest", "document")], false),
            ("/a", &[("sec-fetch-dest", "image"), page], true),
            ("/a", &[picture], true),
            ("/a.JPG", &[("accept", "*/*")], true),
            ("/a.jpg!small", &[], true),
            ("/a.jpg", &[page], false),
            ("/a.jpg/b", &[], false),
            ("/a.html", &[("accept", "*/*")], false),
            ("/", &[], false),
        ] {
            assert_eq!(wants_image(path, &headers(fields)), is_image, "{path} {fields:?}");
        }
    }

    #[test]
    fn errors_are_told_apart_by_their_codes() {
        let of = |status: u16, code: u32| {
            source(&Refusal::client(StatusCode::from_u16(status).unwrap(), code, ""))
        };
        for (code, expected) in [
            (40_310_002, Some(ErrorSource::Refused)),
            (40_310_012, Some(ErrorSource::Refused)),
            (40_310_011, Some(ErrorSource::Hotlink)),
            (40_310_013, Some(ErrorSource::Hotlink)),
            (40_310_015, Some(ErrorSource::Hotlink)),
            (40_310_021, Some(ErrorSource::Authentication)),
            (40_310_003, Some(ErrorSource::Security)),
            (40_310_032, Some(ErrorSource::Security)),
            (40_310_999, Some(ErrorSource::Rules)),
            (41_010_999, None),
            (40_510_001, Some(ErrorSource::Closed)),
            (40_510_000, None),
            (41_310_001, None),
        ] {
            assert_eq!(of((code / 100_000) as u16, code), expected, "{code}");
        }
        let fault =
            Refusal { whose: Whose::Origin, ..Refusal::client(StatusCode::BAD_GATEWAY, 0, "") };
        assert_eq!(source(&fault), Some(ErrorSource::Unreachable));
        let edge = Refusal::edge(StatusCode::SERVICE_UNAVAILABLE, 50_310_000, "");
        assert_eq!(source(&edge), None);
    }

    #[test]
    fn a_302_says_nothing_of_the_error_and_is_kept_by_nobody() {
        let mut response = Response::new(Body::whole("gone".into()));
        *response.headers_mut() = headers(&[
            ("content-type", "text/plain"),
            ("content-length", "4"),
            ("cdn-cache-control", "max-age=9"),
            ("cache-control", "max-age=9"),
            ("etag", "\"x\""),
            ("retry-after", "60"),
            ("cache-status", "brink; hit"),
            ("x-request-id", "7"),
        ]);
        let response = sent_to(response, "/errors/404.html");
        assert_eq!(response.status(), StatusCode::FOUND);
        let expected = headers(&[
            ("cache-status", "brink; hit"),
            ("x-request-id", "7"),
            ("location", "/errors/404.html"),
            ("cache-control", "no-store"),
        ]);
        assert_eq!(response.headers(), &expected);
        assert!(http_body::Body::is_end_stream(response.body()));
    }
}
