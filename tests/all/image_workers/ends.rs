//! What a worker has, and how it goes.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use brink::image::workers::{Pool, Priority, Settings};
use rustix::process::{Pid, Signal};

use super::part::worker;
use super::{ask, pid, pool, run, settings};
use crate::kit::until;

/// A file of a process's folder; nothing once it is gone.
fn of(process: u32, file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{process}/{file}")).ok()
}

/// The threads of a process, as files to read with [`of`]; none once it is reaped.
fn threads(process: u32) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let names = folder.map_while(Result::ok).map(|it| it.file_name().into_string().unwrap());
    names.map(|name| format!("task/{name}")).collect()
}

/// The thread that plays the worker, beside that of the test harness.
fn player(process: u32) -> String {
    let named = |thread: &String| {
        of(process, &format!("{thread}/comm")).is_some_and(|name| name == "brink-image\n")
    };
    threads(process).into_iter().find(named).unwrap()
}

/// Whether a process runs: neither reaped nor a zombie, not in part either.
fn runs(process: u32) -> bool {
    let alive = |thread: &String| {
        of(process, &format!("{thread}/status")).is_some_and(|it| !it.contains("State:\tZ"))
    };
    threads(process).iter().any(alive)
}

fn kill(process: u32, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

#[tokio::test]
async fn a_worker_has_next_to_nothing() {
    let pool = pool(settings());
    let worker = pid(&pool).await;
    for thread in threads(worker) {
        let status = of(worker, &format!("{thread}/status")).unwrap();
        for line in ["Seccomp:\t2", "NoNewPrivs:\t1"] {
            assert!(status.contains(line), "{line} in {status}");
        }
    }
    let limits = of(worker, "limits").unwrap();
    for (name, most) in [
        ("Max address space", 256 << 20),
        ("Max core file size", 0),
        ("Max open files", 16),
        ("Max file size", 17 << 20),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let hard = line[name.len()..].split_whitespace().nth(1).unwrap();
        assert_eq!(hard, most.to_string(), "{name}");
    }
    let environment = ask(&pool, "environment").await;
    assert_eq!(environment.matches("\", \"").count(), 2, "two variables: {environment}");
    assert_eq!(of(worker, "oom_score_adj").unwrap().trim(), "1000");
}

#[tokio::test]
async fn workers_stand_back_as_told() {
    for (priority, policy) in [(Priority::Idle, "5"), (Priority::Low, "0")] {
        let pool = pool(Settings { priority, ..settings() });
        let worker = pid(&pool).await;
        let stat = of(worker, &format!("{}/stat", player(worker))).unwrap();
        // Behind the name, which may hold anything: nice is field 19, the policy 41.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        assert_eq!(fields[19 - 3], "19");
        assert_eq!(fields[41 - 3], policy, "{priority:?}");
    }
}

#[tokio::test]
async fn a_worn_worker_is_replaced() {
    let pool = pool(Settings { jobs: 3, ..settings() });
    let mut workers = Vec::new();
    for _ in 0..9 {
        workers.push(pid(&pool).await);
    }
    assert!(workers.chunks(3).all(|three| three.iter().all(|it| *it == three[0])), "{workers:?}");
    workers.dedup();
    assert_eq!(workers.len(), 3);
    until("the worn ones are reaped", async || of(workers[1], "stat").is_none()).await;
}

#[tokio::test]
async fn a_worker_that_dies_at_rest_costs_nobody_a_job() {
    let pool = pool(settings());
    for _ in 0..3 {
        let worker = pid(&pool).await;
        kill(worker, Signal::KILL);
        until("it is dead", async || !runs(worker)).await;
        assert_ne!(pid(&pool).await, worker);
    }
}

#[tokio::test]
async fn a_job_given_up_ends_its_worker() {
    let pool = pool(settings());
    let worker = pid(&pool).await;
    let job = tokio::spawn({
        let pool = Arc::clone(&pool);
        async move { run(&pool, "spin").await }
    });
    tokio::task::yield_now().await;
    job.abort();
    until("it is reaped", async || of(worker, "stat").is_none()).await;
    assert_ne!(pid(&pool).await, worker);
}

#[tokio::test]
async fn the_end_of_the_pool_is_the_end_of_all() {
    let pool = pool(Settings { workers: 2, ..settings() });
    let (first, second) = tokio::join!(
        async {
            run(&pool, "wait 50").await.unwrap();
            pid(&pool).await
        },
        async {
            run(&pool, "wait 50").await.unwrap();
            pid(&pool).await
        },
    );
    drop(pool);
    for worker in [first, second] {
        assert_eq!(of(worker, "stat"), None);
    }
    // One that never had a job ends as well.
    drop(Pool::new(&settings(), worker("sound")).unwrap());
}

#[tokio::test]
async fn the_death_of_the_node_is_the_end_of_all() {
    let node = worker("node");
    let mut node = Command::new(&node.program)
        .args(&node.arguments)
        .envs(node.environment)
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let told = lines.map_while(Result::ok).find_map(|line| {
        line.split_once("worker ").and_then(|(_, number)| number.parse::<u32>().ok())
    });
    let worker = told.unwrap();
    assert!(runs(worker));
    kill(node.id(), Signal::KILL);
    node.wait().unwrap();
    until("the worker is gone too", async || !runs(worker)).await;
}
