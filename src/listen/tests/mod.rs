//! Plays of a client and a handler over real sockets on loopback.

mod ending;
mod gathering;
mod http1;
mod http2;
mod opening;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::quantity::Span;
use crate::tls::{Certificate, MinimumVersion, Sni};

/// Size of a response that no socket buffer holds.
const LARGE: usize = 8 << 20;

/// A handler whose answer depends on the path.
struct Play;

/// A node of one listener.
struct Node {
    address: SocketAddr,
    front: Front<Play>,
    drain: Drain,
    accepting: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Settings with short times; plays change what they are about.
fn quick() -> Settings {
    Settings {
        header_timeout: Span::millis(300),
        handshake_timeout: Span::millis(300),
        keep_alive: Span::millis(600),
        body_grace: Span::millis(300),
        write_timeout: Span::millis(300),
        discard_timeout: Span::millis(300),
        drain_idle: Span::millis(200),
        ..Settings::default()
    }
}

fn start(settings: Settings, tls: Option<Arc<Sni>>) -> Node {
    let drain = Drain::new();
    let front = Front {
        handler: Arc::new(Play),
        tls,
        admission: Admission::new(settings.max_connections),
        meters: Arc::default(),
        drain: drain.watch(),
        settings: Arc::new(ArcSwap::from_pointee(settings)),
    };
    let listener = bind("127.0.0.1:0".parse().unwrap(), &front.settings.load()).unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(serve_listener(listener, front.clone()));
    Node { address, front, drain, accepting }
}

impl Node {
    async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    fn meters(&self) -> &Meters {
        &self.front.meters
    }
}

fn text(text: impl Into<Bytes>) -> BoxBody<Bytes, BoxError> {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

impl Handler for Play {
    type Body = BoxBody<Bytes, BoxError>;
    type Memory = ();

    fn greet(&self) {}

    async fn handle(
        &self,
        connection: &Arc<Connection>,
        _memory: &Arc<()>,
        mut request: Request<Body>,
    ) -> Response<Self::Body> {
        let interim = connection.interim();
        let hint = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("link", name.parse().unwrap());
            interim.as_ref().is_some_and(|way| way.send(StatusCode::EARLY_HINTS, &headers))
        };
        let path = request.uri().path().to_owned();
        let body = match path.as_str() {
            "/peer" => format!("{} {}", connection.peer, connection.scheme()),
            "/name" => {
                let session = connection.tls.as_ref().unwrap();
                format!("{:?} {}", session.certificate.names(), session.version)
            }
            "/read" => match request.body_mut().collect().await {
                Ok(body) => format!("read {}", body.to_bytes().len()),
                Err(BodyError::TooSlow) => "too slow".to_owned(),
                Err(BodyError::Broken(_)) => "broken".to_owned(),
            },
            "/patient" => {
                request.body_mut().allow_pauses();
                let body = request.body_mut().collect().await.unwrap();
                format!("read {}", body.to_bytes().len())
            }
            "/hints" => {
                hint("1");
                tokio::time::sleep(Duration::from_millis(50)).await;
                hint("2");
                format!("hinted {}", hint("3"))
            }
            "/late" => {
                // A handle that outlives its request, as a fetch that goes on may.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    interim.unwrap().send(StatusCode::EARLY_HINTS, &HeaderMap::new())
                });
                "late".to_owned()
            }
            "/slow" => {
                tokio::time::sleep(Duration::from_millis(150)).await;
                "slow".to_owned()
            }
            "/echo" => return tunnel(&mut request),
            "/endless" => return Response::new(endless()),
            "/large" => "x".repeat(LARGE),
            "/close" => {
                connection.close_after_response();
                "closing".to_owned()
            }
            _ => "hello".to_owned(),
        };
        Response::new(text(body))
    }
}

fn tunnel(request: &mut Request<Body>) -> Response<BoxBody<Bytes, BoxError>> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let stream = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        let (mut reader, mut writer) = tokio::io::split(stream);
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let mut response = Response::new(text(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("upgrade", "echo".parse().unwrap());
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response
}

fn endless() -> BoxBody<Bytes, BoxError> {
    let chunk = Bytes::from(vec![b'x'; 256 << 10]);
    let chunks = futures_util::stream::repeat_with(move || Ok(Frame::data(chunk.clone())));
    BodyExt::boxed(StreamBody::new(chunks))
}

/// Reads until `end` has come, or the stream ends; within 2 s.
async fn read_to<S: AsyncRead + Unpin>(stream: &mut S, end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while memchr::memmem::rfind(&seen, end.as_bytes()).is_none() {
            if stream.read_buf(&mut seen).await.unwrap() == 0 {
                break;
            }
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(2), reading).await;
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(in_time.is_ok(), "still waiting for {end:?} after {seen:?}");
    seen
}

/// Whether the stream ends, cleanly and without another byte, within 2 s.
async fn ends<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read_u8()).await;
    read.is_ok_and(|read| {
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
    })
}

fn certificate(name: &str, minimum: MinimumVersion) -> Arc<Certificate> {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Arc::new(Certificate::from_pem(chain.as_bytes(), key.as_bytes(), minimum).unwrap())
}
