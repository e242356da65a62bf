//! `brink inspect`: what is stored for a URL of a running node, or in the directory of a disk.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::client::encoded;
use crate::cli::{COULD_NOT_RUN, FOUND_WRONG, Reach};
use crate::clock::Clock;
use crate::store::inspect::{Checksums, Listing, Purged, Summary, directory};

/// What `brink inspect` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A URL (`http://www.example.com/a.jpg`), to ask a running node; or the directory of a disk,
    /// whether a node uses it or not.
    #[arg(value_name = "URL|DIR")]
    what: String,
    /// Read everything and check the checksums.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Inspects; finds wrong what is damaged.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let is_url = arguments.what.starts_with("http://") || arguments.what.starts_with("https://");
    let done = if is_url { of_url(&arguments) } else { of_directory(&arguments) };
    done.unwrap_or_else(|error| {
        eprintln!("brink: {error}");
        COULD_NOT_RUN
    })
}

fn of_url(arguments: &Arguments) -> Result<u8, String> {
    let url = encoded(&arguments.what);
    let path = format!("/v1/objects?url={url}&verify={}", arguments.verify);
    let answer = arguments.reach.read(&path)?;
    let stored: Vec<Listing> = serde_json::from_value(answer["stored"].clone())
        .map_err(|error| format!("the node is of another version: {error}"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.reach.json() {
        writeln!(out, "{answer:#}").map_err(told)?;
    } else if stored.is_empty() {
        writeln!(out, "nothing is stored for this URL").map_err(told)?;
    }
    for listing in stored.iter().filter(|_| !arguments.reach.json()) {
        tell(&mut out, listing).map_err(told)?;
    }
    out.flush().map_err(told)?;
    let damaged = stored.iter().any(|it| it.checksums == Some(Checksums::Damaged));
    Ok(if damaged { FOUND_WRONG } else { 0 })
}

fn of_directory(arguments: &Arguments) -> Result<u8, String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let json = arguments.reach.json();
    let mut written = Ok(());
    let now = Clock::system().now();
    let path = Path::new(&arguments.what);
    let summary = directory(path, arguments.verify, now, &mut |listing| {
        written = if json { line(&mut out, &listing) } else { tell(&mut out, &listing) };
        written.is_ok()
    })?;
    // Whoever reads the list may have seen enough of it.
    if written.is_ok() {
        written = if json { line(&mut out, &summary) } else { sum_up(&mut out, &summary) };
    }
    written.and_then(|()| out.flush()).map_err(told)?;
    Ok(if summary.damaged > 0 { FOUND_WRONG } else { 0 })
}

fn told(error: io::Error) -> String {
    format!("cannot write: {error}")
}

/// One line of JSON.
fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

fn tell(out: &mut impl Write, listing: &Listing) -> io::Result<()> {
    let Listing { key, status, present, on_disk, age, ttl, .. } = listing;
    writeln!(out, "{key}")?;
    let kind = listing.content_type.as_deref().unwrap_or("no content type");
    let extent = match listing.total {
        Some(total) if total == *present => format!("whole, {total} bytes"),
        Some(total) => format!("{present} of {total} bytes"),
        None => format!("{present} bytes of an unknown length"),
    };
    let tier = match on_disk {
        0 if listing.place.is_none() => "in memory".to_owned(),
        _ if on_disk == present => "on disk".to_owned(),
        _ => format!("{on_disk} of them on disk"),
    };
    writeln!(out, "  {status} {kind}, {extent}, {tier}")?;
    let left = match ttl {
        0.. => format!("fresh for {ttl} s more"),
        _ => format!("stale for {} s", -ttl),
    };
    let (lifetime, from) = (listing.lifetime, &listing.lifetime_from);
    write!(out, "  {age} s old, {left} (lives {lifetime} s by {from})")?;
    match listing.purged {
        Some(Purged::Stale) => writeln!(out, ", made stale by a purge")?,
        Some(Purged::Gone) => writeln!(out, ", gone by a purge")?,
        None => writeln!(out)?,
    }
    let list = |name: &str, values: &[String]| match values {
        [] => None,
        values => Some(format!("{name} {}", values.join(", "))),
    };
    let etag = listing.etag.as_ref().map(|etag| format!("ETag {etag}"));
    let more = [etag, list("varies by", &listing.vary), list("tags", &listing.tags)];
    let more: Vec<String> = more.into_iter().flatten().collect();
    if !more.is_empty() {
        writeln!(out, "  {}", more.join("; "))?;
    }
    let place = listing.place.map(|place| {
        let sort = if place.proved { "proved" } else { "new" };
        let (segment, offset, reads) = (place.segment, place.offset, place.reads);
        format!("segment {segment} ({sort}) at {offset}, read {reads} times")
    });
    let checksums = listing.checksums.map(|verdict| match verdict {
        Checksums::Good => "checksums good".to_owned(),
        Checksums::Damaged => "DAMAGED".to_owned(),
    });
    let more: Vec<String> = [place, checksums].into_iter().flatten().collect();
    if !more.is_empty() {
        writeln!(out, "  {}", more.join("; "))?;
    }
    Ok(())
}

fn sum_up(out: &mut impl Write, sum: &Summary) -> io::Result<()> {
    let Summary { size, segment, segments, epoch, urls, responses, .. } = sum;
    let Summary { chunks, bytes, unnamed, foreign, damaged, .. } = sum;
    writeln!(out, "{size} bytes in {segments} segments of {segment}, opened {epoch} times")?;
    writeln!(
        out,
        "{urls} URLs with {responses} responses, {chunks} pieces of bodies, {bytes} bytes"
    )?;
    writeln!(out, "{unnamed} pieces without a response, {foreign} URLs of another version")?;
    writeln!(out, "{damaged} damaged records")
}
