//! A site's own pages in place of errors.

use crate::kit::*;

/// An origin with a page at `/errors/PAGE.html` for each of these, and a site with these tables.
async fn edge(pages: &[&str], more: &str) -> (Edge, Origin) {
    let origin = Origin::start().await;
    for page in pages {
        let text = format!("<h1>{page}</h1>");
        origin.on(&format!("/errors/{page}.html"), move |_| html(&text).header("ETag", "\"p\""));
    }
    let edge = Edge::with(&origin, more).await;
    (edge, origin)
}

fn html(text: &str) -> Reply {
    Reply::new(200)
        .header("Content-Type", "text/html; charset=utf-8")
        .bytes(text.as_bytes().to_vec())
}

fn status(origin: &Origin, path: &str, status: u16, cache_control: &'static str) {
    origin.on(path, move |_| {
        let reply = Reply::text(status, "the origin's own words");
        reply.header("Cache-Control", cache_control).header("Retry-After", "9")
    });
}

async fn ask(edge: &Edge, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
    let mut client = edge.client().await;
    let ask = client.ask(method, "a.test", target);
    fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send().await
}

#[tokio::test]
async fn a_closed_site_shows_its_page_with_the_status_of_the_error() {
    // The keys of the document's root come first.
    let origin = Origin::start().await;
    origin.on("/errors/closed.html", |_| html("<h1>closed</h1>").header("ETag", "\"p\""));
    let text = format!(
        "enabled = false\n{}",
        site(
            &["a.test"],
            &origin,
            "[pages]\nclosed = \"/errors/closed.html\"\n[respond]\nerrors = \"json\""
        )
    );
    let setup = Edge::setup().site("a", &text);
    let plain =
        format!("enabled = false\n{}", site(&["b.test"], &origin, "[respond]\nerrors = \"json\""));
    let edge = setup.site("b", &plain).start().await;
    for _ in 0..20 {
        let answer = edge.get("/anything?x=1").await;
        assert_eq!(answer.whole(405), b"<h1>closed</h1>");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-error-code"), "40510001");
        assert!(answer.has("x-request-id") && !answer.has("etag") && !answer.hit());
    }
    // A page is no representation of what was asked for: no condition and no range is about it.
    for field in [("If-None-Match", "\"p\""), ("If-None-Match", "*"), ("Range", "bytes=0-3")] {
        assert_eq!(ask(&edge, "GET", "/x", &[field]).await.whole(405), b"<h1>closed</h1>");
    }
    let head = ask(&edge, "HEAD", "/x", &[]).await;
    assert_eq!((head.whole(405), head.header("content-length").as_str()), (&b""[..], "15"));
    assert_eq!(ask(&edge, "PUT", "/x", &[]).await.whole(405), b"<h1>closed</h1>");
    let other = edge.client().await.get("b.test", "/x").send().await;
    assert!(other.status == 405 && other.text().contains("40510001"), "{}", other.text());
    assert_eq!((origin.count("/errors/closed.html"), origin.seen().len()), (1, 1));
    assert_eq!(origin.seen()[0].header("host").as_deref(), Some("a.test"));
    // It is an object like any other: what is purged is not shown again.
    origin.on("/errors/closed.html", |_| html("<h1>back soon</h1>"));
    let config = edge.path("node.toml").display().to_string();
    let url = "http://a.test/errors/closed.html";
    let (status, text) = command(&["purge", "--hard", "--url", url, "-c", &config]).await;
    assert!(status.success(), "{text}");
    assert_eq!(edge.get("/x").await.whole(405), b"<h1>back soon</h1>");
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn refusals_of_rules_have_pages_and_words_of_their_own_stay() {
    let (edge, origin) = edge(
        &["403", "404"],
        r#"
[pages]
rules = { 403 = "/errors/403.html", 404 = "/errors/404.html" }
[[rules]]
when = 'starts_with(http.request.uri.path, "/errors") or http.request.uri.path eq "/no"'
do = { respond = { status = 403 } }
[[rules]]
when = 'http.request.uri.path eq "/gone"'
do = { respond = { status = 410 } }
[[rules]]
when = 'http.request.uri.path eq "/words"'
do = { respond = { status = 404, body = "my words", content_type = "text/plain" } }
[[rules]]
phase = "response"
when = 'http.request.uri.path eq "/late"'
do = { respond = { status = 404 } }
[[rules]]
text = "$ADD_RSP_HEADER(X-Served-By, us)"
"#,
    )
    .await;
    origin.on("/late", |_| Reply::ok("late"));
    let refused = edge.get("/no").await;
    assert_eq!(refused.whole(403), b"<h1>403</h1>");
    // The rule that refuses the page itself does not keep it from those that it is for.
    assert_eq!(edge.get("/errors/403.html").await.whole(403), b"<h1>403</h1>");
    let late = edge.get("/late").await;
    assert_eq!(late.whole(404), b"<h1>404</h1>");
    assert_eq!(edge.get("/words").await.whole(404), b"my words");
    let gone = edge.get("/gone").await;
    assert!(gone.status == 410 && gone.text().contains("edge rule triggered"));
    assert_eq!((origin.count("/errors/403.html"), origin.count("/errors/404.html")), (1, 1));
}

#[tokio::test]
async fn what_was_fetched_without_all_rules_is_nobody_elses() {
    let (edge, origin) = edge(
        &[],
        r#"
[pages]
rules = { 403 = "/errors/403.html" }
[[rules]]
do = { set_request_header = { X-Member = "yes" } }
[[rules]]
when = 'http.request.uri.path eq "/no"'
do = { respond = { status = 403 } }
[[rules]]
phase = "origin-request"
do = { rewrite = "/bucket{http.request.uri.path}" }
"#,
    )
    .await;
    origin.on("/bucket/errors/403.html", |seen| {
        let text = if seen.header("x-member").is_some() { "for members" } else { "for all" };
        html(text).header("Cache-Control", "max-age=900")
    });
    assert_eq!(edge.get("/no").await.whole(403), b"for all");
    assert_eq!(edge.get("/errors/403.html").await.whole(200), b"for members");
    assert_eq!(edge.get("/no").await.whole(403), b"for all");
    assert_eq!((origin.count("/bucket/errors/403.html"), origin.seen().len()), (2, 2));
    // A purge of the URL is for both.
    let config = edge.path("node.toml").display().to_string();
    let order = ["purge", "--hard", "--url", "http://a.test/errors/403.html", "-c", &config];
    let (status, text) = command(&order).await;
    assert!(status.success(), "{text}");
    edge.get("/no").await.whole(403);
    edge.get("/errors/403.html").await.whole(200);
    assert_eq!(origin.count("/bucket/errors/403.html"), 4);
}

#[tokio::test]
async fn an_origin_that_is_gone_has_the_page_that_it_gave_while_it_was_well() {
    let (edge, mut origin) = edge(
        &["down"],
        "[pages]\nunreachable = \"/errors/down.html\"\n[cache]\nstale_if_error = \"0s\"",
    )
    .await;
    status(&origin, "/x", 200, "no-store");
    edge.get("/x").await.whole(200);
    until("the page is fetched ahead", async || origin.count("/errors/down.html") == 1).await;
    for _ in 0..20 {
        edge.get("/x").await.whole(200);
    }
    assert_eq!(origin.count("/errors/down.html"), 1);
    until("the page is stored", async || edge.get("/errors/down.html").await.hit()).await;
    origin.kill().await;
    for _ in 0..20 {
        let answer = edge.get("/x").await;
        assert_eq!(answer.whole(503), b"<h1>down</h1>");
        assert!(answer.has("proxy-status") && !answer.hit());
    }
    let head = ask(&edge, "HEAD", "/x", &[]).await;
    assert_eq!((head.whole(503), head.header("content-length").as_str()), (&b""[..], "13"));
}

#[tokio::test]
async fn without_its_page_an_answer_is_what_it_always_was() {
    let (edge, mut origin) = edge(
        &[],
        "[pages]\nunreachable = \"/errors/down.html\"\norigin = { 404 = \"/errors/404.html\" }",
    )
    .await;
    status(&origin, "/missing", 404, "no-store");
    for _ in 0..5 {
        assert_eq!(edge.get("/missing").await.whole(404), b"the origin's own words");
    }
    // The page was asked for and is not there; it is not asked for again at once.
    assert_eq!(origin.count("/errors/404.html"), 1);
    origin.kill().await;
    let answer = edge.get("/x").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("<!doctype html>") || answer.text().contains("<html"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn an_origins_error_sends_clients_to_the_page() {
    let (edge, origin) = edge(
        &["404", "busy"],
        "[pages.origin]\n404 = \"/errors/404.html\"\n503 = \"/errors/busy.html\"",
    )
    .await;
    status(&origin, "/stored", 404, "max-age=900");
    status(&origin, "/passed", 404, "no-store");
    status(&origin, "/busy", 503, "no-store");
    status(&origin, "/teapot", 418, "no-store");
    for (hit, path) in
        [(false, "/stored"), (true, "/stored"), (false, "/passed"), (false, "/passed")]
    {
        let answer = edge.get(path).await;
        assert_eq!((answer.whole(302), answer.hit()), (&b""[..], hit), "{}", answer.cache_status());
        assert_eq!(answer.header("location"), "/errors/404.html");
        assert_eq!(answer.header("cache-control"), "no-store");
        for name in ["retry-after", "age", "content-type", "etag"] {
            assert!(!answer.has(name), "{name} in {:?}", answer.head);
        }
    }
    assert!(edge.get("/passed").await.cache_status().contains("fwd-status=404"));
    let page = edge.get("/errors/404.html").await;
    assert_eq!((page.whole(200), page.hit()), (&b"<h1>404</h1>"[..], true));
    assert_eq!(origin.count("/errors/404.html"), 1);
    for (method, expected) in [("HEAD", 302), ("POST", 302), ("PUT", 404), ("DELETE", 404)] {
        assert_eq!(ask(&edge, method, "/passed", &[]).await.status, expected, "{method}");
    }
    let conditional = ask(&edge, "GET", "/stored", &[("If-None-Match", "*")]).await;
    assert_eq!(conditional.status, 302);
    assert_eq!(edge.get("/teapot").await.whole(418), b"the origin's own words");
    until("a page of a failing origin comes behind an answer", async || {
        edge.get("/busy").await.status == 302
    })
    .await;
    assert_eq!(origin.count("/errors/busy.html"), 1);
}

#[tokio::test]
async fn nobody_is_sent_from_page_to_page() {
    let (edge, origin) =
        edge(&["404"], "[pages.origin]\n404 = \"/errors/404.html\"\n503 = \"/errors/503.html\"")
            .await;
    assert_eq!(edge.get("/missing").await.status, 302);
    // Then the pages themselves are errors, each the other's.
    status(&origin, "/errors/404.html", 503, "no-store");
    status(&origin, "/errors/503.html", 404, "no-store");
    for path in ["/errors/404.html?fresh", "/errors/503.html"] {
        let answer = edge.get(path).await;
        assert!(matches!(answer.status, 404 | 503), "{path}: {}", answer.status);
        assert_eq!(answer.text(), "the origin's own words");
    }
}

#[tokio::test]
async fn the_pages_of_a_failing_origin_do_not_add_to_its_load() {
    let (edge, origin) =
        edge(&[], "[pages.origin]\n503 = \"/errors/busy.html\"\n[cache]\nstale_if_error = \"0s\"")
            .await;
    status(&origin, "/x", 503, "no-store");
    status(&origin, "/errors/busy.html", 503, "no-store");
    let asking = (0..60).map(|_| edge.get("/x"));
    for answer in futures_util::future::join_all(asking).await {
        assert_eq!(answer.whole(503), b"the origin's own words");
    }
    assert!(origin.count("/errors/busy.html") <= 1, "{}", origin.count("/errors/busy.html"));
    // Errors that are passed on do not cost a connection each.
    let before = origin.connections();
    status(&origin, "/errors/busy.html", 200, "max-age=900");
    let mut client = edge.client().await;
    for _ in 0..30 {
        client.get("a.test", "/x").send().await;
    }
    assert!(origin.connections() - before <= 10, "{} more", origin.connections() - before);
}

#[tokio::test]
async fn who_asks_for_a_picture_is_sent_to_the_picture_for_that_if_it_is_small() {
    let (edge, origin) = edge(
        &["404"],
        r#"
[pages]
origin = { 404 = "/errors/404.html" }
images = { 403 = "/errors/403.png", 404 = "/errors/404.png", 405 = "/errors/405.png" }
[[rules]]
when = 'starts_with(http.request.uri.path, "/mine/")'
do = { respond = { status = 403 } }
"#,
    )
    .await;
    let picture = |size: usize| {
        move |_: &_| Reply::new(200).header("Content-Type", "image/png").bytes(vec![7; size])
    };
    origin.on("/errors/403.png", picture(30 << 10));
    origin.on("/errors/405.png", picture((30 << 10) + 1));
    status(&origin, "/a.jpg", 404, "no-store");
    status(&origin, "/b.jpg", 405, "no-store");
    status(&origin, "/c.jpg", 403, "no-store");
    let image = [("Accept", "image/avif,image/webp,*/*;q=0.8")];
    let page = [("Accept", "text/html,*/*;q=0.8")];
    for (path, fields, expected, location) in [
        ("/mine/x", image, 302, "/errors/403.png"),
        ("/mine/x", page, 403, ""),
        ("/c.jpg", image, 302, "/errors/403.png"),
        // The page wins.
        ("/a.jpg", image, 302, "/errors/404.html"),
        // The picture is too large.
        ("/b.jpg", image, 405, ""),
        ("/c.jpg", page, 403, ""),
    ] {
        let answer = ask(&edge, "GET", path, &fields).await;
        assert_eq!(
            (answer.status, answer.header("location").as_str()),
            (expected, location),
            "{path}"
        );
    }
    let answer = ask(&edge, "GET", "/mine/x", &image).await;
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn explain_says_which_page() {
    let (edge, origin) = edge(
        &["404"],
        r#"
[pages]
rules = { 403 = "/errors/403.html" }
origin = { 404 = "/errors/404.html" }
[[rules]]
when = 'http.request.uri.path eq "/no"'
do = { respond = { status = 403 } }
"#,
    )
    .await;
    status(&origin, "/missing", 404, "max-age=900");
    edge.get("/missing").await;
    let config = edge.path("node.toml").display().to_string();
    for (url, expected) in [
        ("http://a.test/no", "page     /errors/403.html in place of the error, with its status"),
        ("http://a.test/missing", "page     /errors/404.html by a 302"),
    ] {
        let (_, text) = command(&["explain", url, "-c", &config]).await;
        assert!(text.contains(expected), "{text}");
    }
}
