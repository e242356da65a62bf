//! The access log, as those find it who read it: forms, files, shares.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::kit::edge::Setup;
use crate::kit::*;

/// A node whose log is in `FOLDER/logs/access.log`, with these keys and tables besides.
fn logging(keys: &str) -> Setup {
    let setup = Edge::setup();
    fs::create_dir(setup.path("logs")).unwrap();
    let path = setup.path("logs/access.log");
    setup.node(&format!("[telemetry.access_log]\npath = {path:?}\n{keys}"))
}

/// All lines of the log, those in closed files before those in the open one.
fn lines(edge: &Edge) -> Vec<String> {
    let texts = files(edge).into_iter().map(|path| text(&path));
    texts.collect::<String>().lines().map(String::from).collect()
}

fn files(edge: &Edge) -> Vec<PathBuf> {
    let entries = fs::read_dir(edge.path("logs")).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort_by_key(|path| (path.ends_with("access.log"), path.clone()));
    paths
}

fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().is_some_and(|end| end == "gz") {
        true => GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap(),
        false => (&*bytes).read_to_string(&mut text).unwrap(),
    };
    text
}

#[tokio::test]
async fn the_21_fields_tell_of_hits_misses_uploads_and_refusals() {
    let origin = Origin::start().await;
    origin.on("/a.png", |_| {
        let reply = Reply::ok("picture").header("Cache-Control", "max-age=900");
        reply.header("ETag", "\"1\"")
    });
    origin.on("/up", |_| Reply::ok("thanks"));
    let setup = logging("format = \"fields\"\ntime_zone = \"+08:00\"\nmask_client = true");
    let mut edge = setup.site("a", &site(&["a.test"], &origin, "")).start().await;
    // One connection, one thread: lines of several may stand in another order.
    let mut client = edge.client().await;
    let picture = "/a.png?token=S3CRET";
    client.get("a.test", picture).header("Referer", "http://x.test/").send().await.whole(200);
    client.get("a.test", picture).send().await.whole(200);
    let unchanged = client.get("a.test", picture).header("If-None-Match", "\"1\"").send().await;
    assert_eq!(unchanged.status, 304);
    client.ask("POST", "a.test", "/up").body(b"12345").send().await.whole(200);
    client.get("nobody.test", "/x").send().await;
    edge.stop(false).await;
    let found = lines(&edge);
    let after_time = |line: &String| {
        let (start, rest) = line.split_once(" - - [").unwrap();
        assert_eq!(start, "127.0.0.0");
        let (time, rest) = rest.split_once("] ").unwrap();
        assert!(time.ends_with(" +0800"), "{time}");
        // The time that it took stands before the server's address.
        let mut ends: Vec<_> = rest.rsplitn(3, ' ').map(String::from).collect();
        assert_eq!(ends[0], "127.0.0.1");
        assert!(
            ends[1].parse::<f64>().unwrap() < 30.0
                && ends[1].split('.').next_back().unwrap().len() == 3
        );
        ends.pop().unwrap()
    };
    let told: Vec<String> = found.iter().map(after_time).collect();
    assert_eq!(
        told,
        [
            "\"GET http://a.test/a.png?token=*** HTTP/1.1\" 200 7 \"http://x.test/\" \"-\" \
             \"text/plain\" 0 Miss \"C/200\" Static \"max-age=900\"",
            "\"GET http://a.test/a.png?token=*** HTTP/1.1\" 200 7 \"-\" \"-\" \
             \"text/plain\" 0 Hit \"C/200\" Static \"max-age=900\"",
            "\"GET http://a.test/a.png?token=*** HTTP/1.1\" 304 0 \"-\" \"-\" \
             \"-\" 0 Hit \"C/200\" Static \"max-age=900\"",
            "\"POST http://a.test/up HTTP/1.1\" 200 6 \"-\" \"-\" \
             \"text/plain\" 5 Pass \"C/200\" Dynamic \"-\"",
            &told[4],
        ]
    );
    assert!(told[4].starts_with("\"GET http://nobody.test/x HTTP/1.1\" 400 "), "{}", told[4]);
    assert!(told[4].ends_with(" 0 - \"-\" - \"no-store\""), "{}", told[4]);
}

#[tokio::test]
async fn any_bytes_of_a_client_make_one_line_for_each_request_in_every_form() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x").header("Cache-Control", "max-age=900"));
    let hostile: [&[u8]; 5] = [
        b"\"",
        b"\\\" 200 5 \"",
        b"\xff\xfe\x80",
        b"\t[31/Jan/2026] {\"status\":200}",
        b"\xe2\x80\xae%0a%0d",
    ];
    for format in ["json", "combined", "fields"] {
        let setup = logging(&format!("format = {format:?}"));
        let mut edge = setup.site("a", &site(&["a.test"], &origin, "")).start().await;
        let mut client = edge.client().await;
        // The origin of these tests would not take such bytes.
        client.get("a.test", "/x").send().await.whole(200);
        for bytes in hostile {
            for name in ["User-Agent", "Referer"] {
                let start = format!("GET /x HTTP/1.1\r\nHost: a.test\r\n{name}: ");
                client.raw(&[start.as_bytes(), bytes, b"\r\n\r\n"].concat()).await;
                client.answer("GET").await.unwrap().whole(200);
            }
        }
        edge.stop(false).await;
        let found = lines(&edge);
        assert_eq!(found.len(), 1 + 2 * hostile.len(), "{format}: {found:#?}");
        let is_plain = |line: &String| line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        assert!(found.iter().all(is_plain), "{format}: {found:#?}");
        let quotes = |line: &String| line.matches('"').count();
        match format {
            "json" => assert!(found.iter().all(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["status"] == 200
            })),
            "combined" => assert!(found.iter().all(|line| quotes(line) == 6)),
            _ => assert!(found.iter().all(|line| quotes(line) == 12)),
        }
    }
}

