//! TLS and HTTP/2 to the origin.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A private CA in a folder of its own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let number = fastrand::u64(..).to_string();
        params.distinguished_name.push(rcgen::DnType::CommonName, number);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        let certificate = certificate.der().clone();
        Authority { issuer: Issuer::new(params, key), certificate, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for `name` that is over in the year given.
    fn issue(&self, name: &str, until: i32) -> (CertificateDer<'static>, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.path("leaf.pem"), certificate.pem()).unwrap();
        std::fs::write(self.path("leaf.key"), key.serialize_pem()).unwrap();
        (certificate.der().clone(), key)
    }

    /// A server that shows such a certificate, and may ask its clients for one of this CA's.
    fn server(&self, name: &str, until: i32, asks_clients: bool) -> ServerConfig {
        let (certificate, key) = self.issue(name, until);
        let issuer = asks_clients.then(|| self.certificate.clone());
        server(certificate, &key, issuer)
    }
}

fn server(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    clients: Option<CertificateDer<'static>>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if let Some(issuer) = clients {
        let mut roots = RootCertStore::empty();
        roots.add(issuer).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// A server whose certificate is its own issuer, with or without the mark of a CA, as `openssl req
/// -x509` makes them.
fn self_signed(name: &str, is_ca: IsCa) -> ServerConfig {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    server(certificate.der().clone(), &key, None)
}

/// An origin made of hyper's server: speaks what ALPN settled, or HTTP/2 without TLS. It says how it
/// was asked in `x-*` fields, and ends its body with a trailer.
async fn origin(tls: Option<ServerConfig>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections: Arc<AtomicUsize> = Arc::default();
    let counted = connections.clone();
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Some(acceptor) = acceptor else {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service_fn(echo)).await;
                    return;
                };
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let io = TokioIo::new(stream);
                if http2 {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(io, service_fn(echo)).await;
                } else {
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(io, service_fn(echo)).await;
                }
            });
        }
    });
    (address, connections)
}

