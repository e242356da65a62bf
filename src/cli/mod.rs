//! The command line: one verb, one file.

pub mod demo;
