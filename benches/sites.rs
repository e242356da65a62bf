//! What do 300,000 sites cost a node that serves few of them? Memory for each idle site, the time to
//! load them all for the first time and again, and the time of a reload.
//!
//! `cargo bench --bench sites [-- COUNT]`. Writes COUNT small files (300,000) into a temporary folder
//! and removes them.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use brink::clock::Clock;
use brink::site::{LastGood, Report, Settings, Source, Surroundings};
use brink::upstream::{NodeSettings, Shared};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let count = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(300_000);
    let place = tempfile::tempdir()?;
    let folder = place.path().join("sites");
    std::fs::create_dir(&folder)?;
    let written = timed("write the documents", || write_all(&folder, count))?;
    println!("{count} documents, {} bytes each", written / count);

    let empty = resident()?;
    let (source, report) =
        timed("first start: every document looked at deeply", || start(place.path()))?;
    println!("{report}");
    println!("{} bytes for each idle site", (resident()? - empty) / count);
    drop(source);

    let (mut source, report) = timed("second start: nothing changed", || start(place.path()))?;
    println!("{report}");
    let report = timed("reload: nothing changed", || Ok(source.reload()?))?;
    println!("{report}");
    std::fs::write(folder.join("site-7.toml"), document(7, "/edited"))?;
    let report = timed("reload: one edit", || Ok(source.reload()?))?;
    println!("{report}");
    look_up(&source, count)
}

fn look_up(source: &Source, count: usize) -> Outcome<()> {
    const TIMES: usize = 1_000_000;
    let snapshot = source.sites().snapshot();
    let hosts: Vec<String> =
        (0..1000).map(|n| format!("a.b.c.customer-{}.test", n * 7919 % count)).collect();
    let started = Instant::now();
    let found = (0..TIMES)
        .filter(|n| hosts.get(n % 1000).is_some_and(|host| snapshot.hosts.find(host).is_some()))
        .count();
    let each = started.elapsed().as_nanos() / TIMES as u128;
    println!("{each} ns for a look-up by wildcard, three labels deep; {found} of {TIMES} found");
    Ok(())
}

fn start(place: &Path) -> Outcome<(Source, Report)> {
    let clock = Clock::system();
    let folder = place.join("sites");
    let surroundings = Surroundings {
        folder: folder.clone(),
        upstream: Shared::new(&NodeSettings::default(), clock.clone()),
        listeners: vec![([0, 0, 0, 0], 80).into(), ([0, 0, 0, 0], 443).into()],
        checks: None,
        state: Arc::new(LastGood::open(&place.join("state"))?),
        clock,
    };
    let settings = Settings { folder, ..Settings::default() };
    Ok(Source::start(settings, surroundings)?)
}

fn write_all(folder: &Path, count: usize) -> Outcome<usize> {
    let mut bytes = 0;
    for n in 0..count {
        let text = document(n, "/");
        bytes += text.len();
        std::fs::write(folder.join(format!("site-{n}.toml")), text)?;
    }
    Ok(bytes)
}

/// A document as a customer of average care has it.
fn document(n: usize, check: &str) -> String {
    format!(
        r#"hosts = ["www.customer-{n}.test", "*.customer-{n}.test"]
preset = "page"

[origin]
servers = [
  {{ url = "https://origin-1.customer-{n}.test", weight = 2 }},
  {{ url = "https://origin-2.customer-{n}.test", backup = true }},
]
host = "www.customer-{n}.test"
health = {{ path = "{check}", interval = "30s" }}

[respond]
x_cache = true
max_upload = "16MiB"
"#
    )
}

fn timed<T>(what: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let started = Instant::now();
    let result = work()?;
    println!("\n{what}: {:.2} s", started.elapsed().as_secs_f64());
    Ok(result)
}

/// Resident memory of this process in bytes.
fn resident() -> Outcome<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split(' ').nth(1).ok_or("statm has no second field")?;
    Ok(resident.parse::<usize>()? * 4096)
}
