//! One certificate with its key, read from PEM and checked before it may serve anybody.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::MinimumVersion;
use crate::clock::Timestamp;

/// A certificate chain with the private key that proves it.
///
/// Some kilobytes large and costly to make (the key is checked), so make it once and share it.
pub struct Certificate {
    pub(super) certified: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
    fingerprint: [u8; 32],
    minimum: MinimumVersion,
}

/// Why a certificate cannot be used. The text of each names the trouble and, where there is one, the
/// way out; whoever read the file puts its name in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// The chain is not PEM, as the text says.
    BadChainPem(String),
    /// The chain holds no `CERTIFICATE` section.
    NoCertificate,
    /// The key is not PEM, as the text says.
    BadKeyPem(String),
    /// The key file holds no private key.
    NoKey,
    /// The key is locked by a passphrase.
    EncryptedKey,
    /// The first certificate of the chain is not well-formed X.509.
    BadCertificate(String),
    /// The key belongs to another certificate.
    KeyMismatch,
    /// The kind or size of key is not supported.
    UnsupportedKey(String),
    /// The certificate names no host (RFC 6125 section 6.4.4: the common name no longer counts).
    NoNames,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadChainPem(why) => write!(f, "the certificate chain is not valid PEM: {why}"),
            Self::NoCertificate => f.write_str(
                "no certificate found; expected one or more \"-----BEGIN CERTIFICATE-----\" sections",
            ),
            Self::BadKeyPem(why) => write!(f, "the private key is not valid PEM: {why}"),
            Self::NoKey => f.write_str(
                "no private key found; expected a \"-----BEGIN PRIVATE KEY-----\" section",
            ),
            Self::EncryptedKey => f.write_str(
                "the private key is encrypted; decrypt it first, as in `openssl pkey -in old.key -out new.key`",
            ),
            Self::BadCertificate(why) => {
                write!(f, "the first certificate of the chain is not valid X.509: {why}")
            }
            Self::KeyMismatch => f.write_str(
                "the private key does not belong to the first certificate of the chain; the site's own certificate must come first",
            ),
            Self::UnsupportedKey(why) => write!(
                f,
                "the private key cannot be used ({why}); use RSA of 2048 to 8192 bits, ECDSA P-256, P-384 or P-521, or Ed25519"
            ),
            Self::NoNames => f.write_str(
                "the certificate names no host; it needs a subjectAltName with DNS names or addresses",
            ),
        }
    }
}

impl std::error::Error for CertificateError {}

