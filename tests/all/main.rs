//! Scenarios against the built program: an origin, an edge, a client, and what must be seen.

// A failed test is a panic by design, in the kit as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// That of the program, so that image workers, which this program plays as well, allocate as they do
/// there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../kit/mod.rs"]
mod kit;

mod admin;
mod caching;
mod collapse;
mod confirming;
mod customers;
mod disk;
mod documents;
mod faults;
mod geo;
mod guard;
mod http2;
mod image_workers;
mod images;
mod inspect;
mod interim;
mod kit_itself;
mod logs;
mod pages;
mod parts;
mod proxy_protocol;
mod purge;
mod purge_aliases;
mod purge_dry_run;
mod purge_methods;
mod ranges;
mod refusal;
mod releasing;
mod reload;
mod rules;
mod slices;
mod steering;
mod targeted;
mod tls;
mod unkeyed;
mod upgrade;
mod usage;
mod warm;
