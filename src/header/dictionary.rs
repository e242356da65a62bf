//! Dictionaries of RFC 9651 (structured fields), read from all lines of a field together.

use http::{HeaderMap, HeaderName};
use sfv::{Dictionary, Parser};

/// Reads the field `name`: `None` when it is absent, empty, or no dictionary. Lines are joined first
/// (section 4.2).
pub fn parse(headers: &HeaderMap, name: &HeaderName) -> Option<Dictionary> {
    let mut text = Vec::new();
    for line in headers.get_all(name) {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(line.as_bytes());
    }
    if text.is_empty() {
        return None;
    }
    Parser::new(&text).parse().ok()
}
