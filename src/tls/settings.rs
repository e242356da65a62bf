//! A site's `[tls]` table: which files hold its certificate, and how old a protocol it accepts.

use serde::{Deserialize, Serialize};

use crate::setting::Complaint;

/// How a site is served over TLS. A site without a certificate is served over plain HTTP only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// File with the certificate chain in PEM, the site's own certificate first. Default: none.
    pub certificate: String,
    /// File with the private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted). Default: none.
    pub key: String,
    /// The oldest TLS version a client may speak: `"1.2"` or `"1.3"`. Default: `"1.2"`.
    pub min_version: MinimumVersion,
}

/// The oldest TLS version that a site accepts; TLS 1.1 and older are never spoken (RFC 8996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum MinimumVersion {
    /// TLS 1.2 (RFC 5246) and newer.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 (RFC 8446) only.
    #[serde(rename = "1.3")]
    Tls13,
}

impl Settings {
    /// Whether the site has a certificate of its own.
    pub fn enabled(&self) -> bool {
        !self.certificate.is_empty()
    }

    /// What is wrong with these settings; the files themselves are judged when they are read.
    pub fn validate(&self) -> Vec<Complaint> {
        match (self.certificate.is_empty(), self.key.is_empty()) {
            (false, true) => vec![
                Complaint::new("key", "a certificate is given but not its private key")
                    .suggest("name the PEM file that holds the key, as in key = \"site.key\""),
            ],
            (true, false) => vec![
                Complaint::new("certificate", "a private key is given but not its certificate")
                    .suggest(
                        "name the PEM file that holds the chain, as in certificate = \"site.pem\"",
                    ),
            ],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let read = |text: &str| toml::from_str::<Settings>(text).unwrap();
        assert!(Settings::default().validate().is_empty());
        let whole = read("certificate = \"a.pem\"\nkey = \"a.key\"\nmin_version = \"1.3\"");
        assert_eq!(whole.min_version, MinimumVersion::Tls13);
        assert!(whole.enabled() && whole.validate().is_empty());
        assert_eq!(read("certificate = \"a.pem\"").validate()[0].field, "key");
        assert_eq!(read("key = \"a.key\"").validate()[0].field, "certificate");
        assert!(toml::from_str::<Settings>("min_version = \"1.1\"").is_err());
    }
}
