//! Making a connection: addresses in turn, each judged by the guard, then TLS, then HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::exclusive::Exclusive;
use super::fault::{Fault, FaultKind};
use super::pool::{Connection, Lent};
use super::resolve::Addresses;
use super::settings::{Http2, TlsSettings};
use super::shared::Shared;
use super::target::{Lookup, Scheme, Target};

/// HTTP/2 flow control: what an origin may send ahead of its slowest reader, per stream and in all.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// An idle HTTP/2 connection is pinged so that a dead one is noticed before it is used.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What a site says about connections.
pub(crate) struct Terms<'a> {
    pub timeout: Duration,
    pub http2: Http2,
    pub tls: &'a TlsSettings,
}

/// The addresses of a target: its own, or what its name resolves to.
pub(crate) async fn addresses(shared: &Shared, target: &Target) -> Result<Addresses, Fault> {
    match &target.lookup {
        Lookup::Fixed(addresses) => Ok(addresses.clone()),
        Lookup::Name(name) => name.addresses(&shared.resolver).await,
    }
}

/// Makes a new connection to one of `addresses`. With `exclusive` it is HTTP/1.1 in any case, as
/// an upgrade wants it.
pub(crate) async fn connect(
    shared: &Shared,
    target: &Target,
    addresses: &[IpAddr],
    terms: &Terms<'_>,
    exclusive: bool,
) -> Result<Connection, Fault> {
    shared.counts.connects.bump();
    let deadline = Instant::now() + terms.timeout;
    let (stream, address) = dial(shared, target, addresses, deadline).await?;
    let made = async {
        match target.scheme {
            Scheme::Http => {
                let http2 = terms.http2 == Http2::PriorKnowledge && !exclusive;
                handshake(shared, stream, address, http2).await
            }
            Scheme::Https => {
                let config = tls_config(shared, target, terms, exclusive)?;
                let stream = encrypt(target, config, stream).await?;
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                handshake(shared, stream, address, http2).await
            }
        }
    };
    timeout_at(deadline, made)
        .await
        .unwrap_or_else(|_| Err(Fault::new(FaultKind::ConnectTimeout).because(address)))
}

/// Tries the addresses in turn, IPv4 before IPv6 and each family from a random start; while others
/// are left, one address may use up only its share of the time.
async fn dial(
    shared: &Shared,
    target: &Target,
    addresses: &[IpAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let mut last = Fault::new(FaultKind::NameUnresolved);
    let mut left = addresses.len();
    for ip in in_turn(addresses) {
        let share = deadline.saturating_duration_since(Instant::now()) / left.max(1) as u32;
        left -= 1;
        match dial_one(shared, SocketAddr::new(ip, target.port), share).await {
            Ok(connected) => return Ok(connected),
            // That an address is forbidden says less than why another one failed.
            Err(fault)
                if fault.kind == FaultKind::AddressProhibited && left < addresses.len() - 1 => {}
            Err(fault) => last = fault,
        }
    }
    Err(last)
}

async fn dial_one(
    shared: &Shared,
    address: SocketAddr,
    share: Duration,
) -> Result<(TcpStream, SocketAddr), Fault> {
    let address = shared.guard.check(address)?;
    let stream = match timeout(share, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(Fault::from_connect(&error)),
        Err(_) => return Err(Fault::new(FaultKind::ConnectTimeout).because(address)),
    };
    let local = stream.local_addr().map_err(|error| Fault::from_connect(&error))?;
    shared.guard.check_connected(local, address)?;
    stream.set_nodelay(true).map_err(|error| Fault::from_connect(&error))?;
    Ok((stream, address))
}

fn in_turn(addresses: &[IpAddr]) -> impl Iterator<Item = IpAddr> {
    let start = if addresses.len() > 1 { fastrand::usize(..addresses.len()) } else { 0 };
    let turned = addresses.iter().cycle().skip(start).take(addresses.len());
    turned.clone().filter(|ip| ip.is_ipv4()).chain(turned.filter(|ip| ip.is_ipv6())).copied()
}

fn tls_config(
    shared: &Shared,
    target: &Target,
    terms: &Terms<'_>,
    exclusive: bool,
) -> Result<Arc<ClientConfig>, Fault> {
    let kept = if exclusive { &target.tls_http1 } else { &target.tls };
    if let Some(config) = kept.get() {
        return Ok(config.clone());
    }
    let http2 = if exclusive { Http2::Off } else { terms.http2 };
    let config = shared.trust.configuration(terms.tls, http2)?;
    // A failure is not kept: the operator may mend the file.
    Ok(kept.get_or_init(|| config).clone())
}

async fn encrypt(
    target: &Target,
    config: Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Fault> {
    let Some(name) = target.server_name.clone() else {
        return Err(Fault::new(FaultKind::CertificateName).because("the host cannot be a TLS name"));
    };
    TlsConnector::from(config).connect(name, stream).await.map_err(
        |error| match Fault::from_connect(&error) {
            // Whatever else breaks off here, it was the handshake that failed.
            fault if fault.kind == FaultKind::Unroutable => {
                Fault { kind: FaultKind::HandshakeFailed, ..fault }
            }
            fault => fault,
        },
    )
}

async fn handshake<S>(
    shared: &Shared,
    stream: S,
    address: SocketAddr,
    http2: bool,
) -> Result<Connection, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    if http2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(shared.max_response_head).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(io)
            .await
            .map_err(|error| Fault::from_hyper(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%address, %error, "HTTP/2 connection to an origin ended");
            }
        });
        return Ok(Connection::Shared(Lent::new(sender, address)));
    }
    let (sender, connection) = http1::Builder::new()
        .max_header_size(shared.max_response_head)
        .handshake(io)
        .await
        .map_err(|error| Fault::from_hyper(&error))?;
    let made = Exclusive::new(sender, connection.with_upgrades(), address);
    Ok(Connection::Exclusive(Box::new(made)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_gets_its_turn_and_ipv4_comes_first() {
        let addresses: Vec<IpAddr> = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let mut first = std::collections::HashSet::new();
        for _ in 0..200 {
            let order: Vec<IpAddr> = in_turn(&addresses).collect();
            assert_eq!(order.len(), 4);
            assert!(order[..2].iter().all(IpAddr::is_ipv4));
            assert!(order[2..].iter().all(IpAddr::is_ipv6));
            first.insert(order[0]);
        }
        assert_eq!(first.len(), 2);
    }
}
