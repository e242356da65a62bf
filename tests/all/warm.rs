//! Warming: what a job has fetched is there when a client asks, and nobody pays for a client that never
//! was.

use serde_json::{Value, json};

use super::steering::{JSON, customers, operator, send, token, value};
use crate::kit::*;

/// Begins a job and waits for its end: how far it got.
async fn warm(edge: &Edge, order: Value) -> Value {
    let token = operator(edge);
    let begun = send(edge, &token, ("POST", "/v1/warm"), &[JSON], &order.to_string()).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    ended(edge, value(&begun)["id"].as_u64().unwrap()).await
}

async fn ended(edge: &Edge, id: u64) -> Value {
    let (token, path) = (operator(edge), format!("/v1/warm/{id}"));
    let mut job = Value::Null;
    until("the job ends", async || {
        job = value(&send(edge, &token, ("GET", &path), &[], "").await);
        !job["ended"].is_null()
    })
    .await;
    job
}

async fn failures(edge: &Edge, job: &Value) -> Vec<(String, String)> {
    let path = format!("/v1/warm/{}/results?failed=true", job["id"]);
    let told = value(&send(edge, &operator(edge), ("GET", &path), &[], "").await);
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let all = told["results"].as_array().unwrap().iter();
    all.map(|it| (text(&it["url"]), text(&it["error"]))).collect()
}

const FRESH: (&str, &str) = ("Cache-Control", "max-age=600");

#[tokio::test]
async fn what_was_listed_is_there_in_each_encoding_and_no_client_is_billed() {
    let origin = Origin::start().await;
    for path in ["/a", "/b"] {
        origin.on(path, move |seen| {
            let coding = seen.header("accept-encoding").unwrap_or_default();
            Reply::ok(&format!("{path} for {coding}"))
                .header(FRESH.0, FRESH.1)
                .header("Vary", "Accept-Encoding")
        });
    }
    origin.on("/bad", |_| Reply::new(404));
    let edge = Edge::before(&origin).await;
    let urls = ["http://a.test/a", "http://a.test/b?x=1#part", "http://a.test/bad"];
    let order = json!({ "urls": urls, "encodings": ["gzip", "identity"] });
    let job = warm(&edge, order.clone()).await;
    assert_eq!(
        (&job["state"], &job["wanted"], &job["done"], &job["failed"]),
        (&json!("done"), &json!(6), &json!(6), &json!(2)),
        "{job}"
    );
    assert_eq!(
        failures(&edge, &job).await[0],
        ("http://a.test/bad".into(), "the status is 404 Not Found".into())
    );
    let asked = origin.seen().len();
    // Neither logged nor billed, but for what the origin was asked.
    assert!(!edge.log().contains("\"path\":\"/a\""), "{}", edge.log());
    for (path, coding) in [("/a", Some("gzip")), ("/a", None), ("/b?x=1", Some("gzip"))] {
        let fields: Vec<_> = coding.map(|it| ("Accept-Encoding", it)).into_iter().collect();
        let answer = edge.get_with(path, &fields).await;
        assert!(answer.hit(), "{path} {coding:?} {:?}", answer.head);
    }
    assert_eq!(origin.seen().len(), asked);
    let again = warm(&edge, order).await;
    assert_eq!(again["hits"], json!(4), "{again}");
    let usage =
        async || value(&send(&edge, &operator(&edge), ("GET", "/v1/usage?site=a"), &[], "").await);
    until("the usage is on disk", async || usage().await["total"]["requests"] == json!(3)).await;
    let total = usage().await["total"].clone();
    assert!(total["origin"]["requests"].as_u64().unwrap() >= 6, "{total}");
}

