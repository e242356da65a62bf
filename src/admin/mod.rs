//! The admin listener: takes orders and shows state, never on a customer port.
//!
//! It listens on a Unix socket in `state_dir` (mode 0600, no token needed: the file's owner is the
//! operator) and on loopback TCP, where everything but health and metrics needs a bearer token: the
//! operator's, which the first start wrote into `state_dir`, or one of the table of `tokens`, which has
//! a role and perhaps a customer, whose sites are then all there is. It runs on a runtime of its own,
//! so that a heavy scrape never adds tail latency to requests.
//!
//! `guard` says who asks, `ledger` writes down what changes anything, `api` has the routes, which
//! describe themselves; `aliases` are the shapes in which other networks' customers send purges.

mod access;
mod aliases;
mod api;
mod guard;
mod health;
mod issue;
mod ledger;
mod orders;
mod parts;
mod problem;
mod settings;
mod sites;
mod surveys;
mod take;
mod token;
mod tokens;
mod usage;
mod warm;
mod watching;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, oneshot};

pub use access::Role;
pub use ledger::Answered;
pub use settings::Settings;
pub use sites::differences;
pub use token::Token;
pub use tokens::Tokens;

use crate::clock::Timestamp;
use crate::serve::Serve;
use crate::site::{Change, Changed, Refused, Sites};

/// An order that changes what the node serves from; the answer goes back through the channel inside.
pub enum NodeOrder {
    /// Read the settings again.
    Reload(oneshot::Sender<ReloadAnswer>),
    /// Tell what that would do.
    Plan(oneshot::Sender<Result<PlanAnswer, String>>),
    /// Change one site.
    Change(Change, oneshot::Sender<Result<Changed, Refused>>),
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

/// What a reload would do.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PlanAnswer {
    /// Whether it would change nothing, and find nothing wrong.
    pub clean: bool,
    /// Sites that would change, or that are wrong, in the order of their names.
    pub sites: Vec<PlannedSite>,
    /// How the node file differs from what the node runs with, as `diff -u` shows it.
    pub node: String,
    /// Why the node file would be refused.
    pub diagnostics: Vec<serde_json::Value>,
    /// What of the node file would count from the next start only.
    pub restart: bool,
}

/// What a reload would do to a site.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct PlannedSite {
    /// Its name.
    pub name: String,
    /// `new`, `changed`, `removed`, `frozen` (it would stay as it is) or `refused` (not served).
    pub what: &'static str,
    /// How its document would change, every default written out, as `diff -u` shows it.
    pub diff: String,
    /// What is wrong with it.
    pub diagnostics: Vec<serde_json::Value>,
}

/// What came of a reload, ready to be shown.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
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
    /// When the node started.
    pub started: Timestamp,
    /// Whether the node takes traffic: false while it starts and while it drains.
    pub ready: Arc<AtomicBool>,
    /// What the operator shows over TCP.
    pub token: Token,
    /// What others show.
    pub tokens: Tokens,
    /// Names beside this machine's own that a Host may have.
    pub hosts: Vec<String>,
    /// What orders with a name were answered.
    pub answered: Answered,
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
    axum::serve(listener, guard::trust(api::router(admin))).await
}

/// Serves loopback TCP until the runtime ends; orders need the token, health and metrics do not.
///
/// # Errors
/// Accepting fails for good.
pub async fn serve_tcp(admin: Arc<Admin>, listener: TcpListener) -> std::io::Result<()> {
    let router = guard::protect(api::router(Arc::clone(&admin)), admin);
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
}
