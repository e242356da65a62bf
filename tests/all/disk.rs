//! The disk tier from outside: what outlives the process, what is larger than memory, and what
//! happens when the disk is not what it was.

use std::fs;

use crate::kit::*;

const MIB: u64 = 1 << 20;

/// A node with a disk of `size` below `memory`, whose window is left after a second.
fn setup(origin: &Origin, memory: &str, size: &str) -> edge::Setup {
    let setup = Edge::setup().site("a", &site(&["a.test"], origin, ""));
    let disk = setup.path("disk");
    setup.node(&format!(
        "[store]\nmemory = \"{memory}\"\nwindow_time = \"1s\"\n\
         disks = [{{ path = {disk:?}, size = \"{size}\" }}]"
    ))
}

/// Objects of many sizes.
fn objects(origin: &Origin) -> Vec<(String, Proof)> {
    let sizes = [0, 1, 700, 20_000, 32 << 10, 40_000, 300_000, MIB, MIB + 1, 5 * MIB + 77];
    let objects = sizes.iter().enumerate().map(|(number, size)| {
        let path = format!("/{number}");
        let proof = Proof::new("a.test", &path, 1, *size);
        origin.serves(&path, "max-age=3600", &proof);
        (path, proof)
    });
    objects.collect()
}

/// Waits until everything that was asked for has left the window and is on disk.
async fn on_disk(edge: &Edge, urls: usize) {
    until("all is on disk", async || {
        edge.metric("cache_objects", "window").await == 0.0
            && edge.metric("disk_records", "").await >= urls as f64
            && edge.metric("disk_queue_bytes", "").await == 0.0
    })
    .await;
}

#[tokio::test]
async fn what_is_on_disk_outlives_the_process_however_it_ends() {
    let origin = Origin::start().await;
    let objects = objects(&origin);
    let mut edge = setup(&origin, "64MiB", "256MiB").start().await;
    for (path, proof) in &objects {
        proof.check_whole(edge.get(path).await.whole(200));
    }
    on_disk(&edge, objects.len()).await;
    for kill in [true, false, true] {
        edge.stop(kill).await;
        edge.go_on().await;
        for (path, proof) in &objects {
            let answer = edge.get(path).await;
            proof.check_whole(answer.whole(200));
            assert!(answer.hit(), "{path}: {:?}", answer.head);
            assert_eq!(origin.count(path), 1, "{path}");
        }
        assert!(edge.metric("disk_reads", "how=\"hit\"").await >= objects.len() as f64);
    }
}

#[tokio::test]
async fn what_is_still_new_is_stored_at_a_clean_end() {
    let origin = Origin::start().await;
    let objects = objects(&origin);
    let setup = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
    let disk = setup.path("disk");
    let table = format!("[store]\ndisks = [{{ path = {disk:?}, size = \"256MiB\" }}]");
    let mut edge = setup.node(&table).start().await;
    for (path, _) in &objects {
        edge.get(path).await.whole(200);
    }
    edge.stop(false).await;
    edge.go_on().await;
    for (path, proof) in &objects {
        let answer = edge.get(path).await;
        proof.check_whole(answer.whole(200));
        assert!(answer.hit(), "{path}: {:?}", answer.head);
    }
}

#[tokio::test]
async fn a_cache_larger_than_memory_serves_all_of_it() {
    let origin = Origin::start().await;
    let proofs: Vec<_> = (0..100)
        .map(|number| {
            let path = format!("/{number}");
            let proof = Proof::new("a.test", &path, 1, 900_000 + number);
            origin.serves(&path, "max-age=3600", &proof);
            (path, proof)
        })
        .collect();
    let edge = setup(&origin, "32MiB", "256MiB").start().await;
    for few in proofs.chunks(4) {
        for (path, proof) in few {
            proof.check_whole(edge.get(path).await.whole(200));
        }
        // What comes faster than the disk can write is kept in memory alone.
        until("the disk is not behind", async || edge.metric("disk_queue_bytes", "").await == 0.0)
            .await;
    }
    on_disk(&edge, 2 * proofs.len()).await;
    for (path, proof) in proofs.iter().rev() {
        let answer = edge.get(path).await;
        proof.check_whole(answer.whole(200));
        assert!(answer.hit(), "{path}: {:?}", answer.head);
    }
    assert!(edge.metric("cache_bytes", "used").await <= (32 * MIB) as f64);
}

#[tokio::test]
async fn an_object_many_times_larger_than_memory_is_kept_and_read_in_any_part() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/large", 1, 100 * MIB + 3);
    origin.serves("/large", "max-age=3600", &proof);
    let edge = setup(&origin, "16MiB", "1GiB").start().await;
    proof.check_whole(edge.get("/large").await.whole(200));
    until("all of it is on disk", async || {
        edge.metric("disk_queue_bytes", "").await == 0.0
            && edge.metric("disk_records", "").await >= 102.0
    })
    .await;
    assert!(edge.metric("cache_bytes", "used").await < (4 * MIB) as f64);
    let last = proof.length() - 1;
    for (first, last) in [(0, 0), (MIB - 1, MIB), (50 * MIB + 5, 53 * MIB), (last - 10, last)] {
        let range = format!("bytes={first}-{last}");
        let answer = edge.get_with("/large", &[("Range", &range)]).await;
        proof.check(first, answer.whole(206));
        assert!(answer.hit(), "{:?}", answer.head);
    }
    proof.check_whole(edge.get("/large").await.whole(200));
    assert_eq!(origin.count("/large"), 1);
}

