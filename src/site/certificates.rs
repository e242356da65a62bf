//! Reads a site's certificate files: at first use, when a changed document is validated, and again
//! when the files have changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stamp;
use crate::clock::Timestamp;
use crate::setting::Complaint;
use crate::tls::{self, Certificate, CertificateError};

/// No chain or key is longer; what is longer is some other file.
const MAX_PEM: u64 = 1 << 20;

/// A certificate and the state of the files that it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The certificate, to be shown to clients.
    pub certificate: Arc<Certificate>,
    files: [(PathBuf, Option<u64>); 2],
}

impl Loaded {
    /// Reads the files that `[tls]` names; relative paths start at `folder`.
    ///
    /// # Errors
    /// The field of the document that is to blame, as `tls.key`, and why.
    pub fn read(
        folder: &Path,
        settings: &tls::Settings,
        now: Timestamp,
    ) -> Result<Self, Complaint> {
        let paths = [folder.join(&settings.certificate), folder.join(&settings.key)];
        // The stamps are taken first: a file that changes while it is read is read again later.
        let files = paths.map(|path| {
            let stamp = stamp::of(&path, now);
            (path, stamp)
        });
        let [(certificate, _), (key, _)] = &files;
        let chain = pem("tls.certificate", certificate)?;
        let key = pem("tls.key", key)?;
        let certificate = Certificate::from_pem(&chain, &key, settings.min_version)
            .map_err(|error| Complaint::new(blamed(&error), error.to_string()))?;
        Ok(Loaded { certificate: Arc::new(certificate), files })
    }

    /// Whether a file is not, or may not be, what it was when this was read.
    pub fn changed(&self, now: Timestamp) -> bool {
        self.files.iter().any(|(path, stamp)| stamp.is_none() || stamp::of(path, now) != *stamp)
    }

    /// What speaks against taking this certificate for a site with these hosts (in the table's form).
    pub fn judge(&self, hosts: &[Box<str>], now: Timestamp) -> Option<Complaint> {
        let certificate = &self.certificate;
        let covered = |host: &str| {
            if host.starts_with('.') {
                certificate.covers(&format!("x{host}"))
            } else {
                certificate.covers(host.trim_start_matches('[').trim_end_matches(']'))
            }
        };
        if !hosts.iter().any(|host| covered(host)) {
            let message =
                format!("it is for {}, which is none of the hosts", certificate.names().join(", "));
            return Some(Complaint::new("tls.certificate", message));
        }
        if !certificate.valid_at(now) {
            let message = if now < certificate.not_before() {
                format!("it is not valid before {}", date(certificate.not_before()))
            } else {
                format!("it expired on {}", date(certificate.not_after()))
            };
            return Some(Complaint::new("tls.certificate", message));
        }
        None
    }
}

fn date(time: Timestamp) -> String {
    httpdate::fmt_http_date(time.system_time())
}

fn pem(field: &str, path: &Path) -> Result<Vec<u8>, Complaint> {
    let complain = |trouble: &dyn std::fmt::Display| {
        Complaint::new(field, format!("cannot read {}: {trouble}", path.display()))
    };
    let size = std::fs::metadata(path).map_err(|error| complain(&error))?.len();
    if size > MAX_PEM {
        return Err(complain(&format!("{size} bytes is no PEM file")));
    }
    std::fs::read(path).map_err(|error| complain(&error))
}

/// The field whose file the error is about.
fn blamed(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::BadChainPem(_)
        | CertificateError::NoCertificate
        | CertificateError::BadCertificate(_)
        | CertificateError::NoNames => "tls.certificate",
        CertificateError::BadKeyPem(_)
        | CertificateError::NoKey
        | CertificateError::EncryptedKey
        | CertificateError::KeyMismatch
        | CertificateError::UnsupportedKey(_) => "tls.key",
    }
}
