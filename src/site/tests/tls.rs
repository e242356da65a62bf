//! Certificates of sites: found by name, read when first asked for, replaced when the files change.

use super::*;

fn write_pair(place: &Place, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| (*name).into()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(place.folder.path().join("a.pem"), made.cert.pem()).unwrap();
    std::fs::write(place.folder.path().join("a.key"), made.signing_key.serialize_pem()).unwrap();
}

fn secured(host: &str) -> String {
    format!("{}[tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n", document(host))
}

fn fingerprint(source: &Source, name: &str) -> Option<[u8; 32]> {
    source.sites().certificate(name).map(|certificate| certificate.fingerprint())
}

#[test]
fn a_name_finds_its_certificate() {
    let place = Place::new(&[("a", &secured("*.a.test")), ("b", &document("b.test"))]);
    write_pair(&place, &["*.a.test"]);
    let (source, report) = place.start();
    assert!(report.is_clean(), "{:?}", report.troubles);
    assert!(source.sites().certificate("X.a.test").is_some_and(|c| c.covers("x.a.test")));
    assert!(source.sites().certificate("b.test").is_none());
    assert!(source.sites().certificate("c.test").is_none());
}

#[test]
fn new_files_replace_the_certificate_and_bad_ones_do_not() {
    let place = Place::new(&[("a", &secured("a.test"))]);
    write_pair(&place, &["a.test"]);
    let (mut source, _) = place.start();
    let first = fingerprint(&source, "a.test");
    assert!(first.is_some());
    assert_eq!(source.reload().unwrap().certificates, 0);

    write_pair(&place, &["a.test"]);
    assert_eq!(fingerprint(&source, "a.test"), first, "not before a reload");
    assert_eq!(source.reload().unwrap().certificates, 1);
    let second = fingerprint(&source, "a.test");
    assert!(second.is_some() && second != first);

    std::fs::write(place.folder.path().join("a.key"), "broken").unwrap();
    let report = source.reload().unwrap();
    assert_eq!((report.certificates, report.sites), (0, 1));
    let said = report.troubles[0].diagnostics[0].to_string();
    assert!(said.contains("a.toml:6:7: tls.key: "), "{said}");
    assert_eq!(fingerprint(&source, "a.test"), second);
}

#[test]
fn a_certificate_for_other_hosts_is_refused() {
    let place = Place::new(&[("a", &secured("a.test"))]);
    write_pair(&place, &["other.test"]);
    let (_, report) = place.start();
    assert_eq!(report.refused, 1);
    let said = report.troubles[0].diagnostics[0].to_string();
    assert!(said.contains("a.toml:5:15: tls.certificate: it is for other.test"), "{said}");
}

#[test]
fn a_certificate_that_was_missing_is_found_at_the_next_reload() {
    let place = Place::new(&[("a", &secured("a.test"))]);
    write_pair(&place, &["a.test"]);
    drop(place.start());
    let key = place.folder.path().join("a.key");
    std::fs::rename(&key, key.with_extension("away")).unwrap();
    // The document did not change, so the site is up; only its certificate is wanting.
    let (mut source, report) = place.start();
    assert_eq!(report.sites, 1);
    assert!(source.sites().certificate("a.test").is_none());
    std::fs::rename(key.with_extension("away"), &key).unwrap();
    assert_eq!(source.reload().unwrap().certificates, 1);
    assert!(source.sites().certificate("a.test").is_some());
}