#[tokio::test]
async fn a_file_that_is_full_is_closed_and_compressed_and_no_line_is_lost() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x").header("Cache-Control", "max-age=900"));
    let rotate = "format = \"combined\"\n[telemetry.access_log.rotate]\nsize = \"1MiB\"\nkeep = 50";
    let more = "[cache]\nquery = \"ignore\"";
    let mut edge = logging(rotate).site("a", &site(&["a.test"], &origin, more)).start().await;
    let long = "l".repeat(2000);
    let mut client = edge.client().await;
    let count = 700;
    for number in 0..count {
        let ask = client.get("a.test", &format!("/x?{number}&{long}"));
        ask.header("User-Agent", &long).header("Referer", &long).send().await.whole(200);
    }
    until("closed files are compressed", async || {
        let closed: Vec<_> =
            files(&edge).into_iter().filter(|it| !it.ends_with("access.log")).collect();
        closed.len() >= 3 && closed.iter().all(|path| path.extension().unwrap() == "gz")
    })
    .await;
    edge.stop(false).await;
    assert!(files(&edge).iter().all(|path| text(path).len() <= 1 << 20));
    let found = lines(&edge);
    let numbers: HashSet<&str> =
        found.iter().map(|line| line.split(['?', '&']).nth(1).unwrap()).collect();
    assert_eq!((found.len(), numbers.len()), (count, count));
}

#[tokio::test]
async fn what_a_crash_left_of_closed_files_is_finished_at_the_next_start() {
    let origin = Origin::start().await;
    origin.on("/x", |_| Reply::ok("x"));
    let setup = logging("[telemetry.access_log.rotate]\nevery = \"day\"\nkeep = 2");
    let closed = |day: u8, end: &str| {
        setup.path(&format!("logs/access.log.202601{day:02}T000000.000Z{end}"))
    };
    // One that is too old, one half compressed, one that was to be compressed.
    for (day, end) in [(1, ""), (2, ""), (2, ".gz.part"), (3, "")] {
        fs::write(closed(day, end), format!("{{\"day\":{day}}}\n")).unwrap();
    }
    let expected = [closed(2, ".gz"), closed(3, ".gz"), setup.path("logs/access.log")];
    let edge = setup.site("a", &site(&["a.test"], &origin, "")).start().await;
    until("the files are looked after", async || files(&edge) == expected).await;
    assert_eq!(lines(&edge)[..2], ["{\"day\":2}", "{\"day\":3}"]);
}

#[tokio::test]
async fn a_share_of_a_site_is_logged_and_all_that_fails() {
    let mut origin = Origin::start().await;
    for path in ["/x", "/broken"] {
        let status = if path == "/x" { 200 } else { 500 };
        origin.on(path, move |_| Reply::text(status, "x").header("Cache-Control", "no-store"));
    }
    let sampled = |name: &str, sample: &str| {
        site(&[&format!("{name}.test")], &origin, &format!("[log]\nsample = {sample}"))
    };
    let setup =
        logging("").site("none", &sampled("none", "0")).site("half", &sampled("half", "0.5"));
    let mut edge = setup.site("all", &site(&["all.test"], &origin, "")).start().await;
    let mut client = edge.client().await;
    for _ in 0..200 {
        client.get("half.test", "/x").send().await.whole(200);
    }
    for host in ["none.test", "all.test"] {
        for _ in 0..5 {
            client.get(host, "/x").send().await.whole(200);
            client.get(host, "/broken").send().await.whole(500);
        }
    }
    origin.kill().await;
    let unreachable = edge.client().await.get("none.test", "/x").send().await;
    assert!(unreachable.status >= 500);
    let left_out = edge.metric("access_log_left_out", "").await;
    assert_eq!(edge.metric("access_log_lost", "").await, 0.0);
    edge.stop(false).await;
    let found: Vec<serde_json::Value> =
        lines(&edge).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &'static str| found.iter().filter(move |line| line["site"] == name);
    assert_eq!(of("all").count(), 10);
    // The five that failed and the one that nobody answered, which stand for themselves alone.
    assert_eq!(of("none").count(), 6);
    assert!(of("none").all(|line| line["status"].as_u64() >= Some(500)));
    let half = of("half").count();
    assert!((50..=150).contains(&half), "{half}");
    assert!(of("half").all(|line| line["sample"] == 0.5));
    assert!(of("all").chain(of("none")).all(|line| line.get("sample").is_none()));
    assert_eq!(left_out, (200 - half + 5) as f64);
}