#[tokio::test]
async fn all_variants_of_a_url_come_back() {
    let origin = Origin::start().await;
    origin.on("/page", |seen| {
        let language = seen.header("accept-language").unwrap_or_default();
        Reply::proof(&Proof::new("a.test", &language, 1, 50_000))
            .header("Cache-Control", "max-age=3600")
            .header("Vary", "Accept-Language")
            .header("Content-Language", &language)
    });
    let mut edge = setup(&origin, "16MiB", "256MiB").start().await;
    for language in ["de", "en"] {
        edge.get_with("/page", &[("Accept-Language", language)]).await.whole(200);
    }
    edge.stop(false).await;
    edge.go_on().await;
    for language in ["de", "en"] {
        let answer = edge.get_with("/page", &[("Accept-Language", language)]).await;
        Proof::new("a.test", language, 1, 50_000).check_whole(answer.whole(200));
        assert!(answer.hit(), "{:?}", answer.head);
    }
    assert_eq!(origin.count("/page"), 2);
}

#[tokio::test]
async fn what_is_confirmed_by_the_origin_keeps_its_bytes_on_disk() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/short", 1, 3 * MIB);
    let etag = proof.etag();
    let body = proof.clone();
    origin.on("/short", move |seen| match seen.header("if-none-match") {
        Some(_) => Reply::new(304).header("ETag", &etag).header("Cache-Control", "max-age=3600"),
        None => {
            Reply::proof(&body).header("ETag", &body.etag()).header("Cache-Control", "max-age=1")
        }
    });
    let mut edge = setup(&origin, "16MiB", "256MiB").start().await;
    edge.get("/short").await.whole(200);
    tokio::time::sleep(ms(1500)).await;
    proof.check_whole(edge.get("/short").await.whole(200));
    let written = edge.metric("disk_written_bytes", "").await;
    edge.stop(false).await;
    edge.go_on().await;
    let answer = edge.get("/short").await;
    proof.check_whole(answer.whole(200));
    assert!(answer.hit() && written < (4 * MIB) as f64, "{written} {:?}", answer.head);
    assert_eq!(origin.count("/short"), 2);
}

#[tokio::test]
async fn damage_is_a_miss_and_never_a_wrong_byte() {
    let origin = Origin::start().await;
    let objects = objects(&origin);
    let mut edge = setup(&origin, "64MiB", "256MiB").start().await;
    for (path, _) in &objects {
        edge.get(path).await.whole(200);
    }
    edge.stop(false).await;
    let file = edge.path("disk/brink.store");
    let mut bytes = fs::read(&file).unwrap();
    // Every hundred thousandth byte: in most records, and in some of the index and the footers.
    bytes.iter_mut().step_by(100_003).for_each(|byte| *byte ^= 0x55);
    fs::write(&file, bytes).unwrap();
    edge.go_on().await;
    for _ in 0..2 {
        for (path, proof) in &objects {
            proof.check_whole(edge.get(path).await.whole(200));
        }
    }
}

#[tokio::test]
async fn what_is_found_damaged_half_way_comes_from_the_origin() {
    let origin = Origin::start().await;
    let proof = Proof::new("a.test", "/film", 1, 12 * MIB);
    let served = proof.clone();
    origin.on("/film", move |seen| {
        let reply = Reply::part(seen, &served).header("ETag", &served.etag());
        reply.header("Cache-Control", "max-age=3600")
    });
    let mut edge = setup(&origin, "64MiB", "256MiB").start().await;
    proof.check_whole(edge.get("/film").await.whole(200));
    edge.stop(false).await;
    let before = origin.count("/film");
    let file = edge.path("disk/brink.store");
    let mut bytes = fs::read(&file).unwrap();
    let whole = proof.whole();
    let mark = &whole[7 * MIB as usize + 300_000..][..64];
    let at = bytes.windows(64).position(|window| window == mark).unwrap();
    bytes[at] ^= 0x55;
    fs::write(&file, bytes).unwrap();
    edge.go_on().await;
    let answer = edge.get("/film").await;
    proof.check_whole(answer.whole(200));
    assert!(answer.hit(), "{:?}", answer.head);
    let asked: Vec<_> = origin.seen().into_iter().skip(before).collect();
    assert!((1..=4).contains(&asked.len()), "{}", asked.len());
    assert!(asked.iter().all(|seen| seen.header("range").is_some()));
    // What came is stored in place of what was damaged.
    let again = origin.count("/film");
    proof.check_whole(edge.get("/film").await.whole(200));
    assert_eq!(origin.count("/film"), again);
}

#[tokio::test]
async fn a_disk_belongs_to_one_node() {
    let origin = Origin::start().await;
    let edge = setup(&origin, "16MiB", "256MiB").start().await;
    let node = fs::read_to_string(edge.path("node.toml")).unwrap();
    let other = edge.path("other.toml");
    fs::write(&other, node.replace("/state", "/state2").replace("[listen]", "[listen]\n#"))
        .unwrap();
    let (status, text) = command(&["run", "-c", other.to_str().unwrap()]).await;
    assert!(!status.success() && text.contains("disk"), "{text}");
}

#[tokio::test]
async fn a_foreign_file_is_formatted_and_the_node_starts() {
    let origin = Origin::start().await;
    let setup = setup(&origin, "16MiB", "256MiB");
    fs::create_dir(setup.path("disk")).unwrap();
    fs::write(setup.path("disk/brink.store"), vec![b'?'; 300_000]).unwrap();
    let proof = Proof::new("a.test", "/x", 1, 100_000);
    origin.serves("/x", "max-age=60", &proof);
    let edge = setup.start().await;
    proof.check_whole(edge.get("/x").await.whole(200));
    assert_eq!(edge.metric("disk_formatted", "").await, 1.0);
}
