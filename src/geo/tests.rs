//! Look-ups in the databases that `tests/data/geo/make.py` makes, and files that will not do.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo").join(name)
}

fn settings(country: Option<PathBuf>, asn: Option<PathBuf>) -> Settings {
    Settings { country, asn }
}

/// What is known of an address, as in `CN 4134`.
fn known(geo: &Geo, address: &str) -> String {
    let address = address.parse().unwrap();
    let country = geo.country(address).map_or("-".into(), |country| country.to_string());
    let asn = geo.asn(address).map_or("-".into(), |asn| asn.to_string());
    format!("{country} {asn}")
}

fn known_of_all(geo: &Geo) -> Vec<String> {
    let addresses = [
        "192.0.2.0",
        "198.51.100.77",
        "203.0.113.255",
        "2001:db8:ffff::1",
        "::ffff:192.0.2.9",
        "127.0.0.1",
        "203.0.114.0",
        "::1",
        "2001:db9::",
    ];
    addresses.iter().map(|address| known(geo, address)).collect()
}

const ALL: [&str; 9] =
    ["CN 4134", "HK 9304", "DE 3320", "US 15169", "CN 4134", "- -", "- -", "- -", "- -"];

#[test]
fn each_network_has_its_country_and_number() {
    let two = settings(Some(file("country.mmdb")), Some(file("asn.mmdb")));
    assert_eq!(known_of_all(&Geo::open(&two).unwrap()), ALL);
    let one = settings(Some(file("both.mmdb")), Some(file("both.mmdb")));
    let geo = Geo::open(&one).unwrap();
    assert_eq!(known_of_all(&geo), ALL);
    // One file is one copy in memory.
    let databases = geo.databases.load();
    assert!(Arc::ptr_eq(databases.country.as_ref().unwrap(), databases.asn.as_ref().unwrap()));
}

#[test]
fn what_there_is_no_database_for_is_not_known() {
    assert_eq!(known(&Geo::open(&Settings::default()).unwrap(), "192.0.2.1"), "- -");
    let half = Geo::open(&settings(None, Some(file("asn.mmdb")))).unwrap();
    assert_eq!(known(&half, "192.0.2.1"), "- 4134");
    let old = settings(Some(file("ipv4.mmdb")), Some(file("ipv4.mmdb")));
    let old = Geo::open(&old).unwrap();
    assert_eq!(known(&old, "::ffff:198.51.100.1"), "HK 9304");
    assert_eq!(known(&old, "2001:db8::1"), "- -");
}

#[test]
fn files_that_will_not_do_are_refused_by_name() {
    let refused = |settings: Settings| {
        let complaints = Geo::open(&settings).err().unwrap();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        format!("{}: {}", complaints[0].field, complaints[0].message)
    };
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Some(path)
    };
    let whole = fs::read(file("both.mmdb")).unwrap();
    let missing = refused(settings(Some(folder.path().join("none.mmdb")), None));
    assert!(missing.contains("none.mmdb` cannot be read: No such file"), "{missing}");
    let a_folder = refused(settings(None, Some(folder.path().into())));
    assert!(a_folder.starts_with("asn: ") && a_folder.contains("is not a file"), "{a_folder}");
    let cut = refused(settings(place("cut.mmdb", &whole[..whole.len() / 2]), None));
    assert!(cut.contains("cut.mmdb` is damaged"), "{cut}");
    let mut torn = whole.clone();
    torn[60..90].fill(0xff);
    let torn = refused(settings(None, place("torn.mmdb", &torn)));
    assert!(torn.contains("torn.mmdb` is damaged"), "{torn}");
    let text = refused(settings(place("text.mmdb", b"<html>not found</html>"), None));
    assert!(text.contains("no database of MaxMind's"), "{text}");
    let wrong = refused(settings(Some(file("asn.mmdb")), Some(file("asn.mmdb"))));
    assert!(wrong.contains("(Test-ASN, built Thu, 01 Jan 2026"), "{wrong}");
    assert!(wrong.starts_with("country: ") && wrong.contains("`country.iso_code`"), "{wrong}");
    let wrong = refused(settings(None, Some(file("country.mmdb"))));
    assert!(wrong.contains("has `autonomous_system_number`"), "{wrong}");
}

#[test]
fn a_reload_takes_what_is_new_and_keeps_what_was_good() {
    let folder = tempfile::tempdir().unwrap();
    let (country, asn) = (folder.path().join("country.mmdb"), folder.path().join("asn.mmdb"));
    let replace = |name: &str, path: &Path| {
        let new = folder.path().join("new");
        fs::copy(file(name), &new).unwrap();
        fs::rename(&new, path).unwrap();
    };
    replace("both.mmdb", &country);
    replace("both.mmdb", &asn);
    let named = settings(Some(country.clone()), Some(asn.clone()));
    let geo = Geo::open(&named).unwrap();
    let before = geo.databases.load().country.clone().unwrap();
    assert_eq!(geo.reload(&named), vec![]);
    assert!(Arc::ptr_eq(&before, geo.databases.load().country.as_ref().unwrap()), "read again");
    // The country's new file will not do, the network's does.
    fs::write(&country, "half a down").unwrap();
    replace("moved.mmdb", &asn);
    let complaints = geo.reload(&named);
    assert_eq!(complaints.iter().map(|it| &*it.field).collect::<Vec<_>>(), ["country"]);
    assert_eq!(known(&geo, "192.0.2.1"), "CN 5410");
    replace("moved.mmdb", &country);
    assert_eq!(geo.reload(&named), vec![]);
    assert_eq!(known(&geo, "192.0.2.1"), "FR 5410");
    assert_eq!(geo.reload(&settings(None, Some(asn))), vec![]);
    assert_eq!(known(&geo, "192.0.2.1"), "- 5410");
}

proptest! {
    /// A file that rotted is refused, or tells something; no look-up breaks on it.
    #[test]
    fn a_damaged_file_is_refused_or_harmless(
        hits in proptest::collection::vec((0usize..1656, any::<u8>()), 1..20),
        end in 1000usize..3000,
    ) {
        let mut bytes = fs::read(file("both.mmdb")).unwrap();
        for (at, byte) in hits {
            bytes[at] = byte;
        }
        bytes.truncate(end);
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(path.path(), bytes).unwrap();
        let path = Some(path.path().to_owned());
        match Geo::open(&settings(path.clone(), path)) {
            Ok(geo) => prop_assert_eq!(known_of_all(&geo).len(), ALL.len()),
            Err(complaints) => prop_assert!(!complaints.is_empty()),
        }
    }
}
