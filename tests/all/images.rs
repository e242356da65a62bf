//! Images on the fly, through the front door: a real photograph, real workers.

use crate::kit::*;

/// A photograph of 768x512 pixels.
const PHOTOGRAPH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/images/kodim23.png");

fn photograph() -> Vec<u8> {
    std::fs::read(PHOTOGRAPH).unwrap()
}

/// Has an origin serve the photograph.
fn shows(origin: &Origin, path: &str, more: &'static [(&'static str, &'static str)]) {
    let bytes = photograph();
    origin.on(path, move |_| {
        let reply = Reply::new(200)
            .bytes(bytes.clone())
            .header("Content-Type", "image/png")
            .header("Cache-Control", "max-age=3600")
            .header("ETag", "\"original\"");
        more.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    });
}

/// Workers that wait for nobody, however busy the machine is.
const PATIENT: &str = "[images]\npriority = \"normal\"\nqueue_wait = \"1m\"\ntime_limit = \"1m\"\ncpu_limit = \"1m\"\n";

async fn edge(origin: &Origin, images: &str) -> Edge {
    let document = site(&["a.test"], origin, &format!("[images]\nenabled = true\n{images}"));
    let node = format!("{PATIENT}background = 0\n");
    Edge::setup().site("a", &document).node(&node).start().await
}

/// Width and height of a picture.
fn size(bytes: &[u8]) -> (u32, u32) {
    let limits = brink::image::limits::Limits::default();
    let header = brink::image::header::Header::read(bytes, &limits).unwrap();
    (header.width, header.height)
}

#[tokio::test]
async fn a_picture_is_made_once_stored_and_hit() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let edge = edge(&origin, "presets.small = \"/fw/96/format/webp\"\n").await;
    for _ in 0..2 {
        let answer = edge.get("/a.png!/fw/300/format/jpg").await;
        assert_eq!(size(answer.whole(200)), (300, 200));
        assert_eq!(answer.header("content-type"), "image/jpeg");
        // The same picture, asked for in two ways.
        for url in ["/a.png!small", "/a.png!/format/webp/fw/96"] {
            assert_eq!(size(edge.get(url).await.whole(200)), (96, 64));
        }
    }
    assert!(edge.get("/a.png!small").await.hit());
    assert_eq!(edge.metric("image_jobs", "outcome=\"done\"").await, 2.0);
    let original = edge.get("/a.png").await;
    assert!(original.hit() && original.whole(200) == photograph());
    assert_eq!(origin.seen().len(), 1);
    let info = edge.get("/a.png!/info").await;
    let info: serde_json::Value = serde_json::from_slice(info.whole(200)).unwrap();
    assert_eq!((info["width"].as_u64(), info["height"].as_u64()), (Some(768), Some(512)));
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_fetch_and_one_job_each() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let edge = std::sync::Arc::new(edge(&origin, "").await);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..60 {
        let edge = std::sync::Arc::clone(&edge);
        asking.spawn(async move {
            let width = 20 + number % 6;
            let answer = edge.get(&format!("/a.png!/fw/{width}/format/webp")).await;
            assert_eq!(size(answer.whole(200)).0, width);
        });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    assert_eq!(origin.seen().len(), 1);
    assert_eq!(edge.metric("image_jobs", "outcome=\"done\"").await, 6.0);
}

#[tokio::test]
async fn a_picture_has_the_tags_purges_and_freshness_of_its_original() {
    let origin = Origin::start().await;
    let bytes = photograph();
    origin.on("/a.png", move |seen| {
        let fields =
            |reply: Reply| reply.header("Cache-Control", "max-age=3600").header("ETag", "\"one\"");
        match seen.header("if-none-match") {
            Some(_) => fields(Reply::text(304, "")),
            None => fields(Reply::new(200).bytes(bytes.clone()).header("Surrogate-Key", "photo")),
        }
    });
    let edge = edge(&origin, "").await;
    let url = "/a.png!/fw/100/format/webp";
    assert_eq!(size(edge.get(url).await.whole(200)), (100, 67));
    assert!(edge.get(url).await.hit());
    // Stale: the original is confirmed and the picture with it, without another job.
    let config = edge.path("node.toml").display().to_string();
    let picture = "http://a.test/a.png!/fw/100/format/webp";
    let purge = ["purge", "--soft", "--tag", "photo", "-c", &config];
    let (_, text) = command(&[&purge[..], &["--dry-run"]].concat()).await;
    assert!(text.contains("  http://a.test/a.png\n") && text.contains(picture), "{text}");
    let (status, text) = command(&purge).await;
    assert!(status.success(), "{text}");
    let confirmed = edge.get(url).await;
    assert!(!confirmed.hit(), "{}", confirmed.cache_status());
    assert_eq!(size(confirmed.whole(200)), (100, 67));
    assert_eq!(edge.metric("image_jobs", "outcome=\"done\"").await, 1.0);
    let (_, text) = command(&["explain", picture, "-c", &config]).await;
    assert!(text.contains("picture  /fw/100/format/webp of /a.png"), "{text}");
    for purge in [["--tag", "photo"], ["--url", "http://a.test/a.png"], ["--url", picture]] {
        edge.get(url).await;
        let (status, text) =
            command(&[&["purge", "--hard", "-c", &config], &purge[..]].concat()).await;
        assert!(status.success(), "{text}");
        let before = edge.metric("image_jobs", "outcome=\"done\"").await;
        assert!(!edge.get(url).await.hit());
        assert_eq!(edge.metric("image_jobs", "outcome=\"done\"").await, before + 1.0, "{purge:?}");
    }
}

