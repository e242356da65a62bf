//! `brink token`: who may use the admin API besides the operator.

use http::Method;
use serde_json::{Value, json};

use super::client::{encoded, good};
use super::{Reach, ended};
use crate::admin::Role;
use crate::clock::Timestamp;

/// What `brink token` understands.
#[derive(clap::Subcommand)]
pub(crate) enum Verb {
    /// Make a token; it is shown this once.
    Create {
        /// Who or what it is for.
        name: String,
        /// What it opens.
        #[arg(long)]
        role: Role,
        /// Whose sites it sees; without it, all.
        #[arg(long, value_name = "NAME")]
        customer: Option<String>,
        /// When it ends: a moment, a date or seconds since 1970.
        #[arg(long, value_name = "T")]
        expires: Option<String>,
        #[command(flatten)]
        reach: Reach,
    },
    /// List the tokens, without their secrets.
    List {
        #[command(flatten)]
        reach: Reach,
    },
    /// Take a token back.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
}

/// Runs the verb.
pub(crate) fn run(verb: Verb) -> u8 {
    ended(match verb {
        Verb::Create { name, role, customer, expires, reach } => {
            let order = json!({
                "name": name, "role": role, "customer": customer, "expires": expires,
            });
            reach.order("/v1/tokens", order).map(|made| {
                match reach.json() {
                    true => println!("{made:#}"),
                    false => println!("{}", made["token"].as_str().unwrap_or_default()),
                }
                0
            })
        }
        Verb::List { reach } => reach.read("/v1/tokens").map(|answer| {
            match reach.json() {
                true => println!("{answer:#}"),
                false => print!("{}", table(&answer)),
            }
            0
        }),
        Verb::Revoke { id, reach } => {
            let path = format!("/v1/tokens/{}", encoded(&id));
            reach.ask(Method::DELETE, &path, None).and_then(good).map(|gone| {
                match reach.json() {
                    true => println!("{gone:#}"),
                    false => println!("taken back: {}", gone["name"].as_str().unwrap_or_default()),
                }
                0
            })
        }
    })
}

fn table(answer: &Value) -> String {
    let line = |token: &Value| {
        let text = |field: &str| token[field].as_str().unwrap_or("-").to_owned();
        let day = |field: &str| {
            let at = token[field].as_u64().map(|at| Timestamp(at).rfc3339());
            at.map_or_else(|| "-".into(), |at| at.chars().take(10).collect::<String>())
        };
        format!(
            "{:<14} {:<9} {:<16} {:<10}  {:<10}  {}\n",
            text("id"),
            text("role"),
            text("customer"),
            day("created"),
            day("expires"),
            text("name")
        )
    };
    let head = format!(
        "{:<14} {:<9} {:<16} {:<10}  {:<10}  name\n",
        "id", "role", "customer", "created", "expires"
    );
    let lines = answer["tokens"].as_array().into_iter().flatten().map(line);
    std::iter::once(head).chain(lines).collect()
}
