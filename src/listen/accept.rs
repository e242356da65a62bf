//! Accepts connections and finds out what they are: whose, over TLS or not, HTTP/1 or HTTP/2.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket as RawSocket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::activity::Activity;
use super::drain::{DrainWatch, Stage};
use super::gather::{Outflow, gather};
use super::interim::Queue;
use super::meters::{Admission, Meters};
use super::proxy_protocol::{self, Parsed};
use super::socket::Socket;
use super::{Connection, Handler, Settings, http1, http2};
use crate::tls::{Session, Sni};

/// What a listener serves with. One per address and thread; all but `meters` and `tls` are usually
/// shared by all of them.
#[derive(Debug)]
pub struct Front<H> {
    /// Answers the requests.
    pub handler: Arc<H>,
    /// Certificates, for an HTTPS address.
    pub tls: Option<Arc<Sni>>,
    /// The limits; a connection keeps those it was accepted under.
    pub settings: Arc<ArcSwap<Settings>>,
    /// The node's cap on connections.
    pub admission: Admission,
    /// This thread's counts.
    pub meters: Arc<Meters>,
    /// Ends this listener and its connections.
    pub drain: DrainWatch,
}

impl<H> Clone for Front<H> {
    fn clone(&self) -> Self {
        Front {
            handler: self.handler.clone(),
            tls: self.tls.clone(),
            settings: self.settings.clone(),
            admission: self.admission.clone(),
            meters: self.meters.clone(),
            drain: self.drain.clone(),
        }
    }
}

/// How long accepting rests when the process or the machine has no file descriptors left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);
/// The preface of HTTP/2 without ALPN (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Time without traffic after which the kernel asks whether a tunnel's client is still there.
const PROBE_AFTER: Duration = Duration::from_secs(120);

/// Opens a listening socket that shares its address with those of other threads, the kernel
/// spreading connections over them. IPv6 sockets take IPv6 only.
///
/// # Errors
/// What the system says: address in use, no permission for the port, …
pub fn bind(address: SocketAddr, settings: &Settings) -> io::Result<StdListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit these from the listener, which saves system calls for each.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(u32::try_from(settings.send_ahead.0).unwrap_or(u32::MAX))?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(PROBE_AFTER))?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Accepts and serves connections until the front's drain begins, then empties the kernel's queue
/// and returns; connections go on by themselves. Runs on the serving thread's own runtime, where
/// its connections stay.
///
/// # Errors
/// Fails if the socket cannot be handed to the runtime; an error in accepting is counted instead.
pub async fn serve_listener<H: Handler>(listener: StdListener, front: Front<H>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut drain = front.drain.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.reached(Stage::Draining) => break,
            accepted = async {
                front.admission.room().await;
                listener.accept().await
            } => accepted,
        };
        match accepted {
            Ok((stream, peer)) => welcome(stream, peer, &front),
            Err(error) => {
                front.meters.accept_errors.bump();
                // The client's own haste (ECONNABORTED) needs no pause; a lack of descriptors
                // would otherwise turn this loop into a busy one.
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted) {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            }
        }
    }
    empty_queue(listener.into_std()?, &front);
    Ok(())
}

/// Takes the connections that clients believe to be open already.
fn empty_queue<H: Handler>(listener: StdListener, front: &Front<H>) {
    while let Ok((stream, peer)) = listener.accept() {
        let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            welcome(stream, peer, front);
        }
    }
}

fn welcome<H: Handler>(stream: TcpStream, peer: SocketAddr, front: &Front<H>) {
    front.meters.accepted.bump();
    let settings = front.settings.load_full();
    let cut = Arc::new(AtomicBool::new(false));
    let socket = Socket::new(
        stream,
        front.admission.take(),
        front.meters.clone(),
        settings.write_timeout.0,
        settings.minimum_rate.0,
        cut.clone(),
    );
    let front = front.clone();
    let activity = Arc::new(Activity::new(cut));
    tokio::spawn(async move {
        // A connection that ends in error has been counted where it happened.
        let _ = converse(socket, peer, front, settings, activity).await;
    });
}

