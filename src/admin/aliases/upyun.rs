//! UPYUN's shapes: a bucket is a site. URLs are gone; rules make stale, or with `noif` gone.
//!
//! The older way is a form with a signature: the operator's name is a token's id, its password the
//! token itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shape, purge, refused, said, told};
use crate::admin::Admin;
use crate::admin::access::{Caller, Read};
use crate::admin::ledger::Noted;
use crate::admin::tokens::hex;
use crate::serve::purge::{MOST, PurgeMode, PurgeOrder};

/// How far the Date of a signed request may be off.
const SKEW: Duration = Duration::from_secs(30 * 60);

/// `POST /purge`: URLs by JSON or a form; `GET /purge?task_ids=`: they are done when they are answered.
pub(super) async fn urls(State(admin): State<Arc<Admin>>, uri: Uri, request: Request) -> Response {
    let no = |status, why: &str| refused(Shape::Upyun, status, why, uri.path());
    let caller = request.extensions().get::<Caller>().cloned();
    match (request.method().clone(), caller) {
        (Method::GET, Some(_)) => said(progress(uri.query().unwrap_or_default())),
        (Method::POST, caller) => {
            let headers = request.headers().clone();
            let field = match field(request).await {
                Ok(field) => field,
                Err(why) => return no(StatusCode::BAD_REQUEST, &why),
            };
            match caller {
                Some(caller) => by_token(&admin, &caller, &field, uri.path()).await,
                None => signed(&admin, &headers, &field, uri.path()).await,
            }
        }
        (Method::GET, None) => no(StatusCode::UNAUTHORIZED, "Need Authorization Header"),
        _ => no(StatusCode::METHOD_NOT_ALLOWED, "POST urls"),
    }
}

fn progress(query: &str) -> Value {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let ids = pairs.find(|(name, _)| name == "task_ids").map(|(_, ids)| ids.into_owned());
    let ids = ids.unwrap_or_default();
    let known = ids.split(',').filter(|id| !id.is_empty());
    let result: Vec<Value> =
        known.map(|id| json!({ "url": "", "progress": 100, "task_id": id })).collect();
    json!({ "result": result })
}

/// The URLs that a request names, exactly as its field has them.
async fn field(request: Request) -> Result<String, String> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        let bad = |why: String| format!("the form cannot be read: {why}");
        let mut form =
            Multipart::from_request(request, &()).await.map_err(|it| bad(it.body_text()))?;
        while let Some(part) = form.next_field().await.map_err(|it| bad(it.body_text()))? {
            if matches!(part.name(), Some("purge" | "urls")) {
                return part.text().await.map_err(|it| bad(it.body_text()));
            }
        }
        return Err("the form has no field `purge`".into());
    }
    let body = Bytes::from_request(request, &()).await.map_err(|it| it.body_text())?;
    let text = std::str::from_utf8(&body).map_err(|_| "the body is no text")?;
    if text.trim_start().starts_with('{') {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        return match &value["urls"] {
            Value::String(urls) => Ok(urls.clone()),
            Value::Array(urls) => {
                let urls: Option<Vec<&str>> = urls.iter().map(Value::as_str).collect();
                urls.map(|urls| urls.join("\n")).ok_or_else(|| "`urls` are texts".into())
            }
            _ => Err("name `urls`".into()),
        };
    }
    // Some clients do not encode what they send.
    if let Some(raw) = ["purge=", "urls="].iter().find_map(|start| text.strip_prefix(start))
        && raw.contains("://")
    {
        return Ok(raw.to_owned());
    }
    let mut pairs = form_urlencoded::parse(&body);
    let found = pairs.find(|(name, _)| matches!(&**name, "purge" | "urls"));
    found.map(|(_, value)| value.into_owned()).ok_or_else(|| "name `urls` or `purge`".into())
}

/// The URLs of a field, one a line.
fn lines(field: &str) -> Result<Vec<String>, String> {
    let lines = field.lines().map(str::trim).filter(|line| !line.is_empty());
    let urls = lines.map(|line| match line.contains("://") {
        true => line.to_owned(),
        false => format!("http://{line}"),
    });
    let urls: Vec<String> = urls.take(MOST + 1).collect();
    match urls.len() > MOST {
        true => Err(format!("more than {MOST} lines, the most of one order")),
        false => Ok(urls),
    }
}

fn hard(urls: Vec<String>) -> PurgeOrder {
    PurgeOrder { urls, mode: PurgeMode::Hard, ..PurgeOrder::default() }
}

