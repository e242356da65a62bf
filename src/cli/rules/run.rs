//! `brink rules run`: one request through a rule set, and what each rule did.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use edge_rules::{
    Action, Budget, DEFAULT_ZONE, Environment, Event, Fate, Outcome, PatternCache, Phase, Program,
    Sample,
};
use serde_json::{Value, json};

use super::Rules;
use crate::cli::FOUND_WRONG;

/// The request.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A file with rules.
    file: PathBuf,
    /// The URL that the client asks for.
    url: String,
    /// The method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A request field; may be given often.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body.
    #[arg(long)]
    body: Option<String>,
    /// The client's address.
    #[arg(long, default_value = "192.0.2.1")]
    client: IpAddr,
    /// The client's country, two capital letters.
    #[arg(long)]
    country: Option<String>,
    /// The client's autonomous system.
    #[arg(long)]
    asn: Option<u32>,
    /// The status of the answer; with it the rules that look at the answer run too.
    #[arg(long)]
    status: Option<u16>,
    /// A field of the answer; may be given often.
    #[arg(long = "response-header", value_name = "NAME: VALUE")]
    response_headers: Vec<String>,
    /// The moment, in seconds since 1970; now if it is not said.
    #[arg(long)]
    now: Option<i64>,
    /// Whether rules in test act.
    #[arg(long)]
    tester: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The most memory that the patterns of a set may take here.
const PATTERNS: usize = 64 << 20;

pub(super) fn run(arguments: Arguments) -> Result<u8, String> {
    let rules = Rules::read(&arguments.file)?;
    let program = match rules.compile() {
        Ok(program) => program,
        Err(errors) => {
            rules.show(&errors);
            return Ok(FOUND_WRONG);
        }
    };
    let sample = sample(&arguments)?;
    let mut patterns = PatternCache::new(PATTERNS);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs() as i64);
    let now = arguments.now.unwrap_or_else(clock);
    let mut told = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| program.has(*phase)) {
        let meets = match phase {
            Phase::Error => arguments.status.is_some_and(|status| status >= 400),
            phase => !phase.has_response() || arguments.status.is_some(),
        };
        if !meets {
            continue;
        }
        let mut env = Environment {
            now,
            random: &mut || fastrand::u64(..),
            patterns: &mut patterns,
            budget: &Budget::default(),
            zone: DEFAULT_ZONE,
            tester: arguments.tester,
            explain: true,
        };
        let outcome = program.evaluate(phase, &sample, &mut env);
        if arguments.json {
            told.push(as_json(&program, phase, &outcome));
        } else {
            print(&program, phase, &outcome);
        }
    }
    if arguments.json {
        println!("{:#}", Value::Array(told));
    }
    Ok(0)
}

fn sample(arguments: &Arguments) -> Result<Sample, String> {
    let line = |text: &String| {
        let (name, value) =
            text.split_once(':').ok_or(format!("`{text}` is no field; write `Name: value`"))?;
        Ok((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()))
    };
    let mut sample = Sample::get(&arguments.url);
    sample.method = arguments.method.to_ascii_uppercase();
    sample.headers = arguments.headers.iter().map(line).collect::<Result<_, String>>()?;
    sample.response_headers =
        arguments.response_headers.iter().map(line).collect::<Result<_, String>>()?;
    sample.body = arguments.body.as_ref().map(|body| body.as_bytes().to_vec());
    sample.client = arguments.client;
    sample.country.clone_from(&arguments.country);
    (sample.asn, sample.status) = (arguments.asn, arguments.status);
    Ok(sample)
}

fn fate(fate: Fate) -> String {
    match fate {
        Fate::Matched => "matched".into(),
        Fate::Unmatched => "did not match".into(),
        Fate::Answered => "answered".into(),
        Fate::InTest => "is in test".into(),
        Fate::Disabled => "is disabled".into(),
        Fate::Failed(failure) => format!("failed: {failure}"),
    }
}

fn print(program: &Program, phase: Phase, outcome: &Outcome) {
    println!("{}: {}, {} steps", phase.word(), outcome.end.word(), outcome.steps);
    let (steps, rest) = outcome.by_rule();
    for (event, actions) in steps {
        println!("  rule {} {}", program.rule_label(event.rule), fate(event.fate));
        actions.iter().for_each(|action| println!("    {action}"));
    }
    rest.iter().for_each(|action| println!("  {action}"));
}

fn as_json(program: &Program, phase: Phase, outcome: &Outcome) -> Value {
    let (steps, rest) = outcome.by_rule();
    let list = |actions: &[Action]| actions.iter().map(Action::to_string).collect::<Vec<_>>();
    let rule = |(event, actions): (&Event, &[Action])| {
        json!({
            "rule": program.rule_label(event.rule),
            "fate": fate(event.fate),
            "actions": list(actions),
        })
    };
    let rules: Vec<Value> = steps.into_iter().map(rule).collect();
    json!({
        "phase": phase.word(),
        "end": outcome.end.word(),
        "steps": outcome.steps,
        "rules": rules,
        "at_the_end": list(rest),
    })
}
