//! The command line: one verb, one file.

pub mod check;
pub mod demo;
