//! `brink rules sets | return | token`: which rules clients have, the way back, and rules in test.

use std::path::Path;

use super::COULD_NOT_RUN;
use crate::cli::Reach;
use crate::cli::client::encoded;
use crate::clock::{Clock, Timestamp};
use crate::quantity::Span;
use crate::site::{Document, LONGEST_TEST, TEST_HEADER};

/// Shows the sets that a site has had.
pub(super) fn sets(site: &str, reach: &Reach) -> Result<u8, String> {
    let answer = reach.read(&format!("/v1/sites/{}/rules", encoded(site)))?;
    if reach.json() {
        println!("{answer:#}");
        return Ok(0);
    }
    println!("{}", answer["now"].as_str().unwrap_or_default());
    for set in answer["sets"].as_array().into_iter().flatten() {
        let name = set["name"].as_str().unwrap_or_default();
        let rules = toml::from_str::<toml::Table>(set["text"].as_str().unwrap_or_default());
        let rules = rules.ok().and_then(|table| Some(table.get("rules")?.as_array()?.len()));
        let time = |key: &str| set[key].as_u64().map(|at| date(Timestamp(at)));
        let stood =
            time("stood").map_or("never for all".into(), |at| format!("for all since {at}"));
        let document = if answer["document"] == set["name"] { ", the document's" } else { "" };
        println!(
            "{name}  {} rules, taken {}, {stood}{document}",
            rules.unwrap_or(0),
            time("taken").unwrap_or_default()
        );
    }
    Ok(0)
}

/// Brings the set before back.
pub(super) fn take_back(site: &str, undo: bool, reach: &Reach) -> Result<u8, String> {
    let path = format!("/v1/sites/{}/rules/return", encoded(site));
    let answer = reach.order(&path, serde_json::json!({ "undo": undo }))?;
    if reach.json() {
        println!("{answer:#}");
        return Ok(0);
    }
    println!("{}", answer["now"].as_str().unwrap_or_default());
    if !undo {
        println!("What the rules let the cache keep stays there: `brink purge` makes it stale.");
    }
    Ok(0)
}

/// Prints a header that lets a request have rules in test.
pub(super) fn token(path: &Path, lifetime: Span) -> Result<u8, String> {
    let file = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("{file} cannot be read: {error}"))?;
    let document = Document::parse(&file, &text).map_err(|diagnostic| diagnostic.to_string())?;
    if lifetime.0.as_secs() > LONGEST_TEST {
        return Err(format!("a token is good for at most a week, not {lifetime}"));
    }
    let until = Clock::system().now().plus(lifetime.0);
    let Some(token) = document.release.token(until) else {
        eprintln!("brink: {file} has no `test_key` in its table [release]");
        return Ok(COULD_NOT_RUN);
    };
    println!("{}: {token}", TEST_HEADER.as_str());
    Ok(0)
}

fn date(at: Timestamp) -> String {
    httpdate::fmt_http_date(at.system_time())
}
