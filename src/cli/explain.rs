//! `brink explain URL`: asks a running node what it would do with a request, and why.

use crate::cli::{COULD_NOT_RUN, FOUND_WRONG, Reach};

/// What `brink explain` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The URL as a client would ask for it: `http://www.example.com/a.jpg?x=1`.
    url: String,
    /// A request field, as in `-H 'Accept-Encoding: br'`; may be given often.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The request method.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// The client's address, which edge rules may look at.
    #[arg(long, default_value = "127.0.0.1")]
    client: std::net::IpAddr,
    #[command(flatten)]
    reach: Reach,
}

/// Explains; finds wrong when the node would refuse the request.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let order = serde_json::json!({
        "url": arguments.url,
        "method": arguments.method,
        "headers": arguments.headers,
        "client": arguments.client,
    });
    let answer = match arguments.reach.order("/v1/explain", order) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("brink: {error}");
            return COULD_NOT_RUN;
        }
    };
    match answer.get("story").and_then(|story| story.as_str()) {
        Some(story) if !arguments.reach.json() => print!("{story}"),
        _ => println!("{answer:#}"),
    }
    let refused = answer.get("refused").is_some_and(|refused| !refused.is_null());
    if refused { FOUND_WRONG } else { 0 }
}
