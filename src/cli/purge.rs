//! `brink purge`: tells a running node what must not be served any more as it is.

use crate::cli::{COULD_NOT_RUN, Reach};

/// What `brink purge` understands.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["url", "tag", "all"]))]
pub(crate) struct Arguments {
    /// A URL with all its variants, over HTTP and HTTPS alike; may be given often.
    #[arg(long, num_args = 1.., value_name = "URL")]
    url: Vec<String>,
    /// A tag, as the origin's Surrogate-Key or Cache-Tag had it; may be given often.
    #[arg(long, num_args = 1.., value_name = "TAG")]
    tag: Vec<String>,
    /// The site whose tags are meant, by one of its hosts; without it, those of all sites.
    #[arg(long, requires = "tag")]
    host: Option<String>,
    /// Everything of every site.
    #[arg(long)]
    all: bool,
    /// Make it stale, so that the origin is asked whether it still holds. This is what happens if
    /// nothing is said.
    #[arg(long, conflicts_with = "hard")]
    soft: bool,
    /// Make it gone.
    #[arg(long)]
    hard: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Purges; the node has it on disk when this returns.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let order = serde_json::json!({
        "urls": arguments.url,
        "tags": arguments.tag,
        "host": arguments.host,
        "all": arguments.all,
        "mode": if arguments.hard { "hard" } else { "soft" },
    });
    let answer = match arguments.reach.order("/v1/purge", order) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("brink: {error}");
            return COULD_NOT_RUN;
        }
    };
    if arguments.reach.json() {
        println!("{answer:#}");
    } else {
        let what = match (arguments.url.len(), arguments.tag.len()) {
            (0, 0) => "everything".to_owned(),
            (0, tags) => format!("{tags} tags"),
            (urls, _) => format!("{urls} URLs"),
        };
        let became = if arguments.hard { "gone" } else { "stale" };
        println!("{became}: {what}, number {}", answer["seq"]);
    }
    0
}