async fn echo(
    request: Request<Incoming>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>>, BoxError> {
    let mut response = Response::builder()
        .header("x-version", format!("{:?}", request.version()))
        .header("x-uri", request.uri().to_string());
    for name in ["host", "te"] {
        if let Some(value) = request.headers().get(name) {
            response = response.header(format!("x-{name}"), value);
        }
    }
    let body = request.into_body().collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames: Vec<Result<_, BoxError>> =
        vec![Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Ok(response.header("trailer", "grpc-status").body(BodyExt::boxed_unsync(body))?)
}

fn table(address: SocketAddr, host: &str, ca: &Path, more: &str) -> String {
    format!(
        "servers = [\"https://{address}\"]\nhost = \"{host}\"\n[tls]\nca = \"{}\"\n{more}",
        ca.display()
    )
}

#[tokio::test]
async fn a_private_issuer_is_trusted_where_the_site_says_so() {
    let ca = Authority::new();
    let (address, _) = origin(Some(ca.server("o.test", 2100, false))).await;
    let trusting = table(address, "o.test", &ca.path("ca.pem"), "");
    let (inbound, _) = fetch(&group(&trusting), get("/a")).await.unwrap();
    assert_eq!(inbound.head.headers["x-version"], "HTTP/1.1");
    assert_eq!(inbound.head.headers["x-host"], "o.test");
    // The SNI may be another name than the Host.
    let renamed = table(address, "www.test", &ca.path("ca.pem"), "server_name = \"o.test\"");
    fetch(&group(&renamed), get("/")).await.unwrap();
}

#[tokio::test]
async fn each_way_in_which_a_certificate_is_bad_has_its_fault() {
    let (ca, other) = (Authority::new(), Authority::new());
    let (address, _) = origin(Some(ca.server("o.test", 2100, false))).await;
    let kind = async |table: String| fault(&group(&table), get("/")).await;
    let pem = ca.path("ca.pem");
    assert_eq!(kind(table(address, "x.test", &pem, "")).await, FaultKind::CertificateName);
    let strange = table(address, "o.test", &other.path("ca.pem"), "");
    assert_eq!(kind(strange).await, FaultKind::CertificateIssuer);
    for is_ca in [IsCa::NoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let (own, _) = origin(Some(self_signed("o.test", is_ca))).await;
        assert_eq!(kind(table(own, "o.test", &pem, "")).await, FaultKind::CertificateIssuer);
    }
    let (old, _) = origin(Some(ca.server("o.test", 2020, false))).await;
    assert_eq!(kind(table(old, "o.test", &pem, "")).await, FaultKind::CertificateExpired);
    let (plain, _) = origin(None).await;
    assert_eq!(kind(table(plain, "o.test", &pem, "")).await, FaultKind::HandshakeFailed);
    let missing = table(address, "o.test", Path::new("/nowhere/ca.pem"), "");
    assert_eq!(kind(missing).await, FaultKind::HandshakeFailed);
    // Switched off, none of that matters.
    let careless =
        format!("servers = [\"https://{old}\"]\nhost = \"x.test\"\n[tls]\nverify = false");
    fetch(&group(&careless), get("/")).await.unwrap();
}

#[tokio::test]
async fn an_origin_that_wants_our_certificate_gets_it() {
    let ca = Authority::new();
    let (address, _) = origin(Some(ca.server("o.test", 2100, true))).await;
    let pem = ca.path("ca.pem");
    assert!(fetch(&group(&table(address, "o.test", &pem, "")), get("/")).await.is_err());
    ca.issue("edge.test", 2100);
    let identity = format!(
        "certificate = \"{}\"\nkey = \"{}\"",
        ca.path("leaf.pem").display(),
        ca.path("leaf.key").display()
    );
    fetch(&group(&table(address, "o.test", &pem, &identity)), get("/")).await.unwrap();
}

fn grpc(body: &'static str) -> Outbound {
    let mut outbound = post(Upload::Whole(Bytes::from_static(body.as_bytes())));
    outbound.headers.insert("te", HeaderValue::from_static("trailers"));
    outbound
}

#[tokio::test]
async fn http2_is_negotiated_shared_and_carries_trailers() {
    let ca = Authority::new();
    let mut config = ca.server("o.test", 2100, false);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (address, connections) = origin(Some(config)).await;
    let trusting = table(address, "o.test", &ca.path("ca.pem"), "");
    let group = group(&trusting);
    fetch(&group, get("/")).await.unwrap();
    let both = futures_util::future::join(send(&group, grpc("abc")), send(&group, grpc("def")));
    let (first, second) = both.await;
    for (inbound, text) in [(first.unwrap(), "abc"), (second.unwrap(), "def")] {
        assert_eq!(inbound.head.headers["x-version"], "HTTP/2.0");
        assert_eq!(inbound.head.headers["x-uri"], "https://o.test/");
        assert_eq!(inbound.head.headers["x-te"], "trailers");
        let whole = inbound.body.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(whole.to_bytes(), text);
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    // An upgrade needs HTTP/1.1, and gets a connection of that kind.
    let upgrade = Outbound { upgrade: Some(HeaderValue::from_static("websocket")), ..get("/") };
    let (inbound, _) = fetch(&group, upgrade).await.unwrap();
    assert_eq!(inbound.head.headers["x-version"], "HTTP/1.1");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn http2_can_be_known_beforehand_or_switched_off() {
    let (address, _) = origin(None).await;
    let known = group(&format!("servers = [\"http://{address}\"]\nhttp2 = \"prior-knowledge\""));
    let (inbound, body) = fetch(&known, grpc("abc")).await.unwrap();
    assert_eq!(
        (&inbound.head.headers["x-version"], &body[..]),
        (&"HTTP/2.0".parse().unwrap(), &b"abc"[..])
    );

    let ca = Authority::new();
    let mut config = ca.server("o.test", 2100, false);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (address, _) = origin(Some(config)).await;
    let off = format!("http2 = \"off\"\n{}", table(address, "o.test", &ca.path("ca.pem"), ""));
    let (inbound, _) = fetch(&group(&off), get("/")).await.unwrap();
    assert_eq!(inbound.head.headers["x-version"], "HTTP/1.1");
}

#[tokio::test]
async fn following_the_client_speaks_as_it_did() {
    let ca = Authority::new();
    let plain = super::origin::Origin::saying("plain").await;
    let group = group(&format!(
        "servers = [\"{}\"]\nprotocol = \"follow\"\nhost = \"o.test\"\n[tls]\nca = \"{}\"",
        plain.address,
        ca.path("ca.pem").display()
    ));
    assert_eq!(fetch(&group, get("/")).await.unwrap().1, "plain");
    // Whatever port is set for http, https goes to 443, where nobody listens here.
    let secure = Outbound { scheme: Scheme::Https, ..get("/") };
    assert_eq!(fault(&group, secure).await, FaultKind::Refused);
}
