//! Serves one HTTP/1 connection by hyper (RFC 9112).

use std::convert::Infallible;
use std::sync::Arc;

use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::Running;
use super::body::{Body, BodyLimits};
use super::drive::drive;
use super::interim::Queue;
use super::meters::Meters;
use super::outgoing::Outgoing;
use super::wire::Wire;
use super::{Connection, Guide, Handler, Settings};

/// What hyper's parser holds on its stack; another limit costs it a little speed.
const HYPERS_FIELDS: usize = 100;
/// hyper's read buffer and the most it queues for writing.
const BUFFER: u64 = 64 << 10;

/// Serves the connection to its end.
pub(super) async fn serve<S, H: Handler>(
    stream: S,
    connection: Arc<Connection>,
    queue: Arc<Queue>,
    handler: Arc<H>,
    meters: Arc<Meters>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let settings = connection.settings.clone();
    let wire = Wire::new(
        stream,
        connection.activity.clone(),
        queue.clone(),
        settings.discard.0,
        settings.discard_timeout.0,
    );
    let limits = Arc::new(BodyLimits::new(&settings, meters.clone()));
    let guide = Guide::new(handler);
    let service = service_fn({
        let connection = connection.clone();
        move |request: Request<Incoming>| {
            let running = Running::new(&connection);
            queue.open(request.version() == Version::HTTP_11);
            let request = receive(request, &connection, &limits);
            answer(guide.clone(), running, request)
        }
    });
    let hyper = builder(&settings).serve_connection(TokioIo::new(wire), service).with_upgrades();
    drive(hyper, (), &connection, &meters).await;
}

fn builder(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Ours tell a slow head from a resting connection: see `drive`.
        .header_read_timeout(None)
        .max_header_size(usize::try_from(settings.head.0).unwrap_or(usize::MAX))
        .max_buf_size(usize::try_from(settings.head.0.max(BUFFER)).unwrap_or(usize::MAX))
        .keep_alive(true)
        // A client that closes its side is gone; its request need not be finished.
        .half_close(false)
        .pipeline_flush(false)
        .auto_date_header(true);
    if settings.fields != HYPERS_FIELDS {
        builder.max_headers(settings.fields);
    }
    builder
}

fn receive(
    mut request: Request<Incoming>,
    connection: &Connection,
    limits: &Arc<BodyLimits>,
) -> Request<Body> {
    // hyper answers the expectation when the body is first read; nobody further on may see it.
    let expects = request
        .headers()
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        request.headers_mut().remove(EXPECT);
    }
    let uninvited = expects && request.version() == Version::HTTP_11;
    request.map(|incoming| Body::http1(incoming, limits, &connection.activity, uninvited))
}

async fn answer<H: Handler>(
    guide: Arc<Guide<H>>,
    running: Running,
    request: Request<Body>,
) -> Result<Response<Outgoing<H::Body>>, Infallible> {
    let unframed = request.version() == Version::HTTP_10;
    let connection = running.connection();
    let mut response = {
        let mut work = std::pin::pin!(guide.handle(connection, request));
        std::future::poll_fn(|cx| {
            let answer = work.as_mut().poll(cx);
            if let (true, Some(queue)) = (answer.is_pending(), &connection.interim) {
                queue.attend(cx.waker());
            }
            answer
        })
        .await
    };
    if let Some(queue) = &connection.interim {
        queue.close(!connection.activity.unflushed());
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        connection.activity.become_tunnel();
    } else if connection.activity.closing() || connection.drain.begun() {
        connection.activity.close();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Outgoing::new(body, running, None).unframed(unframed)))
}
