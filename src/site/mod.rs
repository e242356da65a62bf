//! The customers' sites: one TOML document each, read, judged, looked up by host and swapped whole.
//!
//! `source` reads the folder, `document` (with `preset`) turns text into settings, `examine` looks
//! deep, `settle` decides who gets which host, `snapshot` is what a request sees: a `table` of
//! `entry`s whose clones share structure. Trouble is always a [`Diagnostic`].

mod certificates;
mod customers;
mod diagnostic;
mod document;
mod edit;
mod entry;
mod examine;
mod host;
mod last_good;
mod pages;
mod preset;
mod purging;
mod release;
mod report;
mod respond;
mod rules;
mod settings;
mod settle;
mod shards;
mod snapshot;
mod source;
mod stamp;
mod table;

#[cfg(test)]
mod tests;

pub use certificates::Loaded;
pub use customers::Customers;
pub use diagnostic::{Diagnostic, locate, nearest};
pub use document::{Document, is_customer};
pub use edit::{Change, Changed, Condition, Planned, Refused, etag};
pub use entry::{Entry, Site, Surroundings};
pub use examine::{Examined, examine};
pub use host::display as display_host;
pub use last_good::{KeptSet, LastGood, Revision, StateError};
pub use pages::{ErrorPages, Instead, Pages, Source as ErrorSource};
pub use preset::Preset;
pub use release::{Chosen, LONGEST_TEST, Release, Rules, Side, TEST_HEADER};
pub use report::{Refusal, Report, Trouble};
pub use respond::{Errors, Respond};
pub use settings::Settings;
pub use shards::Shards;
pub use snapshot::{Sites, Snapshot};
pub use source::{Source, read as read_document};
pub use table::Table;
