//! Client connections: from an accepted socket to requests for a [`Handler`], and back.
//!
//! ```text
//! accept ─ proxy_protocol ─ (tls handshake) ─ http ─┬─ HTTP/1: hyper over wire (interim heads)
//!                                                   └─ HTTP/2: hyper over gather (few writes)
//!                                                              and streams (stall watch)
//! ```
//! Every serving thread runs its own [`serve_listener`] for each address; a connection lives and
//! dies on the thread that accepted it. hyper frames and parses; this module owns the limits, the
//! timeouts and the end of each connection, since hyper leaves most of them to its user.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::tls::Session;

mod accept;
mod activity;
mod body;
mod drain;
mod drive;
pub mod framing;
mod gather;
mod http1;
mod http2;
mod interim;
mod meters;
pub mod notify;
mod outgoing;
mod patience;
mod proxy_protocol;
mod settings;
mod socket;
#[cfg(test)]
mod tests;
mod wire;

pub use accept::{Front, bind, serve_listener};
pub use body::{Body, BodyError};
pub use drain::{Drain, DrainWatch, Stage};
pub use framing::BadRequest;
pub use interim::Interim;
pub use meters::{Admission, Meters};
pub use settings::{Http2, ProxyProtocol, Settings};

/// The error type that a response body may end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers requests. `listen` has parsed them, but [`framing::check`] is the handler's to call.
pub trait Handler: Send + Sync + 'static {
    /// The body of a response. One that ends in an error is cut off, never ended cleanly.
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;

    /// What a connection's requests leave for the next ones.
    type Memory: Send + Sync + 'static;

    /// Begins a connection.
    fn greet(&self) -> Self::Memory;

    /// Answers one request. Dropped, if the client goes away first. A 101 answer turns an HTTP/1
    /// connection into a tunnel: take it by `hyper::upgrade::on` before answering.
    fn handle(
        &self,
        connection: &Arc<Connection>,
        memory: &Arc<Self::Memory>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// A handler with what it remembers of one connection. Requests share it rather than the handler: a
/// count that all cores change would cost each of them a wait.
struct Guide<H: Handler> {
    handler: Arc<H>,
    memory: Arc<H::Memory>,
}

impl<H: Handler> Guide<H> {
    fn new(handler: Arc<H>) -> Arc<Self> {
        let memory = Arc::new(handler.greet());
        Arc::new(Guide { handler, memory })
    }

    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<H::Body>> + Send {
        self.handler.handle(connection, &self.memory, request)
    }
}

/// What is known of the connection that a request came by.
#[derive(Debug)]
pub struct Connection {
    /// The client, as the PROXY protocol named it where a trusted balancer stands in front.
    pub peer: SocketAddr,
    /// The address that the client connected to, likewise.
    pub local: SocketAddr,
    /// That balancer's own address.
    pub balancer: Option<SocketAddr>,
    /// The TLS session; none over plain HTTP.
    pub tls: Option<Session>,
    /// Whether requests come by HTTP/2 rather than HTTP/1.
    pub http2: bool,
    /// The limits that the connection was accepted under.
    pub settings: Arc<Settings>,
    /// The drain that will end the connection. Tunnels should watch it for [`Stage::Aborting`].
    pub drain: DrainWatch,
    activity: Arc<activity::Activity>,
    interim: Option<Arc<interim::Queue>>,
}

impl Connection {
    /// No connection at all: what requests have that the node makes itself, of nobody in particular.
    pub fn none(settings: Arc<Settings>) -> Arc<Connection> {
        let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Arc::new(Connection {
            peer: nobody,
            local: nobody,
            balancer: None,
            tls: None,
            http2: false,
            settings,
            drain: Drain::new().watch(),
            activity: Arc::default(),
            interim: None,
        })
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Sends interim heads for the request that is being handled; ask for it inside
    /// [`Handler::handle`]. None over HTTP/2, where hyper cannot send them.
    pub fn interim(&self) -> Option<Interim> {
        self.interim.as_ref().map(interim::Queue::handle)
    }

    /// Ends an HTTP/1 connection after the running response, which then says `Connection: close`.
    /// Without effect over HTTP/2, where streams do not share their framing.
    pub fn close_after_response(&self) {
        self.activity.close();
    }
}
