//! Flights in short plays: an origin over real sockets, clients, what must come of it.

mod sharing;
mod slicing;
mod stage;
mod validation;
