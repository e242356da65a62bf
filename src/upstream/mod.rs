//! Origins: the customer's own servers, and how they are asked.
//!
//! A site's `[origin]` table ([`Settings`]) makes a [`Group`] of servers; [`send`] gets a response
//! from one of them:
//!
//! ```text
//! pick a server     group, balance, health     by weight, among those that are up
//! addresses         target, resolve            DNS with true TTLs, last answer while it fails
//! connection        pool, or guard, connect    kept per thread; every address judged when dialled
//! exchange          exclusive, request, body   driven by whoever asks; timeouts, limits
//! again?            retry, fault               idempotent, untouched, within the budget
//! elsewhere?        redirect, follow           at most three hops
//! ```
//! Fields such as `Via` and `X-Forwarded-For` are the caller's; only framing and `Host` are ours.

mod balance;
mod bill;
mod body;
mod check;
mod connect;
mod exclusive;
mod fault;
mod follow;
mod framing;
mod group;
mod guard;
mod health;
mod node_settings;
mod pool;
mod redirect;
mod request;
mod resolve;
mod retry;
mod secure;
mod send;
mod settings;
mod shared;
mod target;
#[cfg(test)]
mod tests;
mod upload;

pub use bill::Ledger;
pub use body::IncomingBody;
pub use check::watch;
pub use fault::{Fault, FaultKind, Whose};
pub use group::{Group, ServerStatus};
pub use node_settings::NodeSettings;
pub use request::{Interim, Outbound};
pub use secure::check_files;
pub use send::{Inbound, Timings, send};
pub use settings::{
    Balance, HealthSettings, Http2, MAX_REDIRECTS, MAX_SERVERS, Protocol, ServerSettings, Settings,
    TlsSettings,
};
pub use shared::{Counts, Shared};
pub use target::{Host, Scheme, ServerUrl};
pub use upload::{BoxError, Misuse, Upload};
