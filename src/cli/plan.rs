//! `brink plan`: what a reload would change.

use serde_json::Value;

use super::{FOUND_WRONG, Reach, ended};

/// What `brink plan` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: Reach,
}

/// Shows the plan; finds wrong what a reload would refuse.
pub(crate) fn run(arguments: &Arguments) -> u8 {
    let reach = &arguments.reach;
    ended(reach.read("/v1/plan").map(|plan| {
        match reach.json() {
            true => println!("{plan:#}"),
            false => print!("{}", told(&plan)),
        }
        let wrong = |it: &Value| it["diagnostics"].as_array().is_some_and(|it| !it.is_empty());
        let sites = plan["sites"].as_array();
        let any = wrong(&plan) || sites.is_some_and(|sites| sites.iter().any(wrong));
        if any { FOUND_WRONG } else { 0 }
    }))
}

fn told(plan: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let places = |value: &Value| -> String {
        let all = value["diagnostics"].as_array().into_iter().flatten();
        all.map(|place| format!("{}\n", text(&place["display"]))).collect()
    };
    if plan["clean"] == true {
        return "a reload would change nothing\n".into();
    }
    let mut shown = text(&plan["node"]);
    shown.push_str(&places(plan));
    if plan["restart"] == true {
        shown.push_str("settings other than [listen] and [geo] count from the next start\n");
    }
    for site in plan["sites"].as_array().into_iter().flatten() {
        let (diff, places) = (text(&site["diff"]), places(site));
        shown.push_str(&format!(
            "{diff}{places}{}: {}\n",
            text(&site["name"]),
            text(&site["what"])
        ));
    }
    shown
}
