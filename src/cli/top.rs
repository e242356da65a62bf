//! `brink top`: which URLs are asked for, missed or sent most.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde_json::Value;

use super::client::encoded;
use super::{Reach, ended};

/// What `brink top` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The order: requests, misses or bytes.
    #[arg(long, value_parser = ["requests", "misses", "bytes"], default_value = "requests")]
    by: String,
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Those of this site alone.
    #[arg(long, value_name = "NAME")]
    site: Option<String>,
    /// Show it again every two seconds, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
}

/// How long one showing stands.
const PAUSE: Duration = Duration::from_secs(2);

/// Shows the list.
pub(crate) fn run(arguments: &Arguments) -> u8 {
    ended(show(arguments).map(|()| 0))
}

fn show(arguments: &Arguments) -> Result<(), String> {
    let Arguments { by, limit, site, follow, reach } = arguments;
    let site = site.as_deref().map(|site| format!("&site={}", encoded(site))).unwrap_or_default();
    let path = format!("/v1/top?by={by}&limit={limit}{site}");
    let mut out = std::io::stdout();
    loop {
        let answer = reach.read(&path)?;
        let text = if reach.json() { format!("{answer:#}\n") } else { table(&answer) };
        let clear = if *follow && out.is_terminal() { "\u{1b}[2J\u{1b}[H" } else { "" };
        let written = write!(out, "{clear}{text}").and_then(|()| out.flush());
        if !follow || written.is_err() {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
}

fn table(answer: &Value) -> String {
    let head = format!("{:>10} {:>10} {:>14}  url\n", "requests", "misses", "bytes");
    let line = |it: &Value| {
        let url: String =
            it["url"].as_str().unwrap_or_default().chars().filter(|it| !it.is_control()).collect();
        let [requests, misses, bytes] =
            ["requests", "misses", "bytes"].map(|count| it[count].as_u64().unwrap_or_default());
        format!("{requests:>10} {misses:>10} {bytes:>14}  {url}\n")
    };
    let lines = answer["urls"].as_array().into_iter().flatten().map(line);
    std::iter::once(head).chain(lines).collect()
}
