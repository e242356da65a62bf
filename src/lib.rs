//! brink: an edge cache node.
//!
//! The modules in reading order, from the words up; ARCHITECTURE.md has the layer table that
//! `tests/tidy.rs` enforces.

// Layer 0: words.
pub mod clock;
pub mod count;
pub mod header;
pub mod quantity;
pub mod setting;

// Layer 1: decisions on values handed in.
pub mod cache;
pub mod tls;

// Layer 2: machines with sockets, files and threads.
pub mod audit;
pub mod geo;
pub mod image;
pub mod listen;
pub mod store;
pub mod telemetry;
pub mod upstream;
pub mod usage;

// Layer 3: joints of two machines.
pub mod fill;

// Layer 4: all customers' settings.
pub mod site;

// Layer 5: the story of a request.
pub mod serve;

// Layer 6: the outside world.
pub mod admin;

// Layer 7: the process.
pub mod cli;
pub mod config;
pub mod node;