/// Purges what of a list can be; tells of the rest, one by one.
async fn by_token(admin: &Admin, caller: &Caller, field: &str, path: &str) -> Response {
    let urls = match lines(field) {
        Ok(urls) => urls,
        Err(why) => return refused(Shape::Upyun, StatusCode::BAD_REQUEST, &why, path),
    };
    let own: Vec<bool> =
        urls.iter().map(|url| admin.serve.can_purge(url, &caller.whose).is_ok()).collect();
    let good: Vec<String> =
        urls.iter().zip(&own).filter(|(_, own)| **own).map(|(url, _)| url.clone()).collect();
    let done = match good.is_empty() {
        true => Ok(None),
        false => purge(admin, caller, &hard(good)).await.map(Some),
    };
    let (seq, noted) = match done {
        Ok(Some((purged, noted))) => (purged.seq, Some(noted)),
        Ok(None) => (0, None),
        Err(problem) => return told(Shape::Upyun, &problem, path),
    };
    let result: Vec<Value> = urls
        .iter()
        .zip(own)
        .map(|(url, own)| match own {
            true => {
                json!({ "url": url, "status": "刷新成功", "code": 1, "task_id": seq.to_string() })
            }
            false => json!({ "url": url, "status": "不是您的域名", "code": 4, "task_id": "" }),
        })
        .collect();
    (noted, said(json!({ "result": result }))).into_response()
}

/// The same by a signature: `Authorization: UpYun BUCKET:OPERATOR:SIGNATURE`.
async fn signed(admin: &Admin, headers: &HeaderMap, field: &str, path: &str) -> Response {
    let no = |why: &str| refused(Shape::Upyun, StatusCode::UNAUTHORIZED, why, path);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(shown) = text("authorization").and_then(|it| it.get(6..)) else {
        return no("Need Authorization Header");
    };
    let Some(date) = text("date") else { return no("Need Date Header") };
    let Ok(then) = httpdate::parse_http_date(date) else { return no("Date offset error") };
    let now: SystemTime = admin.serve.clock.now().system_time();
    let off = now.duration_since(then).or_else(|_| then.duration_since(now)).unwrap_or(SKEW * 2);
    if off > SKEW {
        return no("Date offset error");
    }
    let mut parts = shown.trim().splitn(3, ':');
    let (Some(bucket), Some(operator), Some(signature)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return no("Sign error");
    };
    let sign = |password: &str| hex(&Md5::digest(format!("{field}&{bucket}&{date}&{password}")));
    let Some(caller) = admin.tokens.signer(operator, signature, sign, "a signature") else {
        return no("Sign error");
    };
    if admin.entry(&caller, bucket).is_err() {
        return no("Bucket is not exists");
    }
    let urls = match lines(field) {
        Ok(urls) => urls,
        Err(why) => return refused(Shape::Upyun, StatusCode::BAD_REQUEST, &why, path),
    };
    let (good, bad): (Vec<String>, Vec<String>) =
        urls.into_iter().partition(|url| admin.serve.can_purge(url, &caller.whose).is_ok());
    let mut response = match good.is_empty() {
        true => said(json!({ "invalid_domain_of_url": bad })),
        false => match purge(admin, &caller, &hard(good)).await {
            Ok((_, noted)) => {
                (noted, said(json!({ "invalid_domain_of_url": bad }))).into_response()
            }
            Err(problem) => told(Shape::Upyun, &problem, path),
        },
    };
    response.extensions_mut().insert(caller);
    response
}

/// What `POST /buckets/purge/batch` is told.
#[derive(Deserialize)]
struct Batch {
    source_url: String,
    #[serde(default)]
    noif: Value,
}

/// `POST /buckets/purge/batch`: rules with stars, and URLs.
pub(super) async fn batch(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    uri: Uri,
    body: Bytes,
) -> Response {
    let bad = |why: &str| refused(Shape::Upyun, StatusCode::BAD_REQUEST, why, uri.path());
    let batch: Batch = match serde_json::from_slice(&body) {
        Ok(batch) => batch,
        Err(error) => return bad(&format!("the body is no order: {error}")),
    };
    let lines = match lines(&batch.source_url) {
        Ok(lines) => lines,
        Err(why) => return bad(&why),
    };
    let gone = batch.noif == json!(1) || batch.noif == json!("1") || batch.noif == json!(true);
    let mode = if gone { PurgeMode::Hard } else { PurgeMode::Soft };
    let (mut told_of, mut notes) = (Vec::new(), Vec::new());
    for line in lines {
        let rules = vec![line.clone()];
        let order = PurgeOrder { rules, mode, ..PurgeOrder::default() };
        let (status, code) = match purge(&admin, &caller, &order).await {
            Ok((_, noted)) => {
                notes.push(noted.0);
                ("刷新成功".to_owned(), 1)
            }
            Err(problem) => {
                let (status, why) = problem.parts();
                if status != StatusCode::UNPROCESSABLE_ENTITY {
                    return told(Shape::Upyun, &problem, uri.path());
                }
                notes.push(why.to_owned());
                let foreign = why.contains("no site has the host");
                (why.to_owned(), if foreign { 4 } else { 2 })
            }
        };
        told_of.push(json!({ "url": line, "status": status, "code": code }));
    }
    let noted = Noted(notes.join("; "));
    let kind = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (kind, noted, said(told_of.into())).into_response()
}