impl Certificate {
    /// Reads a chain (the site's own certificate first) and its key, both in PEM, and checks that
    /// they belong together. Expiry is not judged here: see [`Certificate::valid_at`].
    pub fn from_pem(
        chain: &[u8],
        key: &[u8],
        minimum: MinimumVersion,
    ) -> Result<Certificate, CertificateError> {
        let chain = read_chain(chain)?;
        let key = read_key(key)?;
        let leaf = chain.first().ok_or(CertificateError::NoCertificate)?;
        let facts = Facts::read(leaf)?;
        let fingerprint = Sha256::digest(leaf).into();
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    CertificateError::KeyMismatch
                }
                Error::InvalidCertificate(why) => CertificateError::BadCertificate(why.to_string()),
                other => CertificateError::UnsupportedKey(other.to_string()),
            })?;
        Ok(Certificate {
            certified: Arc::new(certified),
            names: facts.names,
            not_before: facts.not_before,
            not_after: facts.not_after,
            fingerprint,
            minimum,
        })
    }

    /// Whether the certificate names `host` (a name without a port, in any case, or an IP address
    /// without brackets). A wildcard stands for exactly one whole label (RFC 9525 section 6.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let below = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(parent) => {
                below.is_some_and(|below| below.eq_ignore_ascii_case(parent))
                    && !host.starts_with('.')
                    && host.parse::<IpAddr>().is_err()
            }
            None => name.eq_ignore_ascii_case(host),
        })
    }

    /// The names of the certificate, lower case: hosts, `*.` wildcards and addresses.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The first moment at which the certificate holds.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second in which the certificate holds.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether clients will accept the certificate's dates at `now`.
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now.seconds() <= self.not_after.seconds()
    }

    /// SHA-256 of the certificate's DER form, the usual way to tell two apart.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// The oldest TLS version that may be spoken under this certificate.
    pub fn minimum(&self) -> MinimumVersion {
        self.minimum
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key never reaches a log.
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// What the leaf certificate says of itself.
struct Facts {
    names: Vec<String>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Facts {
    fn read(leaf: &CertificateDer<'_>) -> Result<Facts, CertificateError> {
        let bad = |error: &dyn fmt::Display| CertificateError::BadCertificate(error.to_string());
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| bad(&error))?;
        let alternative = parsed.subject_alternative_name().map_err(|error| bad(&error))?;
        let names: Vec<String> = alternative
            .map(|extension| extension.value.general_names.iter().filter_map(name).collect())
            .unwrap_or_default();
        if names.is_empty() {
            return Err(CertificateError::NoNames);
        }
        let seconds = |time: i64| Timestamp::from_seconds(u64::try_from(time).unwrap_or(0));
        Ok(Facts {
            names,
            not_before: seconds(parsed.validity().not_before.timestamp()),
            not_after: seconds(parsed.validity().not_after.timestamp()),
        })
    }
}

/// The host or address that one entry of subjectAltName stands for.
fn name(entry: &GeneralName<'_>) -> Option<String> {
    match entry {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CertificateError::BadChainPem(error.to_string()))?;
    if chain.is_empty() { Err(CertificateError::NoCertificate) } else { Ok(chain) }
}

fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let encrypted = memchr::memmem::find(pem, b"BEGIN ENCRYPTED PRIVATE KEY").is_some()
        || memchr::memmem::find(pem, b"Proc-Type: 4,ENCRYPTED").is_some();
    if encrypted {
        return Err(CertificateError::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => CertificateError::NoKey,
        other => CertificateError::BadKeyPem(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn read(chain: &str, key: &str) -> Result<Certificate, CertificateError> {
        Certificate::from_pem(chain.as_bytes(), key.as_bytes(), MinimumVersion::Tls12)
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let (chain, key) = pair(&["Example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]);
        let certificate = read(&chain, &key).unwrap();
        for host in ["example.com", "EXAMPLE.com.", "www.example.com", "192.0.2.1", "2001:db8::1"] {
            assert!(certificate.covers(host), "{host}");
        }
        for host in ["a.b.example.com", ".example.com", "example.org", "", "192.0.2.2", "com"] {
            assert!(!certificate.covers(host), "{host}");
        }
    }

    #[test]
    fn dates_and_fingerprint_are_read() {
        let (chain, key) = pair(&["example.com"]);
        let certificate = read(&chain, &key).unwrap();
        assert!(certificate.valid_at(Timestamp::from_seconds(1_790_000_000)));
        assert!(
            !certificate.valid_at(certificate.not_after().plus(std::time::Duration::from_secs(1)))
        );
        assert_ne!(certificate.fingerprint(), [0; 32]);
        assert!(!format!("{certificate:?}").contains("key"));
    }

    #[test]
    fn each_kind_of_trouble_is_told_apart() {
        let (chain, key) = pair(&["example.com"]);
        let (_, other_key) = pair(&["example.com"]);
        let is = |chain: &str, key: &str| read(chain, key).map(|_| ()).unwrap_err();
        assert_eq!(is("", &key), CertificateError::NoCertificate);
        assert_eq!(is(&key, &key), CertificateError::NoCertificate);
        assert_eq!(is(&chain, ""), CertificateError::NoKey);
        assert_eq!(is(&chain, &chain), CertificateError::NoKey);
        assert_eq!(is(&chain, &other_key), CertificateError::KeyMismatch);
        assert!(matches!(is(&chain[..100], &key), CertificateError::BadChainPem(_)));
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(is(garbage, &key), CertificateError::BadCertificate(_)));
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(is(&chain, locked), CertificateError::EncryptedKey);
        let (nameless, key) = pair(&[]);
        assert_eq!(is(&nameless, &key), CertificateError::NoNames);
    }
}
