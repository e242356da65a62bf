//! Ordeals: what the disk tier, customers' rules, images, bills and purges must bear, at full length. They take minutes to an hour and some need
//! root, so nothing runs unless `ORDEAL` names it: see `ops/ordeal.sh`.
//!
//! Exit code 0: every bound was kept; 1: one was missed; 2: something could not be run.

// A failed ordeal may be a panic, as in the kit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../kit/mod.rs"]
mod kit;

mod crash;
mod damage;
mod drawings;
mod full;
mod harm;
#[path = "../../edge-rules/tests/shared/hostile.rs"]
mod hostile;
mod images;
mod large;
mod mount;
mod pictures;
mod purge;
mod report;
mod rules;
mod usage;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use report::Report;

const NAMES: [&str; 9] =
    ["kill", "power", "damage", "full", "large", "rules", "images", "usage", "purge"];

fn main() -> ExitCode {
    let order = std::env::var("ORDEAL").unwrap_or_default();
    let mut words = order.split_whitespace();
    let names: Vec<&str> = match words.next() {
        None => {
            println!("no ordeal is named; ops/ordeal.sh runs them: all, {}", NAMES.join(", "));
            return ExitCode::SUCCESS;
        }
        Some("all") => NAMES.to_vec(),
        Some(name) if NAMES.contains(&name) => vec![name],
        Some(name) => {
            println!("no ordeal is called {name}; there are: all, {}", NAMES.join(", "));
            return ExitCode::from(2);
        }
    };
    let count = words.next().and_then(|word| word.parse().ok());
    let reports: Vec<Report> = names.into_iter().map(|name| run(name, count)).collect();
    println!();
    reports.iter().for_each(Report::print);
    match reports.iter().map(Report::code).max() {
        Some(0) => ExitCode::SUCCESS,
        // What was found wrong counts more than what was not run.
        _ if reports.iter().any(|report| report.code() == 1) => ExitCode::FAILURE,
        _ => ExitCode::from(2),
    }
}

/// Runs one ordeal; a panic in it is a failure of that one alone.
fn run(name: &str, count: Option<u32>) -> Report {
    println!("== {name}");
    let mut report = Report::new(name);
    let ordeal = async {
        match name {
            "kill" => crash::kill(&mut report, count.unwrap_or(100)).await,
            "power" => crash::power(&mut report, count.unwrap_or(20)).await,
            "damage" => damage::run(&mut report, count.unwrap_or(50)).await,
            "full" => full::run(&mut report).await,
            "large" => large::run(&mut report).await,
            "images" => images::run(&mut report).await,
            "purge" => purge::run(&mut report, count.unwrap_or(1_000_000)).await,
            "usage" => usage::run(&mut report, count.unwrap_or(20)).await,
            _ => rules::run(&mut report).await,
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if catch_unwind(AssertUnwindSafe(|| runtime.block_on(ordeal))).is_err() {
        report.missed("it ended early".into());
    }
    report
}
