//! Purging: what it names is gone or asked for again at once, and stays so whatever happens.

use serde_json::{Value, json};

use crate::kit::*;

async fn purge(edge: &Edge, order: Value) -> (u16, String) {
    let token = std::fs::read_to_string(edge.path("state/admin.token")).unwrap();
    let mut client = Client::connect(edge.admin).await;
    let answer = client
        .ask("POST", &edge.admin.to_string(), "/v1/purge")
        .header("Authorization", &format!("Bearer {}", token.trim()))
        .header("Content-Type", "application/json")
        .body(order.to_string().as_bytes())
        .send()
        .await;
    (answer.status, answer.text())
}

/// A node with a disk below it, whose window is left after a second.
fn setup(origin: &Origin) -> edge::Setup {
    let setup = Edge::setup().site("a", &site(&["a.test"], origin, ""));
    let disk = setup.path("disk");
    let table = format!(
        "[store]\nwindow_time = \"1s\"\ndisks = [{{ path = {disk:?}, size = \"256MiB\" }}]"
    );
    setup.node(&table)
}

fn serve(origin: &Origin, path: &str, version: u32, fields: &'static [(&str, &str)]) {
    let proof = Proof::new("a.test", path, version, 50_000);
    origin.on(path, move |_| {
        let reply = Reply::proof(&proof)
            .header("Cache-Control", "max-age=3600, stale-while-revalidate=60")
            .header("ETag", &proof.etag());
        fields.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    });
}

fn version(path: &str, version: u32, answer: &Answer) {
    Proof::new("a.test", path, version, 50_000).check_whole(answer.whole(200));
}

#[tokio::test]
async fn a_purged_url_is_gone_with_all_its_variants_and_stays_gone() {
    let origin = Origin::start().await;
    let vary: &[_] = &[("Vary", "Accept-Language")];
    serve(&origin, "/x", 1, vary);
    serve(&origin, "/y", 1, &[]);
    let mut edge = setup(&origin).start().await;
    for language in ["de", "en"] {
        edge.get_with("/x", &[("Accept-Language", language)]).await.whole(200);
    }
    version("/y", 1, &edge.get("/y").await);
    until("all is on disk", async || edge.metric("disk_records", "").await >= 3.0).await;
    for path in ["/x", "/y"] {
        serve(&origin, path, 2, vary);
    }
    let (status, text) = purge(&edge, json!({"urls": ["https://a.test/x"], "mode": "hard"})).await;
    assert_eq!(status, 200, "{text}");
    for restart in [false, true] {
        if restart {
            edge.restart().await;
        }
        for language in ["de", "en"] {
            let answer = edge.get_with("/x", &[("Accept-Language", language)]).await;
            version("/x", 2, &answer);
            // What came after the purge was not on disk yet.
            assert!(!answer.hit(), "{:?}", answer.head);
        }
        let answer = edge.get("/y").await;
        version("/y", 1, &answer);
        assert!(answer.hit(), "{:?}", answer.head);
    }
}

