//! Which rules a client gets, and which origin a rule chooses.

use crate::kit::*;

fn tells(origin: &Origin, path: &str, text: &'static str) {
    origin.on(path, move |_| Reply::text(200, text).header("Cache-Control", "max-age=3600"));
}

#[tokio::test]
async fn a_rule_chooses_the_origin_and_what_each_answers_is_kept_apart() {
    let (first, blue) = (Origin::start().await, Origin::start().await);
    tells(&first, "/a", "first");
    tells(&blue, "/a", "blue");
    blue.on("/form", |seen| Reply::text(200, &format!("blue got {}", seen.body.len())));
    let rule = r#"
[[rules]]
when = 'exists(http.request.headers["x-to"])'
do = { origin = '{http.request.headers["x-to"]}' }
"#;
    let more = format!("[origins.blue]\nservers = [\"{}\"]\n{rule}", blue.url());
    let edge = Edge::with(&first, &more).await;
    for hit in [false, true] {
        let answer = edge.get_with("/a", &[("X-To", "blue")]).await;
        assert_eq!((answer.whole(200), answer.hit()), (b"blue".as_slice(), hit));
        let answer = edge.get("/a").await;
        assert_eq!((answer.whole(200), answer.hit()), (b"first".as_slice(), hit));
    }
    let mut client = edge.client().await;
    let ask = client.ask("POST", "a.test", "/form").header("X-To", "blue");
    assert_eq!(ask.body(b"1234").send().await.whole(200), b"blue got 4");
    // A name that no origin has is a rule's failure; the request goes on.
    let answer = edge.get_with("/a", &[("X-To", "green")]).await;
    assert_eq!((answer.whole(200), answer.hit()), (b"first".as_slice(), true));
    assert_eq!(edge.metric("edge_rules", "outcome=\"failed\"").await, 1.0);
    assert_eq!((first.seen().len(), blue.seen().len()), (1, 2));
    let config = edge.path("node.toml").display().to_string();
    let ask = ["explain", "http://a.test/a", "-c", &config, "-H", "X-To: green"];
    let (_, text) = command(&ask).await;
    assert!(text.contains("no origin `green`"), "{text}");
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_refused_where_it_is_named() {
    let origin = Origin::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let more =
        "[origins.blue]\nservers = [\"http://192.0.2.1\"]\n[[rules]]\ndo = { origin = \"bleu\" }\n";
    std::fs::write(&file, site(&["a.test"], &origin, more)).unwrap();
    let (status, text) = command(&["check", file.to_str().unwrap()]).await;
    assert_eq!(status.code(), Some(1));
    assert!(text.contains("a.toml:7:18"), "{text}");
    assert!(text.contains("no origin `bleu`") && text.contains("did you mean `blue`?"), "{text}");
}

const IN_TEST: &str = r#"
[release]
test_key = "not a secret, but long"
[[rules]]
name = "new"
state = "test"
testers = ["192.0.2.0/24"]
do = { rewrite = "/new", set_response_header = { X-Rule = "new" } }
[[rules]]
phase = "origin-request"
state = "test"
do = { set_request_header = { X-Rule = "new" } }
"#;

#[tokio::test]
async fn rules_in_test_act_for_testers_alone_and_leave_nothing_for_others() {
    let origin = Origin::start().await;
    for path in ["/new", "/a"] {
        origin.on(path, move |seen| {
            let rule = seen.header("x-rule").unwrap_or_default();
            let token = seen.header("brink-rules-test").unwrap_or_default();
            Reply::text(200, &format!("{path} {rule}{token}")).header("Cache-Control", "max-age=9")
        });
    }
    let edge = Edge::with(&origin, IN_TEST).await;
    let file = edge.path("sites.d/a.toml").display().to_string();
    let (status, line) = command(&["rules", "token", &file, "--for", "10m"]).await;
    assert!(status.success(), "{line}");
    let (name, token) = line.trim().split_once(": ").unwrap();
    for hit in [false, true] {
        let answer = edge.get_with("/a", &[(name, token)]).await;
        assert_eq!((answer.text().as_str(), answer.hit()), ("/new new", hit));
        assert_eq!(answer.header("x-rule"), "new");
        // The same URL as the tester's after its rewrite.
        let answer = edge.get("/new").await;
        assert_eq!((answer.text().as_str(), answer.hit()), ("/new ", hit));
    }
    let forged = token.replace('a', "b");
    let forged = if forged == token { format!("{token}0") } else { forged };
    let answer = edge.get_with("/a", &[(name, &forged)]).await;
    assert_eq!((answer.text().as_str(), answer.has("x-rule")), ("/a ", false));
    let (status, text) = command(&["rules", "token", &file, "--for", "8d"]).await;
    assert!(status.code() == Some(2) && text.contains("at most a week"), "{text}");
    let config = edge.path("node.toml").display().to_string();
    let explain = ["explain", "http://a.test/a", "-c", &config, "--client"];
    let (_, text) = command(&[&explain[..], &["192.0.2.7"]].concat()).await;
    assert!(text.contains("new matched") && text.contains("in test"), "{text}");
    let (_, text) = command(&[&explain[..], &["198.51.100.7"]].concat()).await;
    assert!(text.contains("new in test"), "{text}");
}

/// Asks for `/` as each of a hundred clients: how many have which rules.
async fn census(edge: &Edge) -> Vec<(String, usize)> {
    let mut seen = std::collections::BTreeMap::new();
    for number in 1..=100 {
        let preface = format!("PROXY TCP4 198.51.100.{number} 192.0.2.1 50000 80\r\n");
        let mut client = Client::preceded(edge.http, preface.as_bytes()).await;
        let answer = client.get("a.test", "/").send().await;
        // What the origin was asked, and what the answer was given, are of the same set.
        assert_eq!(answer.text(), format!("asked by {}", answer.header("x-set")));
        *seen.entry(answer.header("x-set")).or_insert(0) += 1;
    }
    seen.into_iter().collect()
}

fn set(name: &str, more: &str) -> String {
    format!(
        "[release]\n{more}\n[[rules]]\nphase = \"origin-request\"\ndo = {{ set_request_header = \
         {{ X-Set = \"{name}\" }} }}\n[[rules]]\ndo = {{ set_response_header = {{ X-Set = \
         \"{name}\" }} }}\n"
    )
}

#[tokio::test]
async fn a_rule_set_reaches_a_share_of_clients_and_comes_back_by_one_order() {
    let origin = Origin::start().await;
    origin.on("/", |seen| {
        let text = format!("asked by {}", seen.header("x-set").unwrap_or_default());
        Reply::text(200, &text).header("Cache-Control", "max-age=3600")
    });
    let document = |name: &str, more: &str| site(&["a.test"], &origin, &set(name, more));
    let setup = Edge::setup().site("a", &document("old", ""));
    let mut edge = setup.listen("proxy_protocol.trusted = [\"127.0.0.0/8\"]").start().await;
    assert_eq!(census(&edge).await, [("old".into(), 100)]);
    edge.write_site("a", &document("new", "percent = 30"));
    edge.reload().await;
    let shares = census(&edge).await;
    let news = shares.iter().find(|(name, _)| name == "new").map_or(0, |(_, count)| *count);
    assert!((15..=45).contains(&news) && shares.len() == 2, "{shares:?}");
    // The same clients after a restart.
    edge.stop(false).await;
    edge.go_on().await;
    assert_eq!(census(&edge).await, shares);
    let config = edge.path("node.toml").display().to_string();
    let (_, text) = command(&["rules", "sets", "a", "-c", &config]).await;
    assert!(text.contains("30 of 100 clients have"), "{text}");
    assert!(text.contains("never for all, the document's"), "{text}");
    let (status, text) = command(&["rules", "return", "a", "-c", &config]).await;
    assert!(status.success() && text.contains("was taken back"), "{text}");
    assert_eq!(census(&edge).await, [("old".into(), 100)]);
    // It stays so after a restart and after an edit that leaves the rules as they are.
    edge.write_site("a", &document("new", "percent = 90"));
    edge.restart().await;
    assert_eq!(census(&edge).await, [("old".into(), 100)]);
    let (_, text) = command(&["rules", "return", "a", "--undo", "-c", &config]).await;
    assert!(text.contains("90 of 100 clients"), "{text}");
    assert!(census(&edge).await.len() == 2);
    // By name, the other way round.
    let (_, listed) = command(&["rules", "sets", "a", "--json", "-c", &config]).await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let own = listed["document"].as_str().unwrap();
    edge.write_site("a", &document("third", &format!("percent = 0\nbefore = \"{}\"", &own[..6])));
    edge.reload().await;
    let (_, text) = command(&["purge", "--all", "--hard", "-c", &config]).await;
    assert!(text.contains("gone"), "{text}");
    assert_eq!(census(&edge).await, [("new".into(), 100)]);
    edge.write_site("a", &document("third", "percent = 0\nbefore = \"0000\""));
    let (status, text) = command(&["reload", "-c", &config]).await;
    assert!(status.code() == Some(1) && text.contains("no set `0000` of this site"), "{text}");
}
