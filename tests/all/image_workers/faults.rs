//! Handlers that misbehave.

use std::sync::Arc;

use brink::image::workers::counters::COUNTERS;
use brink::image::workers::{Pool, Settings, WorkerFault};
use brink::quantity::Span;

use super::part::worker;
use super::{ask, pid, pool, run, settings};

/// How a job failed over which the worker did.
fn crash(result: Result<brink::image::workers::Done, WorkerFault>) -> String {
    match result {
        Err(WorkerFault::Crashed(how)) => how,
        other => panic!("{other:?}"),
    }
}

/// Gives an order that the worker does not survive; the next job finds another worker.
async fn costs_itself_alone(pool: &Pool, order: &str, how: &str) {
    let before = pid(pool).await;
    let told = crash(run(pool, order).await);
    assert!(told.contains(how), "{order}: {told}");
    assert_ne!(pid(pool).await, before, "{order}");
}

#[tokio::test]
async fn failing_costs_one_job() {
    let pool = pool(settings());
    let (crashed, lost) = (COUNTERS.crashed.sum(), COUNTERS.lost.sum());
    for (order, how) in [
        ("panic hello", "as told: hello"),
        ("abort", "SIGABRT"),
        ("exit", "exit status: 0"),
        ("grow", "SIGABRT"),
        ("dive", "SIG"),
    ] {
        costs_itself_alone(&pool, order, how).await;
    }
    assert!(COUNTERS.crashed.sum() >= crashed + 5);
    assert!(COUNTERS.lost.sum() >= lost + 5);
}

#[tokio::test]
async fn reaching_out_is_death() {
    let pool = pool(settings());
    for order in ["open", "create", "read", "forge", "connect", "listen", "run", "thread", "signal"]
    {
        costs_itself_alone(&pool, order, "SIGSYS").await;
    }
    assert!(!std::path::Path::new("/tmp/by-a-worker").exists());
}

#[tokio::test]
async fn taking_too_long_costs_one_job() {
    let pool = pool(Settings { time_limit: Span::millis(300), ..settings() });
    for order in ["sleep", "spin"] {
        let before = pid(&pool).await;
        assert_eq!(run(&pool, order).await.unwrap_err(), WorkerFault::TimedOut, "{order}");
        assert_ne!(pid(&pool).await, before, "{order}");
    }
}

#[tokio::test]
async fn processor_time_is_bounded_for_each_job() {
    let patient =
        Settings { cpu_limit: Span::seconds(1), time_limit: Span::seconds(60), ..settings() };
    let pool = pool(patient);
    let before = pid(&pool).await;
    assert_eq!(run(&pool, "spin").await.unwrap_err(), WorkerFault::TimedOut);
    assert_ne!(pid(&pool).await, before);
}

#[tokio::test]
async fn a_job_beside_one_that_fails_does_not_notice() {
    let pool = pool(Settings { workers: 2, ..settings() });
    let calm = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { ask(&pool, "wait 600").await }
    });
    for order in ["abort", "panic x", "open"] {
        crash(pool.run(2, order.as_bytes(), &[]).await);
    }
    assert_eq!(calm.await.unwrap(), "wait done");
}

#[tokio::test]
async fn after_a_storm_of_failures_work_goes_on() {
    let pool = pool(settings());
    for _ in 0..6 {
        crash(run(&pool, "abort").await);
    }
    assert_eq!(ask(&pool, "wait 1").await, "wait done");
}

#[tokio::test]
async fn what_cannot_start_is_said_at_once() {
    for (part, why) in [("unfit", "no font was found"), ("gone", "exit status: 7")] {
        let pool = Pool::new(&settings(), worker(part)).unwrap();
        for _ in 0..2 {
            match run(&pool, "pid").await {
                Err(WorkerFault::Unavailable(told)) => assert!(told.contains(why), "{told}"),
                other => panic!("{part}: {other:?}"),
            }
        }
    }
    let mut nothing = worker("sound");
    nothing.program = "/no/such/program".into();
    let pool = Pool::new(&settings(), nothing).unwrap();
    let fault = run(&pool, "pid").await.unwrap_err();
    assert!(fault.to_string().contains("/no/such/program cannot run"), "{fault}");
}
