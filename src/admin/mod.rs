//! The admin listener: takes orders and shows state, never on a customer port.
//!
//! It listens on a Unix socket in `state_dir` (mode 0600, no token needed: the file's owner is the
//! operator) and on loopback TCP, where everything but health and metrics needs the bearer token
//! that the first start wrote into `state_dir`. It runs on a runtime of its own, so that a heavy
//! scrape never adds tail latency to requests.

mod api;
mod guard;
mod problem;
mod settings;
mod surveys;
mod token;
mod usage;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot};

pub use settings::Settings;
pub use token::Token;

use crate::serve::Serve;
use crate::site::Sites;

/// An order that changes what the node serves from; the answer goes back through the channel inside.
pub enum NodeOrder {
    /// Read the settings again.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// Give all clients of a site the rule set before its document's, or end that.
    TakeBack {
        /// The site.
        site: String,
        /// End it.
        undo: bool,
        /// What clients have then, or why nothing was changed.
        answer: oneshot::Sender<Result<String, String>>,
    },
}

/// What came of a reload, ready to be shown.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ReloadAnswer {
    /// Whether everything was accepted.
    pub clean: bool,
    /// One sentence for people.
    pub summary: String,
    /// One element for each complaint, with file, line, column, text and suggestion.
    pub diagnostics: Vec<serde_json::Value>,
}

/// What the admin listener needs of the node.
pub struct Admin {
    /// The story, for `explain`.
    pub serve: Arc<Serve>,
    /// All sites.
    pub sites: Arc<Sites>,
    /// Prints the metrics.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Where orders to the node go.
    pub orders: mpsc::Sender<NodeOrder>,
    /// Whether the node takes traffic: false while it starts and while it drains.
    pub ready: Arc<AtomicBool>,
    /// What TCP clients must show.
    pub token: Token,
}

impl Admin {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

/// Opens the Unix socket with mode 0600, in place of one that an earlier process left.
///
/// # Errors
/// The socket cannot be bound or its mode cannot be set.
pub fn bind_socket(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Opens the loopback address.
///
/// # Errors
/// The address is taken.
pub fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves the Unix socket until the runtime ends; whoever can open the file may order.
///
/// # Errors
/// Accepting fails for good.
pub async fn serve_socket(admin: Arc<Admin>, listener: UnixListener) -> std::io::Result<()> {
    axum::serve(listener, api::router(admin)).await
}

/// Serves loopback TCP until the runtime ends; orders need the token, health and metrics do not.
///
/// # Errors
/// Accepting fails for good.
pub async fn serve_tcp(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, guard::protect(api::router(Arc::clone(&admin)), admin)).await
}
