//! Serves one HTTP/2 connection by hyper (RFC 9113).

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::Running;
use super::body::{Body, BodyLimits};
use super::drive::drive;
use super::gather::Outflow;
use super::meters::Meters;
use super::outgoing::{Outgoing, Streams};
use super::{Connection, Guide, Handler, Settings};

/// The largest frame taken, the smallest that RFC 9113 section 6.5.2 allows to ask for.
const FRAME: u32 = 16 << 10;
/// The table for field compression, the format's default (RFC 7541).
const TABLE: u32 = 4096;

/// Serves the connection to its end; `outflow` is the way out of `stream`.
pub(super) async fn serve<S, O, H: Handler>(
    stream: S,
    outflow: O,
    connection: Arc<Connection>,
    handler: Arc<H>,
    meters: Arc<Meters>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    O: Outflow,
{
    let settings = connection.settings.clone();
    let streams = Streams::new(settings.write_timeout.0, settings.minimum_rate.0, meters.clone());
    let limits = Arc::new(BodyLimits::new(&settings, meters.clone()));
    let guide = Guide::new(handler);
    let service = service_fn({
        let connection = connection.clone();
        let streams = streams.clone();
        move |request: Request<Incoming>| {
            let running = Running::new(&connection);
            let watch = streams.watch();
            let guide = guide.clone();
            let mut request = request.map(|incoming| Body::http2(incoming, &limits));
            // hyper cannot send 100 over HTTP/2, and a client that waits for it does not wait long
            // (RFC 9110 section 10.1.1); nobody further on may see the expectation.
            request.headers_mut().remove(http::header::EXPECT);
            // In a box at once: on its way into a task it is moved about several times.
            Box::pin(async move {
                let response = guide.handle(running.connection(), request).await;
                Ok::<_, Infallible>(response.map(|body| Outgoing::new(body, running, Some(watch))))
            })
        }
    });
    let hyper = builder(&settings, streams).serve_connection(TokioIo::new(stream), service);
    drive(hyper, outflow, &connection, &meters).await;
}

fn builder(settings: &Settings, streams: Streams) -> http2::Builder<Streams> {
    let limits = &settings.h2;
    let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(size(limits.stream_window.0))
        .initial_connection_window_size(size(limits.connection_window.0))
        .adaptive_window(false)
        .max_frame_size(FRAME)
        .header_table_size(TABLE)
        .max_header_list_size(size(limits.header_list.0))
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(limits.local_resets)
        .max_send_buf_size(size(limits.send_buffer.0) as usize)
        .keep_alive_interval(limits.ping.0)
        .keep_alive_timeout(limits.ping_timeout.0)
        .auto_date_header(true);
    builder
}
