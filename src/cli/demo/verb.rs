//! The verb itself: an origin, a site and a node, all on loopback, in one process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::cli::demo::{Addresses, certificate, intro, origin, site_document};
use crate::cli::{COULD_NOT_RUN, run};
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::image::workers::Priority;
use crate::quantity::Span;

/// What `brink demo` understands.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where to take HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where to take HTTPS.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Where the admin listener is reached.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9911")]
    admin: SocketAddr,
    /// Write the access log here, or to "stdout"; by default there is none.
    #[arg(long, value_name = "FILE")]
    access_log: Option<String>,
    /// Keep the demo's files here instead of in a temporary folder.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Runs the demo until it is interrupted.
pub(crate) fn run(arguments: Arguments) -> u8 {
    let temporary = arguments.folder.is_none();
    let folder = arguments
        .folder
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("brink-demo-{}", std::process::id())));
    let outcome = play(&arguments, &folder);
    if temporary {
        // What cannot be removed from a temporary folder the system removes.
        let _ = std::fs::remove_dir_all(&folder);
    }
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("brink: {error}");
            COULD_NOT_RUN
        }
    }
}

fn play(arguments: &Arguments, folder: &Path) -> Result<(), String> {
    let origin = start_origin()?;
    let files = write_site(folder, origin)?;
    let config = node_config(arguments, folder)?;
    let addresses = Addresses {
        http: arguments.http,
        https: arguments.https,
        admin: arguments.admin,
        origin,
        certificate: files.certificate,
        program: program(),
        socket: config.admin.socket.clone(),
    };
    run::serve(config, None, |_| println!("{}", intro(&addresses)))
}

/// The origin has a thread of its own, as a customer's server would have its own machine.
fn start_origin() -> Result<SocketAddr, String> {
    let failed = |error: std::io::Error| format!("cannot start the demo's origin: {error}");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let address = runtime.block_on(origin::start(any_port, Clock::system())).map_err(failed)?;
    std::thread::Builder::new()
        .name("demo-origin".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(failed)?;
    Ok(address)
}

fn write_site(folder: &Path, origin: SocketAddr) -> Result<certificate::Files, String> {
    let sites = folder.join("sites");
    let failed = |error: std::io::Error| format!("cannot write into {}: {error}", folder.display());
    std::fs::create_dir_all(&sites).map_err(failed)?;
    let made = certificate::make(Clock::system().now())
        .map_err(|error| format!("cannot make a certificate: {error}"))?;
    let files = made.write(folder).map_err(failed)?;
    std::fs::write(sites.join("demo.toml"), site_document(origin, &files)).map_err(failed)?;
    Ok(files)
}

fn node_config(arguments: &Arguments, folder: &Path) -> Result<NodeConfig, String> {
    let mut config = NodeConfig { state_dir: folder.join("state"), ..NodeConfig::default() };
    config.sites.folder = folder.join("sites");
    config.admin.socket = config.state_dir.join("admin.sock");
    config.admin.address = arguments.admin;
    config.listen.http = vec![arguments.http];
    config.listen.https = vec![arguments.https];
    config.listen.default_server_name = Some("localhost".into());
    // A picture is worth waiting for, however busy the machine is.
    config.images.priority = Priority::Low;
    config.images.queue_wait = Span::seconds(10);
    config.listen.drain_delay = Span::millis(0);
    let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().map_err(|_| net));
    for net in loopback {
        let net = net.map_err(|net| format!("`{net}` is no network"))?;
        config.upstream.allow_private.push(net);
    }
    match &arguments.access_log {
        Some(path) => config.telemetry.access_log.path = path.into(),
        None => config.telemetry.access_log.format = crate::telemetry::Format::Off,
    }
    Ok(config)
}

/// How to call this program.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "brink".to_owned(), |path| path.display().to_string())
}
