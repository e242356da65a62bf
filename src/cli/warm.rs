//! `brink warm`: fetches URLs into the cache of a running node before clients ask.

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::client::{good, runtime};
use super::{FOUND_WRONG, Reach, ended, progress};

/// What `brink warm` understands.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["url", "sitemap", "list", "job"]))]
pub(crate) struct Arguments {
    /// A URL; may be given often.
    #[arg(long, num_args = 1.., value_name = "URL")]
    url: Vec<String>,
    /// The URL of a sitemap: XML, an index, or one URL a line, perhaps in gzip.
    #[arg(long, num_args = 1.., value_name = "URL")]
    sitemap: Vec<String>,
    /// A file with one URL a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Look at a job that was begun before, by its number.
    #[arg(long, value_name = "ID", conflicts_with_all = ["url", "sitemap", "list"])]
    job: Option<u64>,
    /// A value of Accept-Encoding, each a variant; `identity`: none. What browsers send if nothing is
    /// said.
    #[arg(long, num_args = 1.., value_name = "CODINGS")]
    encoding: Vec<String>,
    /// What is to be made of pictures, each a variant: a version, or parameters as
    /// /fw/300/format/webp.
    #[arg(long, num_args = 1.., value_name = "FORM")]
    form: Vec<String>,
    /// A byte range, each a variant: 0-1048575, 500- or -500.
    #[arg(long, num_args = 1.., value_name = "RANGE", allow_hyphen_values = true)]
    range: Vec<String>,
    /// Most requests that are begun in a second.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Most requests at a time.
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// Begin and do not wait for the end.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Begins a job and waits for its end; Ctrl-C ends it. Finds wrong what failed.
pub(crate) fn run(arguments: Arguments) -> u8 {
    ended(warm(arguments))
}

fn warm(arguments: Arguments) -> Result<u8, String> {
    let reach = &arguments.reach;
    let id = match arguments.job {
        Some(id) => id,
        None => {
            let begun = reach.order("/v1/warm", arguments.order()?)?;
            begun["id"].as_u64().ok_or("the node names no job")?
        }
    };
    if arguments.no_wait {
        match reach.json() {
            true => println!("{}", json!({ "id": id })),
            false => println!("job {id} has begun"),
        }
        return Ok(0);
    }
    follow(reach, id)
}

/// Waits for the end of a job and tells what came of it.
pub(super) fn follow(reach: &Reach, id: u64) -> Result<u8, String> {
    let runtime = runtime()?;
    let (path, bar, mut cancelled) = (format!("/v1/warm/{id}"), progress::bar(), false);
    let job = loop {
        let job = reach.read(&path)?;
        if !job["ended"].is_null() {
            break job;
        }
        let count = |field: &str| job[field].as_u64().unwrap_or_default();
        let remark =
            format!("{} of {}, {} failed", count("done"), count("wanted"), count("failed"));
        progress::show(&bar, count("done"), count("wanted"), remark);
        let stopped = runtime.block_on(async {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => true,
                () = tokio::time::sleep(LOOK) => false,
            }
        });
        if stopped && !cancelled {
            good(reach.ask(Method::DELETE, &path, None)?)?;
            cancelled = true;
        }
    };
    bar.finish_and_clear();
    let failed = failures(reach, &path)?;
    if reach.json() {
        println!("{:#}", json!({ "job": job, "failed": failed }));
    } else {
        for it in &failed {
            let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
            println!("{} ({}): {}", text("url"), text("variant"), text("error"));
        }
        let state = job["state"].as_str().unwrap_or_default();
        println!(
            "{state}: {} of {} requests, {} were there, {} failed, {} bytes",
            job["done"], job["wanted"], job["hits"], job["failed"], job["bytes"]
        );
    }
    let whole = job["state"] == "done" && job["failed"] == 0;
    Ok(if whole { 0 } else { FOUND_WRONG })
}

fn failures(reach: &Reach, path: &str) -> Result<Vec<Value>, String> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = reach.read(&format!("{path}/results?failed=true&after={after}"))?;
        let page = page["results"].as_array().cloned().unwrap_or_default();
        let Some(last) = page.last().and_then(|last| last["seq"].as_u64()) else { return Ok(all) };
        after = last;
        all.extend(page);
    }
}

impl Arguments {
    fn order(&self) -> Result<Value, String> {
        let mut urls = self.url.clone();
        if let Some(file) = &self.list {
            let read = match file.as_os_str() == "-" {
                true => std::io::read_to_string(std::io::stdin()),
                false => std::fs::read_to_string(file),
            };
            let text =
                read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            urls.extend(lines.map(str::to_owned));
        }
        Ok(json!({
            "urls": urls,
            "sitemaps": self.sitemap,
            "encodings": self.encoding,
            "forms": self.form,
            "ranges": self.range,
            "rate": self.rate,
            "concurrency": self.concurrency,
        }))
    }
}
