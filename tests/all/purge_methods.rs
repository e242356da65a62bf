//! Purging by requests to the site: what the plug-ins of content management systems send, as they send
//! it.

use crate::kit::*;

const PATHS: [&str; 5] = ["/", "/news/", "/news/one.html", "/shop/item", "/shop/item?color=red"];

/// What each has for tags, in the field of one system or another.
fn serve(origin: &Origin, field: &'static str, separator: &'static str) {
    for path in ["/", "/news/", "/news/one.html", "/shop/item"] {
        origin.on(path, move |seen| {
            let tags = match seen.path() {
                "/" => vec!["front", "node_list"],
                "/news/" => vec!["news", "node_list"],
                "/news/one.html" => vec!["news", "node:1"],
                _ => vec!["shop", "cat_p_1"],
            };
            Reply::ok(seen.path())
                .header("Cache-Control", "max-age=3600, stale-while-revalidate=60")
                .header(field, &tags.join(separator))
        });
    }
}

/// Two sites, of which the first may be purged from here, and the second with a key.
async fn edge(origin: &Origin) -> Edge {
    let own = "[purge]\nallow = [\"127.0.0.0/8\"]\n";
    let keyed = "[purge]\nkeys = [\"0123456789abcdef\"]\n";
    Edge::setup()
        .site("a", &site(&["a.test", "www.a.test", "127.0.0.1"], origin, own))
        .site("b", &site(&["b.test"], origin, keyed))
        .start()
        .await
}

/// The paths of a host that are not hits; all are afterwards.
async fn missing(edge: &Edge, host: &str) -> Vec<&'static str> {
    let (mut client, mut missing) = (edge.client().await, Vec::new());
    for path in PATHS {
        let answer = client.get(host, path).send().await;
        answer.whole(200);
        if !answer.hit() {
            missing.push(path);
        }
    }
    missing
}

const DEFAULT: &[(&str, &str)] = &[("X-Purge-Method", "default")];
const REGEX: &[(&str, &str)] = &[("X-Purge-Method", "regex")];

struct Case {
    method: &'static str,
    host: &'static str,
    target: &'static str,
    fields: &'static [(&'static str, &'static str)],
    gone: &'static [&'static str],
}

const fn case(
    method: &'static str,
    target: &'static str,
    fields: &'static [(&'static str, &'static str)],
    gone: &'static [&'static str],
) -> Case {
    Case { method, host: "a.test", target, fields, gone }
}

const NEWS: &[&str] = &["/news/", "/news/one.html"];
const LISTS: &[&str] = &["/", "/news/"];
const SHOP: &[&str] = &["/shop/item", "/shop/item?color=red"];
const NODES: &[&str] = &["/", "/news/", "/news/one.html"];
const ONE_AND_SHOP: &[&str] = &["/news/one.html", "/shop/item", "/shop/item?color=red"];
const FRONT_AND_SHOP: &[&str] = &["/", "/shop/item", "/shop/item?color=red"];
const ALL_BUT_FRONT: &[&str] = &["/news/", "/news/one.html", "/shop/item", "/shop/item?color=red"];
const COLOURED: &[&str] = &["/shop/item?color=red"];
const PLAIN: &[&str] = &["/shop/item"];

async fn play(field: &'static str, separator: &'static str, cases: &[Case]) {
    let origin = Origin::start().await;
    serve(&origin, field, separator);
    let edge = edge(&origin).await;
    for host in ["a.test", "www.a.test", "b.test"] {
        assert_eq!(missing(&edge, host).await, PATHS);
    }
    for Case { method, host, target, fields, gone } in cases {
        assert_eq!(missing(&edge, "a.test").await, [""; 0]);
        let mut client = edge.client().await;
        let ask = client.ask(method, host, target);
        let answer = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let answer = answer.send().await;
        assert_eq!(answer.status, 200, "{method} {target} {fields:?}: {}", answer.text());
        assert!(answer.text().contains("\"status\":\"ok\""), "{}", answer.text());
        assert_eq!(&missing(&edge, "a.test").await, gone, "{method} {target} {fields:?}");
        assert_eq!(missing(&edge, "b.test").await, [""; 0]);
    }
    assert_eq!(origin.seen().iter().filter(|seen| seen.method != "GET").count(), 0);
}

