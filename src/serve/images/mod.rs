//! Pictures made of originals on the way: derived objects, stored beside what they are made of.
//!
//! A picture hangs on its original: it has the original's URL in its key, and its freshness, tags and
//! purges; a stale one whose original is confirmed is confirmed with it. `wanted` reads what a request
//! asks for, `make` has it made by a worker, one for all who ask for the same; `protect` keeps
//! originals that need a secret.

mod better;
mod make;
mod protect;
mod wanted;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::cache::Reason;
use crate::header::cache_control::Directives;
use crate::image::Settings;
use crate::image::params::code;
use crate::serve::answer::Refusal;
use crate::serve::body::Body;
use crate::serve::deliver::{self, Obtained};
use crate::serve::exchange::Exchange;
use crate::serve::judge::Finding;
use crate::serve::plan::{self, Asked, Course, Plan};
use crate::serve::sent::Sent;
use crate::serve::{Serve, pass};

pub use make::Workshop;
use make::{BUSY, Marks, Plans};
pub use wanted::{Picture, Wanted, name_the_original, wanted};

/// Says the true code where the original is sent instead of an error (`ignore-error`).
const ERROR_CODE: HeaderName = HeaderName::from_static("x-gmkerl-err-code");
/// Asks browsers for hints (RFC 8942), on pages.
const ACCEPT_CH: HeaderName = HeaderName::from_static("accept-ch");
const HINTS: &str = "Sec-CH-DPR, Sec-CH-Width";
/// What a request does not say when an original is fetched to be worked on.
const NOT_FOR_ORIGINALS: [HeaderName; 7] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
];

/// Answers a request for a site that has images.
///
/// # Errors
/// What is asked for cannot be had, or may not.
pub async fn answer(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    sent: Sent,
    (course, wanted): (Course, Wanted),
) -> Result<Response<Body>, Refusal> {
    asked.tell_scheme();
    match (course, &wanted) {
        (Course::Cache(plan), Wanted::File { secret }) => {
            exchange.keyed(plan.question.hash64());
            file(serve, exchange, asked, &plan, secret.as_deref()).await
        }
        (Course::Cache(plan), Wanted::Picture(wanted)) => {
            picture(serve, exchange, asked, &plan, wanted).await
        }
        (Course::Pass(reason), Wanted::File { secret }) => {
            file_past(serve, exchange, asked, sent, (reason, secret.as_deref())).await
        }
        (Course::Pass(reason), Wanted::Picture(wanted)) => {
            picture_past(serve, exchange, asked, sent, (reason, wanted)).await
        }
    }
}

/// Answers a request for a file of such a site.
///
/// # Errors
/// The original needs a secret, or cannot be had.
async fn file(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    plan: &Plan,
    secret: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let obtained = serve.obtain(exchange, asked, plan).await?;
    protect::check(settings(asked), obtained.head().1, secret)?;
    let mut response = sent(serve, exchange, asked, obtained)?;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if settings(asked).client_hints && is_page {
        response.headers_mut().append(ACCEPT_CH, HeaderValue::from_static(HINTS));
    }
    Ok(response)
}

/// The same past the cache.
///
/// # Errors
/// As [`file`].
async fn file_past(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    sent: Sent,
    (reason, secret): (Reason, Option<&str>),
) -> Result<Response<Body>, Refusal> {
    let response = pass::pass(serve, exchange, asked, sent, reason).await?;
    protect::check(settings(asked), response.headers(), secret)?;
    Ok(protect::hide(response))
}

/// Answers a request for a picture.
///
/// # Errors
/// The original cannot be had, or what is asked for cannot be made of it.
async fn picture(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    plan: &Plan,
    picture: &Picture,
) -> Result<Response<Body>, Refusal> {
    let derived = plan.derived(&picture.tag);
    exchange.keyed(derived.question.hash64());
    let plans = Plans { original: plan, derived: &derived };
    let mut base = None;
    if picture.unknown().is_none() {
        match serve.find(exchange, asked, &derived).await {
            Finding::Usable(entry, judgement) => {
                let workshop = &serve.workshop;
                workshop.look_after(serve, asked, plans, picture, &entry);
                exchange.instead_of = make::original_size(&entry);
                return sent(serve, exchange, asked, Obtained::stored(entry, judgement));
            }
            Finding::Refreshable(entry, _) => base = Some(entry),
            Finding::Wanting(_, entry) => base = entry,
            Finding::Refused(reason) => return Err(Refusal::not_stored(exchange, reason)),
        }
    }
    let marks = marks(serve, exchange, asked, picture).await?;
    let mut plain = asked.plainly(&NOT_FOR_ORIGINALS);
    let obtained = serve.obtain(exchange, &mut plain, plan).await?;
    (exchange.ahead, exchange.brought) = (None, false);
    let (status, headers) = obtained.head();
    if picture.secret.as_deref().is_some_and(|name| protect::opens(headers, name)) {
        // The name was the original's secret and no version.
        let obtained = serve.obtain(exchange, asked, plan).await?;
        return sent(serve, exchange, asked, obtained);
    }
    if let Some(refusal) = picture.unknown() {
        return Err(refusal);
    }
    // RFC 9110 section 7.7: nobody asked for another form, and the origin forbids one.
    let forbidden = picture.optional && Directives::parse(headers).no_transform;
    if status != StatusCode::OK || forbidden {
        return sent(serve, exchange, asked, obtained);
    }
    let Some(original) = obtained.entry().cloned() else {
        let response = deliver::deliver(serve, exchange, &plain, obtained)?;
        return unstored(serve, exchange, asked, response, (picture, marks)).await;
    };
    let made = match base.filter(|base| make::is_of(base, &original)) {
        Some(base) => Ok(make::confirmed(serve, &derived, &base, &original)),
        None => serve.workshop.picture(serve, asked, (plans, original), picture, marks).await,
    };
    match made {
        Ok(entry) => {
            exchange.instead_of = make::original_size(&entry);
            sent(serve, exchange, asked, obtained.made_into(entry))
        }
        Err(refusal) => instead(serve, exchange, asked, plan, (picture, refusal)).await,
    }
}

