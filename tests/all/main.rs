//! Scenarios against the built program: an origin, an edge, a client, and what must be seen.

#[path = "../kit/mod.rs"]
mod kit;

mod kit_itself;
