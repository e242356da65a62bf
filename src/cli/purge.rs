//! `brink purge`: tells a running node what must not be served any more as it is.

use crate::cli::{COULD_NOT_RUN, Reach, ended, survey, warm};

/// What `brink purge` understands.
#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true)
    .args(["url", "prefix", "rule", "tag", "host", "site", "all"])
    .multiple(true))]
pub(crate) struct Arguments {
    /// A URL with all its variants and pictures, over HTTP and HTTPS alike; may be given often.
    #[arg(long, num_args = 1.., value_name = "URL")]
    url: Vec<String>,
    /// The beginning of URLs; with a `/` at its end a folder, which costs least.
    #[arg(long, num_args = 1.., value_name = "URL")]
    prefix: Vec<String>,
    /// URLs with `*` in host or path, and with a condition on the query: `http://a.com/img/*.jpg?v=1`
    /// (`?v`: it is there; a bare `?`: there is none).
    #[arg(long, num_args = 1.., value_name = "URL")]
    rule: Vec<String>,
    /// A tag, as the origin's Surrogate-Key, Cache-Tag or Cache-Groups had it; may be given often.
    #[arg(long, num_args = 1.., value_name = "TAG")]
    tag: Vec<String>,
    /// All of a host; with `--tag` the site whose tags are meant, by one of its hosts, without which
    /// they are those of all sites.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// All of a site, by its name.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    site: Vec<String>,
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
    /// Purge nothing: show how much would be purged in memory and on disk, of which hosts, and some of
    /// the URLs. Waits until all that is stored is looked at.
    #[arg(long)]
    dry_run: bool,
    /// Fetch the `--url`s again at once, and wait until they are there.
    #[arg(long, requires = "url", conflicts_with = "dry_run")]
    refill: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Purges; the node has it on disk when this returns.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let (hosts, whose) = match (&arguments.tag[..], &arguments.host[..]) {
        ([_, ..], [host]) => (&[][..], Some(host)),
        ([_, ..], [_, _, ..]) => {
            eprintln!("brink: `--host` beside `--tag` is the one site whose tags are meant");
            return COULD_NOT_RUN;
        }
        (_, hosts) => (hosts, None),
    };
    let order = serde_json::json!({
        "urls": arguments.url,
        "prefixes": arguments.prefix,
        "rules": arguments.rule,
        "tags": arguments.tag,
        "hosts": hosts,
        "host": whose,
        "sites": arguments.site,
        "all": arguments.all,
        "mode": if arguments.hard { "hard" } else { "soft" },
        "dry_run": arguments.dry_run,
        "refill": arguments.refill,
    });
    let became = if arguments.hard { "gone" } else { "stale" };
    if arguments.dry_run {
        return survey::run(&arguments.reach, order, became);
    }
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
        let kind = answer["kind"].as_str().unwrap_or_default();
        let what = match kind {
            "all" => "everything".to_owned(),
            "prefixes" if answer["count"] == 1 => "1 prefix".to_owned(),
            kind if answer["count"] == 1 => format!("1 {}", kind.trim_end_matches('s')),
            kind => format!("{} {kind}", answer["count"]),
        };
        println!("{became}: {what}, number {}", answer["seq"]);
    }
    match answer["warm"].as_u64() {
        Some(job) => ended(warm::follow(&arguments.reach, job)),
        None => 0,
    }
}