/// Answers a request for a picture past the cache: it is made for this client alone.
///
/// # Errors
/// As [`picture`].
async fn picture_past(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    sent: Sent,
    (reason, picture): (Reason, &Picture),
) -> Result<Response<Body>, Refusal> {
    if picture.optional {
        return file_past(serve, exchange, asked, sent, (reason, None)).await;
    }
    let marks = marks(serve, exchange, asked, picture).await?;
    let mut plain = asked.plainly(&NOT_FOR_ORIGINALS);
    let response = pass::pass(serve, exchange, &mut plain, sent, reason).await?;
    if picture.secret.as_deref().is_some_and(|name| protect::opens(response.headers(), name)) {
        return Ok(protect::hide(response));
    }
    match picture.unknown() {
        Some(refusal) => Err(refusal),
        None => unstored(serve, exchange, asked, response, (picture, marks)).await,
    }
}

/// Makes a picture of what is not stored; what is none goes on as it is.
async fn unstored(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    mut response: Response<Body>,
    (picture, marks): (&Picture, Marks),
) -> Result<Response<Body>, Refusal> {
    if response.status() == StatusCode::OK {
        let body = std::mem::replace(response.body_mut(), Body::empty());
        let source = make::collected(body, most(asked)).await?;
        let size = picture.spec.question.is_none().then_some(source.len() as u64);
        let made = serve.workshop.run(asked.site(), source, picture, &marks, false).await?;
        exchange.instead_of = size;
        make::describe(response.headers_mut(), &made, picture);
        if asked.head.method != Method::HEAD {
            *response.body_mut() = Body::whole(made.body);
        }
    }
    Ok(protect::hide(response))
}

/// What may be sent where a picture cannot be made.
async fn instead(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &mut Asked,
    plan: &Plan,
    (picture, refusal): (&Picture, Refusal),
) -> Result<Response<Body>, Refusal> {
    // A picture is no answer to a question about it.
    let busy = refusal.code == BUSY && picture.spec.question.is_none();
    let ignored = picture.spec.ignore_error && matches!(refusal.status.as_u16(), 405 | 409 | 503);
    if !(picture.optional || ignored || busy) {
        return Err(refusal);
    }
    let obtained = serve.obtain(exchange, asked, plan).await?;
    if protect::check(settings(asked), obtained.head().1, None).is_err() {
        return Err(refusal);
    }
    let mut response = sent(serve, exchange, asked, obtained)?;
    if ignored && let Ok(code) = HeaderValue::try_from(format!("{:08}", refusal.code)) {
        response.headers_mut().insert(ERROR_CODE, code);
    }
    if busy {
        // The picture itself may be there a moment later.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

fn sent(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    obtained: Obtained,
) -> Result<Response<Body>, Refusal> {
    Ok(protect::hide(deliver::deliver(serve, exchange, asked, obtained)?))
}

/// The pictures of the watermarks, through the cache like any file of the site.
async fn marks(
    serve: &Serve,
    exchange: &mut Exchange,
    asked: &Asked,
    picture: &Picture,
) -> Result<Marks, Refusal> {
    let mut marks = Vec::new();
    for path in picture.marks() {
        let lacking = |what: &str| {
            let message = format!("`watermark/url`: {path} {what}");
            Refusal::client(StatusCode::BAD_REQUEST, code::MARK, message).as_json()
        };
        let mut mark = asked.for_path(&path).ok_or_else(|| lacking("is no path"))?;
        let Course::Cache(plan) = plan::plan(serve, &mark, false) else {
            return Err(lacking("is not cached"));
        };
        let obtained = serve.obtain(exchange, &mut mark, &plan).await?;
        let found = obtained.head().0 == StatusCode::OK;
        let Some(entry) = obtained.entry().filter(|_| found) else {
            return Err(lacking("cannot be had"));
        };
        marks.push((path, make::bytes_of(entry, most(asked)).await?));
    }
    Ok(marks)
}

/// What the site says of images.
fn settings(asked: &Asked) -> &Settings {
    &asked.site().document.images
}

/// The largest source, in bytes.
fn most(asked: &Asked) -> u64 {
    settings(asked).max_source.0
}
