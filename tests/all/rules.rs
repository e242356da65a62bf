//! Customers' edge rules, through the front door.

use serde_json::Value;

use crate::kit::*;

/// A site with these rules, and an origin that tells in `X-Seen` what it was asked.
async fn edge(rules: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    let edge = Edge::with(&origin, rules).await;
    (edge, origin)
}

fn page(origin: &Origin, path: &str, status: u16, text: &'static str) {
    origin.on(path, move |_| {
        Reply::text(status, text).header("Cache-Control", "max-age=3600").header("X-Origin", "yes")
    });
}

#[tokio::test]
async fn a_rule_redirects_refuses_or_answers_and_the_origin_hears_nothing() {
    let (edge, origin) = edge(
        r#"
[[rules]]
text = "$WHEN($MATCH($_URI, '^/old'))$REDIRECT(https://$_HOST/new, 301)"
[[rules]]
when = 'starts_with(http.request.uri.path, "/secret")'
do = { respond = { status = 403 } }
[[rules]]
when = 'http.request.uri.path eq "/robots.txt"'
do = { respond = { status = 200, body = "User-agent: *\nDisallow: /\n", content_type = "text/plain" } }
"#,
    )
    .await;
    let moved = edge.get("/old/x").await;
    assert_eq!((moved.status, moved.header("location").as_str()), (301, "https://a.test/new"));
    let refused = edge.get("/secret/x").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("edge rule triggered"), "{}", refused.text());
    let answered = edge.get("/robots.txt").await;
    assert_eq!(answered.whole(200), b"User-agent: *\nDisallow: /\n");
    assert_eq!(answered.header("content-type"), "text/plain");
    for answer in [moved, refused, answered] {
        assert!(answer.has("x-request-id"));
    }
    assert_eq!(origin.seen().len(), 0);
    assert_eq!(edge.metric("edge_rules", "outcome=\"answered\"").await, 3.0);
}

#[tokio::test]
async fn a_rewrite_decides_what_is_cached_and_asked_for() {
    let (edge, origin) = edge(
        r#"
[[rules]]
pattern = '^/p/(\w+)$'
text = "/pictures/$1.txt"
[[rules]]
text = "$DEL_ARG(utm)"
"#,
    )
    .await;
    page(&origin, "/pictures/one.txt", 200, "picture one");
    page(&origin, "/plain", 200, "plain");
    assert_eq!(edge.get("/p/one").await.whole(200), b"picture one");
    let again = edge.get("/pictures/one.txt").await;
    assert!(again.hit(), "{}", again.cache_status());
    assert_eq!(origin.count("/pictures/one.txt"), 1);
    assert_eq!(edge.get("/plain?utm=7&x=1").await.whole(200), b"plain");
    assert!(edge.get("/plain?x=1").await.hit());
    assert_eq!(edge.get("/plain?utm=8&x=1&utm=9").await.whole(200), b"plain");
    assert_eq!(origin.seen().iter().filter(|seen| seen.target.starts_with("/plain")).count(), 1);
}

#[tokio::test]
async fn request_fields_reach_the_origin_and_response_fields_every_answer() {
    let (edge, origin) = edge(
        r#"
[[rules]]
text = "$ADD_REQ_HEADER(X-Country, unknown)$DEL_REQ_HEADER(X-Trace)$ADD_RSP_HEADER(X-Served-By, us)$DEL_RSP_HEADER(X-Origin)"
[[rules]]
text = "$WHEN($EQ($_URI, /no))$EXIT(404)"
"#,
    )
    .await;
    page(&origin, "/a", 200, "a");
    for hit in [false, true] {
        let answer = edge.get_with("/a", &[("X-Trace", "1")]).await;
        assert_eq!((answer.whole(200), answer.hit()), (b"a".as_slice(), hit));
        assert_eq!(answer.header("x-served-by"), "us");
        assert!(!answer.has("x-origin"));
    }
    let seen = origin.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("x-country").as_deref(), Some("unknown"));
    assert_eq!(seen[0].header("x-trace"), None);
    let refused = edge.get("/no").await;
    assert_eq!((refused.status, refused.header("x-served-by").as_str()), (404, "us"));
}

