//! Chooses certificate and configuration for the server name in a client's hello.
//!
//! rustls can ask a resolver for the certificate during the handshake, but tells nobody which one it
//! got, and 421 answers (RFC 9110 section 15.5.20) need to know. So the hello is read first, the
//! certificate is chosen here, and the handshake goes on with a configuration made for that one
//! certificate. Such a configuration is a copy of a shared one, mostly of counted references, and
//! costs next to nothing beside the handshake's own arithmetic.
//!
//! All configurations share one ticket key set. A ticket resumes only under the server name that it
//! was made for, which rustls checks, so it never carries a client from one site to another.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::{Certificate, MinimumVersion};

type Lookup = dyn Fn(&str) -> Option<Arc<Certificate>> + Send + Sync;

/// Knows how to answer any server name. Make one and share it between all listeners: tickets are
/// good only where the same one is used.
pub struct Sni {
    /// For sites that accept TLS 1.2 and 1.3.
    relaxed: ServerConfig,
    /// For sites that accept TLS 1.3 only.
    strict: ServerConfig,
    lookup: Box<Lookup>,
    /// The name whose certificate strangers are shown.
    fallback: Option<String>,
}

/// The answer to one hello.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Configuration to go on with. Without a certificate it ends the handshake with an alert.
    pub config: Arc<ServerConfig>,
    /// The certificate that the client is shown; none means that nobody here serves the name.
    pub certificate: Option<Arc<Certificate>>,
}

impl Sni {
    /// Chooses by `lookup`, which is called with a lower-case server name once per handshake, on the
    /// serving thread. It may load a certificate on first use, but must be quick about it: other
    /// connections of that thread wait. Clients that send no name, or an unknown one, are shown the
    /// certificate of `fallback`; without it they are refused.
    ///
    /// Spoken are TLS 1.2 and 1.3, X25519MLKEM768 first among the key exchanges, HTTP/2 before
    /// HTTP/1.1, one ticket per session, never early data.
    ///
    /// # Errors
    /// Fails only if the system gives no randomness for the ticket keys.
    pub fn new(
        lookup: impl Fn(&str) -> Option<Arc<Certificate>> + Send + Sync + 'static,
        fallback: Option<String>,
    ) -> Result<Sni, rustls::Error> {
        let relaxed = base(&[&TLS13, &TLS12])?;
        let mut strict = base(&[&TLS13])?;
        strict.ticketer = relaxed.ticketer.clone();
        Ok(Sni { relaxed, strict, lookup: Box::new(lookup), fallback })
    }

    /// Chooses for a client that asked for `server_name`.
    pub fn choose(&self, server_name: Option<&str>) -> Choice {
        let named = server_name.and_then(|name| {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                (self.lookup)(&name.to_ascii_lowercase())
            } else {
                (self.lookup)(name)
            }
        });
        let certificate = named.or_else(|| (self.lookup)(self.fallback.as_deref()?));
        let mut config = match certificate.as_ref().map(|found| found.minimum()) {
            Some(MinimumVersion::Tls13) => self.strict.clone(),
            _ => self.relaxed.clone(),
        };
        let certified = certificate.as_ref().map(|found| found.certified.clone());
        config.cert_resolver = Arc::new(Chosen(certified));
        Choice { config: Arc::new(config), certificate }
    }
}

impl fmt::Debug for Sni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sni").field("fallback", &self.fallback).finish_non_exhaustive()
    }
}

/// The certificate that was chosen before the handshake went on.
#[derive(Debug)]
struct Chosen(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for Chosen {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

/// A configuration without a certificate.
fn base(versions: &[&'static SupportedProtocolVersion]) -> Result<ServerConfig, rustls::Error> {
    // With `prefer-post-quantum` the provider lists X25519MLKEM768 first.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Chosen(None)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    // Tickets do all resumption; a store of sessions would be a shared, locked table.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // Early data can be replayed (RFC 8470); the default of 0 is stated because it matters.
    config.max_early_data_size = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, minimum: MinimumVersion) -> Arc<Certificate> {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Arc::new(Certificate::from_pem(chain.as_bytes(), key.as_bytes(), minimum).unwrap())
    }

    #[test]
    fn a_name_gets_its_own_certificate_and_others_the_fallback() {
        let own = certificate("a.test", MinimumVersion::Tls13);
        let fallback = certificate("fallback.test", MinimumVersion::Tls12);
        let known = [("a.test", own), ("fallback.test", fallback)];
        let lookup = move |name: &str| {
            known.iter().find(|(known, _)| *known == name).map(|(_, found)| found.clone())
        };
        let sni = Sni::new(lookup, Some("fallback.test".into())).unwrap();
        let names = |asked: Option<&str>| sni.choose(asked).certificate.unwrap().names().to_vec();
        assert_eq!(names(Some("A.test")), ["a.test"]);
        assert_eq!(names(Some("b.test")), ["fallback.test"]);
        assert_eq!(names(None), ["fallback.test"]);
    }

    #[test]
    fn an_unknown_name_without_fallback_has_no_certificate() {
        let sni = Sni::new(|_| None, None).unwrap();
        assert!(sni.choose(Some("a.test")).certificate.is_none());
    }

    #[test]
    fn the_post_quantum_exchange_is_offered_first_and_early_data_never() {
        let config = base(&[&TLS13, &TLS12]).unwrap();
        let first = config.crypto_provider().kx_groups[0].name();
        assert_eq!(first, rustls::NamedGroup::X25519MLKEM768);
        assert_eq!(config.max_early_data_size, 0);
    }
}
