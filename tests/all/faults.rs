//! A disk that fails under a node that serves: whoever asks must not notice, and the disk must come
//! back by itself. The node runs in this process, on disks that fail when they are told to.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brink::config::NodeConfig;
use brink::node::Node;
use brink::store::Opener;
use brink::store::disk::{Device, Files};
use tokio::sync::oneshot;

use crate::kit::*;

/// What is wrong with the disk.
#[derive(Default)]
struct Faults {
    reads: AtomicBool,
    writes: AtomicBool,
    syncs: AtomicBool,
    /// Milliseconds that each read takes.
    delay: AtomicU64,
}

struct Faulty(Arc<Faults>);

struct Disk {
    file: Arc<dyn Device>,
    faults: Arc<Faults>,
}

impl Opener for Faulty {
    fn open(&self, path: &Path, size: u64) -> io::Result<Arc<dyn Device>> {
        Ok(Arc::new(Disk { file: Files.open(path, size)?, faults: self.0.clone() }))
    }
}

fn fail(fault: &AtomicBool) -> io::Result<()> {
    match fault.load(Ordering::Relaxed) {
        true => Err(io::Error::from_raw_os_error(5)),
        false => Ok(()),
    }
}

impl Device for Disk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        std::thread::sleep(ms(self.faults.delay.load(Ordering::Relaxed)));
        fail(&self.faults.reads)?;
        self.file.read_at(offset, buffer)
    }

    fn read_now(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        fail(&self.faults.reads)?;
        // A slow disk is one whose pages are not in memory.
        if self.faults.delay.load(Ordering::Relaxed) > 0 {
            return Ok(false);
        }
        self.file.read_now(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        fail(&self.faults.writes)?;
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        fail(&self.faults.syncs)?;
        self.file.sync()
    }

    fn len(&self) -> u64 {
        self.file.len()
    }
}

/// A node in this process, and the faults of its disk.
struct Play {
    edge: edge::Setup,
    faults: Arc<Faults>,
    objects: Vec<(String, Proof)>,
    _origin: Origin,
}

impl Play {
    /// Starts a node that has far less memory than its objects take.
    async fn begin() -> Play {
        let origin = Origin::start().await;
        let objects: Vec<_> = (0..150)
            .map(|number| {
                let path = format!("/{number}");
                let proof = Proof::new("a.test", &path, 1, 1000 + number * 1700);
                origin.serves(&path, "max-age=3600", &proof);
                (path, proof)
            })
            .collect();
        let edge = Edge::setup().site("a", &site(&["a.test"], &origin, ""));
        let folder = edge.path("");
        let text = format!(
            "state_dir = {:?}\n[telemetry.access_log]\npath = {:?}\n[sites]\nfolder = {:?}\n[listen]\nhttp = [\"{}\"]\nhttps = []\n\
             [admin]\naddress = \"{}\"\n[upstream]\nallow_private = [\"127.0.0.0/8\"]\n[store]\n\
             memory = \"4MiB\"\nwindow_time = \"1s\"\ndisk_deadline = \"150ms\"\n\
             disks = [{{ path = {:?}, size = \"256MiB\" }}]",
            folder.join("state"),
            folder.join("access.log"),
            folder.join("sites.d"),
            edge.http,
            edge.admin,
            folder.join("disk"),
        );
        let config =
            NodeConfig::parse("node.toml", &text).unwrap_or_else(|all| panic!("{}", all[0]));
        let mut config = config;
        config.start_paths_at(&folder);
        let faults = Arc::new(Faults::default());
        let opener = Arc::new(Faulty(faults.clone()));
        let (started, ready) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async {
                let node = Node::start_on(config, None, opener).unwrap();
                started.send(()).unwrap();
                node.run().await.unwrap();
            });
        });
        ready.await.unwrap();
        let play = Play { edge, faults, objects, _origin: origin };
        play.ask(Duration::from_secs(3)).await;
        play
    }

    /// Asks for everything over and over for a while, and expects that all of it is right.
    async fn ask(&self, time: Duration) {
        let until = Instant::now() + time;
        let clients = (0..4).map(|number| async move {
            let mut wrong = 0;
            let mut asked = 0;
            while Instant::now() < until {
                for (path, proof) in self.objects.iter().skip(number).step_by(4) {
                    let mut client = Client::connect(self.edge.http).await;
                    let answer = client.get("a.test", path).send().await;
                    asked += 1;
                    match (answer.status, answer.end == client::End::Clean) {
                        (200, true) => proof.check_whole(&answer.body),
                        _ => wrong += 1,
                    }
                }
            }
            (asked, wrong)
        });
        let all = futures_util::future::join_all(clients).await;
        let (asked, wrong) = all.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert!(asked >= 60 && wrong * 1000 <= asked, "{wrong} of {asked} went wrong");
    }

    /// One request whose answer must be whole.
    async fn ask_for(&self, target: &str) {
        Client::connect(self.edge.http).await.get("a.test", target).send().await.whole(200);
    }

    async fn metric(&self, name: &str, labels: &str) -> f64 {
        edge::metric(self.edge.admin, name, labels).await
    }

    /// Waits until the disk is in use and gives what is asked for.
    async fn until_healed(&self) {
        let begun = Instant::now();
        loop {
            let before = self.metric("disk_reads", "how=\"hit\"").await;
            self.ask(Duration::from_secs(1)).await;
            let up = self.metric("disk_up", "").await == 1.0;
            if up && self.metric("disk_reads", "how=\"hit\"").await > before {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "the disk does not come back");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_fail_are_misses_and_the_disk_comes_back() {
    let play = Play::begin().await;
    play.faults.reads.store(true, Ordering::Relaxed);
    play.ask(Duration::from_secs(3)).await;
    assert!(play.metric("disk_errors", "read").await > 0.0);
    play.faults.reads.store(false, Ordering::Relaxed);
    play.until_healed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_leave_the_disk_alone_until_it_works_again() {
    let play = Play::begin().await;
    play.faults.writes.store(true, Ordering::Relaxed);
    play.faults.syncs.store(true, Ordering::Relaxed);
    // What has just been fetched anew is to be written.
    for number in 0..40 {
        let path = format!("/{number}?again");
        play.ask_for(&path).await;
    }
    until("the disk is given up", async || play.metric("disk_up", "").await == 0.0).await;
    play.ask(Duration::from_secs(2)).await;
    play.faults.writes.store(false, Ordering::Relaxed);
    play.faults.syncs.store(false, Ordering::Relaxed);
    play.until_healed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_slower_than_the_deadline_is_done_without() {
    let play = Play::begin().await;
    play.faults.delay.store(200, Ordering::Relaxed);
    play.ask(Duration::from_secs(4)).await;
    assert!(play.metric("disk_reads", "how=\"slow\"").await > 0.0);
    play.faults.delay.store(0, Ordering::Relaxed);
    play.until_healed().await;
}
