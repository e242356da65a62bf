//! The admin API: who may do what, sites by order, and what is written down of it.

use serde_json::{Value, json};

use crate::kit::*;

/// One request to the admin listener.
pub(super) async fn send(
    edge: &Edge,
    token: &str,
    (method, target): (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut client = Client::connect(edge.admin).await;
    let ask = client
        .ask(method, &edge.admin.to_string(), target)
        .header("Authorization", &format!("Bearer {token}"));
    let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    match body {
        "" => ask.send().await,
        _ => ask.body(body.as_bytes()).send().await,
    }
}

pub(super) const JSON: (&str, &str) = ("Content-Type", "application/json");
pub(super) const TOML: (&str, &str) = ("Content-Type", "application/toml");

pub(super) fn operator(edge: &Edge) -> String {
    std::fs::read_to_string(edge.path("state/admin.token")).unwrap().trim().to_owned()
}

pub(super) fn value(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text()).unwrap_or_else(|_| panic!("{}", answer.text()))
}

pub(super) async fn token(edge: &Edge, role: &str, customer: Option<&str>) -> String {
    let order = json!({ "name": format!("a {role}"), "role": role, "customer": customer });
    let (operator, order) = (operator(edge), order.to_string());
    let made = send(edge, &operator, ("POST", "/v1/tokens"), &[JSON], &order).await;
    assert_eq!(made.status, 201, "{}", made.text());
    value(&made)["token"].as_str().unwrap().to_owned()
}

/// Two customers with a site each, and a site of nobody's.
pub(super) async fn customers(origin: &Origin) -> Edge {
    let of = |name: &str, host: &str| {
        format!(
            "customer = \"{name}\"\n{}",
            site(&[host], origin, "[images]\npresets.small = \"/fw/9\"")
        )
    };
    Edge::setup()
        .site("mine", &of("acme", "mine.test"))
        .site("secret-site", &of("rival", "secret-host.test"))
        .site("house", &site(&["house.test"], origin, ""))
        .start()
        .await
}

#[tokio::test]
async fn a_site_is_made_changed_brought_back_and_taken_away() {
    let origin = Origin::start().await;
    origin.on("/", |_| Reply::ok("hello").header("Cache-Control", "max-age=60"));
    let mut edge = Edge::before(&origin).await;
    let token = operator(&edge);
    let document = format!("# by hand\n{}", site(&["b.test"], &origin, "[cache]\ntag = 1"));

    // What will not do changes nothing, and is told with its place.
    let put = ("PUT", "/v1/sites/b");
    let refused = send(&edge, &token, put, &[TOML], &document).await;
    assert_eq!(refused.status, 422);
    let place = &value(&refused)["diagnostics"][0];
    assert_eq!((&place["file"], &place["line"]), (&json!("b.toml"), &json!(6)), "{place}");
    assert!(!edge.path("sites.d/b.toml").exists());

    let document = document.replace("[cache]\ntag = 1\n", "");
    for (dry, status) in [("?dry_run=true", 200), ("", 201)] {
        let target = format!("/v1/sites/b{dry}");
        let made = send(&edge, &token, ("PUT", &target), &[TOML], &document).await;
        assert_eq!(made.status, status, "{}", made.text());
        assert_eq!(value(&made)["created"], json!(true));
        let there = edge.client().await.get("b.test", "/").send().await.status == 200;
        assert_eq!(there, dry.is_empty());
    }
    assert_eq!(std::fs::read_to_string(edge.path("sites.d/b.toml")).unwrap(), document);

    // One change does not undo another.
    let read = send(&edge, &token, ("GET", "/v1/sites/b"), &[], "").await;
    let etag = read.header("etag").to_owned();
    assert_eq!(value(&read)["document"], json!(document));
    let closed = format!("enabled = false\n{document}");
    for (field, status) in [
        (("If-Match", "\"other\""), 412),
        (("If-None-Match", "*"), 412),
        (("If-Match", &*etag), 200),
    ] {
        let answer = send(&edge, &token, put, &[TOML, field], &closed).await;
        assert_eq!(answer.status, status, "{field:?} {}", answer.text());
    }
    assert_eq!(edge.client().await.get("b.test", "/").send().await.status, 405);

    // What others wrote is not written over.
    edge.write_site("b", &format!("# by somebody else\n{document}"));
    let drifted = send(&edge, &token, put, &[TOML], &document).await;
    assert_eq!(drifted.status, 409, "{}", drifted.text());
    let plan = value(&send(&edge, &token, ("GET", "/v1/plan"), &[], "").await);
    assert_eq!((&plan["clean"], &plan["sites"][0]["name"]), (&json!(false), &json!("b")));
    edge.write_site("b", &closed);

    // The way back, over a restart.
    edge.restart().await;
    let history = value(&send(&edge, &token, ("GET", "/v1/sites/b/history"), &[], "").await);
    let whose: Vec<_> =
        history["revisions"].as_array().unwrap().iter().map(|it| &it["who"]).collect();
    assert_eq!(whose, [&json!("admin.token"), &json!("admin.token")]);
    let diff = value(&send(&edge, &token, ("GET", "/v1/sites/b/diff"), &[], "").await);
    assert!(diff["diff"].as_str().unwrap().contains("+enabled = false"), "{diff}");
    let back = send(&edge, &token, ("POST", "/v1/sites/b/rollback"), &[JSON], "{}").await;
    assert_eq!(back.status, 200, "{}", back.text());
    assert_eq!(edge.client().await.get("b.test", "/").send().await.status, 200);
    assert_eq!(std::fs::read_to_string(edge.path("sites.d/b.toml")).unwrap(), document);

    let gone = send(&edge, &token, ("DELETE", "/v1/sites/b"), &[], "").await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_eq!(edge.client().await.get("b.test", "/").send().await.status, 400);
    assert!(!edge.path("sites.d/b.toml").exists());
}

