//! HTTP fields, one per file: text becomes a type that cannot be wrong, and back.
//!
//! Parsers take bytes or a `HeaderMap`, never panic, and say in their comment what they do with
//! input that the RFC calls invalid. Nothing here decides; `cache` does.

pub mod accept_encoding;
pub mod accept_image;
pub mod accept_language;
pub mod age;
pub mod cache_control;
pub mod cache_groups;
pub mod cache_status;
pub mod cdn_loop;
pub mod compose;
pub mod content_range;
pub mod cookie;
pub mod date;
pub mod dictionary;
pub mod etag;
pub mod forwarded;
pub mod hop_by_hop;
pub mod list;
pub mod no_vary_search;
pub mod present;
pub mod proxy_status;
pub mod range;
pub mod request_id;
pub mod surrogate_control;
pub mod targeted;
pub mod vary;
pub mod via;
