//! The process is killed under load, again and again: bills are short by at most what ended since the
//! last flush, a second before, and never over.

use std::time::Duration;

use fastrand::Rng;

use crate::kit::bill::{Kills, Loss};
use crate::kit::ms;
use crate::report::Report;

/// A second between flushes, and as much for a busy machine to write one.
const MOST: Duration = Duration::from_secs(2);

pub async fn run(report: &mut Report, kills: u32) {
    let mut play = Kills::begin().await;
    let mut losses: Vec<Loss> = Vec::new();
    for round in 0..kills {
        let load = ms(Rng::with_seed(u64::from(round)).u64(500..3000));
        losses.push(play.round(load).await);
    }
    play.conclude().await;
    let lost: u64 = losses.iter().map(|loss| loss.requests).sum();
    let longest = losses.iter().map(|loss| loss.time).max().unwrap_or_default();
    report.figure(format!("{kills} kills, {} requests billed, {lost} lost", play.billed));
    report.bound(true, "never over, and what was on the bill stayed there".into());
    report.bound(
        longest <= MOST,
        format!("lost is what ended in the last {} ms before a kill, at most", longest.as_millis()),
    );
}
