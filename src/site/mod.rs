//! Sites.
pub mod diagnostic;
pub mod host;
pub mod last_good;
pub mod respond;
pub mod shards;
pub mod table;
