//! Image workers as processes: whatever a handler does, it costs its own job and no other.

mod ends;
mod faults;
mod part;

use std::sync::Arc;

use brink::image::workers::{Done, Pool, Settings, WorkerFault};
use brink::quantity::{Size, Span};
use bytes::Bytes;

use crate::kit::PATIENCE;
use part::worker;

/// One worker, and limits that a test can wait for.
fn settings() -> Settings {
    Settings {
        workers: 1,
        queue: 8,
        queue_wait: Span(PATIENCE),
        time_limit: Span::seconds(20),
        memory: Size::mib(256),
        largest_input: Size::mib(16),
        largest_output: Size::mib(16),
        ..Settings::default()
    }
}

fn pool(settings: Settings) -> Arc<Pool> {
    assert_eq!(settings.validate(), []);
    Arc::new(Pool::new(&settings, worker("sound")).unwrap())
}

async fn run(pool: &Pool, order: &str) -> Result<Done, WorkerFault> {
    pool.run(1, order.as_bytes(), &[]).await
}

/// The head of an order's answer.
async fn ask(pool: &Pool, order: &str) -> String {
    String::from_utf8(run(pool, order).await.unwrap().head).unwrap()
}

async fn pid(pool: &Pool) -> u32 {
    ask(pool, "pid").await.parse().unwrap()
}

#[tokio::test]
async fn bytes_go_there_and_come_back() {
    let pool = pool(settings());
    let large = Bytes::from((0..5 << 20).map(|n: u32| (n % 251) as u8).collect::<Vec<_>>());
    let huge = Bytes::from(vec![9; 12 << 20]);
    for inputs in [
        vec![],
        vec![Bytes::new()],
        vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from_static(b"two")],
        vec![large.clone(), Bytes::from_static(b"after it")],
        vec![huge, Bytes::from_static(b"and its end")],
        vec![large],
        vec![Bytes::from_static(b"x"); 16],
    ] {
        let done = pool.run(1, b"join", &inputs).await.unwrap();
        assert!(done.body == inputs.concat(), "{} images", inputs.len());
        assert_eq!(done.head, b"join done");
    }
    assert_eq!(run(&pool, "make 0").await.unwrap().body, "");
    assert_eq!(run(&pool, "head 70000").await.unwrap().head, vec![b'h'; 70_000]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_worker_goes_on() {
    let pool = pool(settings());
    let first = pid(&pool).await;
    let too_large = |result| match result {
        Err(WorkerFault::TooLarge(what)) => what,
        other => panic!("{other:?}"),
    };
    let full = Bytes::from(vec![0; 16 << 20]);
    let done = pool.run(1, b"join", std::slice::from_ref(&full)).await.unwrap();
    assert_eq!(done.body.len(), 16 << 20);
    let more = [full, Bytes::from_static(b"x")];
    assert!(too_large(pool.run(1, b"join", &more).await).contains("16777217 bytes"));
    let many = vec![Bytes::new(); 17];
    assert!(too_large(pool.run(1, b"join", &many).await).contains("17 images"));
    let long = "x".repeat((64 << 10) + 1);
    assert!(too_large(run(&pool, &long).await).contains("65537 bytes"));
    assert!(too_large(run(&pool, "make 16777217").await).contains("16777217 bytes"));
    assert!(too_large(run(&pool, "head 1048577").await).contains("1048577 bytes"));
    assert_eq!(pid(&pool).await, first);
}

#[tokio::test]
async fn jobs_beyond_the_queue_are_refused_and_nobody_waits_for_ever() {
    let pool = pool(Settings {
        queue: 1,
        queue_wait: Span::millis(200),
        site_share: 100,
        time_limit: Span::seconds(60),
        ..settings()
    });
    // The worker is there, and held.
    while let Err(fault) = run(&pool, "pid").await {
        assert_eq!(fault, WorkerFault::Busy);
    }
    let held = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { run(&pool, "sleep").await }
    });
    tokio::task::yield_now().await;
    let (second, third) = tokio::join!(run(&pool, "pid"), run(&pool, "pid"));
    assert_eq!(second.unwrap_err(), WorkerFault::Busy, "it waited in vain");
    assert_eq!(third.unwrap_err(), WorkerFault::Busy, "the queue was full");
    held.abort();
}

#[tokio::test]
async fn a_second_site_does_not_wait_for_all_jobs_of_the_first() {
    let pool = pool(Settings { queue: 64, ..settings() });
    pid(&pool).await;
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let (pool, order) = (Arc::clone(&pool), Arc::clone(&order));
            let site = if number < 18 { 1 } else { 2 };
            tokio::spawn(async move {
                pool.run(site, b"wait 5", &[]).await.unwrap();
                order.lock().push(site);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock();
    let last = order.iter().rposition(|site| *site == 2).unwrap();
    assert!(last < 8, "{order:?}");
}

#[test]
fn one_pool_serves_many_runtimes() {
    let pool = pool(Settings { workers: 2, queue: 64, ..settings() });
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let pool = &pool;
            scope.spawn(move || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                builder.enable_all().build().unwrap().block_on(async {
                    for number in 0..25u8 {
                        let image = [Bytes::from(vec![thread * 25 + number; 50_000])];
                        let done = pool.run(thread.into(), b"join", &image).await.unwrap();
                        assert!(done.body == image[0]);
                    }
                });
            });
        }
    });
}

#[tokio::test]
async fn threads_where_they_are_allowed() {
    let pool = Pool::new(&settings(), worker("threads")).unwrap();
    assert_eq!(ask(&pool, "thread").await, "from a thread");
    // And nothing else with them.
    for order in ["run", "open", "connect"] {
        let fault = run(&pool, order).await.unwrap_err();
        assert!(matches!(&fault, WorkerFault::Crashed(how) if how.contains("SIGSYS")), "{fault}");
        assert_eq!(ask(&pool, "thread").await, "from a thread");
    }
}
