//! The command line: one verb, one file.
//!
//! Exit codes are the same for every verb: 0 all is well, 1 something was found wrong, 2 the command
//! could not run.

mod audit;
mod check;
mod client;
mod completions;
pub mod demo;
mod explain;
mod image;
mod image_worker;
mod inspect;
mod plan;
mod progress;
mod purge;
mod reload;
mod rules;
mod run;
mod sites;
mod survey;
mod tail;
mod token;
mod top;
mod usage;
mod warm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Something was found wrong.
pub(crate) const FOUND_WRONG: u8 = 1;
/// The command could not run.
pub(crate) const COULD_NOT_RUN: u8 = 2;

/// An edge cache node: a reverse proxy for many sites that caches by RFC 9111 and explains every
/// decision.
#[derive(Parser)]
#[command(name = "brink", version, about, propagate_version = true, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Start a node on loopback with an origin of its own and show what it does.
    Demo(demo::verb::Arguments),
    /// Start a node from a settings file.
    Run(run::Arguments),
    /// Check the node file and the site documents; print the effective settings.
    Check(check::Arguments),
    /// Tell a running node to read its files again.
    Reload(reload::Arguments),
    /// Ask a running node what it would do with a request, and why. Nothing is fetched or changed.
    Explain(explain::Arguments),
    /// Show what is stored for a URL or in a disk's directory, and whether it is sound.
    Inspect(inspect::Arguments),
    /// Make stored responses stale or gone: URLs, what has a tag, or everything.
    Purge(purge::Arguments),
    /// Fetch URLs into the cache of a running node before clients ask.
    Warm(warm::Arguments),
    /// Show, make, change, take away and bring back sites of a running node.
    #[command(subcommand)]
    Sites(sites::Verb),
    /// Show what a reload would change.
    Plan(plan::Arguments),
    /// Show which URLs are asked for, missed or sent most of late: counts are halved every minute.
    Top(top::Arguments),
    /// Follow requests as they end, each as a line of JSON.
    Tail(tail::Arguments),
    /// Make, list and take back tokens for the admin API.
    #[command(subcommand)]
    Token(token::Verb),
    /// Show who ordered what of a node, and check that nothing of it was changed.
    Audit(audit::Arguments),
    /// Show what sites have used: requests, bytes, bandwidth, hits, for bills.
    Usage(usage::Arguments),
    /// Check, test, try out, lay out and convert customers' edge rules.
    Rules(rules::Arguments),
    /// Make of a picture what the edge would make of it, and show the steps.
    Image(Box<image::Arguments>),
    /// Print what a shell needs to complete this command line.
    Completions(completions::Arguments),
    /// Make pictures for the node that started this process.
    #[command(hide = true)]
    ImageWorker(image_worker::Arguments),
}

/// Where a running node listens for orders. The environment's `BRINK_ADMIN` (a socket's path, or host
/// and port, with a token in `BRINK_TOKEN`) counts before the settings file.
#[derive(clap::Args)]
pub(crate) struct Reach {
    /// The node's settings file.
    #[arg(short, long, default_value = "/etc/brink/brink.toml")]
    config: PathBuf,
    /// The admin socket, if not the one that the settings file names.
    #[arg(long)]
    socket: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The exit code of a verb that says itself what went wrong.
fn ended(done: Result<u8, String>) -> u8 {
    done.unwrap_or_else(|error| {
        eprintln!("brink: {error}");
        COULD_NOT_RUN
    })
}

/// Reads the command line, runs the verb and tells how it went.
pub fn main() -> ExitCode {
    let code = match CommandLine::parse().verb {
        Verb::Demo(arguments) => demo::verb::run(arguments),
        Verb::Run(arguments) => run::run(arguments),
        Verb::Check(arguments) => check::run(arguments),
        Verb::Reload(arguments) => reload::run(arguments),
        Verb::Explain(arguments) => explain::run(arguments),
        Verb::Inspect(arguments) => inspect::run(arguments),
        Verb::Purge(arguments) => purge::run(arguments),
        Verb::Warm(arguments) => warm::run(arguments),
        Verb::Sites(verb) => sites::run(verb),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Top(arguments) => top::run(&arguments),
        Verb::Tail(arguments) => tail::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Token(verb) => token::run(verb),
        Verb::Audit(arguments) => audit::run(&arguments),
        Verb::Usage(arguments) => usage::run(arguments),
        Verb::Rules(arguments) => rules::run(arguments),
        Verb::Image(arguments) => image::run(*arguments),
        Verb::ImageWorker(arguments) => return image_worker::run(&arguments),
    };
    ExitCode::from(code)
}