#[tokio::test]
async fn parts_of_a_document_change_and_the_rest_stays_as_it_is_written() {
    let origin = Origin::start().await;
    origin.on("/", |_| Reply::ok("hello"));
    let edge = Edge::with(&origin, "# my comment\n[images]\nenabled = true").await;
    let token = operator(&edge);
    let preset = ("PUT", "/v1/sites/a/images/presets/small");
    let bad = send(&edge, &token, preset, &[JSON], r#"{"value": "/wf/9"}"#).await;
    assert_eq!(bad.status, 422, "{}", bad.text());
    let made = send(&edge, &token, preset, &[JSON], r#"{"value": "/fw/9"}"#).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let rules = json!({ "rules": [{ "name": "shut", "do": "deny(403)" }] });
    let ruled = ("PUT", "/v1/sites/a/rules");
    let refused = send(&edge, &token, ruled, &[JSON], &rules.to_string()).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let known = value(&send(&edge, &token, ("GET", "/v1/sites/a/rules"), &[], "").await);
    assert_eq!(known["rules"], json!([]));
    let written = std::fs::read_to_string(edge.path("sites.d/a.toml")).unwrap();
    assert!(written.contains("# my comment") && written.contains("small = \"/fw/9\""), "{written}");
    let told = value(&send(&edge, &token, ("GET", "/v1/sites/a/images/presets"), &[], "").await);
    assert_eq!(told["presets"], json!({ "small": "/fw/9" }));
    let huge = format!("{written}# {}", "x".repeat(1 << 20));
    let refused = send(&edge, &token, ("PUT", "/v1/sites/a"), &[TOML], &huge).await;
    assert!(refused.status == 422 && refused.text().contains("max_document"), "{}", refused.text());
    let small = ("DELETE", "/v1/sites/a/images/presets/small");
    for status in [200, 422] {
        assert_eq!(send(&edge, &token, small, &[], "").await.status, status);
    }
}

#[tokio::test]
async fn roles_and_the_end_of_a_token() {
    let origin = Origin::start().await;
    let edge = customers(&origin).await;
    let operator = operator(&edge);
    let purge = json!({ "hosts": ["house.test"] }).to_string();
    for (role, expected) in [
        ("read", [200, 403, 403, 403]),
        ("purge", [200, 200, 403, 403]),
        ("edit", [200, 200, 200, 403]),
    ] {
        let token = token(&edge, role, None).await;
        for ((method, target, body), status) in [
            ("GET", "/v1/sites", ""),
            ("POST", "/v1/purge", &*purge),
            ("DELETE", "/v1/sites/house?dry_run=true", ""),
            ("POST", "/v1/reload", ""),
        ]
        .into_iter()
        .zip(expected)
        {
            let answer = send(&edge, &token, (method, target), &[JSON], body).await;
            assert_eq!(answer.status, status, "{role} {target} {}", answer.text());
        }
    }
    let tokens = value(&send(&edge, &operator, ("GET", "/v1/tokens"), &[], "").await);
    let token = token(&edge, "read", Some("acme")).await;
    let id = token.split('_').nth(1).unwrap();
    assert!(!tokens.to_string().contains(&token));
    assert_eq!(send(&edge, &token, ("GET", "/v1/sites"), &[], "").await.status, 200);
    let gone = format!("/v1/tokens/{id}");
    assert_eq!(send(&edge, &operator, ("DELETE", &gone), &[], "").await.status, 200);
    assert_eq!(send(&edge, &token, ("GET", "/v1/sites"), &[], "").await.status, 401);
    let odd = json!({ "name": "x", "role": "operator", "customer": "acme" }).to_string();
    assert_eq!(send(&edge, &operator, ("POST", "/v1/tokens"), &[JSON], &odd).await.status, 422);
}

#[tokio::test]
async fn every_order_is_written_down_refused_ones_too() {
    let origin = Origin::start().await;
    let own = "[purge]\nallow = [\"127.0.0.0/8\"]\n";
    let mut edge = Edge::with(&origin, own).await;
    let (operator, reader) = (operator(&edge), token(&edge, "read", None).await);
    let purge = json!({ "tags": ["red", "blue"] }).to_string();
    send(&edge, &operator, ("POST", "/v1/purge"), &[JSON], &purge).await;
    send(&edge, &reader, ("POST", "/v1/purge"), &[JSON], &purge).await;
    send(&edge, "brink_wrong", ("POST", "/v1/purge"), &[JSON], &purge).await;
    send(&edge, &operator, ("POST", "/v1/purge"), &[JSON], r#"{"hosts": ["nobody.test"]}"#).await;
    edge.client().await.ask("PURGE", "a.test", "/x").send().await;
    edge.restart().await;
    let told = send(&edge, &operator, ("GET", "/v1/audit?verify=true"), &[], "").await;
    let told = value(&told);
    assert_eq!(told["chain"], json!({ "whole": true, "line": 6 }), "{told}");
    let lines = told["lines"].as_array().unwrap();
    let seen: Vec<_> = lines
        .iter()
        .rev()
        .map(|it| {
            (
                it["status"].as_u64().unwrap(),
                it["actor"]["name"].as_str().unwrap().split(" (").next().unwrap(),
                it["action"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (201, "admin.token", "POST /v1/tokens"),
            (200, "admin.token", "POST /v1/purge"),
            (403, "a read", "POST /v1/purge"),
            (401, "a stranger", "POST /v1/purge"),
            (422, "admin.token", "POST /v1/purge"),
            (200, "an address of the site", "PURGE a.test/x"),
        ]
    );
    assert!(lines[4]["detail"].as_str().unwrap().ends_with("2 tags: red blue"), "{}", lines[4]);
    assert!(lines[1]["detail"].as_str().unwrap().contains("nobody.test"));
    // Whoever changes a line is found out.
    let path = edge.path("state/audit/audit.log");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("red blue", "red bleu")).unwrap();
    let socket = edge.path("state/admin.sock").display().to_string();
    let (status, shown) = command(&["audit", "--verify", "--socket", &socket]).await;
    assert_eq!(status.code(), Some(1), "{shown}");
    assert!(shown.contains("BROKEN at line 2"), "{shown}");
}

#[tokio::test]
async fn an_order_that_is_sent_again_is_carried_out_once() {
    let origin = Origin::start().await;
    let edge = Edge::before(&origin).await;
    let token = operator(&edge);
    let (one, other) = (json!({ "tags": ["a"] }).to_string(), json!({ "tags": ["b"] }).to_string());
    let key = ("Idempotency-Key", "7c1e");
    let purge = ("POST", "/v1/purge");
    let first = send(&edge, &token, purge, &[JSON, key], &one).await;
    let again = send(&edge, &token, purge, &[JSON, key], &one).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(value(&first)["seq"], value(&again)["seq"]);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let plain = send(&edge, &token, purge, &[JSON], &one).await;
    assert_ne!(value(&first)["seq"], value(&plain)["seq"]);
    assert_eq!(send(&edge, &token, purge, &[JSON, key], &other).await.status, 422);
    let bad = send(&edge, &token, purge, &[JSON, ("Idempotency-Key", "")], &one).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn the_document_of_the_api_is_as_it_was_looked_at() {
    let origin = Origin::start().await;
    let edge = Edge::before(&origin).await;
    let served = value(&send(&edge, "", ("GET", "/v1/openapi.json"), &[], "").await);
    let text = format!("{served:#}\n");
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/openapi.json");
    // `KEEP=1` writes it anew, for whoever reads what `git diff` then shows.
    if std::env::var_os("KEEP").is_some() {
        std::fs::write(kept, &text).unwrap();
    }
    let expected = std::fs::read_to_string(kept).unwrap();
    assert!(
        expected == text,
        "the API differs from tests/data/openapi.json: KEEP=1 writes it anew"
    );
    assert_eq!(served["openapi"], json!("3.1.0"));
}

#[tokio::test]
async fn the_command_line_steers_a_node_by_socket_and_by_token() {
    let origin = Origin::start().await;
    origin.on("/", |_| Reply::ok("hello"));
    let edge = customers(&origin).await;
    let socket = edge.path("state/admin.sock").display().to_string();
    let run = async |words: &[&str]| {
        let words = [words, &["--socket", &socket]].concat();
        let (status, text) = command(&words).await;
        (status.code(), text)
    };
    let (code, text) = run(&["sites", "list"]).await;
    assert!(code == Some(0) && text.lines().count() == 4, "{text}");
    let file = edge.path("new.toml");
    std::fs::write(&file, site(&["new.test"], &origin, "")).unwrap();
    let file = file.display().to_string();
    let (code, text) = run(&["sites", "put", "new", &file]).await;
    assert!(code == Some(0) && text.contains("new is new"), "{text}");
    std::fs::write(&file, "hosts = 5").unwrap();
    let (code, text) = run(&["sites", "put", "new", &file]).await;
    assert!(code == Some(1) && text.contains("new.toml:1:9"), "{text}");
    let (code, text) = run(&["plan"]).await;
    assert_eq!((code, &*text), (Some(0), "a reload would change nothing\n"));
    edge.write_site("new", &site(&["newer.test"], &origin, ""));
    let (code, text) = run(&["plan"]).await;
    assert!(
        code == Some(0) && text.contains("newer.test") && text.contains("new: changed"),
        "{text}"
    );
    let (code, text) =
        run(&["token", "create", "ci", "--role", "purge", "--customer", "acme"]).await;
    assert!(code == Some(0) && text.starts_with("brink_"), "{text}");
    let (_, listed) = run(&["token", "list"]).await;
    assert!(listed.contains("acme") && !listed.contains(text.trim()), "{listed}");
    // By TCP, as the customer.
    let (admin, token) = (edge.admin.to_string(), text.trim().to_owned());
    let by_token = async |words: &[&str]| {
        let environment = [("BRINK_ADMIN", &*admin), ("BRINK_TOKEN", &*token)];
        command_with(words, &environment).await
    };
    let (status, text) = by_token(&["sites", "list"]).await;
    assert!(status.success() && text.lines().count() == 2 && text.contains("mine.test"), "{text}");
    let (status, text) = by_token(&["purge", "--host", "secret-host.test"]).await;
    assert!(!status.success() && text.contains("no site has the host"), "{text}");
    let (status, text) = by_token(&["purge", "--host", "mine.test"]).await;
    assert!(status.success(), "{text}");
}

/// How often a list of `top` says that a URL was asked for.
fn asked(top: &Value, url: &str) -> u64 {
    let mut urls = top["urls"].as_array().unwrap().iter();
    urls.find(|it| it["url"] == url).map_or(0, |it| it["requests"].as_u64().unwrap())
}

#[tokio::test]
async fn what_is_hot_and_what_ends_can_be_looked_at() {
    let origin = Origin::start().await;
    for path in ["/hot", "/cold", "/bad"] {
        let status = if path == "/bad" { 503 } else { 200 };
        let control = if path == "/bad" { "no-store" } else { "max-age=600" };
        origin.on(path, move |_| Reply::new(status).header("Cache-Control", control));
    }
    let edge = customers(&origin).await;
    let socket = edge.path("state/admin.sock").display().to_string();
    let mine = token(&edge, "read", Some("acme")).await;
    let words = ["tail", "-q", "status >= 500", "--limit", "2", "--socket", &*socket];
    let tail = async {
        let (status, text) = command(&words).await;
        assert!(status.success(), "{text}");
        text
    };
    let ask = async {
        // The first may end before anybody follows.
        for _ in 0..20 {
            for (host, path) in [("mine.test", "/hot"), ("secret-host.test", "/bad")] {
                edge.client().await.get(host, path).send().await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        // Often enough to be known still if a minute ends before the list is looked at.
        for _ in 0..4 {
            edge.client().await.get("mine.test", "/cold?token=abc").send().await;
        }
    };
    let (told, ()) = tokio::join!(tail, ask);
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines.iter().all(|it| it["status"] == 503 && it["site"] == "secret-site"), "{told}");
    let (status, text) = command(&["tail", "-q", "status >", "--socket", &socket]).await;
    assert!(!status.success() && text.contains("a value is wanted"), "{text}");

    let (_, text) = command(&["top", "--json", "--socket", &socket]).await;
    let top: Value = serde_json::from_str(&text).unwrap();
    let urls: Vec<_> =
        top["urls"].as_array().unwrap().iter().map(|it| it["url"].as_str().unwrap()).collect();
    let hottest = ["mine.test/hot", "secret-host.test/bad"];
    assert!(hottest.iter().all(|url| urls[..2].contains(url)), "{text}");
    assert!((1..=4).contains(&asked(&top, "mine.test/cold?token=***")), "{text}");
    let (_, table) = command(&["top", "--socket", &socket]).await;
    let column = table.find("url\n").unwrap();
    assert!(table.lines().any(|line| &line[column..] == "mine.test/hot"), "{table}");
    let (_, text) =
        command(&["top", "--by", "misses", "--limit", "1", "--json", "--socket", &socket]).await;
    assert!(text.contains("secret-host.test/bad") && !text.contains("/hot"), "{text}");
    // A customer looks at its own.
    let told = send(&edge, &mine, ("GET", "/v1/top"), &[], "").await;
    assert!(
        told.text().contains("mine.test/hot") && !told.text().contains("secret"),
        "{}",
        told.text()
    );
    let follow = send(&edge, &mine, ("GET", "/v1/tail?limit=1"), &[], "");
    let ask = async {
        for host in ["secret-host.test", "mine.test"].repeat(10) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            edge.client().await.get(host, "/bad").send().await;
        }
    };
    let (told, ()) = tokio::join!(follow, ask);
    assert!(
        told.text().contains("mine.test") && !told.text().contains("secret"),
        "{}",
        told.text()
    );
}
