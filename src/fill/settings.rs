//! Bounds on waiting for one another's fetches.

use serde::{Deserialize, Serialize};

use crate::quantity::{Size, Span};
use crate::setting::Complaint;

/// The node's `[fill]` table.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How many clients may wait for one fetch; more get 503 or something stale. Default: 10,000.
    pub max_waiters: u32,
    /// How long a client waits for a response head before one of those who wait asks again, and the
    /// others wait for that. Default: 15 s.
    pub wait_timeout: Span,
    /// How many times those who wait ask again, one for all, when the fetch failed in a way that
    /// may pass. Default: 2.
    pub elections: u8,
    /// How often a body that broke off is resumed where it stopped. Default: 2.
    pub resumes: u8,
    /// A fetch that all its clients have left goes on if at most this much is missing, or if half of
    /// it is there. Default: 1 MiB.
    pub finish_below: Size,
    /// Size of the slices by which large objects are fetched: whole mebibytes. Default: 1 MiB.
    pub slice_size: Size,
    /// An object larger than this is fetched by slices once its length is known. Default: 16 MiB.
    pub slice_over: Size,
    /// How many slices are asked for ahead of each client. Default: 2.
    pub read_ahead: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_waiters: 10_000,
            wait_timeout: Span::seconds(15),
            elections: 2,
            resumes: 2,
            finish_below: Size::mib(1),
            slice_size: Size::mib(1),
            slice_over: Size::mib(16),
            read_ahead: 2,
        }
    }
}

impl Settings {
    /// What is wrong with the values; empty when nothing is.
    pub fn validate(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if self.max_waiters == 0 {
            complaints.push(
                Complaint::new("max_waiters", "nobody could be served by another's fetch")
                    .suggest("10000"),
            );
        }
        if self.wait_timeout.0.is_zero() {
            complaints
                .push(Complaint::new("wait_timeout", "everybody would ask at once").suggest("15s"));
        }
        if self.slice_size.0 == 0 || !self.slice_size.0.is_multiple_of(Size::mib(1).0) {
            complaints
                .push(Complaint::new("slice_size", "slices are whole mebibytes").suggest("1MiB"));
        }
        if self.read_ahead > 64 {
            complaints.push(Complaint::new("read_ahead", "goes up to 64").suggest("2"));
        }
        if self.elections > 10 || self.resumes > 10 {
            complaints.push(Complaint::new("elections", "elections and resumes go up to 10"));
        }
        complaints
    }
}