/// Finds out what the connection is and serves it to its end.
async fn converse<H: Handler>(
    mut socket: Socket,
    peer: SocketAddr,
    front: Front<H>,
    settings: Arc<Settings>,
    activity: Arc<Activity>,
) -> io::Result<()> {
    let started = Instant::now();
    let deadline = started + settings.handshake_timeout.0;
    let mut connection = Connection {
        peer: canonical(peer),
        local: canonical(socket.local_address()?),
        balancer: None,
        tls: None,
        http2: false,
        settings: settings.clone(),
        drain: front.drain.clone(),
        activity,
        interim: None,
    };
    if settings.proxy_protocol.trusts(connection.peer.ip()) {
        let header = timeout_at(deadline, read_header(&mut socket)).await;
        let Ok(Ok(Some(header))) = header else {
            front.meters.proxy_refused.bump();
            return Err(io::ErrorKind::InvalidData.into());
        };
        connection.comes_through_balancer(&header);
    }
    match &front.tls {
        Some(sni) => {
            let shaken = timeout_at(deadline, shake_hands(socket, sni)).await;
            let Ok(Ok((stream, session))) = shaken else {
                front.meters.handshakes_failed.bump();
                return Err(io::ErrorKind::ConnectionAborted.into());
            };
            front.meters.handshakes.bump();
            if session.resumed {
                front.meters.resumed.bump();
            }
            connection.http2 = session.http2;
            connection.tls = Some(session);
            if connection.http2 {
                let (stream, gate) = gather(stream);
                serve2(stream, gate, connection, front).await;
            } else {
                serve1(stream, connection, front).await;
            }
        }
        None => {
            let deadline = started + settings.header_timeout.0;
            if settings.h2c {
                connection.http2 = match timeout_at(deadline, has_preface(&mut socket)).await {
                    Ok(found) => found?,
                    Err(_) => {
                        front.meters.head_timeouts.bump();
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                };
            }
            if connection.http2 {
                serve2(socket, (), connection, front).await;
            } else {
                serve1(socket, connection, front).await;
            }
        }
    }
    Ok(())
}

impl Connection {
    /// Takes the addresses that a trusted balancer tells for those of the connection.
    fn comes_through_balancer(&mut self, header: &proxy_protocol::Header) {
        if let Some((client, local)) = header.addresses {
            self.balancer = Some(self.peer);
            (self.peer, self.local) = (canonical(client), canonical(local));
        }
    }
}

async fn serve1<S, H: Handler>(stream: S, mut connection: Connection, front: Front<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    front.meters.http1.bump();
    let queue = Arc::new(Queue::default());
    connection.interim = Some(queue.clone());
    http1::serve(stream, Arc::new(connection), queue, front.handler, front.meters).await;
}

async fn serve2<S, O, H: Handler>(stream: S, outflow: O, connection: Connection, front: Front<H>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    O: Outflow,
{
    front.meters.http2.bump();
    http2::serve(stream, outflow, Arc::new(connection), front.handler, front.meters).await;
}

/// An IPv4 address that came as an IPv6 one is written as what it is.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn read_header(socket: &mut Socket) -> io::Result<Option<proxy_protocol::Header>> {
    let header = socket.look(proxy_protocol::MOST, |bytes| match proxy_protocol::parse(bytes) {
        Parsed::Whole(header) => Some((Some(header), header.size)),
        Parsed::Partial => None,
        Parsed::Malformed => Some((None, 0)),
    });
    Ok(header.await?.flatten())
}

/// Whether the client begins with HTTP/2's preface; nothing is used up.
async fn has_preface(socket: &mut Socket) -> io::Result<bool> {
    let found = socket.look(PREFACE.len(), |bytes| {
        let start = bytes.get(..PREFACE.len()).unwrap_or(bytes);
        if !PREFACE.starts_with(start) {
            return Some((false, 0));
        }
        (start.len() == PREFACE.len()).then_some((true, 0))
    });
    Ok(found.await?.unwrap_or(false))
}

/// Reads the client's hello, chooses the certificate for it, and completes the handshake.
async fn shake_hands(socket: Socket, sni: &Sni) -> io::Result<(TlsStream<Socket>, Session)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let choice = sni.choose(start.client_hello().server_name());
    let stream = start.into_stream(choice.config).await?;
    // Without a certificate the handshake has already failed with an alert to the client.
    let certificate = choice.certificate.ok_or(io::ErrorKind::NotFound)?;
    let session = Session::new(stream.get_ref().1, certificate);
    Ok((stream, session))
}
