//! A dry run of a purge: what would be purged is counted, and nothing is.

use serde_json::{Value, json};

use crate::kit::*;

const LENGTH: u64 = 20_000;

async fn ask(edge: &Edge, method: &str, target: &str, body: Option<Value>) -> (u16, Value) {
    let token = std::fs::read_to_string(edge.path("state/admin.token")).unwrap();
    let mut client = Client::connect(edge.admin).await;
    let ask = client
        .ask(method, &edge.admin.to_string(), target)
        .header("Authorization", &format!("Bearer {}", token.trim()))
        .header("Content-Type", "application/json");
    let ask = match &body {
        Some(body) => ask.body(body.to_string().as_bytes()),
        None => ask,
    };
    let answer = ask.send().await;
    let text = answer.text();
    (answer.status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Orders a dry run and waits for its end.
async fn survey(edge: &Edge, mut order: Value) -> Value {
    order["dry_run"] = json!(true);
    let (status, mut survey) = ask(edge, "POST", "/v1/purge", Some(order)).await;
    assert!(status == 200 || status == 202, "{status} {survey}");
    assert_eq!(status == 202, survey["state"] == "running", "{survey}");
    let target = format!("/v1/purge/surveys/{}", survey["id"].as_str().unwrap());
    until("the dry run is done", async || {
        let (status, now) = ask(edge, "GET", &target, None).await;
        assert_eq!(status, 200, "{now}");
        survey = now;
        survey["state"] == "done"
    })
    .await;
    survey
}

async fn hits(edge: &Edge, urls: &[(&str, String)]) -> usize {
    let (mut client, mut hits) = (edge.client().await, 0);
    for (host, path) in urls {
        let answer = client.get(host, path).send().await;
        answer.whole(200);
        hits += usize::from(answer.hit());
    }
    hits
}

/// A node with 30 objects on two hosts: half of them come back from disk alone, the others are new.
async fn play() -> (Origin, Edge, Vec<(&'static str, String)>) {
    let origin = Origin::start().await;
    let paths = (0..15).map(|number| format!("/{}/{number}", ["x", "img"][number % 2]));
    let mut urls = Vec::new();
    for path in paths {
        let proof = Proof::new("a.test", &path, 1, LENGTH);
        let tag = format!("t{}", urls.len() / 10);
        origin.on(&path, move |_| {
            Reply::proof(&proof)
                .header("Cache-Control", "max-age=3600")
                .header("Surrogate-Key", &tag)
        });
        urls.extend(["a.test", "b.test"].map(|host| (host, path.clone())));
    }
    let setup = Edge::setup()
        .site("a", &site(&["a.test"], &origin, ""))
        .site("b", &site(&["b.test"], &origin, ""));
    let disk = setup.path("disk");
    let mut edge = setup
        .node(&format!(
            "[store]\nwindow_time = \"1s\"\ndisks = [{{ path = {disk:?}, size = \"64MiB\" }}]"
        ))
        .start()
        .await;
    hits(&edge, &urls[..16]).await;
    // A kill might tear the record that is being written.
    edge.stop(false).await;
    edge.go_on().await;
    hits(&edge, &urls[16..]).await;
    (origin, edge, urls)
}

#[tokio::test]
async fn a_dry_run_counts_what_the_purge_then_does_and_purges_nothing() {
    let (_origin, edge, urls) = play().await;
    let mut purged = 0;
    for order in [
        json!({"urls": ["http://a.test/x/0", "https://b.test/img/13"]}),
        json!({"tags": ["t0"], "host": "a.test"}),
        json!({"prefixes": ["http://b.test/img/"]}),
        json!({"rules": ["http://a.test/x/*"]}),
        json!({"sites": ["b"]}),
        json!({"all": true}),
    ] {
        let found = survey(&edge, order.clone()).await;
        assert_eq!(found["looked_at"], json!(1.0), "{found}");
        assert_eq!(found["urls"], found["responses"], "{found}");
        let responses = found["responses"].as_u64().unwrap();
        assert_eq!(found["bytes"], json!(responses * LENGTH), "{found}");
        assert_eq!(found["estimate"]["responses"], found["responses"], "{found}");
        let hosts = found["hosts"].as_array().unwrap().iter();
        assert_eq!(hosts.map(|host| host["responses"].as_u64().unwrap()).sum::<u64>(), responses);
        let samples = found["samples"].as_array().unwrap();
        assert_eq!(samples.len() as u64, responses.min(20), "{found}");
        let mut hard = order.clone();
        hard["mode"] = json!("hard");
        let (status, text) = ask(&edge, "POST", "/v1/purge", Some(hard)).await;
        assert_eq!(status, 200, "{text}");
        // What was purged is fetched again, and counts in the next round.
        let missing = urls.len() - hits(&edge, &urls).await;
        assert_eq!(missing as u64, responses, "{order} {found}");
        purged += missing;
    }
    assert_eq!(purged, 2 + 5 + 7 + 8 + 15 + 30);
}

#[tokio::test]
async fn what_is_on_disk_and_in_memory_is_told_apart() {
    let (_origin, edge, urls) = play().await;
    let found = survey(&edge, json!({"all": true})).await;
    let tier = |name: &str| found[name]["responses"].as_u64().unwrap();
    assert_eq!(found["responses"], json!(30), "{found}");
    assert_eq!(tier("memory"), 14, "{found}");
    assert!(tier("disk") >= 16, "{found}");
    assert_eq!(
        found["hosts"],
        json!([
            {"host": "a.test", "responses": 15}, {"host": "b.test", "responses": 15}
        ])
    );
    // Nothing was brought up, and nothing purged.
    assert_eq!(edge.metric("cache_objects", "").await, 14.0);
    assert_eq!(hits(&edge, &urls).await, 30);
}

#[tokio::test]
async fn a_dry_run_is_asked_for_by_its_id_and_can_be_cancelled() {
    let (_origin, edge, _urls) = play().await;
    let found = survey(&edge, json!({"all": true})).await;
    let target = format!("/v1/purge/surveys/{}", found["id"].as_str().unwrap());
    // One that is done stays done.
    let (status, now) = ask(&edge, "DELETE", &target, None).await;
    assert_eq!((status, &now["state"]), (200, &json!("done")), "{now}");
    assert_eq!(ask(&edge, "GET", &target, None).await.0, 200);
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(&edge, method, "/v1/purge/surveys/0123", None).await.0, 404);
    }
    let wrong = json!({"urls": ["http://c.test/x"], "dry_run": true});
    let (status, text) = ask(&edge, "POST", "/v1/purge", Some(wrong)).await;
    assert!(status == 422 && text.to_string().contains("c.test"), "{status} {text}");
    let mut client = Client::connect(edge.admin).await;
    let answer = client.get(&edge.admin.to_string(), &target).send().await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_command_line_shows_what_would_be_purged() {
    let (_origin, edge, urls) = play().await;
    let config = edge.path("node.toml").display().to_string();
    let run = async |more: &[&str]| {
        let arguments = [&["purge", "--dry-run", "-c", &config], more].concat();
        let (status, text) = command(&arguments).await;
        assert!(status.success(), "{text}");
        text
    };
    let text = run(&["--hard", "--prefix", "http://a.test/img/"]).await;
    assert!(text.starts_with("would be gone: 7 responses of 7 URLs, 140000 bytes\n"), "{text}");
    assert!(text.contains(" 7  a.test\n") && text.contains("  http://a.test/img/1\n"), "{text}");
    let told: Value = serde_json::from_str(&run(&["--all", "--json"]).await).unwrap();
    assert_eq!((&told["state"], &told["responses"]), (&json!("done"), &json!(30)), "{told}");
    let text = run(&["--url", "http://a.test/nothing"]).await;
    assert!(text.starts_with("would be stale: 0 responses of 0 URLs, 0 bytes\n"), "{text}");
    assert!(!text.contains("hosts:") && !text.contains("some of"), "{text}");
    assert_eq!(hits(&edge, &urls).await, 30);
    let (status, text) = command(&["purge", "--dry-run", "-c", &config, "--site", "c"]).await;
    assert!(!status.success() && text.contains("no site `c`"), "{text}");
}