#[tokio::test]
async fn rules_look_at_the_answer() {
    let (edge, origin) = edge(
        r#"
[[rules]]
phase = "response"
when = 'http.response.code eq 200 and http.response.headers["content-type"] contains "text"'
do = { set_response_header = { "X-Kind" = "text from {http.request.uri.path}" } }
[[rules]]
phase = "error"
when = 'http.response.code eq 404 and http.request.uri.path wildcard "/app/*"'
do = { respond = { status = 200, body = "the app", content_type = "text/html" } }
[[rules]]
text = "$WHEN($MATCH($_URI, '^/shop/'))$REDIRECT404(https://a.test/gone)"
"#,
    )
    .await;
    page(&origin, "/a", 200, "a");
    page(&origin, "/app/route", 404, "not here");
    page(&origin, "/shop/x", 404, "sold");
    page(&origin, "/other", 404, "no");
    for hit in [false, true] {
        let answer = edge.get("/a").await;
        assert_eq!((answer.hit(), answer.header("x-kind").as_str()), (hit, "text from /a"));
    }
    assert_eq!(edge.get("/app/route").await.whole(200), b"the app");
    let gone = edge.get("/shop/x").await;
    assert_eq!((gone.status, gone.header("location").as_str()), (302, "https://a.test/gone"));
    assert_eq!(edge.get("/other").await.whole(404), b"no");
}

#[tokio::test]
async fn a_rule_that_fails_refuses_nobody_and_is_counted_and_explained() {
    let (edge, origin) = edge(
        r#"
[[rules]]
name = "needs a cookie"
text = "$ADD_REQ_HEADER(X-Cookie, $_COOKIE_id)"
[[rules]]
name = "short"
text = "$WHEN($MATCH($_URI, '^/s/'))/a"
[[rules]]
name = "only for testers"
state = "test"
testers = ["192.0.2.7"]
text = "$EXIT(403)"
"#,
    )
    .await;
    page(&origin, "/a", 200, "a");
    assert_eq!(edge.get("/s/x").await.whole(200), b"a");
    assert_eq!(edge.metric("edge_rules", "outcome=\"failed\"").await, 1.0);
    let config = edge.path("node.toml").display().to_string();
    let ask = async |client: &str| {
        let asked = ["explain", "http://a.test/s/x", "--json", "-c", &config, "--client", client];
        let (_, text) = command(&asked).await;
        serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{text}"))
    };
    let told = ask("127.0.0.1").await;
    let rule = |at: usize, key: &str| told["rules"][at][key].as_str().unwrap_or_default();
    assert_eq!(rule(0, "fate"), "failed (missing_value in $ADD_REQ_HEADER)", "{told}");
    assert_eq!((rule(1, "name"), rule(1, "fate")), ("short", "matched"));
    assert_eq!(rule(2, "fate"), "in test");
    assert_eq!((told["target"].as_str(), told["reason"].as_str()), (Some("/a"), Some("fresh")));
    assert_eq!(ask("192.0.2.7").await["refused"]["code"], "40310999");
}

#[tokio::test]
async fn a_bad_set_changes_nothing_and_says_where() {
    let (edge, origin) = edge("[[rules]]\ntext = \"$ADD_RSP_HEADER(X-Set, one)\"\n").await;
    page(&origin, "/a", 200, "a");
    let bad = "[[rules]]\nwhen = 'http.hots eq \"x\"'\ndo = { respond = { status = 403 } }\n";
    edge.write_site("a", &site(&["a.test"], &origin, bad));
    edge.reload().await;
    assert_eq!(edge.get("/a").await.header("x-set"), "one");
    let log = edge.log();
    assert!(log.contains("did you mean `http.host`"), "{log}");
    let good = "[[rules]]\ntext = \"$ADD_RSP_HEADER(X-Set, two)\"\n";
    edge.write_site("a", &site(&["a.test"], &origin, good));
    edge.reload().await;
    let answer = edge.get("/a").await;
    assert_eq!((answer.header("x-set").as_str(), answer.hit()), ("two", true));
}

