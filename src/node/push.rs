//! Posts records of usage where `[usage.push]` says, in order, each batch again and again until it is
//! taken: the receiver drops what it has by the records' ids.
//!
//! The receiver is the operator's own, so that the guard against private addresses, which is there for
//! what customers write, does not stand in the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::count::Counter;
use crate::node::Node;
use crate::quantity::Span;
use crate::upstream::{
    self, Group, Http2, NodeSettings, Outbound, Scheme, ServerSettings, Settings, Shared, Upload,
};
use crate::usage::{PushSettings, Trouble, Usage};

/// Batches that could not be sent.
pub(super) static FAILURES: Counter = Counter::new();

/// How often it is looked for new records.
const LOOK: Duration = Duration::from_secs(1);
/// The first pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Whoever posts.
struct Pusher {
    usage: Usage,
    group: Arc<Group>,
    scheme: Scheme,
    host: Authority,
    path: PathAndQuery,
    batch: usize,
    patience: Duration,
}

/// Starts posting, if the settings name somebody, on the present runtime.
///
/// # Errors
/// The URL cannot be used.
pub(super) fn start(node: &Node) -> Result<(), String> {
    let push = &node.config.usage.push;
    let Some(url) = push.target() else { return Ok(()) };
    let wrong = |why: String| format!("usage cannot be sent to {url}: {why}");
    let pusher = Pusher::new(push, &url, &node.config.upstream, &node.clock, node.usage.clone())
        .map_err(wrong)?;
    tokio::spawn(pusher.run());
    Ok(())
}

impl Pusher {
    fn new(
        push: &PushSettings,
        url: &Uri,
        upstream: &NodeSettings,
        clock: &Clock,
        usage: Usage,
    ) -> Result<Self, String> {
        let everywhere = [IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())];
        let upstream = NodeSettings { allow_private: everywhere.into(), ..upstream.clone() };
        let host = url.authority().cloned().ok_or("it names no host")?;
        let scheme = if url.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        let settings = Settings {
            servers: vec![ServerSettings::new(format!("{}://{host}", scheme.as_str()).parse()?)],
            first_byte_timeout: push.timeout,
            retries: 0,
            idle_timeout: Span::seconds(0),
            http2: Http2::Off,
            ..Settings::default()
        };
        let shared = Shared::new(&upstream, clock.clone());
        let group = Group::new((0, &Arc::from("usage")), &settings, &shared);
        Ok(Pusher {
            group: group.map_err(|complaint| complaint.message)?,
            path: url.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")),
            batch: push.batch as usize,
            patience: push.timeout.0,
            usage,
            scheme,
            host,
        })
    }

    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.send_some().await {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) => sleep(LOOK).await,
                Err(why) => {
                    FAILURES.bump();
                    tracing::warn!("records of usage wait: {why}");
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Sends the next records; whether there were any.
    async fn send_some(&self) -> Result<bool, String> {
        let (batch, told) = (self.batch, |trouble: Trouble| trouble.to_string());
        let export = self.usage.behind(move |usage| usage.export(None, batch));
        let (lines, last) = export.await.map_err(told)?;
        if lines.is_empty() {
            return Ok(false);
        }
        self.post(lines).await?;
        self.usage.behind(move |usage| usage.acknowledge(last)).await.map_err(told)?;
        Ok(true)
    }

    async fn post(&self, lines: String) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-ndjson");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("brink (usage)"));
        let outbound = Outbound {
            method: Method::POST,
            scheme: self.scheme,
            host: self.host.clone(),
            path: self.path.clone(),
            headers,
            body: Upload::Whole(Bytes::from(lines)),
            body_limit: u64::MAX,
            on_interim: None,
            upgrade: None,
        };
        let answer = timeout(self.patience, upstream::send(&self.group, outbound)).await;
        let answer = answer.map_err(|_| "no answer in time")?.map_err(|fault| fault.to_string())?;
        let status = answer.head.status;
        if status.is_success() { Ok(()) } else { Err(format!("the answer was {status}")) }
    }
}
