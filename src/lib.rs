//! brink: an edge cache node.
//!
//! The modules in reading order, from the words up; ARCHITECTURE.md has the layer table that
//! `tests/tidy.rs` enforces.

pub mod cli;
pub mod clock;
pub mod count;
pub mod listen;
pub mod header;
pub mod quantity;
pub mod setting;
pub mod site;
pub mod tls;
pub mod telemetry;
pub mod upstream;