#[tokio::test]
async fn rules_decide_how_long_under_which_key_and_with_which_tags_something_is_kept() {
    let (edge, origin) = edge(
        r#"
[[rules]]
when = 'starts_with(http.request.uri.path, "/long")'
do = { cache = { ttl = "1h", tags = ["long"] } }
[[rules]]
when = 'starts_with(http.request.uri.path, "/device")'
do = { cache = { key = '{http.request.headers["x-device"]}' } }
[[rules]]
when = 'exists(http.request.cookies["user"])'
do = { cache = { bypass = true } }
[[rules]]
phase = "cache"
when = 'http.response.headers["x-keep"] eq "yes"'
do = { cache = { ttl = "2h", tags = ["kept"] }, set_response_header = { "X-Kept" = "two hours" } }
"#,
    )
    .await;
    for path in ["/long", "/device", "/kept", "/plain"] {
        origin.on(path, move |seen| {
            let device = seen.header("x-device").unwrap_or_default();
            Reply::text(200, &format!("{path} for {device}"))
                .header("Cache-Control", "max-age=0")
                .header("X-Keep", if path == "/kept" { "yes" } else { "no" })
        });
    }
    for hit in [false, true] {
        let answer = edge.get("/long").await;
        assert_eq!((answer.whole(200), answer.hit()), (b"/long for ".as_slice(), hit));
        let kept = edge.get("/kept").await;
        assert_eq!((kept.hit(), kept.header("x-kept").as_str()), (hit, "two hours"));
        assert!(!edge.get("/plain").await.hit());
        for device in ["phone", "desk"] {
            let answer = edge.get_with("/device", &[("X-Device", device)]).await;
            assert_eq!(answer.text(), format!("/device for {device}"));
        }
    }
    assert!(
        edge.get_with("/long", &[("Cookie", "user=1")]).await.cache_status().contains("bypass")
    );
    let config = edge.path("node.toml").display().to_string();
    for tag in ["long", "kept"] {
        let (status, text) = command(&["purge", "--tag", tag, "--hard", "-c", &config]).await;
        assert!(status.success(), "{text}");
    }
    assert!(!edge.get("/long").await.hit());
    assert!(!edge.get("/kept").await.hit());
}

#[tokio::test]
async fn rules_change_what_goes_to_the_origin_and_by_which_method() {
    let (edge, origin) = edge(
        r#"
[[rules]]
phase = "origin-request"
do = { set_request_header = { "X-Token" = "secret {http.host}" }, rewrite = "/bucket{http.request.uri.path}" }
[[rules]]
text = "$WHEN($EQ($_URI, /ask))$SET_METHOD(POST)"
"#,
    )
    .await;
    page(&origin, "/bucket/a", 200, "a");
    page(&origin, "/bucket/ask", 200, "asked");
    let config = edge.path("node.toml").display().to_string();
    let (_, text) = command(&["explain", "http://a.test/a", "-c", &config]).await;
    assert!(text.contains("rule     1 matched on origin-request: set_request"), "{text}");
    for hit in [false, true] {
        let answer = edge.get("/a?x=1").await;
        assert_eq!((answer.whole(200), answer.hit()), (b"a".as_slice(), hit));
    }
    assert_eq!(edge.get("/ask").await.whole(200), b"asked");
    let seen = origin.seen();
    assert_eq!((seen.len(), seen[0].target.as_str()), (2, "/bucket/a?x=1"));
    assert_eq!(seen[0].header("x-token").as_deref(), Some("secret a.test"));
    assert_eq!(seen[1].method, "POST");
}