#[tokio::test]
async fn what_is_made_stale_is_served_while_it_is_refreshed() {
    let origin = Origin::start().await;
    serve(&origin, "/x", 1, &[]);
    let edge = setup(&origin).start().await;
    version("/x", 1, &edge.get("/x").await);
    serve(&origin, "/x", 2, &[]);
    let (status, text) = purge(&edge, json!({"urls": ["http://a.test/x"]})).await;
    assert!(status == 200 && text.contains("soft"), "{text}");
    let answer = edge.get("/x").await;
    version("/x", 1, &answer);
    assert!(answer.cache_status().contains("stale"), "{:?}", answer.head);
    until("it is refreshed", async || {
        let answer = edge.get("/x").await;
        answer.body == Proof::new("a.test", "/x", 2, 50_000).whole()
    })
    .await;
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn a_tag_purges_what_has_it_of_one_site_or_of_all() {
    let origin = Origin::start().await;
    serve(&origin, "/a", 1, &[("Surrogate-Key", "red green")]);
    serve(&origin, "/b", 1, &[("Cache-Tag", "green,blue")]);
    serve(&origin, "/c", 1, &[]);
    let edge = setup(&origin).site("b", &site(&["b.test"], &origin, "")).start().await;
    let all = async || {
        let mut hits = Vec::new();
        for path in ["/a", "/b", "/c"] {
            let answer = edge.get(path).await;
            version(path, 1, &answer);
            assert!(!answer.has("surrogate-key") && !answer.has("cache-tag"));
            hits.push(answer.hit());
        }
        hits
    };
    assert_eq!(all().await, [false, false, false]);
    assert_eq!(all().await, [true, true, true]);
    let order =
        |tags: &[&str], host: Option<&str>| json!({"tags": tags, "host": host, "mode": "hard"});
    assert_eq!(purge(&edge, order(&["red"], Some("a.test"))).await.0, 200);
    assert_eq!(all().await, [false, true, true]);
    assert_eq!(purge(&edge, order(&["green"], None)).await.0, 200);
    assert_eq!(all().await, [false, false, true]);
    assert_eq!(purge(&edge, order(&["green", "blue"], Some("b.test"))).await.0, 200);
    assert_eq!(all().await, [true, true, true]);
    assert_eq!(purge(&edge, json!({"all": true, "mode": "hard"})).await.0, 200);
    assert_eq!(all().await, [false, false, false]);
}

#[tokio::test]
async fn folders_patterns_hosts_and_sites_are_purged_and_nothing_else() {
    let origin = Origin::start().await;
    let urls = ["/x", "/img/a.jpg", "/img/a.jpg?v=1", "/img/old/b.png", "/imgs"];
    for path in ["/x", "/img/a.jpg", "/img/old/b.png", "/imgs"] {
        serve(&origin, path, 1, &[]);
    }
    let hosts = ["a.test", "www.a.test", "b.test"];
    let setup = setup(&origin).site("b", &site(&["b.test"], &origin, ""));
    let mut edge = setup.site("a", &site(&["a.test", "*.a.test"], &origin, "")).start().await;
    // The URLs that are not hits, by their places; all are hits afterwards.
    let missing = async |edge: &Edge| {
        let (mut client, mut missing) = (edge.client().await, Vec::new());
        for host in hosts {
            for url in urls {
                let answer = client.get(host, url).send().await;
                answer.whole(200);
                if !answer.hit() {
                    missing.push(format!("{host}{url}"));
                }
            }
        }
        missing
    };
    assert_eq!(missing(&edge).await.len(), 15);
    let on = |host: &str, urls: &[&str]| -> Vec<String> {
        urls.iter().map(|url| format!("{host}{url}")).collect()
    };
    let img = ["/img/a.jpg", "/img/a.jpg?v=1", "/img/old/b.png"];
    for (order, gone) in [
        (json!({"prefixes": ["http://a.test/img/"]}), on("a.test", &img)),
        (json!({"prefixes": ["http://a.test/img"]}), on("a.test", &urls[1..])),
        (json!({"prefixes": ["http://b.test/img/old/"]}), on("b.test", &img[2..])),
        (json!({"rules": ["http://a.test/img/*.jpg"]}), on("a.test", &img[..2])),
        (json!({"rules": ["http://*.a.test/*.jpg?v=1"]}), on("www.a.test", &img[1..2])),
        (
            json!({"rules": ["http://b.test/*?"]}),
            on("b.test", &["/x", "/img/a.jpg", "/img/old/b.png", "/imgs"]),
        ),
        (json!({"hosts": ["www.a.test"]}), on("www.a.test", &urls)),
        (json!({"hosts": ["*.a.test"]}), on("www.a.test", &urls)),
        (json!({"sites": ["b"]}), on("b.test", &urls)),
        (json!({"sites": ["a"]}), [on("a.test", &urls), on("www.a.test", &urls)].concat()),
    ] {
        assert_eq!(missing(&edge).await, Vec::<String>::new());
        let mut hard = order.clone();
        hard["mode"] = json!("hard");
        let (status, text) = purge(&edge, hard).await;
        assert_eq!(status, 200, "{text}");
        assert_eq!(missing(&edge).await, gone, "{order}");
    }
    // They hold after a restart, too.
    until("all is on disk", async || edge.metric("disk_records", "").await >= 15.0).await;
    let order = json!({"rules": ["http://a.test/img/*"], "mode": "hard"});
    assert_eq!(purge(&edge, order).await.0, 200);
    edge.restart().await;
    let missing = missing(&edge).await;
    // What was asked for last may not have reached the disk.
    assert!(
        missing.len() < 15 && on("a.test", &img).iter().all(|url| missing.contains(url)),
        "{missing:?}"
    );
}

/// RFC 9875.
#[tokio::test]
async fn groups_are_invalidated_by_an_unsafe_request_and_purged_like_tags_on_their_host_alone() {
    let origin = Origin::start().await;
    serve(&origin, "/a", 1, &[("Cache-Groups", "\"red\", \"green\"")]);
    serve(&origin, "/b", 1, &[("Cache-Groups", "\"blue\"")]);
    origin.on("/change", |_| Reply::new(204).header("Cache-Group-Invalidation", "\"green\""));
    let setup = setup(&origin).site("a", &site(&["a.test", "www.a.test"], &origin, ""));
    let edge = setup.start().await;
    let hits = async || {
        let (mut client, mut hits) = (edge.client().await, Vec::new());
        for (host, path) in [("a.test", "/a"), ("a.test", "/b"), ("www.a.test", "/a")] {
            let answer = client.get(host, path).send().await;
            answer.whole(200);
            assert!(answer.has("cache-groups"));
            hits.push(answer.hit());
        }
        hits
    };
    hits().await;
    assert_eq!(hits().await, [true, true, true]);
    for (method, gone) in [("POST", true), ("GET", false)] {
        edge.client().await.ask(method, "a.test", "/change").send().await.whole(204);
        assert_eq!(hits().await, [!gone, true, true], "{method}");
    }
    let order = json!({"tags": ["red"], "host": "www.a.test", "mode": "hard"});
    assert_eq!(purge(&edge, order).await.0, 200);
    assert_eq!(hits().await, [true, true, false]);
}

#[tokio::test]
async fn a_purge_holds_for_what_is_being_fetched() {
    let origin = Origin::start().await;
    let gate = Gate::closed();
    let proof = Proof::new("a.test", "/x", 1, 50_000);
    let (held, body) = (gate.clone(), proof.clone());
    origin
        .on("/x", move |_| Reply::proof(&body).header("Cache-Control", "max-age=3600").hold(&held));
    let edge = setup(&origin).start().await;
    let (first, ()) = tokio::join!(edge.get("/x"), async {
        until("the origin is asked", async || origin.count("/x") == 1).await;
        let order = json!({"urls": ["http://a.test/x"], "mode": "hard"});
        assert_eq!(purge(&edge, order).await.0, 200);
        gate.open();
    });
    proof.check_whole(first.whole(200));
    assert!(!edge.get("/x").await.hit());
    assert!(edge.get("/x").await.hit());
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn a_purge_holds_for_the_answer_to_a_post_that_a_get_would_get() {
    let origin = Origin::start().await;
    for (path, order, kept) in [
        ("/kept", json!({"urls": ["http://a.test/other"]}), true),
        ("/purged", json!({"urls": ["http://a.test/purged"]}), false),
        ("/tagged", json!({"tags": ["t"], "mode": "hard"}), false),
    ] {
        let gate = Gate::closed();
        let inner = gate.clone();
        origin.on(path, move |seen| {
            Reply::ok("x")
                .header("Cache-Control", "max-age=60")
                .header("Surrogate-Key", "t")
                .header("Content-Location", seen.path())
                .hold(&inner)
        });
        let edge = setup(&origin).start().await;
        let mut client = edge.client().await;
        let post = client.ask("POST", "a.test", path).body(b"q");
        let (answer, ()) = tokio::join!(post.send(), async {
            until("the origin is asked", async || origin.count(path) == 1).await;
            assert_eq!(purge(&edge, order).await.0, 200);
            gate.open();
        });
        answer.whole(200);
        assert_eq!(edge.get(path).await.hit(), kept, "{path}");
    }
}

#[tokio::test]
async fn an_order_that_is_wrong_changes_nothing_and_says_what_is_wrong() {
    let origin = Origin::start().await;
    serve(&origin, "/x", 1, &[]);
    let edge = setup(&origin).start().await;
    version("/x", 1, &edge.get("/x").await);
    for (order, word) in [
        (json!({}), "one of them"),
        (json!({"urls": ["http://a.test/x"], "all": true}), "one of them"),
        (json!({"urls": ["http://a.test/x", "http://c.test/x"]}), "c.test"),
        (json!({"urls": ["/x"]}), "http://"),
        (json!({"urls": ["http://a.test/x"], "tags": ["t"]}), "one of them"),
        (json!({"prefixes": ["http://c.test/"]}), "c.test"),
        (json!({"prefixes": ["http://a.test/*"]}), "rule"),
        (json!({"prefixes": ["http://a.test"]}), "path"),
        (json!({"rules": ["http://a.test/*", "http://a.test/*.(jpg"]}), "not closed"),
        (json!({"rules": ["http://*/x"]}), "no host"),
        (json!({"hosts": ["c.test"]}), "c.test"),
        (json!({"sites": ["c"]}), "no site `c`"),
        (json!({"tags": ["t"], "host": "c.test"}), "c.test"),
        (json!({"tags": [" "]}), "empty"),
        (json!({"urls": ["http://a.test/x"], "host": "a.test"}), "host"),
        (json!({"url": "http://a.test/x"}), "unknown field"),
        (json!({"all": true, "mode": "soft!"}), "unknown variant"),
    ] {
        let (status, text) = purge(&edge, order.clone()).await;
        assert!(status == 422 && text.contains(word), "{order}: {status} {text}");
    }
    assert!(edge.get("/x").await.hit());
    let mut client = Client::connect(edge.admin).await;
    let ask = client.ask("POST", &edge.admin.to_string(), "/v1/purge");
    let answer =
        ask.header("Content-Type", "application/json").body(b"{\"all\":true}").send().await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn the_command_line_purges() {
    let origin = Origin::start().await;
    serve(&origin, "/x", 1, &[("Surrogate-Key", "t")]);
    let edge = setup(&origin).start().await;
    let config = edge.path("node.toml").display().to_string();
    for what in [
        &["--url", "http://a.test/x"][..],
        &["--tag", "t", "--host", "a.test"],
        &["--prefix", "http://a.test/"],
        &["--rule", "http://a.test/*"],
        &["--host", "a.test"],
        &["--site", "a"],
        &["--all"],
    ] {
        edge.get("/x").await.whole(200);
        assert!(edge.get("/x").await.hit());
        let arguments = [&["purge", "--hard", "-c", &config], what].concat();
        let (status, text) = command(&arguments).await;
        assert!(status.success() && text.starts_with("gone: "), "{text}");
        assert!(!edge.get("/x").await.hit());
    }
    for wrong in [
        &["--url", "http://c.test/"][..],
        &[],
        &["--all", "--soft", "--hard"],
        &["--url", "http://a.test/x", "--all"],
        &["--tag", "t", "--host", "a.test", "--host", "b.test"],
    ] {
        let (status, text) = command(&[&["purge", "-c", &config], wrong].concat()).await;
        assert!(!status.success() && !text.is_empty());
    }
}
