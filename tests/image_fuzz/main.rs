//! Mutates parameters and files of images and looks for what must never be: a panic, a canonical text
//! that means something else, a file that is worked on without end, a picture made of half a file.
//!
//! `cargo test --test image_fuzz -- MINUTES [parameters|decoders] [SEED]`; 0 minutes, which is what
//! `cargo test` runs, are a few thousand cases. What is found is printed with its seed; that seed and 0
//! minutes find it again. What ends the whole process leaves its seed in a file, named at the start.

// A failed test is a panic by design.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod decoders;
mod files;
mod mutate;
mod parameters;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// A case that takes more seconds has no end: far above the worst seen of any.
const CASE_MOST: u64 = 60;

/// What a run looks at, and for how long.
struct Plan {
    minutes: u64,
    kinds: Vec<&'static str>,
    seed: u64,
}

/// Words that are none of ours belong to other tests of the same `cargo test`.
fn plan() -> Plan {
    let mut plan = Plan { minutes: 0, kinds: vec!["parameters", "decoders"], seed: 0 };
    let mut numbers = Vec::new();
    for word in std::env::args().skip(1) {
        match (word.as_str(), word.parse::<u64>()) {
            ("parameters", _) => plan.kinds = vec!["parameters"],
            ("decoders", _) => plan.kinds = vec!["decoders"],
            (_, Ok(number)) => numbers.push(number),
            _ => {}
        }
    }
    plan.minutes = numbers.first().copied().unwrap_or(0);
    plan.seed = numbers.get(1).copied().unwrap_or(0);
    plan
}

/// Panics so far: those of libraries, which the engine catches, and at most one that ends the run.
static PANICS: AtomicU64 = AtomicU64::new(0);
/// What the last one said.
static LAST: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    let plan = plan();
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        *LAST.lock().unwrap() = panic.to_string();
    }));
    for kind in &plan.kinds {
        let went_well = match *kind {
            "parameters" => {
                let mut target = parameters::Target::default();
                let went_well =
                    hunt(kind, &plan, 3000, |rng, input| target.case(rng, input)).is_some();
                println!("  {target}");
                went_well && target.is_reached()
            }
            _ => {
                let mut target = decoders::Target::new();
                let cases = hunt(kind, &plan, 1500, |rng, input| target.case(rng, input));
                println!("  {target}");
                cases.is_some_and(|cases| target.is_reached(cases))
            }
        };
        if !went_well {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs cases until the time is over, or the first finding; how many there were without one.
fn hunt(
    kind: &str,
    plan: &Plan,
    few: u64,
    mut case: impl FnMut(&mut Rng, &mut Vec<u8>),
) -> Option<u64> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (at, found) = (folder.join(format!("{kind}.seed")), folder.join(format!("{kind}.input")));
    println!("fuzz {kind}: the seed at hand stands in {}", at.display());
    let start = Instant::now();
    let watched = watch(kind.into());
    let mut cases = 0;
    while if plan.minutes == 0 { cases < few } else { watched.seconds() < 60 * plan.minutes } {
        let seed = plan.seed + cases;
        std::fs::write(&at, seed.to_string()).unwrap();
        watched.at_hand.store(cases, Ordering::Relaxed);
        let mut input = Vec::new();
        let run = AssertUnwindSafe(|| case(&mut Rng::with_seed(seed), &mut input));
        if catch_unwind(run).is_err() {
            std::fs::write(&found, &input).unwrap();
            let (why, place) = (LAST.lock().unwrap(), found.display());
            eprintln!("{kind}, seed {seed}, {} bytes in {place}: {why}", input.len());
            return None;
        }
        cases += 1;
    }
    watched.at_hand.store(u64::MAX, Ordering::Relaxed);
    println!(
        "fuzz {kind}: {cases} cases from seed {} in {:.0?}, {} panics of libraries were caught",
        plan.seed,
        start.elapsed(),
        PANICS.load(Ordering::Relaxed)
    );
    Some(cases)
}

/// What the watcher sees, and how long it has watched.
#[derive(Default)]
struct Watched {
    at_hand: AtomicU64,
    seconds: AtomicU64,
}

impl Watched {
    fn seconds(&self) -> u64 {
        self.seconds.load(Ordering::Relaxed)
    }
}

/// Ends the process when a case has no end. Seconds in which the whole process is stopped do not
/// count, as they would by the clock.
fn watch(kind: String) -> Arc<Watched> {
    let watched = Arc::new(Watched::default());
    let seen = watched.clone();
    std::thread::spawn(move || {
        let (mut case, mut since) = (0, 0);
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let seconds = seen.seconds.fetch_add(1, Ordering::Relaxed);
            let at_hand = seen.at_hand.load(Ordering::Relaxed);
            if at_hand == u64::MAX {
                return;
            }
            if at_hand != case {
                (case, since) = (at_hand, seconds);
            }
            if seconds - since > CASE_MOST {
                eprintln!("{kind}: a case takes longer than {CASE_MOST} s");
                std::process::exit(1);
            }
        }
    });
    watched
}
