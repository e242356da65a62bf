//! `brink inspect`: what is stored for a URL, and in the directory of a disk.

use std::fs;

use serde_json::Value;

use crate::kit::*;

fn setup(origin: &Origin) -> edge::Setup {
    let setup = Edge::setup().site("a", &site(&["a.test"], origin, ""));
    let disk = setup.path("disk");
    setup.node(&format!(
        "[store]\nwindow_time = \"1s\"\ndisks = [{{ path = {disk:?}, size = \"256MiB\" }}]"
    ))
}

fn serve(origin: &Origin, path: &str, length: u64) {
    let proof = Proof::new("a.test", path, 1, length);
    origin.on(path, move |_| {
        Reply::proof(&proof)
            .header("Cache-Control", "max-age=3600")
            .header("Surrogate-Key", "news front")
            .header("ETag", &proof.etag())
    });
}

async fn inspect(edge: &Edge, what: &str, more: &[&str]) -> (Option<i32>, String) {
    let config = edge.path("node.toml").display().to_string();
    let (status, text) = command(&[&["inspect", what, "-c", &config], more].concat()).await;
    (status.code(), text)
}

#[tokio::test]
async fn a_url_is_shown_with_its_freshness_tags_tier_and_checksums() {
    let origin = Origin::start().await;
    serve(&origin, "/x", 3_000_000);
    let edge = setup(&origin).start().await;
    let url = "http://a.test/x";
    let (code, text) = inspect(&edge, url, &[]).await;
    assert!(code == Some(0) && text.contains("nothing is stored"), "{text}");
    edge.get("/x").await.whole(200);
    let (code, text) = inspect(&edge, url, &[]).await;
    assert_eq!(code, Some(0), "{text}");
    for part in ["whole, 3000000 bytes", "s more (lives 3600 s", "tags news, front"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    until("all is on disk", async || edge.metric("disk_records", "").await >= 4.0).await;
    let (code, text) = inspect(&edge, url, &["--verify", "--json"]).await;
    assert_eq!(code, Some(0), "{text}");
    let stored = &serde_json::from_str::<Value>(&text).unwrap()["stored"][0];
    assert_eq!(stored["on_disk"], 3_000_000, "{text}");
    assert_eq!(stored["checksums"], "good", "{text}");
    let (code, text) = inspect(&edge, "http://elsewhere.test/", &[]).await;
    assert!(code == Some(2) && text.contains("no site has the host"), "{text}");
}

#[tokio::test]
async fn a_directory_is_listed_with_or_without_its_node_and_damage_is_found() {
    let origin = Origin::start().await;
    let mut edge = setup(&origin).start().await;
    for (path, length) in [("/small", 500), ("/middle", 200_000), ("/large", 2_500_000)] {
        serve(&origin, path, length);
        edge.get(path).await.whole(200);
    }
    until("all is on disk", async || edge.metric("disk_records", "").await >= 7.0).await;
    let folder = edge.path("disk");
    let disk = folder.display().to_string();
    // What the writer still holds is not in the file of a running node.
    let (code, text) = inspect(&edge, &disk, &[]).await;
    assert!(code == Some(0) && text.contains("0 damaged records"), "{text}");
    edge.stop(false).await;
    let (code, text) = inspect(&edge, &disk, &["--verify"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("3 URLs with 3 responses, 4 pieces of bodies"), "{text}");
    assert!(
        text.contains("any://a.test/large\n  200 application/octet-stream, whole, 2500000 bytes"),
        "{text}"
    );
    assert_eq!(text.matches("checksums good").count(), 3, "{text}");

    let file = folder.join("brink.store");
    let mut bytes = fs::read(&file).unwrap();
    let proof = Proof::new("a.test", "/large", 1, 2_500_000);
    let piece = proof.bytes(1_500_000..1_500_064);
    let at = bytes.windows(64).position(|window| window == &piece[..]).unwrap();
    bytes[at] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let (code, text) = inspect(&edge, &disk, &["--verify", "--json"]).await;
    assert_eq!(code, Some(1), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let large = lines.iter().find(|line| line["total"] == 2_500_000).unwrap();
    assert_eq!(large["checksums"], "damaged", "{text}");
    assert_eq!(lines.last().unwrap()["damaged"], 1, "{text}");
    // Nothing was written: the file is as it was.
    assert_eq!(fs::read(&file).unwrap(), bytes);
    let (code, text) = inspect(&edge, "/nowhere", &[]).await;
    assert!(code == Some(2) && text.contains("/nowhere/brink.store"), "{text}");
}
