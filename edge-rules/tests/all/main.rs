//! The language from outside: rules and a request in, the expected effect out.

// A failed test is a panic by design.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod convert;
mod cookbook;
mod errors;
mod examples;
mod format;
mod functions;
#[path = "../shared/grammar.rs"]
mod grammar;
mod hostile;
mod kit;
mod lexical;
mod order;
mod table;
mod variables;
mod when;
