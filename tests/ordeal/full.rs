//! The machine runs out of something, or the file system gives up, under a node that serves: whoever
//! asks must not notice, and the disk must come back by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::kit::*;
use crate::mount::Mount;
use crate::report::Report;
use crate::world::{Tally, World};

const MIB: u64 = 1 << 20;
/// After a fault ends the disk must be in use again within this time.
const HEALED: Duration = Duration::from_secs(60);
/// How long a fault lasts.
const FAULT: Duration = Duration::from_secs(12);

pub async fn run(report: &mut Report) {
    let skipped =
        [no_room_to_start(report).await, no_room_to_write(report).await, read_only(report).await];
    if let Some(why) = skipped.into_iter().find_map(Result::err) {
        report.skipped(&why);
    }
    few_descriptors(report).await;
}

/// The file system is full before the store is made.
async fn no_room_to_start(report: &mut Report) -> Result<(), String> {
    let mount = Mount::new(256 * MIB)?;
    let ballast = fill(&mount.path(), 0);
    let play = Play::begin(Some(&mount.path().join("disk")), None).await;
    let up = play.edge.metric("disk_up", "").await;
    report.bound(up == 0.0, "no room for the store: the disk is sick".into());
    tokio::time::sleep(FAULT).await;
    fs::remove_file(ballast).unwrap();
    play.heal(report, "no room for the store").await;
    Ok(())
}

/// The file is sparse, and the file system has no more blocks for it.
async fn no_room_to_write(report: &mut Report) -> Result<(), String> {
    let mount = Mount::new(256 * MIB)?;
    let disk = mount.path().join("disk");
    fs::create_dir(&disk).unwrap();
    File::create(disk.join("brink.store")).unwrap().set_len(Play::DISK).unwrap();
    let ballast = fill(&mount.path(), 24 * MIB);
    let play = Play::begin(Some(&disk), None).await;
    tokio::time::sleep(FAULT).await;
    let errors = play.edge.metric("disk_errors", "write").await;
    report.bound(errors > 0.0, format!("no room to write: {errors} writes failed"));
    fs::remove_file(ballast).unwrap();
    play.heal(report, "no room to write").await;
    Ok(())
}

/// The kernel makes the file system read-only; it is repaired and mounted anew.
async fn read_only(report: &mut Report) -> Result<(), String> {
    let mut mount = Mount::new(256 * MIB)?;
    let play = Play::begin(Some(&mount.path().join("disk")), None).await;
    tokio::time::sleep(ms(4000)).await;
    mount.fail()?;
    tokio::time::sleep(FAULT).await;
    let errors = play.edge.metric("disk_errors", "").await;
    report.bound(errors > 0.0, format!("read-only: {errors} reads and writes failed"));
    mount.replace()?;
    play.heal(report, "read-only").await;
    Ok(())
}

/// A process that may have 256 descriptors, before a crowd that would take them all.
async fn few_descriptors(report: &mut Report) {
    let mut play = Play::begin(None, Some(256)).await;
    for seed in 10..12 {
        play.visit(seed, false);
    }
    tokio::time::sleep(ms(2000)).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        if let Ok(Ok(stream)) =
            tokio::time::timeout(ms(100), TcpStream::connect(play.edge.http)).await
        {
            crowd.push(stream);
        }
    }
    let open = fs::read_dir(format!("/proc/{}/fd", play.edge.pid())).unwrap().count();
    tokio::time::sleep(FAULT).await;
    report.bound(
        open >= 250,
        format!("256 descriptors: {open} open, with {} idle clients", crowd.len()),
    );
    drop(crowd);
    play.heal(report, "256 descriptors").await;
}

/// A node under load from its start.
struct Play {
    edge: Edge,
    world: Arc<World>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Play {
    /// Bytes of its disk.
    const DISK: u64 = 192 * MIB;

    async fn begin(disk: Option<&Path>, descriptors: Option<u32>) -> Play {
        let world = Arc::new(World::new(9, 240, 4 * MIB).await);
        let mut setup = Edge::setup().site("a", &site(&["a.test"], &world.origin, ""));
        if let Some(count) = descriptors {
            setup = setup.descriptors(count);
        }
        let disk = disk.map_or(setup.path("disk"), Path::to_path_buf);
        let size = Play::DISK;
        let setup = setup.node(&format!(
            "[store]\nmemory = \"16MiB\"\nwindow_time = \"1s\"\n\
             disks = [{{ path = {disk:?}, size = \"{size}B\" }}]"
        ));
        let edge = setup.start().await;
        let (tally, stop, clients) = Default::default();
        let mut play = Play { edge, world, tally, stop, clients };
        for seed in 0..4 {
            play.visit(seed, true);
        }
        play
    }

    /// One more client, which keeps its connection or has a new one for each request.
    fn visit(&mut self, seed: u64, keep: bool) {
        let (world, tally, stop) = (self.world.clone(), self.tally.clone(), self.stop.clone());
        let http = self.edge.http;
        self.clients.spawn(async move { world.load(http, (seed, keep), &stop, &tally).await });
    }

    /// The fault is over: waits until the disk gives and takes again, and ends the load.
    async fn heal(mut self, report: &mut Report, name: &str) {
        let over = Instant::now();
        let figures = async || {
            let read = self.edge.metric("disk_reads", "how=\"hit\"").await;
            (read, self.edge.metric("disk_written_bytes", "").await)
        };
        let before = figures().await;
        let mut healed = None;
        while healed.is_none() && over.elapsed() < HEALED + Duration::from_secs(30) {
            tokio::time::sleep(ms(200)).await;
            let now = figures().await;
            let up = self.edge.metric("disk_up", "").await == 1.0;
            healed = (up && now.0 > before.0 && now.1 > before.1).then(|| over.elapsed());
        }
        tokio::time::sleep(ms(2000)).await;
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        let tally = &self.tally;
        let (right, bad) = (Tally::count(&tally.right), tally.bad());
        report.bound(
            bad * 1000 <= right + bad && tally.wrong().is_empty(),
            format!(
                "{name}: {right} of {} right, {} cut, {} refused, {} unanswered",
                right + bad,
                Tally::count(&tally.cut),
                Tally::count(&tally.refused),
                Tally::count(&tally.unanswered)
            ),
        );
        report.bound(
            healed.is_some_and(|time| time <= HEALED),
            format!("{name}: in use again {healed:?} after the fault"),
        );
    }
}

/// Fills a file system but for `left` bytes, and says with which file.
fn fill(folder: &Path, left: u64) -> std::path::PathBuf {
    let path = folder.join("ballast");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[1; 64 << 10]).is_ok() {}
    // The last blocks are taken bit by bit.
    while file.write_all(&[1; 512]).is_ok() {}
    let _ = file.sync_all();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(left)).unwrap();
    file.sync_all().unwrap();
    path
}