#[tokio::test]
async fn wordpress() {
    play(
        "Surrogate-Key",
        " ",
        &[
            // Proxy Cache Purge and WP Rocket.
            case("PURGE", "/news/one.html", DEFAULT, &["/news/one.html"]),
            case("PURGE", "/news/.*", REGEX, NEWS),
            case("PURGE", "/.*", REGEX, &PATHS),
            // W3 Total Cache.
            case("PURGE", "/shop/item?color=red", &[("Connection", "close")], COLOURED),
            case("PURGE", "/.*", &[("Connection", "close")], &PATHS),
            // Super Page Cache.
            case("PURGE", "/*", &[], &PATHS),
            case("URLPURGE", "/news/", &[], &["/news/"]),
            // Purgely, which sends its key wherever it goes.
            case("PURGE", "/news/", &[("Fastly-Key", "0123456789")], &["/news/"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn drupal() {
    let tagged = Case {
        host: "127.0.0.1",
        ..case("BAN", "/tags", &[("Cache-Tags", "node:1 node_list")], NODES)
    };
    play(
        "Cache-Tags",
        " ",
        &[
            tagged,
            case("PURGE", "/news/one.html", &[], &["/news/one.html"]),
            case("BAN", "/news/*", &[], NEWS),
            case("BAN", "/.*", &[], &PATHS),
            case("BAN", "/", &[("Cache-Tags", "node:1|shop")], ONE_AND_SHOP),
        ],
    )
    .await;
}

#[tokio::test]
async fn magento() {
    const PATTERN: &str = "X-Magento-Tags-Pattern";
    let flush = Case { host: "127.0.0.1", ..case("PURGE", "/", &[(PATTERN, ".*")], &PATHS) };
    play(
        "X-Magento-Tags",
        ",",
        &[
            case("PURGE", "/", &[(PATTERN, "((^|,)cat_p_1(,|$))|((^|,)cat_p(,|$))")], SHOP),
            case("PURGE", "/", &[(PATTERN, "((^|,)node_list(,|$))")], LISTS),
            flush,
        ],
    )
    .await;
}

#[tokio::test]
async fn symfony() {
    play(
        "X-Cache-Tags",
        ",",
        &[
            case("PURGE", "/shop/item", &[("Connection", "Close")], PLAIN),
            case(
                "BAN",
                "/",
                &[
                    ("X-Host", ".*"),
                    ("X-Url", ".*"),
                    ("X-Content-Type", ".*"),
                    ("X-Cache-Tags", r"(^|,)(node_list|node\:1)(,|$)"),
                ],
                NODES,
            ),
            case(
                "BAN",
                "/",
                &[
                    ("X-Host", "^(a.test|www.a.test)$"),
                    ("X-Url", "/news/.*"),
                    ("X-Content-Type", ".*"),
                ],
                NEWS,
            ),
            case("BAN", "/", &[("X-Host", r"^www\.a\.test$"), ("X-Url", ".*")], &[]),
            case("PURGEKEYS", "/", &[("xkey-purge", "news shop")], ALL_BUT_FRONT),
            case("PURGETAGS", "/", &[("X-Cache-Tags", "front,shop")], FRONT_AND_SHOP),
            case("PURGE", "/", &[("Clear-Cache", "true")], &PATHS),
            case("BAN", "/", &[("ApiPlatform-Ban-Regex", r"(news|shop)($|\,)")], ALL_BUT_FRONT),
            case("PURGE", "/", &[("xkey", "front")], &["/"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn soft_ones_leave_what_may_be_served_while_it_is_refreshed() {
    let origin = Origin::start().await;
    serve(&origin, "xkey", " ");
    let edge = edge(&origin).await;
    for (method, fields) in
        [("PURGE", &[("Fastly-Soft-Purge", "1")][..]), ("PURGEKEYS", &[("xkey-softpurge", "news")])]
    {
        edge.get("/news/").await.whole(200);
        until("it is fresh", async || edge.get("/news/").await.hit()).await;
        let mut client = edge.client().await;
        let ask = client.ask(method, "a.test", "/news/");
        let answer = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        answer.send().await.whole(200);
        let answer = edge.get("/news/").await;
        assert!(answer.cache_status().contains("stale"), "{}", answer.cache_status());
        assert!(!answer.has("xkey"));
    }
}

#[tokio::test]
async fn who_may_not_and_what_is_not_understood_purges_nothing() {
    let origin = Origin::start().await;
    serve(&origin, "Surrogate-Key", " ");
    origin.on("/elsewhere", |seen| Reply::ok(&seen.method));
    let limited = "[purge]\nallow = [\"127.0.0.0/8\"]\nrate = 1\n";
    let edge = Edge::setup()
        .site("a", &site(&["a.test"], &origin, "[purge]\nallow = [\"127.0.0.0/8\"]\n"))
        .site("b", &site(&["b.test"], &origin, "[purge]\nkeys = [\"0123456789abcdef\"]\n"))
        .site("c", &site(&["c.test"], &origin, ""))
        .site("d", &site(&["d.test"], &origin, limited))
        .start()
        .await;
    for host in ["a.test", "b.test"] {
        missing(&edge, host).await;
    }
    for (host, method, fields, status) in [
        ("b.test", "PURGE", &[][..], 403),
        ("b.test", "PURGE", &[("X-Purge-Key", "0123456789abcdeg")], 403),
        ("a.test", "BAN", &[("X-Cache-Tags", "(a|[b])(,|$)")], 400),
        ("a.test", "BAN", &[("X-Url", "/a.*b")], 400),
        ("a.test", "BAN", &[("X-Host", "b.test"), ("X-Url", "/")], 400),
        ("a.test", "BAN", &[("X-Content-Type", "image/png")], 400),
        ("a.test", "BAN", &[("X-Cache-Tags", "a"), ("X-Url", "/a")], 400),
    ] {
        let mut client = edge.client().await;
        let ask = client.ask(method, host, "/");
        let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let answer = ask.send().await;
        assert_eq!(answer.status, status, "{method} {fields:?}: {}", answer.text());
        assert_eq!(missing(&edge, host).await, [""; 0], "{method} {fields:?}");
    }
    for field in [("Fastly-Key", "0123456789abcdef"), ("Authorization", "Bearer 0123456789abcdef")]
    {
        let mut client = edge.client().await;
        client.ask("PURGE", "b.test", "/").header(field.0, field.1).send().await.whole(200);
        assert_eq!(missing(&edge, "b.test").await, ["/"]);
    }
    // Without the table these are methods like others.
    let mut client = edge.client().await;
    let answer = client.ask("PURGE", "c.test", "/elsewhere").send().await;
    assert!(answer.status == 405 || answer.text() == "PURGE", "{}", answer.text());
    let mut statuses = Vec::new();
    for _ in 0..15 {
        statuses.push(client.ask("PURGE", "d.test", "/").send().await.status);
    }
    assert_eq!((statuses[0], statuses[14]), (200, 429), "{statuses:?}");
}
