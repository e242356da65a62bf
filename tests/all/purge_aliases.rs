//! Purges in the shapes of other networks' APIs, as the plug-ins and libraries written for those send
//! them (Purgely, Magento's and Drupal's modules for Fastly, go-fastly; the WordPress and Drupal plug-ins
//! for Cloudflare, W3 Total Cache; UPYUN's own libraries).

use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::kit::*;

const PATHS: [&str; 4] = ["/", "/news/one", "/news/two?page=2", "/shop/a"];

fn serve(origin: &Origin) {
    for path in ["/", "/news/one", "/news/two", "/shop/a"] {
        origin.on(path, move |seen| {
            let tags = match seen.path() {
                "/" => "front all-posts",
                "/news/one" => "p-12 all-posts",
                "/news/two" => "p-13 all-posts",
                _ => "a+b/c",
            };
            Reply::ok(seen.path())
                .header("Cache-Control", "max-age=3600, stale-while-revalidate=60")
                .header("Surrogate-Key", tags)
        });
    }
}

/// The paths that are no hits; all are afterwards.
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

async fn edge(origin: &Origin) -> (Edge, String) {
    serve(origin);
    let edge = Edge::setup()
        .site("a", &format!("customer = \"acme\"\n{}", site(&["a.test", "www.a.test"], origin, "")))
        .site("b", &site(&["b.test"], origin, ""))
        .start()
        .await;
    let token = std::fs::read_to_string(edge.path("state/admin.token")).unwrap();
    let mut client = Client::connect(edge.admin).await;
    let made = client
        .ask("POST", &edge.admin.to_string(), "/v1/tokens")
        .header("Authorization", &format!("Bearer {}", token.trim()))
        .header("Content-Type", "application/json")
        .body(br#"{"name": "cms", "role": "purge", "customer": "acme"}"#)
        .send()
        .await;
    let made: Value = serde_json::from_str(&made.text()).unwrap();
    missing(&edge, "a.test").await;
    missing(&edge, "b.test").await;
    (edge, made["token"].as_str().unwrap().to_owned())
}

async fn send(
    edge: &Edge,
    (method, target): (&str, &str),
    fields: &[(&str, &str)],
    body: &[u8],
) -> (u16, Value) {
    let mut client = Client::connect(edge.admin).await;
    let ask = client.ask(method, &edge.admin.to_string(), target);
    let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    let answer = ask.body(body).send().await;
    let text = answer.text();
    (answer.status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{target}: {text}")))
}

#[tokio::test]
async fn as_clients_of_fastly_send_them() {
    let origin = Origin::start().await;
    let (edge, token) = edge(&origin).await;
    let key = ("Fastly-Key", &*token);
    let no_kind = b"{\"surrogate_keys\":[\"p-12\",\"p-13\"]}";
    let all = &PATHS[..];
    for (target, fields, body, gone) in [
        // Purgely before every purge, then the purge.
        (
            "POST /service/a/purge",
            vec![key, ("Surrogate-Key", "p-12 t-3 front")],
            &b""[..],
            &["/", "/news/one"][..],
        ),
        ("POST /service/a/purge_all", vec![key, ("Fastly-Soft-Purge", "1")], b"", all),
        // Magento, which names no media type, and the slash of others.
        ("POST /service/a/purge", vec![key], no_kind, &["/news/one", "/news/two?page=2"]),
        ("POST /service/a/purge/", vec![key, ("Surrogate-Key", "front")], b"", &["/"]),
        // go-fastly, its keys escaped and not.
        ("POST /service/a/purge/a%2Bb%2Fc", vec![key], b"", &["/shop/a"]),
        ("POST /service/a/purge/a+b/c", vec![key], b"", &["/shop/a"]),
        ("POST /purge/https://a.test/news/two?page=2", vec![key], b"", &["/news/two?page=2"]),
        ("POST /purge/a.test/news/one", vec![key, ("fastly-soft-purge", "0")], b"", &["/news/one"]),
    ] {
        let (method, target) = target.split_once(' ').unwrap();
        let (status, answer) = send(&edge, (method, target), &fields, body).await;
        assert_eq!(status, 200, "{target} {answer}");
        match (target.trim_end_matches('/'), body) {
            ("/service/a/purge", b"") => assert!(answer["front"].as_str().is_some(), "{answer}"),
            ("/service/a/purge", _) => assert!(answer["p-13"].as_str().is_some(), "{answer}"),
            _ => assert_eq!(answer["status"], "ok", "{answer}"),
        }
        assert_eq!(missing(&edge, "a.test").await, gone, "{target}");
        assert_eq!(missing(&edge, "b.test").await, [""; 0], "{target}");
    }
    // Soft: it is served once more, and asked for again behind that.
    let soft = [key, ("Fastly-Soft-Purge", "1"), ("Surrogate-Key", "front")];
    assert_eq!(send(&edge, ("POST", "/service/a/purge"), &soft, b"").await.0, 200);
    let answer = edge.get("/").await;
    assert!(answer.header("cache-status").contains("hit"), "{:?}", answer.head);
    // What they ask before, and what they must not get.
    for (target, pointer, expected) in [
        ("/service/a", "/name", json!("a")),
        ("/service", "/0/id", json!("a")),
        ("/service/a/version", "/0/active", json!(true)),
        ("/tokens/self", "/services", json!([])),
    ] {
        let (status, answer) = send(&edge, ("GET", target), &[key], b"").await;
        assert_eq!((status, answer.pointer(pointer)), (200, Some(&expected)), "{target} {answer}");
    }
    for (target, fields, status) in [
        ("POST /service/b/purge_all", vec![key], 422),
        ("GET /service/b", vec![key], 404),
        ("POST /purge/b.test/", vec![key], 422),
        ("POST /service/a/purge", vec![key], 400),
        ("POST /service/a/purge_all", vec![("Fastly-Key", "wrong")], 401),
    ] {
        let (method, target) = target.split_once(' ').unwrap();
        let (seen, answer) = send(&edge, (method, target), &fields, b"").await;
        assert_eq!(seen, status, "{target} {answer}");
        assert!(answer["msg"].as_str().is_some(), "{target} {answer}");
    }
    assert_eq!(missing(&edge, "b.test").await, [""; 0]);
}

#[tokio::test]
async fn as_clients_of_cloudflare_send_them() {
    let origin = Origin::start().await;
    let (edge, token) = edge(&origin).await;
    let bearer = format!("Bearer {token}");
    let (bearer, old) = (("Authorization", &*bearer), ("X-Auth-Key", &*token));
    let purge = "/client/v4/zones/a/purge_cache";
    for (method, shown, body, gone) in [
        ("DELETE", old, json!({ "purge_everything": true }), &PATHS[..]),
        ("POST", bearer, json!({ "purge_everything": true }), &PATHS[..]),
        (
            "DELETE",
            old,
            json!({ "files": ["https://a.test/news/one"], "per_page": 50 }),
            &["/news/one"],
        ),
        (
            "POST",
            bearer,
            json!({ "files": [{ "url": "http://a.test/", "headers": { "CF-IPCountry": "US" } }] }),
            &["/"],
        ),
        ("POST", bearer, json!({ "tags": ["p-12", "p-13"] }), &["/news/one", "/news/two?page=2"]),
        ("POST", bearer, json!({ "hosts": ["a.test"] }), &PATHS[..]),
        (
            "POST",
            bearer,
            json!({ "prefixes": ["a.test/news/"] }),
            &["/news/one", "/news/two?page=2"],
        ),
    ] {
        let fields = [shown, ("Content-Type", "application/json")];
        let (status, answer) =
            send(&edge, (method, purge), &fields, body.to_string().as_bytes()).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)), "{body} {answer}");
        assert_eq!(answer["result"]["id"], "a");
        assert_eq!(missing(&edge, "a.test").await, gone, "{body}");
        assert_eq!(missing(&edge, "b.test").await, [""; 0], "{body}");
    }
    for (target, pointer, expected) in [
        ("/client/v4/zones/", "/result/0/id", json!("a")),
        ("/client/v4/zones?name=a.test&status=active", "/result/0/name", json!("a.test")),
        ("/client/v4/zones?name=b.test", "/result", json!([])),
        ("/client/v4/zones/a", "/result/status", json!("active")),
        ("/client/v4/zones/a/pagerules?status=active", "/result", json!([])),
        ("/client/v4/zones/a/settings/always_use_https", "/result/value", json!("off")),
        ("/client/v4/user/tokens/verify", "/result/status", json!("active")),
    ] {
        let (status, answer) = send(&edge, ("GET", target), &[bearer], b"").await;
        assert_eq!((status, answer.pointer(pointer)), (200, Some(&expected)), "{target} {answer}");
    }
    for (target, shown, body, status) in [
        ("/client/v4/zones/b/purge_cache", bearer, json!({ "purge_everything": true }), 404),
        (purge, bearer, json!({ "files": ["https://b.test/"] }), 422),
        (purge, bearer, json!({ "files": 5 }), 400),
        (purge, ("Authorization", "Bearer wrong"), json!({ "purge_everything": true }), 401),
    ] {
        let (seen, answer) =
            send(&edge, ("POST", target), &[shown], body.to_string().as_bytes()).await;
        assert_eq!((seen, &answer["success"]), (status, &json!(false)), "{target} {answer}");
        assert!(answer["errors"][0]["message"].as_str().is_some(), "{answer}");
    }
    assert_eq!(missing(&edge, "b.test").await, [""; 0]);
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn as_clients_of_upyun_send_them() {
    let origin = Origin::start().await;
    let (edge, token) = edge(&origin).await;
    let bearer = format!("Bearer {token}");
    let bearer = ("Authorization", &*bearer);
    let json_kind = ("Content-Type", "application/json");
    let order =
        json!({ "urls": "http://a.test/news/one\nhttp://b.test/\nhttp://a.test/" }).to_string();
    let (status, answer) =
        send(&edge, ("POST", "/purge"), &[bearer, json_kind], order.as_bytes()).await;
    assert_eq!(status, 200, "{answer}");
    let codes: Vec<_> = answer["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [1, 4, 1]);
    assert_eq!(missing(&edge, "a.test").await, ["/", "/news/one"]);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let encoded = b"urls=http%3A%2F%2Fa.test%2Fnews%2Fone";
    assert_eq!(send(&edge, ("POST", "/purge/"), &[bearer, form], encoded).await.0, 200);
    assert_eq!(missing(&edge, "a.test").await, ["/news/one"]);

    // Rules: stale, or with `noif` gone.
    for (noif, url, gone) in [
        (json!(1), "https://a.test/news/*", vec!["/news/one", "/news/two?page=2"]),
        (json!("1"), "a.test/*", PATHS.to_vec()),
    ] {
        let order =
            json!({ "source_url": format!("{url}\n"), "noif": noif, "delay": 0 }).to_string();
        let (status, answer) =
            send(&edge, ("POST", "/buckets/purge/batch"), &[bearer], order.as_bytes()).await;
        assert_eq!((status, &answer[0]["code"]), (200, &json!(1)), "{answer}");
        assert_eq!(missing(&edge, "a.test").await, gone);
    }
    let order = json!({ "source_url": "https://b.test/*\nhttps://a.test/(x" }).to_string();
    let (_, answer) =
        send(&edge, ("POST", "/buckets/purge/batch"), &[bearer], order.as_bytes()).await;
    assert_eq!((&answer[0]["code"], &answer[1]["code"]), (&json!(4), &json!(2)), "{answer}");
}

#[tokio::test]
async fn as_older_clients_of_upyun_sign_them() {
    let origin = Origin::start().await;
    let (edge, token) = edge(&origin).await;
    // A form of each kind that its libraries send.
    let id = token.split('_').nth(1).unwrap();
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let field = "http://a.test/news/one\nhttp://b.test/x\n";
    let signature = hex(&format!("{field}&a&{date}&{}", hex(&token)));
    let signed = format!("UpYun a:{id}:{signature}");
    let (signed, date) = (("Authorization", &*signed), ("Date", &*date));
    let part = format!(
        "--x\r\nContent-Disposition: form-data; name=\"purge\"; filename=\"p\"\r\n\r\n{field}\r\n--x--\r\n"
    );
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            "purge=http%3A%2F%2Fa.test%2Fnews%2Fone%0Ahttp%3A%2F%2Fb.test%2Fx%0A".to_owned(),
        ),
        ("application/x-www-form-urlencoded", format!("purge={field}")),
        ("multipart/form-data; boundary=x", part),
    ] {
        let fields = [signed, date, ("Content-Type", kind)];
        let (status, answer) = send(&edge, ("POST", "/purge/"), &fields, body.as_bytes()).await;
        assert_eq!(
            (status, &answer["invalid_domain_of_url"]),
            (200, &json!(["http://b.test/x"])),
            "{kind} {answer}"
        );
        assert_eq!(missing(&edge, "a.test").await, ["/news/one"], "{kind} {body}");
    }
    let body = format!("purge={field}x");
    for (fields, why) in [
        (vec![signed, date], "Sign error"),
        (vec![signed], "Need Date Header"),
        (vec![signed, ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")], "Date offset error"),
        (vec![date], "Provided credentials are missing or invalid"),
    ] {
        let (status, answer) = send(&edge, ("POST", "/purge/"), &fields, body.as_bytes()).await;
        assert_eq!((status, &answer["message"]), (401, &json!(why)), "{answer}");
    }
    assert_eq!(missing(&edge, "a.test").await, [""; 0]);
    assert_eq!(missing(&edge, "b.test").await, [""; 0]);
}
