//! What scenarios are made of: an [`Origin`] that does as it is told, the built program as [`Edge`],
//! a [`Client`] that believes nothing, and bodies that prove themselves ([`Proof`]).
//!
//! Everything listens on loopback, on ports that the system picks.

// A scenario uses a part of the kit; the whole is exercised only by all of them together.
#![allow(dead_code, unused_imports)]

pub mod authority;
pub mod bill;
pub mod client;
pub mod edge;
pub mod http2;
pub mod origin;
pub mod proof;
pub mod wire;

pub use authority::Authority;
pub use client::{Answer, Client, End};
pub use edge::{Edge, command, command_with, site};
pub use http2::Http2;
pub use origin::{Gate, Origin, Reply};
pub use proof::Proof;

use std::time::Duration;

/// Milliseconds, for plays that are short of room.
pub const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// How long anything in a play may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `done` to say yes, and fails the test with `what` if it does not within [`PATIENCE`].
pub async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !done().await {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(ms(10)).await;
    }
}
