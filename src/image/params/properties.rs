//! The parser by properties.
