//! Mutates rules and looks for what must never be: a panic, a layout or a conversion that changes
//! what rules do, work beyond the budget, and CR, LF or NUL in what leaves a rule.
//!
//! `cargo test -p edge-rules --test fuzz -- MINUTES [parser|evaluator] [SEED]`; 0 minutes, which is
//! what `cargo test` runs, are a few thousand cases. What is found is printed with its seed; that
//! seed and 0 minutes find it again.

// A failed test is a panic by design.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checks;
mod corpus;
#[path = "../shared/grammar.rs"]
mod grammar;
mod mutate;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use corpus::Corpus;
use grammar::Chance;

/// Cases that 0 minutes run, of each kind.
const CASES: u64 = 1500;

/// What a run looks at, and for how long.
struct Plan {
    minutes: u64,
    kinds: Vec<Kind>,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Text in, program or errors out; then laid out and converted.
    Parser,
    /// Programs and requests that mean harm.
    Evaluator,
}

/// Words that are none of ours belong to other tests of the same `cargo test`.
fn plan() -> Plan {
    let mut plan = Plan { minutes: 0, kinds: vec![Kind::Parser, Kind::Evaluator], seed: 0 };
    let mut numbers = Vec::new();
    for word in std::env::args().skip(1) {
        match (word.as_str(), word.parse::<u64>()) {
            ("parser", _) => plan.kinds = vec![Kind::Parser],
            ("evaluator", _) => plan.kinds = vec![Kind::Evaluator],
            (_, Ok(number)) => numbers.push(number),
            _ => {}
        }
    }
    plan.minutes = numbers.first().copied().unwrap_or(0);
    plan.seed = numbers.get(1).copied().unwrap_or(0);
    plan
}

fn main() -> ExitCode {
    let plan = plan();
    let corpus = Corpus::load();
    for kind in &plan.kinds {
        let end = Instant::now() + Duration::from_secs(60 * plan.minutes);
        let mut tally = checks::Tally::default();
        let mut case = 0;
        while if plan.minutes == 0 { case < CASES } else { Instant::now() < end } {
            let seed = plan.seed + case;
            let mut input = String::new();
            let run = AssertUnwindSafe(|| run(*kind, seed, &corpus, &mut input, &mut tally));
            if catch_unwind(run).is_err() {
                eprintln!("{kind:?}, seed {seed}:\n{input}");
                return ExitCode::FAILURE;
            }
            case += 1;
        }
        println!("fuzz {kind:?}: {case} cases, {tally}");
        // A run that hardly ever gets past the first error finds nothing.
        assert!(tally.compiled * 20 > case as usize, "{tally}");
    }
    ExitCode::SUCCESS
}

fn run(kind: Kind, seed: u64, corpus: &Corpus, input: &mut String, tally: &mut checks::Tally) {
    let mut chance = Chance(seed);
    match kind {
        Kind::Parser => checks::parser(&mut chance, corpus, input, tally),
        Kind::Evaluator => checks::evaluator(&mut chance, corpus, input, tally),
    }
}
