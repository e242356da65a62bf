//! Databases of countries and networks: taken at start and at a reload, and never given up for a bad
//! one. Which one is in use, its date tells.

use std::fs;
use std::path::{Path, PathBuf};

use crate::kit::*;

/// When `both.mmdb` and `moved.mmdb` were made.
const BOTH: f64 = 1_767_225_600.0;
const MOVED: f64 = 1_767_312_000.0;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/geo").join(name)
}

async fn in_use(edge: &Edge) -> (f64, f64) {
    let built = async |labels| edge.metric("geo_built_timestamp_seconds", labels).await;
    (built("database=\"country\"").await, built("database=\"asn\"").await)
}

async fn reload(edge: &Edge) -> (Option<i32>, String) {
    let socket = edge.path("state/admin.sock").display().to_string();
    let (status, text) = command(&["reload", "--socket", &socket]).await;
    (status.code(), text)
}

#[tokio::test]
async fn a_bad_database_is_refused_at_start_and_leaves_the_old_one_at_a_reload() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/x", 1, 100);
    origin.serves("/x", "max-age=60", &proof);
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let database = setup.path("geo.mmdb");
    let replace = |name: &str| {
        let new = database.with_extension("new");
        fs::copy(data(name), &new).unwrap();
        fs::rename(&new, &database).unwrap();
    };
    replace("both.mmdb");
    // Paths begin at the node file.
    let edge = setup.node("[geo]\ncountry = \"geo.mmdb\"\nasn = \"geo.mmdb\"").start().await;
    assert_eq!(in_use(&edge).await, (BOTH, BOTH));

    fs::write(&database, b"cut off on its way here").unwrap();
    let (code, said) = reload(&edge).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the one before is kept") && said.contains("is damaged"), "{said}");
    assert!(said.contains("node.toml:") && said.contains("geo.country"), "{said}");
    assert_eq!(in_use(&edge).await, (BOTH, BOTH));
    assert_eq!(edge.metric("config_last_reload_success", "").await, 0.0);
    assert_eq!(edge.get("/x").await.whole(200), proof.whole());

    let node = edge.path("node.toml").display().to_string();
    for verb in ["check", "run"] {
        let (status, said) = command(&[verb, "-c", &node]).await;
        assert!(!status.success() && said.contains("geo.mmdb` is damaged"), "{verb}: {said}");
        assert!(said.contains("node.toml:"), "{verb}: {said}");
    }

    // One that has no networks: the country's is new, the network's stays. Sites are reloaded too.
    replace("country.mmdb");
    edge.write_site("b", &site(&["b.test"], &origin, ""));
    let (code, said) = reload(&edge).await;
    assert!(code == Some(1) && said.contains("`autonomous_system_number`"), "{code:?} {said}");
    assert_eq!(edge.metric("sites", "").await, 2.0);

    replace("moved.mmdb");
    let (code, said) = reload(&edge).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(in_use(&edge).await, (MOVED, MOVED));

    // Settings without databases are taken at a reload as well.
    let text = fs::read_to_string(&node).unwrap();
    fs::write(&node, text.split("[geo]").next().unwrap()).unwrap();
    assert_eq!(reload(&edge).await.0, Some(0));
    assert_eq!(in_use(&edge).await, (0.0, 0.0));
}
