//! `brink tail`: requests of a running node as they end.

use std::io::Write;

use http::Method;
use http_body_util::BodyExt;

use super::client::{Message, encoded, open, runtime};
use super::{Reach, ended};

/// What `brink tail` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Those alone for which this holds, as `status >= 500 and host = "a.com"`: a field of the JSON log,
    /// `=` `!=` `<` `<=` `>` `>=` `~` (holds the text) `!~`, a value; `not`, `and`, `or`, parentheses.
    #[arg(short, long, value_name = "EXPR", default_value = "")]
    query: String,
    /// End after so many lines.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    reach: Reach,
}

/// Prints each request as the JSON that the access log has for it, until Ctrl-C.
pub(crate) fn run(arguments: &Arguments) -> u8 {
    ended(follow(arguments).map(|()| 0))
}

fn follow(arguments: &Arguments) -> Result<(), String> {
    let limit = arguments.limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
    let path = format!("/v1/tail?q={}{limit}", encoded(&arguments.query));
    let door = arguments.reach.door()?;
    runtime()?.block_on(async {
        let answer = open(&door, Method::GET, &path, Message::default()).await?;
        let (status, mut body) = (answer.status(), answer.into_body());
        let mut waiting = Vec::new();
        let mut out = std::io::stdout();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the node is gone: {error}"))?;
            waiting.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            if !status.is_success() {
                continue;
            }
            let end = waiting.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let lines: Vec<u8> = waiting.drain(..end).collect();
            // An empty line only tells that the node is there.
            let told = lines.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() > 1);
            let written = told.into_iter().try_for_each(|line| out.write_all(line));
            if written.and_then(|()| out.flush()).is_err() {
                // Whoever reads has seen enough.
                return Ok(());
            }
        }
        match status.is_success() {
            true => Ok(()),
            false => {
                let answer: serde_json::Value =
                    serde_json::from_slice(&waiting).unwrap_or_default();
                let why = answer["detail"].as_str().unwrap_or("the node refused without a reason");
                Err(why.to_owned())
            }
        }
    })
}
