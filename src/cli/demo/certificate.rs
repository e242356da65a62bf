//! A certificate made on the spot, so that the demo speaks TLS without anyone's help.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::clock::Timestamp;

/// The names and addresses that the certificate is for.
pub const NAMES: [&str; 4] = ["localhost", "demo.localhost", "127.0.0.1", "::1"];

/// A self-signed certificate and its key, both as PEM.
#[derive(Clone)]
pub struct Made {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// Where [`Made::write`] put them.
#[derive(Clone, Debug)]
pub struct Files {
    /// The certificate, for the site and for a client's list of trusted ones.
    pub certificate: PathBuf,
    /// The private key, readable by its owner only.
    pub key: PathBuf,
}

/// Makes a certificate for [`NAMES`], valid from the beginning of this year to the end of the next.
pub fn make(now: Timestamp) -> Result<Made, rcgen::Error> {
    let mut wanted = CertificateParams::new(NAMES.map(String::from))?;
    wanted.distinguished_name.push(DnType::CommonName, "brink demo");
    wanted.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let year = year(now);
    wanted.not_before = date_time_ymd(year, 1, 1);
    wanted.not_after = date_time_ymd(year + 1, 12, 31);
    let key = KeyPair::generate()?;
    let certificate = wanted.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem() })
}

impl Made {
    /// Writes both as `demo.pem` and `demo.key` into a folder that exists, over what was there.
    pub fn write(&self, folder: &Path) -> io::Result<Files> {
        let files = Files { certificate: folder.join("demo.pem"), key: folder.join("demo.key") };
        for (path, text, mode) in
            [(&files.certificate, &self.certificate, 0o644), (&files.key, &self.key, 0o600)]
        {
            let mut open = OpenOptions::new();
            open.write(true).create(true).truncate(true).mode(mode);
            open.open(path)?.write_all(text.as_bytes())?;
        }
        Ok(files)
    }
}

fn year(now: Timestamp) -> i32 {
    // `Sat, 31 Jan 2026 12:00:00 GMT`: a calendar is already there.
    let date = httpdate::fmt_http_date(now.system_time());
    date.get(12..16).and_then(|year| year.parse().ok()).unwrap_or(1970)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_certificate_is_for_this_machine_now() {
        let now = Timestamp(1_769_860_800_123);
        let folder = tempfile::tempdir().unwrap();
        let files = make(now).unwrap().write(folder.path()).unwrap();
        let pem = std::fs::read(&files.certificate).unwrap();
        let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
        let read = pem.parse_x509().unwrap();
        let names = read.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), NAMES.len());
        let validity = read.validity();
        assert!(validity.not_before.timestamp() <= 1_769_860_800);
        assert!(validity.not_after.timestamp() > 1_769_860_800 + 300 * 86_400);
        let mode = std::fs::metadata(&files.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
