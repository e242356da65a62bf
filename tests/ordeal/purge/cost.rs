//! What a long purge log costs each hit: CPU time of two nodes with the same content, one with ten
//! thousand rules and one with none.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::flood::{Farm, Line, ask_all, at};
use crate::kit::*;
use crate::report::Report;

/// How much more a hit may cost.
const MORE: f64 = 1.1;
/// Objects that are asked for.
const OBJECTS: u32 = 2000;
/// Lines that ask, each one request at a time.
const LINES: usize = 8;

pub async fn run(report: &mut Report, pairs: usize, hits: usize) {
    let farm = Farm::start(OBJECTS).await;
    // What is written of each request would make the rest look smaller than it is.
    let silent = "[telemetry.access_log]\nformat = \"off\"";
    let node = || Edge::setup().site("a", &farm.site("a.test")).node(silent);
    let (bare, ruled) = (node().start().await, node().start().await);
    let all: Vec<u32> = (0..OBJECTS).collect();
    for edge in [&bare, &ruled] {
        ask_all(edge.http, &all).await;
    }
    let socket = ruled.path("state/admin.sock");
    let mut line = Line::to_admin(&socket).await;
    for order in orders() {
        line.purge(&order).await;
    }
    let rules = ruled.metric("purge_rules", "").await;
    let asked = farm.asked_of(&all);
    for (what, busy) in [("", false), (" and one purge a second", true)] {
        let mut ratios = Vec::new();
        let mut costs = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            let mut cost = [0.0; 2];
            for turn in 0..2 {
                let which = (pair + turn) % 2;
                let purging = (which == 1 && busy).then(|| socket.clone());
                cost[which] = per_hit([&bare, &ruled][which], hits, purging).await;
            }
            let [without, with] = cost;
            println!("{without:.2} µs of CPU time a hit without rules, {with:.2} µs with{what}");
            ratios.push(with / without);
            costs.0.push(without);
            costs.1.push(with);
        }
        let ratio = at(ratios, 0.5);
        report.bound(
            ratio <= MORE,
            format!(
                "a hit with {rules} rules{what} costs {ratio:.3} × ({:.2} µs against {:.2} µs)",
                at(costs.1, 0.5),
                at(costs.0, 0.5)
            ),
        );
    }
    report.bound(
        farm.asked_of(&all) == asked,
        "every answer was a hit: no rule named what was asked for".into(),
    );
}

/// Ten thousand things that the objects are not, of the same site.
fn orders() -> Vec<Value> {
    let few = |count: u32, text: &str| -> Vec<String> {
        (0..count).map(|number| text.replace('#', &number.to_string())).collect()
    };
    let mut orders: Vec<Value> = (0..8)
        .map(|turn| json!({"urls": few(1000, &format!("http://a.test/gone/{turn}-#"))}))
        .collect();
    orders.push(json!({"tags": few(1000, "gone-#")}));
    orders.push(json!({"prefixes": few(900, "http://a.test/gone/#/")}));
    orders.push(json!({"rules": few(100, "http://a.test/o/*/gone-#*.jpg")}));
    orders
}

/// CPU time of the node for each of so many hits, in microseconds; with a purge a second if there is
/// a socket.
async fn per_hit(edge: &Edge, hits: usize, purging: Option<PathBuf>) -> f64 {
    let node = edge.http;
    let before = cpu_time(edge.pid());
    let purges = purging.map(|socket| {
        tokio::spawn(async move {
            let mut line = Line::to_admin(&socket).await;
            let first = tokio::time::Instant::now() + Duration::from_millis(500);
            let mut ticks = tokio::time::interval_at(first, Duration::from_secs(1));
            for number in 0u64.. {
                ticks.tick().await;
                line.purge(&json!({"tags": [format!("later-{number}")]})).await;
            }
        })
    });
    let mut clients = JoinSet::new();
    for turn in 0..LINES as u32 {
        clients.spawn(async move {
            let mut line = Line::to(node).await;
            for number in 0..(hits / LINES) as u32 {
                let got = line.ask(&[(number * LINES as u32 + turn) % OBJECTS]).await;
                assert!(got[0].hit, "{}", got[0].body);
            }
        });
    }
    clients.join_all().await;
    if let Some(purges) = purges {
        purges.abort();
    }
    cpu_time(edge.pid()).saturating_sub(before).as_secs_f64() * 1e6 / hits as f64
}

/// CPU time of a process so far, in its own mode and in the kernel.
fn cpu_time(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<u64>().unwrap();
    // Hundredths of a second, whatever the kernel's own clock: proc(5).
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}
