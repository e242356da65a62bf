//! What may be stored, for how long, under which key, and when it may be used again.
//!
//! RFC 9111 for a shared cache, with RFC 5861 (stale), 8246 (immutable), 9213 (targeted fields) and
//! the site's own policy on top, as pure functions: values and a time go in, a verdict with one
//! [`Reason`] comes out. Nothing here waits, reads a clock or touches a store.
//!
//! In the order in which a request meets them: `intake` (may the cache be asked at all?), `key`
//! and `vary` (where to look), `reuse` (may what lies there be used?), `validate` (ask the
//! origin whether it still holds), `storable` (may the answer be kept?), `range`, `partial` and
//! `precondition` (which part of it does the client get?), `invalidate` (what an unsafe method
//! makes old).

pub mod browser;
pub mod control;
pub mod device;
pub mod freshness;
pub mod intake;
pub mod invalidate;
pub mod key;
pub mod partial;
pub mod pattern;
pub mod policy;
pub mod precondition;
pub mod query;
pub mod range;
pub mod reuse;
pub mod rule;
pub mod settings;
pub mod slices;
pub mod static_files;
pub mod status;
pub mod storable;
pub mod stored;
pub mod tags;
pub mod validate;
pub mod vary;
pub mod verdict;

#[cfg(test)]
mod test_support;

pub use browser::browser_max_age;
pub use freshness::{Allowance, Arrival, Lifetimes, Source};
pub use intake::{Intake, intake};
pub use invalidate::{invalidates, is_change};
pub use key::{Asked, Key, KeyRef, Question, key, key_under, path_key, question, question_under};
pub use partial::Piece;
pub use policy::Policy;
pub use precondition::{Precondition, precondition};
pub use range::{Selection, select};
pub use reuse::{Judgement, Reuse, judge, usable_on_error};
pub use settings::Settings;
pub use storable::{Storing, storable};
pub use stored::{Parent, Stored};
pub use validate::{HeadEffect, Updated, conditional_headers, head_effect, same_bytes, updated};
pub use vary::VarySpec;
pub use verdict::{Reason, Verdict};

use http::{HeaderMap, Method};

use crate::header::present::Present;

/// The name by which surrogate fields know us; `Surrogate-Capability: brink="Surrogate/1.0"` tells
/// origins, and a `Surrogate-Control` directive with the target `;brink` is for us alone.
pub const DEVICE: &str = "brink";

/// A request as the cache sees it: what the client asked, with the path as it is sent upstream.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// `http` or `https`, as the client came.
    pub scheme: &'a str,
    /// The host as the client named it, with its port if it named one.
    pub host: &'a str,
    /// The path, byte for byte as it goes upstream.
    pub path: &'a str,
    /// The query as the client sent it, without the `?`.
    pub query: Option<&'a str>,
    /// The client's fields.
    pub headers: &'a HeaderMap,
    /// Which of those that matter are among them.
    pub present: Present,
}