#[tokio::test]
async fn the_format_suits_the_client_where_a_site_wants_that() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let edge = edge(&origin, "webp = true\n").await;
    let modern = [("Accept", "image/avif,image/webp,*/*;q=0.8")];
    for _ in 0..2 {
        for url in ["/a.png", "/a.png!/fw/90"] {
            let answer = edge.get_with(url, &modern).await;
            assert_eq!(
                (answer.status, answer.header("content-type").as_str()),
                (200, "image/webp")
            );
            assert!(answer.header("vary").to_ascii_lowercase().contains("accept"));
            assert!(answer.body.len() < photograph().len());
        }
    }
    assert_eq!(edge.metric("image_jobs", "outcome=\"done\"").await, 2.0);
    let old = edge.get_with("/a.png", &[("Accept", "*/*")]).await;
    assert_eq!(old.whole(200), photograph());
    let old = edge.get("/a.png!/fw/90").await;
    assert_eq!((old.header("content-type").as_str(), size(old.whole(200)).0), ("image/png", 90));
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_in_words_or_the_original_is_sent() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    origin.on("/page.html", |_| Reply::text(200, "<html>").header("Cache-Control", "max-age=60"));
    origin.on("/cut.png", |_| {
        Reply::new(200)
            .bytes(photograph()[..100_000].to_vec())
            .header("Cache-Control", "max-age=60")
    });
    let edge = edge(&origin, "presets.small = \"/fw/96\"\n").await;
    for (url, status, code) in [
        ("/a.png!/wf/300", 400, "40011035"),
        ("/a.png!/fw/300/quality/900", 400, "40011004"),
        ("/a.png!smal", 404, "40300017"),
        ("/page.html!/fw/300", 405, "40300018"),
        ("/cut.png!/fw/300", 405, "40300018"),
        ("/page.html!/info", 406, "40300018"),
        ("/a.png!/fw/300/watermark/url/L25vbmUucG5n", 400, "40011015"),
    ] {
        for _ in 0..2 {
            let answer = edge.get(url).await;
            assert_eq!(answer.status, status, "{url}: {}", answer.text());
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["code"], code, "{url}: {body}");
            assert!(body["msg"].as_str().unwrap().len() > 5 && body["id"].is_string(), "{body}");
        }
    }
    let answer = edge.get("/page.html!/fw/300/ignore-error/true").await;
    assert_eq!(answer.whole(200), b"<html>");
    assert_eq!(answer.header("x-gmkerl-err-code"), "40300018");
    // Nothing of what was refused is stored as a picture.
    assert_eq!(edge.get("/cut.png").await.whole(200).len(), 100_000);
    assert_eq!(edge.get("/nothing.png!/fw/300").await.status, 404);
}

#[tokio::test]
async fn a_protected_original_is_had_by_its_secret_alone() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[("Content-Secret", "s3cret")]);
    let edge = edge(&origin, "presets.small = \"/fw/96\"\nwebp = true\n").await;
    assert_eq!(size(edge.get("/a.png!small").await.whole(200)).0, 96);
    let mut client = edge.client().await;
    for (url, status) in [("/a.png", 403), ("/a.png!s3cret", 200), ("/a.png!wrong", 404)] {
        for method in ["GET", "HEAD"] {
            for ask in [("Range", "bytes=0-9"), ("If-None-Match", "\"x\""), ("Accept", "*/*")] {
                let answer = client.ask(method, "a.test", url).header(ask.0, ask.1).send().await;
                let expected =
                    if status == 200 && ask.0 == "Range" && method == "GET" { 206 } else { status };
                assert_eq!(answer.status, expected, "{method} {url} {ask:?}");
                assert!(!answer.has("content-secret"));
            }
        }
    }
    assert_eq!(edge.get("/a.png!s3cret").await.whole(200), photograph());
    assert_eq!(origin.seen().iter().filter(|seen| seen.method == "GET").count(), 1);
}

#[tokio::test]
async fn a_watermark_comes_from_the_same_site_through_the_cache() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    shows(&origin, "/mark.png", &[]);
    let edge = edge(&origin, "").await;
    // `/mark.png` in base64, at a tenth of the picture's shorter side.
    let url = "/a.png!/fw/200/format/png/watermark/url/L21hcmsucG5n/percent/10/align/southeast";
    let marked = edge.get(url).await;
    let plain = edge.get("/a.png!/fw/200/format/png").await;
    assert_eq!(size(marked.whole(200)), (200, 133));
    assert_ne!(marked.whole(200), plain.whole(200));
    assert!(edge.get(url).await.hit());
    assert_eq!(origin.seen().len(), 2);
}

