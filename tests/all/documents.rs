//! Broken site documents: refused with file, line and reason, while all other sites go on.

use crate::kit::*;

/// What stands in the document, on which line it is wrong (0: as a whole), and a word of the
/// refusal. `ORIGIN`, `OWN` and `FOLDER` are filled in.
const BROKEN: &[(&str, usize, &str)] = &[
    ("host = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]", 1, "hosts"),
    ("hosts = [\"x.test\"]\n[origin]\nserver = [\"ORIGIN\"]", 3, "servers"),
    ("hosts = [\"x.test\"]\n[orgin]\nservers = [\"ORIGIN\"]", 2, "origin"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[cahce]", 4, "cache"),
    ("hosts = \"x.test\"\n[origin]\nservers = [\"ORIGIN\"]", 1, "hosts"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\nconnect_timeout = 3", 4, "3"),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\nconnect_timeout = \"3 eons\"",
        4,
        "eons",
    ),
    ("hosts = [\"x.test\"\n[origin]\nservers = [\"ORIGIN\"]", 2, ""),
    ("hosts = [\"x.test\"]\nhosts = [\"y.test\"]\n[origin]\nservers = [\"ORIGIN\"]", 2, "dup"),
    ("[origin]\nservers = [\"ORIGIN\"]", 0, "hosts"),
    ("hosts = [\"x.test\"]", 0, "origin"),
    ("hosts = []\n[origin]\nservers = [\"ORIGIN\"]", 1, "hosts"),
    ("hosts = [\"x y.test\"]\n[origin]\nservers = [\"ORIGIN\"]", 1, "x y.test"),
    ("hosts = [\"x.test\", \"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]", 1, "twice"),
    ("hosts = [\"x.test\", \"good.test\"]\n[origin]\nservers = [\"ORIGIN\"]", 1, "good"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = [\"ftp://origin.test\"]", 3, "ftp"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = []", 3, "server"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = [{ url = \"ORIGIN\", weight = 0 }]", 3, "weight"),
    ("hosts = [\"x.test\"]\n[origin]\nservers = [\"OWN\"]", 3, "own"),
    ("hosts = [\"x.test\"]\npreset = \"vidoe\"\n[origin]\nservers = [\"ORIGIN\"]", 2, "video"),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[tls]\ncertificate = \"FOLDER/no.pem\"\nkey = \"FOLDER/a.key\"",
        5,
        "no.pem",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[tls]\ncertificate = \"FOLDER/a.pem\"",
        0,
        "key",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[tls]\ncertificate = \"FOLDER/node.toml\"\nkey = \"FOLDER/a.key\"",
        5,
        "certificate",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[tls]\ncertificate = \"FOLDER/a.pem\"\nkey = \"FOLDER/b.key\"",
        6,
        "key",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[tls]\ncertificate = \"FOLDER/b.pem\"\nkey = \"FOLDER/b.key\"",
        5,
        "b.test",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[pages]\nclosed = \"closed.html\"",
        5,
        "write the path alone",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[pages]\nhotlnk = \"/x\"",
        5,
        "did you mean `hotlink`",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[pages.origin]\n404 = \"https://good.test/x\"",
        5,
        "names a host",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[pages.origin]\n505 = \"/x\"",
        5,
        "505",
    ),
    (
        "hosts = [\"x.test\"]\n[origin]\nservers = [\"ORIGIN\"]\n[log]\nsample = 10",
        5,
        "a share from 0 to 1",
    ),
];

struct Scene {
    origin: Origin,
    edge: Edge,
}

impl Scene {
    /// One site that stays good, and one, `x.test`, that begins good.
    async fn set() -> Scene {
        let origin = Origin::start().await;
        origin.on("/x", |_| Reply::ok("x").header("Cache-Control", "no-store"));
        let setup = Edge::setup().site("good", &site(&["good.test"], &origin, ""));
        let edge = setup.site("x", &site(&["x.test"], &origin, "")).start().await;
        let authority = Authority::new();
        authority.write(&edge.path(""), "a", &["x.test"]);
        authority.write(&edge.path(""), "b", &["b.test"]);
        Scene { origin, edge }
    }

    fn fill(&self, text: &str) -> String {
        let own = format!("http://{}", self.edge.http);
        let folder = self.edge.path("").display().to_string();
        let folder = folder.trim_end_matches('/');
        text.replace("ORIGIN", &self.origin.url()).replace("OWN", &own).replace("FOLDER", folder)
    }

    async fn check(&self) -> (Option<i32>, String) {
        let node = self.edge.path("node.toml").display().to_string();
        let (status, text) = command(&["check", "-c", &node]).await;
        (status.code(), text)
    }

    async fn both_go_on(&self, what: &str) {
        for host in ["good.test", "x.test"] {
            let answer = self.edge.client().await.get(host, "/x").send().await;
            assert_eq!(answer.status, 200, "{host} after {what}");
        }
    }
}

#[tokio::test]
async fn each_is_refused_with_place_and_reason() {
    let scene = Scene::set().await;
    assert_eq!(scene.check().await.0, Some(0));
    let mut wrong = Vec::new();
    for (text, line, word) in BROKEN {
        scene.edge.write_site("x", &scene.fill(text));
        let (code, said) = scene.check().await;
        let place = if *line == 0 { "x.toml".into() } else { format!("x.toml:{line}:") };
        let lower = said.to_lowercase();
        if code != Some(1) || !said.contains(&place) || !lower.contains(&word.to_lowercase()) {
            wrong.push(format!("--- {text}\nexpected {place} and {word:?}, got {code:?}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_freezes_its_own_site_alone() {
    let scene = Scene::set().await;
    for (text, _, _) in BROKEN {
        scene.edge.write_site("x", &scene.fill(text));
        scene.edge.signal("HUP");
        scene.both_go_on(text).await;
    }
    tokio::time::sleep(ms(500)).await;
    scene.both_go_on("all of them").await;
    let better = scene.fill("hosts = [\"x.test\", \"y.test\"]\n[origin]\nservers = [\"ORIGIN\"]");
    scene.edge.write_site("x", &better);
    scene.edge.reload().await;
    until("the mended document counts", async || {
        scene.edge.client().await.get("y.test", "/x").send().await.status == 200
    })
    .await;
}

#[tokio::test]
async fn site_that_is_broken_at_start_runs_as_it_last_did() {
    let mut scene = Scene::set().await;
    scene.edge.write_site("x", "hosts = [");
    scene.edge.restart().await;
    scene.both_go_on("a restart with a broken document").await;
}

#[tokio::test]
async fn broken_node_file_refuses_to_start_and_changes_nothing_on_reload() {
    let scene = Scene::set().await;
    let node = scene.edge.path("node.toml");
    let text = std::fs::read_to_string(&node).unwrap();
    for (bad, word) in
        [("[listne]\n", "listen"), ("[listen\n", ":"), ("[listen]\nhead = 5\n", "head")]
    {
        std::fs::write(&node, text.replacen("[listen]\n", bad, 1)).unwrap();
        let (code, said) = scene.check().await;
        assert!(code == Some(1) && said.contains("node.toml:") && said.contains(word), "{said}");
        let told = || {
            let log = scene.edge.log();
            let lines = log.lines().filter(|line| line.contains("node.toml:"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        // One more than before: until it has read this file, the next must not be written.
        let before = told().len();
        scene.edge.signal("HUP");
        until("the log says what is wrong", async || told().len() > before).await;
        assert!(told().last().is_some_and(|line| line.contains(word)));
        scene.both_go_on(bad).await;
    }
    let path = node.display().to_string();
    let (status, said) = command(&["run", "-c", &path]).await;
    assert!(!status.success() && said.contains("node.toml:"), "{status} {said}");
}

#[tokio::test]
async fn empty_folder_is_not_taken_for_no_sites() {
    let scene = Scene::set().await;
    for name in ["good", "x"] {
        std::fs::remove_file(scene.edge.path(&format!("sites.d/{name}.toml"))).unwrap();
    }
    scene.edge.signal("HUP");
    tokio::time::sleep(ms(500)).await;
    scene.both_go_on("a reload of an empty folder").await;
}

#[tokio::test]
async fn check_tells_what_is_wrong_from_what_is_not_there() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("x.toml").display().to_string();
    for arguments in [["check", "-c", &file], ["check", "--json", &file]] {
        assert_eq!(command(&arguments).await.0.code(), Some(2), "{arguments:?}");
    }
    std::fs::write(&file, b"# fine\nhosts = [\"\xff\x1b[2J\"]\n").unwrap();
    let (status, said) = command(&["check", &file]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("x.toml:2:11: not UTF-8") && !said.contains('\x1b'), "{said}");
}
