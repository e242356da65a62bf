//! `brink reload`: tells a running node to read its files again, and shows what came of it.

use http::Method;

use crate::cli::{COULD_NOT_RUN, FOUND_WRONG, Reach};

/// What `brink reload` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    reach: Reach,
}

/// Reloads; finds wrong when a file was refused.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let (status, report) = match arguments.reach.ask(Method::POST, "/v1/reload", None) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("brink: {error}");
            return COULD_NOT_RUN;
        }
    };
    if arguments.reach.json() {
        println!("{report:#}");
    } else {
        let said =
            report.get("summary").or_else(|| report.get("detail")).and_then(|text| text.as_str());
        println!("{}", said.unwrap_or("the node gave no reason"));
        for line in report.get("diagnostics").and_then(|list| list.as_array()).into_iter().flatten()
        {
            println!("{}", line.get("display").and_then(|text| text.as_str()).unwrap_or_default());
        }
    }
    let clean =
        status.is_success() && report.get("clean").and_then(|clean| clean.as_bool()) == Some(true);
    if clean { 0 } else { FOUND_WRONG }
}
