//! `brink run`: starts a node from a settings file and serves until it is told to end.

use std::path::PathBuf;

use crate::cli::COULD_NOT_RUN;
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::node::Node;
use crate::telemetry::events;

/// What `brink run` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The node's settings file.
    #[arg(short, long, default_value = "/etc/brink/brink.toml")]
    config: PathBuf,
}

/// Runs a node to its end.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let config = match NodeConfig::load(&arguments.config) {
        Ok(config) => config,
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                eprintln!("{diagnostic}\n");
            }
            return COULD_NOT_RUN;
        }
    };
    match serve(config, Some(arguments.config), |_| {}) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("brink: {error}");
            COULD_NOT_RUN
        }
    }
}

/// Starts a node on a runtime of its own, says so through `started`, and waits for its end.
///
/// # Errors
/// What kept the node from starting, in one sentence.
pub(crate) fn serve(
    config: NodeConfig,
    file: Option<PathBuf>,
    started: impl FnOnce(&Node),
) -> Result<(), String> {
    events::init(&config.telemetry.events, &Clock::system())
        .map_err(|error| format!("cannot tell events: {error}"))?;
    // Admin, health checks, signals and reloads: kept off the threads that serve.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("admin")
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(async {
        let node = Node::start(config, file)?;
        started(&node);
        node.run().await
    })
}