#[tokio::test]
async fn rules_see_the_start_of_a_body_and_may_send_another() {
    let (edge, origin) = edge(
        r#"
[[rules]]
when = 'http.request.body.form["name"] eq "evil"'
do = { respond = { status = 403 } }
[[rules]]
text = "$WHEN($EQ($_URI, /set))$SET_BODY('name=other')"
"#,
    )
    .await;
    for path in ["/form", "/set"] {
        origin.on(path, |seen| Reply::text(200, &String::from_utf8_lossy(&seen.body)));
    }
    let post = async |path: &str, body: &[u8]| {
        let mut client = edge.client().await;
        let ask = client.ask("POST", "a.test", path);
        ask.header("Content-Type", "application/x-www-form-urlencoded").body(body).send().await
    };
    assert_eq!(post("/form", b"name=evil&x=1").await.status, 403);
    assert_eq!(post("/form", b"name=good").await.whole(200), b"name=good");
    let mut long = b"name=long&text=".to_vec();
    long.resize(300_000, b'x');
    assert_eq!(post("/form", &long).await.whole(200), long);
    assert_eq!(post("/set", &long).await.whole(200), b"name=other");
    assert_eq!(origin.seen().len(), 3);
}

#[tokio::test]
async fn a_paced_response_takes_its_time() {
    let (edge, origin) =
        edge("[[rules]]\ntext = \"$LIMIT_RATE_AFTER(20, k)$LIMIT_RATE(100, k)\"\n").await;
    let proof = Proof::new("a.test", "/slow", 1, 220 << 10);
    origin.serves("/slow", "max-age=60", &proof);
    for hit in [false, true] {
        let begun = std::time::Instant::now();
        let answer = edge.get("/slow").await;
        proof.check_whole(answer.whole(200));
        // 200 KiB at 100 KiB/s, less the burst of a quarter of a second.
        assert!(answer.hit() == hit && begun.elapsed().as_millis() > 1700, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn rules_know_the_country_of_a_client() {
    let origin = Origin::start().await;
    page(&origin, "/a", 200, "a");
    let rules =
        "[[rules]]\nwhen = 'ip.src.country in {\"CN\"}'\ndo = { respond = { status = 451 } }\n";
    let database = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/geo/country.mmdb");
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, rules));
    let edge = setup.node(&format!("[geo]\ncountry = {database:?}\n")).start().await;
    assert_eq!(edge.get("/a").await.whole(200), b"a");
    let config = edge.path("node.toml").display().to_string();
    let ask = ["explain", "http://a.test/a", "-c", &config, "--client", "192.0.2.7"];
    let (_, text) = command(&ask).await;
    assert!(text.contains("refused  451 (45110999)"), "{text}");
}

/// Runs `brink rules` in the project's folder.
async fn tool(arguments: &[&str]) -> (i32, String) {
    let (status, text) = command(&[&["rules"], arguments].concat()).await;
    (status.code().unwrap(), text)
}

#[tokio::test]
async fn the_cook_book_passes_its_tests_and_no_rule_is_left_out() {
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/edge-rules/examples");
    let (code, text) = tool(&["test", "--strict", book]).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(" 0 failed, 0 rules are matched by none"), "{text}");
}

#[tokio::test]
async fn rules_are_checked_tried_out_laid_out_and_converted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[[rules]]\nwhen = 'http.hots eq \"x\"'\ndo = { respond = 403 }\n")
        .unwrap();
    let (code, text) = tool(&["check", path]).await;
    assert_eq!(code, 1);
    assert!(text.contains("a.toml:2:9") && text.contains("did you mean `http.host`"), "{text}");
    let rule = "[[rules]]\nname='old'\nwhen = 'http.request.uri.path eq \"/old\"'\ndo = { redirect = { to = \"/new\", status = 301 } }\n";
    std::fs::write(&file, rule).unwrap();
    assert_eq!(tool(&["check", path]).await.0, 0);
    let (code, text) = tool(&["run", path, "http://a.test/old"]).await;
    assert!(code == 0 && text.contains("rule old answered"), "{text}");
    assert!(text.contains("redirect 301 /new"), "{text}");
    assert_eq!(tool(&["fmt", "--check", path]).await.0, 1);
    assert_eq!(tool(&["fmt", path]).await.0, 0);
    assert_eq!(tool(&["fmt", "--check", path]).await.0, 0);
    let (code, text) = tool(&["convert", "--to", "$", path]).await;
    assert!(code == 0 && text.contains("$REDIRECT(/new, 301)"), "{text}");
}
