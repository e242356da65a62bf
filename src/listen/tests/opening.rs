//! How connections begin: sockets, PROXY headers, TLS.

use super::*;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Takes any certificate: these plays are about which one is shown.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

pub(super) fn client_config(
    alpn: &[&str],
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

pub(super) async fn shake(
    node: &Node,
    config: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config.clone()).connect(name, node.connect().await).await
}

/// A node with a site for both versions and one for TLS 1.3 alone.
pub(super) fn two_sites() -> Arc<Sni> {
    let old = certificate("old.test", MinimumVersion::Tls12);
    let new = certificate("new.test", MinimumVersion::Tls13);
    let lookup = move |name: &str| match name {
        "old.test" => Some(old.clone()),
        "new.test" => Some(new.clone()),
        _ => None,
    };
    Arc::new(Sni::new(lookup, None).unwrap())
}

const ALL: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];
const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[tokio::test]
async fn each_name_is_shown_its_certificate_and_unknown_ones_none() {
    let node = start(quick(), Some(two_sites()));
    let shown = async |name: &str, versions| {
        let config = client_config(&["http/1.1"], versions);
        let mut client = shake(&node, &config, name).await.ok()?;
        client.write_all(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n").await.ok()?;
        let answer = read_to(&mut client, "TLSv1.").await;
        answer.lines().last().map(str::to_owned)
    };
    assert_eq!(shown("old.test", ALL).await.unwrap(), "[\"old.test\"] TLSv1.3");
    assert_eq!(shown("new.test", ALL).await.unwrap(), "[\"new.test\"] TLSv1.3");
    assert_eq!(shown("old.test", TLS12).await.unwrap(), "[\"old.test\"] TLSv1.2");
    assert!(shown("new.test", TLS12).await.is_none(), "TLS 1.3 only");
    assert!(shown("other.test", ALL).await.is_none());
    assert_eq!(node.meters().handshakes.sum(), 3);
    assert_eq!(node.meters().handshakes_failed.sum(), 2);
}

#[tokio::test]
async fn a_ticket_resumes_under_its_own_name_only() {
    let node = start(quick(), Some(two_sites()));
    let config = client_config(&["http/1.1"], ALL);
    for _ in 0..2 {
        let mut client = shake(&node, &config, "old.test").await.unwrap();
        client.write_all(b"GET /name HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = read_to(&mut client, "TLSv1.3").await;
        assert!(answer.contains("[\"old.test\"]"), "{answer}");
    }
    assert_eq!(node.meters().resumed.sum(), 1);
    shake(&node, &config, "new.test").await.unwrap();
    assert_eq!(node.meters().resumed.sum(), 1);
}

#[tokio::test]
async fn a_handshake_has_its_time() {
    let node = start(quick(), Some(two_sites()));
    let mut silent = node.connect().await;
    assert!(ends(&mut silent).await);
    assert_eq!(node.meters().handshakes_failed.sum(), 1);
}

#[tokio::test]
async fn a_trusted_balancer_names_the_client() {
    let mut settings = quick();
    settings.proxy_protocol.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let node = start(settings, None);
    let ask = async |header: &[u8]| {
        let mut client = node.connect().await;
        client.write_all(header).await.unwrap();
        client.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        read_to(&mut client, " http").await
    };
    let answer = ask(b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n").await;
    assert!(answer.contains("192.0.2.1:4000 http"), "{answer}");
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0f".to_vec();
    v2.extend([192, 0, 2, 3, 192, 0, 2, 4, 0x0f, 0xa0, 0, 80, 4, 0, 0]);
    let answer = ask(&v2).await;
    assert!(answer.contains("192.0.2.3:4000 http"), "{answer}");
    let answer = ask(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await;
    assert!(answer.contains("127.0.0.1:"), "{answer}");

    let mut plain = node.connect().await;
    plain.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(plain.read_u8().await.is_err(), "no header, no service");
    let mut silent = node.connect().await;
    assert!(ends(&mut silent).await);
    assert_eq!(node.meters().proxy_refused.sum(), 2);
}

#[tokio::test]
async fn a_stranger_may_not_name_a_client() {
    let node = start(quick(), None);
    let mut client = node.connect().await;
    client
        .write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn threads_share_an_address_and_accepted_sockets_do_not_delay() {
    let settings = quick();
    let first = bind("127.0.0.1:0".parse().unwrap(), &settings).unwrap();
    let address = first.local_addr().unwrap();
    let _second = bind(address, &settings).unwrap();
    drop(_second);
    let _client = TcpStream::connect(address).await.unwrap();
    let (accepted, _) = tokio::net::TcpListener::from_std(first).unwrap().accept().await.unwrap();
    assert!(accepted.nodelay().unwrap());
    let ahead = socket2::SockRef::from(&accepted).tcp_notsent_lowat().unwrap();
    assert_eq!(u64::from(ahead), settings.send_ahead.0);
    let six = bind("[::1]:0".parse().unwrap(), &settings);
    assert!(six.is_ok_and(|six| socket2::SockRef::from(&six).only_v6().unwrap()));
}

#[tokio::test]
async fn connections_over_the_cap_wait() {
    let node = start(Settings { max_connections: 1, ..quick() }, None);
    let mut first = node.connect().await;
    first.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut second = node.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(node.meters().accepted.sum(), 1);
    read_to(&mut first, "slow").await;
    drop(first);
    read_to(&mut second, "hello").await;
}
