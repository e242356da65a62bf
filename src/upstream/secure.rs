//! TLS to origins: whom we trust, and who we say we are.
//!
//! Each target has its own configuration with its own memory of sessions, so that no session made
//! for one site, name or degree of trust is ever resumed for another.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::fault::{Fault, FaultKind};
use super::settings::{Http2, TlsSettings};
use crate::setting::Complaint;

/// Sessions kept for resumption by each target.
const SESSIONS: usize = 8;

/// The node's part of TLS to origins: the provider, and the system's roots read once.
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    system: OnceLock<Arc<RootCertStore>>,
    verifier: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl Trust {
    /// Nothing is read before the first TLS connection.
    pub fn new() -> Self {
        Trust {
            provider: Arc::new(aws_lc_rs::default_provider()),
            system: OnceLock::new(),
            verifier: OnceLock::new(),
        }
    }

    /// The configuration for one target. Reads the files that the settings name: this happens once
    /// for each target, at its first connection.
    pub fn configuration(
        &self,
        settings: &TlsSettings,
        http2: Http2,
    ) -> Result<Arc<ClientConfig>, Fault> {
        let wrong = |complaint: Complaint| {
            let Complaint { field, message, .. } = complaint;
            Fault::new(FaultKind::HandshakeFailed).because(format_args!("tls.{field}: {message}"))
        };
        let internal = |error| Fault::new(FaultKind::Internal).because(error);
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(internal)?;
        let builder = if settings.verify {
            builder.with_webpki_verifier(self.verifier(settings).map_err(wrong)?)
        } else {
            let accept = AcceptAny(self.provider.clone());
            builder.dangerous().with_custom_certificate_verifier(Arc::new(accept))
        };
        let mut config = match identity(settings).map_err(wrong)? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(internal)?,
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        config.alpn_protocols = match http2 {
            Http2::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Http2::PriorKnowledge => vec![b"h2".to_vec()],
            Http2::Off => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }

    fn verifier(&self, settings: &TlsSettings) -> Result<Arc<WebPkiServerVerifier>, Complaint> {
        let build = |roots: Arc<RootCertStore>| {
            WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone()).build()
        };
        if let Some(path) = &settings.ca {
            let mut roots = RootCertStore::clone(self.system());
            for certificate in certificates(path, "ca")? {
                roots.add(certificate).map_err(|error| in_file("ca", path, error))?;
            }
            return build(roots.into()).map_err(|error| in_file("ca", path, error));
        }
        let shared = self.verifier.get_or_init(|| build(self.system().clone()).ok()).clone();
        shared.ok_or_else(|| {
            Complaint::new("ca", "the system has no trusted issuers, and none are named here")
        })
    }

    fn system(&self) -> &Arc<RootCertStore> {
        self.system.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a trusted issuer of the system could not be read");
            }
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            Arc::new(roots)
        })
    }
}

/// Reads every file that the settings name and says what is wrong with them. For the deep check of
/// a changed document; unchanged ones are read at first use.
pub fn check_files(settings: &TlsSettings) -> Vec<Complaint> {
    let trust = Trust::new();
    let mut found = Vec::new();
    if settings.ca.is_some() {
        found.extend(trust.verifier(settings).err());
    }
    match identity(settings) {
        Err(complaint) => found.push(complaint),
        Ok(None) => {}
        Ok(Some((chain, key))) => {
            let key_fits = ClientConfig::builder_with_provider(trust.provider.clone())
                .with_safe_default_protocol_versions()
                .map(|builder| builder.with_root_certificates(RootCertStore::empty()))
                .and_then(|builder| builder.with_client_auth_cert(chain, key));
            if let Err(error) = key_fits {
                found.push(Complaint::new("key", format!("it does not fit: {error}")));
            }
        }
    }
    found
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(settings: &TlsSettings) -> Result<Option<Identity>, Complaint> {
    let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
        return Ok(None);
    };
    let chain = certificates(certificate, "certificate")?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file("key", key, error))?;
    Ok(Some((chain, key)))
}

fn certificates(path: &Path, field: &str) -> Result<Vec<CertificateDer<'static>>, Complaint> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| in_file(field, path, error))?;
    match found.is_empty() {
        true => Err(in_file(field, path, "there is no certificate in it")),
        false => Ok(found),
    }
}

fn in_file(field: &str, path: &Path, error: impl std::fmt::Display) -> Complaint {
    Complaint::new(field, format!("{}: {error}", path.display()))
}

/// Takes any certificate, for a site that says `verify = false`. That the peer holds the key of
/// the certificate it shows is still checked.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_checked_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let second = rcgen::generate_simple_self_signed(["b.test".to_owned()]).unwrap();
        let good = TlsSettings {
            ca: Some(write("ca.pem", &first.cert.pem())),
            certificate: Some(write("a.pem", &first.cert.pem())),
            key: Some(write("a.key", &first.signing_key.serialize_pem())),
            ..TlsSettings::default()
        };
        assert_eq!(check_files(&good), Vec::new());

        let fields = |settings: &TlsSettings| -> Vec<String> {
            check_files(settings).into_iter().map(|complaint| complaint.field).collect()
        };
        let other = write("b.key", &second.signing_key.serialize_pem());
        assert_eq!(fields(&TlsSettings { key: Some(other), ..good.clone() }), ["key"]);
        let empty = write("empty.pem", "");
        assert_eq!(fields(&TlsSettings { ca: Some(empty), ..good.clone() }), ["ca"]);
        let missing = folder.path().join("missing.pem");
        assert_eq!(fields(&TlsSettings { certificate: Some(missing), ..good }), ["certificate"]);
    }
}
