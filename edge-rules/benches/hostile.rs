//! What do rule sets that mean harm cost one request? Each is refused at load, with the place, or is
//! evaluated within [`MOST`]; the first evaluation, which builds patterns, is told apart.
//!
//! `cargo bench -p edge-rules --bench hostile [-- NAME]`; exit code 1 if a set costs more.

#[path = "../tests/shared/hostile.rs"]
mod hostile;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use edge_rules::{
    Budget, DEFAULT_ZONE, Environment, Limits, Outcome, PatternCache, Phase, Program, Sample,
};

/// What one request may cost.
const MOST: Duration = Duration::from_millis(5);
/// Evaluations of each set, of which the middle one counts.
const TIMES: usize = 15;

fn main() -> ExitCode {
    let only = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let request = request();
    let mut missed = false;
    println!("{:24} {:>9} {:>9} {:>7}  end", "set", "first ms", "then ms", "steps");
    for (name, source) in hostile::sets() {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let program = match Program::from_document(&source, &Limits::default()) {
            Ok(program) => program,
            Err(errors) => {
                let told = errors.first().map(|it| it.show("set", &source).to_string());
                let told = told.unwrap_or_default();
                println!("{name:24} refused: {}", told.lines().next().unwrap_or_default());
                continue;
            }
        };
        let (first, then, outcome) = times(&program, &request);
        let verdict = if then > MOST { " MISSED" } else { "" };
        missed |= then > MOST;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let (steps, end) = (outcome.steps, outcome.end.word());
        println!("{name:24} {:9.3} {:9.3} {steps:7}  {end}{verdict}", ms(first), ms(then));
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn request() -> Sample {
    let attack = hostile::attack();
    let url = format!("http://a.example{}?{}", attack.path, attack.query);
    let request = Sample { method: "POST".into(), ..Sample::get(&url) };
    let fields = attack.fields.into_iter();
    let request = fields.fold(request, |request, (name, value)| request.with_header(name, value));
    Sample { body: Some(attack.body.into()), ..request }
}

/// The first evaluation, the middle one of the others, and what came of the last.
fn times(program: &Program, request: &Sample) -> (Duration, Duration, Outcome) {
    // As large as that of a node.
    let mut patterns = PatternCache::new(16 << 20);
    let budget = Budget::default();
    let mut bits = 0;
    let mut evaluate = || {
        let start = Instant::now();
        let mut env = Environment {
            now: 1_700_000_000,
            random: &mut || {
                bits = u64::wrapping_add(bits, 0x9e37_79b9_7f4a_7c15);
                bits
            },
            patterns: &mut patterns,
            budget: &budget,
            zone: DEFAULT_ZONE,
            tester: false,
            explain: false,
        };
        (program.evaluate(Phase::Request, request, &mut env), start.elapsed())
    };
    let (mut outcome, first) = evaluate();
    let mut all = Vec::new();
    for _ in 0..TIMES {
        let (next, took) = evaluate();
        (outcome, all) = (next, [all, vec![took]].concat());
    }
    all.sort_unstable();
    (first, all.get(TIMES / 2).copied().unwrap_or_default(), outcome)
}