/// Workers can open no file, a font's neither.
#[tokio::test]
async fn letters_are_drawn_in_drawings_and_on_pictures() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let drawing = |letters: &str| {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='60'>\
             <text x='9' y='40' font-size='30'>{letters}</text></svg>"
        )
    };
    for (path, letters) in [("/none.svg", ""), ("/some.svg", "Brink"), ("/han.svg", "\u{4e91}")] {
        let text = drawing(letters);
        origin.on(path, move |_| {
            Reply::text(200, &text)
                .header("Content-Type", "image/svg+xml")
                .header("Cache-Control", "max-age=3600")
        });
    }
    let edge = edge(&origin, "fonts = [\"dejavu-serif\"]\n").await;
    let mut seen = Vec::new();
    for url in [
        "/none.svg!/format/png",
        "/some.svg!/format/png",
        "/han.svg!/format/png",
        "/a.png!/fw/200/format/png",
        "/a.png!/fw/200/format/png/watermark/text/QnJpbms/font/arial",
        "/a.png!/fw/200/format/png/watermark/text/QnJpbms/font/dejavu-serif",
    ] {
        let answer = edge.get(url).await;
        assert_eq!(size(answer.whole(200)).0, 200, "{url}");
        assert!(!seen.contains(&answer.body), "{url} shows no letters");
        seen.push(answer.body);
    }
}

#[tokio::test]
async fn a_hot_picture_is_made_better_behind_the_answers() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, "[images]\nenabled = true\n"));
    let edge = setup.node(&format!("{PATIENT}background = 100\n")).start().await;
    let url = "/a.png!/fw/200/format/jpg";
    let fast = edge.get(url).await;
    let mut better = edge.get(url).await;
    until("the picture was made better", async || {
        better = edge.get(url).await;
        better.body.len() < fast.body.len()
    })
    .await;
    assert_eq!((size(better.whole(200)), size(fast.whole(200))), ((200, 133), (200, 133)));
    assert_ne!(better.header("etag"), fast.header("etag"));
    assert!(better.hit());
    // Once is enough.
    let jobs = edge.metric("image_jobs", "outcome=\"done\"").await;
    for _ in 0..8 {
        assert_eq!(edge.get(url).await.body, better.body);
    }
    assert_eq!((jobs, edge.metric("image_jobs", "outcome=\"done\"").await), (2.0, 2.0));
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn hints_are_asked_for_and_heeded_where_the_site_wants_that() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    origin
        .on("/", |_| Reply::new(200).bytes(b"<html>".to_vec()).header("Content-Type", "text/html"));
    let edge = edge(&origin, "client_hints = true\nsave_data = true\n").await;
    assert_eq!(edge.get("/").await.header("accept-ch"), "Sec-CH-DPR, Sec-CH-Width");
    let ask = async |url: &str, field: (&str, &str)| edge.get_with(url, &[field]).await;
    let dense = ask("/a.png!/fw/100/format/jpg", ("Sec-CH-DPR", "2")).await;
    assert_eq!(size(dense.whole(200)), (200, 133));
    assert!(dense.header("vary").to_ascii_lowercase().contains("sec-ch-dpr"));
    assert_eq!(size(ask("/a.png", ("Sec-CH-Width", "301")).await.whole(200)), (320, 213));
    let full = edge.get("/a.png!/fw/100/format/jpg").await;
    let thrifty = ask("/a.png!/fw/100/format/jpg", ("Save-Data", "on")).await;
    assert!(thrifty.whole(200).len() < full.whole(200).len());
}

#[tokio::test]
async fn where_workers_are_busy_the_original_stands_in_but_answers_no_question() {
    let origin = Origin::start().await;
    shows(&origin, "/a.png", &[]);
    let document = site(&["a.test"], &origin, "[images]\nenabled = true\n");
    let node = format!("{PATIENT}background = 0\nworkers = 1\nqueue = 1\n");
    let edge = std::sync::Arc::new(Edge::setup().site("a", &document).node(&node).start().await);
    edge.get("/a.png").await;
    for ask in ["format/webp/fw", "excolor"] {
        let mut asking = tokio::task::JoinSet::new();
        for number in 100..116 {
            let edge = std::sync::Arc::clone(&edge);
            asking.spawn(async move { edge.get(&format!("/a.png!/{ask}/{number}")).await });
        }
        let (mut made, mut busy) = (0, 0);
        while let Some(answer) = asking.join_next().await {
            let answer = answer.unwrap();
            match (answer.status, answer.header("content-type").as_str()) {
                (200, "image/webp") | (200, "application/json") => made += 1,
                (200, "image/png") => {
                    assert_eq!((ask, answer.whole(200)), ("format/webp/fw", &photograph()[..]));
                    assert_eq!(answer.header("cache-control"), "no-store");
                    busy += 1;
                }
                (status, _) => {
                    assert_eq!((status, ask), (503, "excolor"), "{}", answer.text());
                    assert_eq!(answer.header("retry-after"), "1");
                    busy += 1;
                }
            }
        }
        assert!(made > 0 && busy > 0, "{ask}: {made} made, {busy} refused");
    }
}
