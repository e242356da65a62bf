//! What the operator sees of a running node: the access log, the metrics and the node's own events.
//!
//! A request is described once, as a [`Record`] of cheap clones; when it settles, [`traffic::count`]
//! counts its [`Outcome`] and [`AccessLog::write`] makes a line of it, which the writer's thread
//! writes out. Nothing here allocates or waits on a request's path.

pub mod access_log;
mod ascii;
pub mod events;
mod json;
mod line;
mod mask;
pub mod metrics;
mod out;
mod process;
pub mod record;
pub mod settings;
mod sink;
pub mod traffic;

pub use access_log::AccessLog;
pub use metrics::Registry;
pub use record::{Ended, Origin, Outcome, Record, Text, Tier};
pub use settings::{AccessLogSettings, EventSettings, Format, Level, Settings};
