//! What the operator sees of a running node: the access log, the metrics and the node's own events.
//!
//! A request is described once, as a [`Record`] of cheap clones; when it settles, [`traffic::count`]
//! counts its [`Outcome`] and [`AccessLog::write`] makes a line of it, which the writer's thread
//! writes out. Nothing here waits on a request's path, and nothing allocates but the form with 21 fields:
//! what that alone tells is one small box ([`Details`]).

pub mod access_log;
mod archive;
mod ascii;
pub mod events;
mod filter;
mod json;
mod line;
mod mask;
pub mod metrics;
mod out;
mod process;
pub mod record;
pub mod settings;
pub mod share;
mod sink;
mod top;
pub mod traffic;
pub mod watch;
mod zone;

pub use access_log::AccessLog;
pub use filter::Filter;
pub use metrics::Registry;
pub use record::{Details, Ended, Origin, Outcome, Record, Text, Tier};
pub use settings::{AccessLogSettings, EventSettings, Format, Level, Settings, SiteLog};
pub use share::Share;
pub use top::Hot;
pub use traffic::Histogram;
pub use watch::Watch;
pub use zone::Zone;
