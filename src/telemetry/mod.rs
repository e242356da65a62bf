//! What the operator sees of a running node: the access log, the metrics and the node's own events.
//!
//! A request is described once, as a [`Record`]: `serve` fills it with cheap clones when the request
//! settles, [`traffic::count`] counts its [`Outcome`] and [`AccessLog::write`] queues it for the
//! writer's thread. Nothing here formats, allocates or waits on a request's path.

pub mod access_log;
pub mod events;
mod json;
mod line;
mod mask;
pub mod metrics;
mod process;
pub mod record;
pub mod settings;
pub mod traffic;

pub use access_log::AccessLog;
pub use metrics::Registry;
pub use record::{Ended, Origin, Outcome, Record, Text, Tier};
pub use settings::{AccessLogSettings, EventSettings, Format, Level, Settings};
