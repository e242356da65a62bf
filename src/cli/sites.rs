//! `brink sites`: the sites of a running node, one by one.

use std::path::PathBuf;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::client::{Message, encoded, good};
use super::{FOUND_WRONG, Reach, ended};
use crate::clock::Timestamp;

/// What `brink sites` understands.
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// List the sites.
    List {
        /// Those of this customer alone.
        #[arg(long, value_name = "NAME")]
        customer: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Show a site's document as it is served.
    Show {
        /// The site.
        name: String,
        /// Write out its preset and every default.
        #[arg(long)]
        effective: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Make a site, or give one another document.
    Put {
        /// The site.
        name: String,
        /// Its document, in TOML or, if the name ends with .json, in JSON.
        file: PathBuf,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a site away, with its file.
    Delete {
        /// The site.
        name: String,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        reach: Reach,
    },
    /// List the documents that a site has had.
    History {
        /// The site.
        name: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Compare two documents that a site has had.
    Diff {
        /// The site.
        name: String,
        /// A revision; the one before the other if nothing is said.
        #[arg(long)]
        from: Option<u64>,
        /// Another; the newest if nothing is said.
        #[arg(long)]
        to: Option<u64>,
        #[command(flatten)]
        reach: Reach,
    },
    /// Give a site a document back that it had: the one before, if nothing is said.
    Rollback {
        /// The site.
        name: String,
        /// Its revision, as `history` lists it.
        #[arg(long)]
        to: Option<u64>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        reach: Reach,
    },
}

/// How a change is meant.
#[derive(clap::Args)]
pub(crate) struct How {
    /// Show what would come of it, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Change nothing unless the document has this ETag, as `show --json` tells it.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

/// Runs the verb; finds wrong what the node refuses.
pub(crate) fn run(verb: Verb) -> u8 {
    ended(match verb {
        Verb::List { customer, reach } => list(customer.as_deref(), &reach),
        Verb::Show { name, effective, reach } => show(&name, effective, &reach),
        Verb::Put { name, file, how, reach } => put(&name, &file, &how, &reach),
        Verb::Delete { name, how, reach } => {
            let path = format!("/v1/sites/{}?dry_run={}", encoded(&name), how.dry_run);
            change(&reach, Method::DELETE, &path, None, &how)
        }
        Verb::History { name, reach } => history(&name, &reach),
        Verb::Diff { name, from, to, reach } => {
            let number = |name: &str, it: Option<u64>| it.map(|it| format!("{name}={it}"));
            let query: Vec<String> =
                [number("from", from), number("to", to)].into_iter().flatten().collect();
            let path = format!("/v1/sites/{}/diff?{}", encoded(&name), query.join("&"));
            reach.read(&path).map(|answer| {
                tell(&reach, &answer, || answer["diff"].as_str().unwrap_or_default().to_owned())
            })
        }
        Verb::Rollback { name, to, how, reach } => {
            let path = format!("/v1/sites/{}/rollback?dry_run={}", encoded(&name), how.dry_run);
            let body = Bytes::from(json!({ "revision": to }).to_string());
            change(&reach, Method::POST, &path, Some(("application/json", body)), &how)
        }
    })
}

/// Prints the answer as JSON, or as people read it.
fn tell(reach: &Reach, answer: &Value, text: impl FnOnce() -> String) -> u8 {
    match reach.json() {
        true => println!("{answer:#}"),
        false => print!("{}", text()),
    }
    0
}

fn list(customer: Option<&str>, reach: &Reach) -> Result<u8, String> {
    let mut sites = Vec::new();
    let only = customer.map(|name| format!("&customer={}", encoded(name))).unwrap_or_default();
    loop {
        let last = sites.last().and_then(|site: &Value| site["name"].as_str()).unwrap_or_default();
        let page = reach.read(&format!("/v1/sites?after={}{only}", encoded(last)))?;
        match page["sites"].as_array() {
            Some(more) if !more.is_empty() => sites.extend(more.iter().cloned()),
            _ => break,
        }
    }
    let answer = Value::Array(sites);
    Ok(tell(reach, &answer, || {
        let line = |site: &Value| {
            let text = |field: &str| site[field].as_str().unwrap_or("-").to_owned();
            let hosts = site["hosts"].as_array().into_iter().flatten();
            let hosts: Vec<_> = hosts.filter_map(|host| host.as_str()).collect();
            let failed = if site["failed"] == true { "  FAILED" } else { "" };
            format!("{:<24} {:<16} {}{failed}\n", text("name"), text("customer"), hosts.join(" "))
        };
        let head = format!("{:<24} {:<16} hosts\n", "name", "customer");
        let lines = answer.as_array().into_iter().flatten().map(line);
        std::iter::once(head).chain(lines).collect()
    }))
}

fn show(name: &str, effective: bool, reach: &Reach) -> Result<u8, String> {
    let (path, field) = match effective {
        true => (format!("/v1/sites/{}/effective", encoded(name)), "toml"),
        false => (format!("/v1/sites/{}", encoded(name)), "document"),
    };
    let answer = reach.read(&path)?;
    Ok(tell(reach, &answer, || answer[field].as_str().unwrap_or_default().to_owned()))
}

fn put(name: &str, file: &PathBuf, how: &How, reach: &Reach) -> Result<u8, String> {
    let bytes = std::fs::read(file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let is_json = file.extension().is_some_and(|it| it == "json");
    let kind = if is_json { "application/json" } else { "application/toml" };
    let path = format!("/v1/sites/{}?dry_run={}", encoded(name), how.dry_run);
    change(reach, Method::PUT, &path, Some((kind, bytes.into())), how)
}

fn change(
    reach: &Reach,
    method: Method,
    path: &str,
    body: Option<(&str, Bytes)>,
    how: &How,
) -> Result<u8, String> {
    let fields: Vec<(&str, &str)> =
        how.if_match.iter().map(|etag| ("If-Match", etag.as_str())).collect();
    let answer = reach.send(method, path, Message { fields: &fields, body })?;
    let answer = match good(answer) {
        Ok(answer) => answer,
        Err(why) => {
            eprintln!("brink: {why}");
            return Ok(FOUND_WRONG);
        }
    };
    Ok(tell(reach, &answer, || {
        let what = match (answer["created"] == true, &answer["etag"], answer["changed"] == true) {
            (true, _, _) => "is new",
            (_, Value::Null, _) => "is taken away",
            (_, _, true) => "is changed",
            _ => "is as it was",
        };
        let tried = if answer["dry_run"] == true { " (tried alone, nothing is done)" } else { "" };
        let warning = answer["warning"].as_str().map(|it| format!("{it}\n")).unwrap_or_default();
        let diff = answer["diff"].as_str().unwrap_or_default();
        format!("{diff}{} {what}{tried}\n{warning}", answer["name"].as_str().unwrap_or_default())
    }))
}

fn history(name: &str, reach: &Reach) -> Result<u8, String> {
    let answer = reach.read(&format!("/v1/sites/{}/history", encoded(name)))?;
    Ok(tell(reach, &answer, || {
        let line = |it: &Value| {
            let at = it["at"].as_u64().map(|at| Timestamp(at).rfc3339());
            let who = it["who"].as_str().unwrap_or_default();
            let at = at.unwrap_or_else(|| "-".into());
            let [revision, bytes] =
                ["revision", "bytes"].map(|number| it[number].as_u64().unwrap_or_default());
            format!("{revision:>5}  {at:<24}  {bytes:>7} bytes  {who}\n")
        };
        answer["revisions"].as_array().into_iter().flatten().map(line).collect()
    }))
}
