//! Images on the fly.

pub mod workers;
