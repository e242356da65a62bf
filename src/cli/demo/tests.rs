//! The demo's origin is asked over a real connection, as the node asks it.

use std::net::{Ipv4Addr, SocketAddr};

use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::image::encode::Effort;
use crate::image::fonts::Fonts;
use crate::image::limits::Limits;
use crate::image::pipeline::{self, Accept, Means};
use crate::image::{Settings, params};

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

async fn start() -> (SocketAddr, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(1_769_860_800));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (origin::start(listen, clock.clone()).await.unwrap(), clock)
}

async fn ask(address: SocketAddr, request: &str, fields: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let text = format!("{request} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n{fields}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    Answer { status: head[9..12].parse().unwrap(), head, body: bytes[end + 4..].to_vec() }
}

#[tokio::test]
async fn bytes_prove_themselves_whole_and_in_ranges() {
    let (origin, _) = start().await;
    let whole = ask(origin, "GET /bytes/100000", "").await;
    assert_eq!((whole.status, whole.body.len()), (200, 100_000));
    assert_eq!(whole.field("cache-control"), Some("max-age=60"));
    assert_eq!(whole.field("x-origin-request"), Some("1"));
    assert_eq!(proof::verify(&whole.body, 0).unwrap().url(), "demo/bytes/100000");
    let digest: String =
        sha2::Sha256::digest(&whole.body).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(whole.field("x-body-sha256"), Some(&*digest));
    let range = "Range: bytes=1000-1999\r\n";
    let part = ask(origin, "GET /bytes/100000", range).await;
    assert_eq!((part.status, part.field("content-range")), (206, Some("bytes 1000-1999/100000")));
    assert_eq!(part.body, whole.body[1000..2000]);
    assert_eq!(part.field("x-body-sha256"), whole.field("x-body-sha256"));
    let other = ask(origin, "GET /bytes/100000", &format!("{range}If-Range: \"x\"\r\n")).await;
    assert_eq!(other.status, 200);
    assert_eq!(ask(origin, "GET /bytes/10", "Range: bytes=10-\r\n").await.status, 416);
    assert_eq!(ask(origin, "GET /bytes/10", "Range: bytes=-4\r\n").await.body.len(), 4);
    assert_eq!(ask(origin, "GET /bytes/10", "Range: bytes=1-2,4-5\r\n").await.status, 200);
    assert_eq!(ask(origin, "GET /bytes/1073741825", "").await.status, 404);
}

#[tokio::test]
async fn a_new_version_changes_bytes_and_entity_tag() {
    let (origin, _) = start().await;
    let old = ask(origin, "GET /bytes/1000", "").await;
    let fields = format!("If-None-Match: {}\r\n", old.field("etag").unwrap());
    assert_eq!(ask(origin, "GET /bytes/1000", &fields).await.status, 304);
    assert_eq!(ask(origin, "POST /origin/version", "").await.status, 200);
    let new = ask(origin, "GET /bytes/1000", &fields).await;
    assert_eq!(new.status, 200);
    assert_eq!(proof::verify(&new.body, 0).unwrap().version(), Some(2));
    assert_ne!(new.field("x-body-sha256"), old.field("x-body-sha256"));
}

#[tokio::test]
async fn the_origin_plays_dead_for_as_long_as_it_is_told() {
    let (origin, clock) = start().await;
    assert_eq!(ask(origin, "POST /origin/down/10", "").await.status, 200);
    assert_eq!(ask(origin, "GET /clock", "").await.status, 503);
    clock.advance(std::time::Duration::from_secs(10));
    let answer = ask(origin, "GET /clock", "").await;
    assert_eq!(answer.body, b"Sat, 31 Jan 2026 12:00:10 GMT\n");
    assert_eq!(answer.field("cache-control"), Some("max-age=2, stale-if-error=600"));
}

#[tokio::test]
async fn each_thing_says_whether_it_may_be_kept() {
    let (origin, _) = start().await;
    for (path, status, cache_control) in [
        ("/", 200, "max-age=60"),
        ("/photos/parrots.jpg", 200, "max-age=3600"),
        ("/photos/nobody.jpg", 404, "no-store"),
        ("/slow/10/1000", 200, "max-age=60"),
        ("/slow/60001/1000", 404, "no-store"),
        ("/private", 200, "no-store"),
        ("/api/time", 200, "private, no-store"),
        ("/origin/version", 405, "no-store"),
    ] {
        let answer = ask(origin, &format!("GET {path}"), "").await;
        assert_eq!((answer.status, answer.field("cache-control")), (status, Some(cache_control)));
        let head = ask(origin, &format!("HEAD {path}"), "").await;
        assert_eq!((head.status, head.body.len()), (status, 0), "{path}");
        assert_eq!(head.field("content-length"), answer.field("content-length"), "{path}");
    }
    assert_eq!(ask(origin, "PUT /", "").await.status, 405);
    let (one, two) = (ask(origin, "GET /private", "").await, ask(origin, "GET /private", "").await);
    assert_ne!(one.body, two.body);
    let photo = ask(origin, "GET /photos/parrots.jpg", "").await;
    assert_eq!(photo.field("surrogate-key"), Some("photos"));
    assert!(photo.body.starts_with(b"\xff\xd8"));
}

#[test]
fn the_site_document_is_toml_and_the_intro_names_everything() {
    let origin = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
    let files = certificate::Files { certificate: "/tmp/a b.pem".into(), key: "/tmp/b.key".into() };
    let document: toml::Table = toml::from_str(&site_document(origin, &files)).unwrap();
    assert_eq!(document["origin"]["servers"][0].as_str(), Some("http://127.0.0.1:4000"));
    assert_eq!(document["tls"]["certificate"].as_str(), Some("/tmp/a b.pem"));
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let text = intro(&Addresses {
        http: address(8080),
        https: address(8443),
        admin: address(9911),
        origin,
        certificate: files.certificate,
        program: "brink".into(),
        socket: "/tmp/state/admin.sock".into(),
    });
    for wanted in ["127.0.0.1:8080", "localhost:8443", "127.0.0.1:9911", "9. ", "brink purge"] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
}

#[test]
fn the_page_shows_the_photograph_in_ten_forms_that_the_site_can_make() {
    let origin = SocketAddr::from((Ipv4Addr::LOCALHOST, 4000));
    let files = certificate::Files { certificate: "/a.pem".into(), key: "/a.key".into() };
    let document: toml::Table = toml::from_str(&site_document(origin, &files)).unwrap();
    let settings: Settings = document["images"].clone().try_into().unwrap();
    assert!(settings.enabled && settings.validate().is_empty());
    let original: &[u8] = include_bytes!("photos/parrots.jpg");
    let page = include_str!("page.html");
    let (_, forms) = page.split_once("<ul class=\"forms\"").unwrap();
    let (forms, _) = forms.split_once("</ul>").unwrap();
    let paths: Vec<&str> =
        forms.split("<img src=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!((paths.len(), paths[0]), (10, "/photos/parrots.jpg"));
    let mut specs = std::collections::BTreeSet::new();
    for path in &paths[1..] {
        let asked = params::split(path, settings.separator).unwrap();
        assert_eq!(asked.original, paths[0]);
        let spec = params::parse(asked.suffix, &settings).unwrap();
        let means = Means {
            limits: &Limits::default(),
            effort: Effort::Fast,
            accept: Accept::default(),
            score: false,
            fonts: &Fonts::default(),
            mark: &|_| None,
        };
        let made = pipeline::run(original, &spec, &means).unwrap();
        assert!(made.bytes.len() < original.len(), "{path}: {} bytes", made.bytes.len());
        specs.insert(spec.canonical());
    }
    assert_eq!(specs.len(), 9);
}