#[tokio::test]
async fn pictures_in_their_forms_and_parts_of_large_files() {
    let origin = Origin::start().await;
    let mut picture = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(40, 30).write_to(&mut picture, image::ImageFormat::Bmp).unwrap();
    let picture = picture.into_inner();
    origin.on("/p.bmp", move |_| {
        Reply::new(200)
            .bytes(picture.clone())
            .header("Content-Type", "image/bmp")
            .header(FRESH.0, FRESH.1)
    });
    let proof = Proof::new("a.test", "/large", 1, 400_000);
    origin.on("/large", move |seen| Reply::part(seen, &proof).header(FRESH.0, FRESH.1));
    let edge = Edge::with(&origin, "[images]\nenabled = true\npresets.small = \"/fw/9\"").await;
    let forms = json!({ "urls": ["http://a.test/p.bmp", "http://a.test/large"], "forms": ["small", "/fw/5"] });
    let job = warm(&edge, forms).await;
    assert_eq!(
        (&job["done"], &job["failed"]),
        (&json!(3), &json!(0)),
        "{job} {:?}",
        failures(&edge, &job).await
    );
    for path in ["/p.bmp!small", "/p.bmp!/fw/5", "/large"] {
        let answer = edge.get_with(path, &[("Accept-Encoding", "gzip, deflate, br, zstd")]).await;
        assert!(answer.hit(), "{path} {:?}", answer.head);
    }
    for (order, why) in [
        (json!({ "urls": ["http://a.test/p.bmp"], "forms": ["nosuch"] }), "nosuch"),
        (json!({ "urls": ["http://a.test/p.bmp"], "forms": ["/wf/9"] }), "/wf/9"),
        (json!({ "urls": ["http://a.test/x"], "ranges": ["5-2"] }), "`5-2`"),
        (json!({ "urls": ["http://a.test/x"], "encodings": [""] }), "Accept-Encoding"),
        (json!({ "urls": ["http://a.test/x", "http://nobody.test/"] }), "nobody.test"),
        (json!({ "urls": ["a.test/x"] }), "a.test/x"),
        (json!({ "urls": [] }), "name `urls` or `sitemaps`"),
        (json!({ "urls": ["http://a.test/x"], "rate": 0 }), "`rate`"),
        (json!({ "urls": vec!["http://a.test/x"; 100_001] }), "100001 requests"),
    ] {
        let answer =
            send(&edge, &operator(&edge), ("POST", "/v1/warm"), &[JSON], &order.to_string()).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.text().contains(why), "{why}: {}", answer.text());
    }
    assert_eq!(
        value(&send(&edge, &operator(&edge), ("GET", "/v1/warm"), &[], "").await)["jobs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn sitemaps_are_read_through_the_node() {
    let origin = Origin::start().await;
    let of = |urls: &[&str]| {
        let urls: String = urls.iter().map(|url| format!("<url><loc>{url}</loc></url>")).collect();
        format!("<urlset>{urls}</urlset>")
    };
    let index = "<sitemapindex><sitemap><loc>http://a.test/1.xml</loc></sitemap>\
                 <sitemap><loc>http://a.test/2.txt</loc></sitemap>\
                 <sitemap><loc>http://a.test/bomb.xml</loc></sitemap></sitemapindex>";
    let bomb = "<!DOCTYPE x [<!ENTITY a \"b\">]><urlset/>";
    for (path, text) in [
        ("/index.xml", index.to_owned()),
        ("/1.xml", of(&["http://a.test/one", "http://elsewhere.test/"])),
        ("/2.txt", "http://a.test/two\nhttp://a.test/three\n".into()),
        ("/bomb.xml", bomb.into()),
        ("/one", "1".into()),
        ("/two", "2".into()),
        ("/three", "3".into()),
    ] {
        origin.on(path, move |_| Reply::ok(&text).header(FRESH.0, FRESH.1));
    }
    let edge = Edge::before(&origin).await;
    let job = warm(&edge, json!({ "sitemaps": ["http://a.test/index.xml"] })).await;
    assert_eq!(
        (&job["wanted"], &job["done"], &job["failed"]),
        (&json!(5), &json!(5), &json!(2)),
        "{job}"
    );
    let failures = failures(&edge, &job).await;
    assert!(
        failures
            .iter()
            .any(|(url, why)| url == "http://elsewhere.test/" && why.contains("no site has")),
        "{failures:?}"
    );
    assert!(
        failures.iter().any(|(url, why)| url.ends_with("/bomb.xml") && why.contains("DTD")),
        "{failures:?}"
    );
    for path in ["/one", "/two", "/three"] {
        let answer = edge.get_with(path, &[("Accept-Encoding", "gzip, deflate, br, zstd")]).await;
        assert!(answer.hit(), "{path} {:?}", answer.head);
    }
}

#[tokio::test]
async fn a_job_is_ended_and_is_its_customers_own() {
    let origin = Origin::start().await;
    origin.on("/", |_| Reply::ok("x").header(FRESH.0, FRESH.1));
    let edge = customers(&origin).await;
    let (mine, theirs) =
        (token(&edge, "purge", Some("acme")).await, token(&edge, "purge", Some("rival")).await);
    let urls: Vec<_> = (0..500).map(|it| format!("http://mine.test/?{it}")).collect();
    let order = json!({ "urls": urls, "rate": 5, "concurrency": 1 }).to_string();
    assert_eq!(send(&edge, &theirs, ("POST", "/v1/warm"), &[JSON], &order).await.status, 422);
    let begun = send(&edge, &mine, ("POST", "/v1/warm"), &[JSON], &order).await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    let id = value(&begun)["id"].as_u64().unwrap();
    let path = format!("/v1/warm/{id}");
    for method in ["GET", "DELETE"] {
        assert_eq!(send(&edge, &theirs, (method, &path), &[], "").await.status, 404);
    }
    until("it runs", async || {
        value(&send(&edge, &mine, ("GET", &path), &[], "").await)["done"].as_u64().unwrap() > 0
    })
    .await;
    assert_eq!(send(&edge, &mine, ("DELETE", &path), &[], "").await.status, 200);
    let job = ended(&edge, id).await;
    assert_eq!((&job["state"], &job["wanted"]), (&json!("cancelled"), &json!(500)));
    assert!(job["done"].as_u64().unwrap() < 500, "{job}");
}

#[tokio::test]
async fn what_is_purged_is_fetched_again_by_api_and_command_line() {
    let origin = Origin::start().await;
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    origin.on("/x", move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::ok(&format!("version {number}")).header(FRESH.0, FRESH.1)
    });
    let edge = Edge::before(&origin).await;
    let browser = [("Accept-Encoding", "gzip, deflate, br, zstd")];
    edge.get_with("/x", &browser).await.whole(200);
    let order = json!({ "urls": ["http://a.test/x"], "mode": "hard", "refill": true }).to_string();
    let purged = send(&edge, &operator(&edge), ("POST", "/v1/purge"), &[JSON], &order).await;
    assert_eq!(purged.status, 200, "{}", purged.text());
    ended(&edge, value(&purged)["warm"].as_u64().unwrap()).await;
    let answer = edge.get_with("/x", &browser).await;
    assert!(answer.hit() && answer.text() == "version 1", "{}", answer.text());
    let socket = edge.path("state/admin.sock").display().to_string();
    let url = "http://a.test/x";
    let (status, text) = command(&["purge", "--url", url, "--refill", "--socket", &socket]).await;
    assert!(status.success() && text.contains("done: 1 of 1"), "{text}");
    let answer = edge.get_with("/x", &browser).await;
    assert!(answer.hit() && answer.text() == "version 2", "{}", answer.text());
    let list = edge.path("list");
    std::fs::write(&list, "http://a.test/x\n\nhttp://a.test/nothing\n").unwrap();
    let list = list.display().to_string();
    let (status, text) = command(&["warm", "--list", &list, "--socket", &socket]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        text.contains("http://a.test/nothing") && text.contains("1 were there, 1 failed"),
        "{text}"
    );
    let wrong = json!({ "tags": ["a"], "refill": true }).to_string();
    assert_eq!(
        send(&edge, &operator(&edge), ("POST", "/v1/purge"), &[JSON], &wrong).await.status,
        422
    );
}
