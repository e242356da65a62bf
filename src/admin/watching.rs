//! What may be looked at while it happens: the URLs that are asked for most, and requests as they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use futures_util::stream;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use crate::admin::Admin;
use crate::admin::access::{Caller, Read};
use crate::admin::problem::Problem;
use crate::admin::take::Params;
use crate::telemetry::{Filter, Hot};

/// After how long a follower hears something even if nothing happens, so that one that is gone is noticed.
const BEAT: Duration = Duration::from_secs(10);

/// By what URLs are put in order.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// By requests.
    #[default]
    Requests,
    /// By requests that an origin was asked for.
    Misses,
    /// By bytes that were sent.
    Bytes,
}

/// Which URLs are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// By what they are put in order; by requests if it is missing.
    #[serde(default)]
    #[param(inline)]
    by: Order,
    /// How many; 20 if it is missing.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Those of this site alone.
    site: Option<String>,
}

/// The URLs that are asked for most.
#[derive(Serialize, ToSchema)]
pub(super) struct TopTold {
    /// The first by the order that was wanted. Counts are halved every minute, and estimates where there
    /// are very many URLs.
    urls: Vec<HotTold>,
}

/// One of them.
#[derive(Serialize, ToSchema)]
struct HotTold {
    site: String,
    /// Host, path and query, without secrets.
    url: String,
    requests: u64,
    /// Those of them that an origin was asked for.
    misses: u64,
    /// Bytes that were sent.
    bytes: u64,
}

/// Tells which URLs are asked for, missed or sent most of late.
#[utoipa::path(get, path = "/v1/top", tag = "watching", params(Wanted),
    responses((status = 200, body = TopTold)))]
pub(super) async fn top(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Params(wanted): Params<Wanted>,
) -> Result<Json<TopTold>, Problem> {
    let limit = wanted.limit.unwrap_or(20);
    if !(1..=1000).contains(&limit) {
        return Err(Problem::wrong("`limit` is from 1 to 1000"));
    }
    let order = move |hot: &Hot| match wanted.by {
        Order::Requests => hot.requests,
        Order::Misses => hot.misses,
        Order::Bytes => hot.bytes,
    };
    let is_wanted = |hot: &Hot| {
        wanted.site.as_deref().is_none_or(|site| *hot.site == *site)
            && admin.sees(&caller, &hot.site)
    };
    let first = admin.serve.watch.top().first(admin.serve.clock.now(), limit, order, is_wanted);
    let told = |hot: Hot| HotTold {
        site: hot.site.to_string(),
        url: hot.url.into(),
        requests: hot.requests,
        misses: hot.misses,
        bytes: hot.bytes,
    };
    Ok(Json(TopTold { urls: first.into_iter().map(told).collect() }))
}

/// Which requests are followed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Following {
    /// A condition on the fields of the JSON log, such as `status >= 500 and host = "a.com"`: `=` `!=`
    /// `<` `<=` `>` `>=` `~` (holds the text) `!~`, `not`, `and`, `or`, parentheses.
    #[serde(default)]
    q: String,
    /// Ends after so many lines.
    limit: Option<u64>,
}

/// Follows requests as they end: a line of JSON each, as the access log has them, until the caller goes.
/// Now and then comes an empty line.
#[utoipa::path(get, path = "/v1/tail", tag = "watching", params(Following),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(super) async fn tail(
    State(admin): State<Arc<Admin>>,
    Read(caller): Read,
    Params(following): Params<Following>,
) -> Result<impl IntoResponse, Problem> {
    let filter = Filter::parse(&following.q).map_err(Problem::wrong)?;
    let Some(lines) = admin.serve.watch.follow() else {
        let message = "too many follow already";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, message));
    };
    let left = following.limit.unwrap_or(u64::MAX);
    let follower = Follower { admin, caller, filter, lines, left };
    let body = Body::from_stream(stream::unfold(follower, Follower::next));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body))
}

struct Follower {
    admin: Arc<Admin>,
    caller: Caller,
    filter: Filter,
    lines: mpsc::Receiver<Arc<[u8]>>,
    left: u64,
}

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.left == 0 {
            return None;
        }
        loop {
            let line = match tokio::time::timeout(BEAT, self.lines.recv()).await {
                Ok(Some(line)) => line,
                Ok(None) => return None,
                Err(_) => return Some((Ok(Bytes::from_static(b"\n")), self)),
            };
            if self.takes(&line) {
                self.left -= 1;
                return Some((Ok(Bytes::copy_from_slice(&line)), self));
            }
        }
    }

    fn takes(&self, line: &[u8]) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return false };
        let site = value["site"].as_str();
        let own = match (self.caller.customer(), site) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(site)) => self.admin.sees(&self.caller, site),
        };
        own && self.filter.takes(&value)
    }
}

impl Admin {
    /// Whether a site is one of the caller's.
    fn sees(&self, caller: &Caller, site: &str) -> bool {
        caller.customer().is_none() || self.entry(caller, site).is_ok()
    }
}
