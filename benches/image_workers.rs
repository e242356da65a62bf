//! What isolation costs: a job that does nothing, 5 MB in and 100 KB out, through the pool and a
//! worker process. The worker is this program again.
//!
//! `cargo bench --bench image_workers`; prints microseconds.

// Figures for people; a failed run is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use brink::image::workers::{Launch, Pool, Priority, Settings, Threads, work};
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Jobs for each figure.
const JOBS: usize = 400;

/// Jobs before them, which find cold memory.
const WARM_UP: usize = 20;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return work(Threads::Forbidden, || Ok(idle));
    }
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    for priority in [Priority::Normal, Priority::Low, Priority::Idle] {
        let settings = Settings { workers: 1, priority, ..Settings::default() };
        let pool = Pool::new(&settings, Launch::verb("worker")).unwrap();
        for (input, output) in [(4 << 10, 1 << 10), (500_000, 50_000), (5_000_000, 100_000)] {
            let times = runtime.block_on(times(&pool, input, output));
            let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
            println!(
                "{priority:?}: {input} B in, {output} B out: median {} p95 {} p99 {} us",
                at(50),
                at(95),
                at(99)
            );
        }
    }
    ExitCode::SUCCESS
}

/// Does nothing but to make the body that is asked for.
fn idle(order: &[u8], _: &[&[u8]], out: &mut Vec<u8>) -> Vec<u8> {
    let len: usize = std::str::from_utf8(order).unwrap().parse().unwrap();
    out.resize(len, 7);
    Vec::new()
}

/// How long each job took, in order of size.
async fn times(pool: &Pool, input: usize, output: usize) -> Vec<Duration> {
    let (order, input) = (output.to_string(), [Bytes::from(vec![1; input])]);
    let mut times = Vec::with_capacity(JOBS);
    for number in 0..WARM_UP + JOBS {
        let started = Instant::now();
        let done = pool.run(1, order.as_bytes(), &input).await.unwrap();
        let elapsed = started.elapsed();
        assert_eq!(done.body.len(), output);
        if number >= WARM_UP {
            times.push(elapsed);
        }
    }
    times.sort_unstable();
    times
}
