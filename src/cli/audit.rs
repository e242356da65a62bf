//! `brink audit`: who ordered what of a node.

use serde_json::Value;

use super::client::encoded;
use super::{FOUND_WRONG, Reach, ended};

/// What `brink audit` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many of the newest lines are shown.
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// Those alone whose token, customer or address holds this text.
    #[arg(long, value_name = "TEXT")]
    who: Option<String>,
    /// Those alone whose action or detail holds this text.
    #[arg(long, value_name = "TEXT")]
    what: Option<String>,
    /// Look at the whole chain: whether every line follows the one before, unchanged.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Shows the log, the newest line last; finds wrong a chain that is broken.
pub(crate) fn run(arguments: &Arguments) -> u8 {
    let mut path = format!("/v1/audit?limit={}&verify={}", arguments.limit, arguments.verify);
    for (name, text) in [("who", &arguments.who), ("what", &arguments.what)] {
        if let Some(text) = text {
            path.push_str(&format!("&{name}={}", encoded(text)));
        }
    }
    ended(arguments.reach.read(&path).map(|answer| {
        match arguments.reach.json() {
            true => println!("{answer:#}"),
            false => print!("{}", told(&answer)),
        }
        if answer["chain"]["whole"] == false { FOUND_WRONG } else { 0 }
    }))
}

fn told(answer: &Value) -> String {
    let lines = answer["lines"].as_array().into_iter().flatten().rev();
    let mut shown: String = lines
        .map(|line| {
            // A request may have held anything; a terminal is not to obey it.
            let shown = |it: char| if it.is_control() { char::REPLACEMENT_CHARACTER } else { it };
            let text = |value: &Value| -> String {
                value.as_str().unwrap_or_default().chars().map(shown).collect()
            };
            let actor = &line["actor"];
            format!(
                "{} {} {} from {}: {} {}  {}\n",
                line["seq"],
                text(&line["ts"]),
                text(&actor["name"]),
                text(&actor["from"]),
                line["status"],
                text(&line["action"]),
                text(&line["detail"]),
            )
        })
        .collect();
    let chain = &answer["chain"];
    if chain["whole"] == true {
        shown.push_str(&format!("the chain is whole: {} lines\n", chain["line"]));
    } else if let Some(why) = chain["why"].as_str() {
        shown.push_str(&format!("the chain is BROKEN at line {}: {why}\n", chain["line"]));
    }
    shown
}
