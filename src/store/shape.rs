//! Header fields at rest.
//!
//! A `HeaderMap` of ten fields takes a kilobyte before the first byte of text, and the responses of
//! a site have the same names over and over. So an object keeps its values alone, one per line, and
//! shares their names with all objects that have the same ones in the same order.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;

/// The names of a response's fields: those that clients see, and those that only we read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    shown: Names,
    hidden: Names,
}

/// Names as a map whose values are empty: copying it and filling in the values is cheaper than
/// putting one name after the other into a new map.
#[derive(Debug)]
struct Names(HeaderMap);

/// The shapes in use.
#[derive(Debug, Default)]
pub(super) struct Shapes(Mutex<HashSet<Arc<Shape>, RandomState>>);

/// Beyond so many, objects with yet other names keep these to themselves.
const MOST: usize = 4096;

/// Room for the fields that a response gets on its way out.
const SPARE: usize = 8;

impl Shapes {
    /// The shape of these fields.
    pub(super) fn of(&self, shown: &HeaderMap, hidden: &HeaderMap) -> Arc<Shape> {
        let shape = Shape { shown: Names::of(shown), hidden: Names::of(hidden) };
        let mut known = self.0.lock();
        if let Some(shape) = known.get(&shape) {
            return shape.clone();
        }
        let shape = Arc::new(shape);
        if known.len() >= MOST {
            known.retain(|shape| Arc::strong_count(shape) > 1);
        }
        if known.len() < MOST {
            known.insert(shape.clone());
        }
        shape
    }
}

impl Shape {
    /// The fields whose values are the lines of `text`, in the order of [`lines`].
    pub(super) fn fields(&self, text: Bytes) -> (HeaderMap, HeaderMap) {
        let mut lines = Lines(text);
        (self.shown.with(&mut lines), self.hidden.with(&mut lines))
    }
}

/// Appends the values, one per line. No value can hold the end of a line (RFC 9110 section 5.5).
pub(super) fn write_lines(buffer: &mut Vec<u8>, shown: &HeaderMap, hidden: &HeaderMap) {
    for value in shown.values().chain(hidden.values()) {
        buffer.extend_from_slice(value.as_bytes());
        buffer.push(b'\n');
    }
}

/// How many bytes [`write_lines`] appends.
pub(super) fn lines_length(shown: &HeaderMap, hidden: &HeaderMap) -> usize {
    shown.values().chain(hidden.values()).map(|value| value.len() + 1).sum()
}

struct Lines(Bytes);

impl Iterator for Lines {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let end = memchr::memchr(b'\n', &self.0)?;
        let line = self.0.slice(..end);
        bytes::Buf::advance(&mut self.0, end + 1);
        Some(line)
    }
}

impl Names {
    fn of(fields: &HeaderMap) -> Self {
        if fields.is_empty() {
            return Names(HeaderMap::new());
        }
        let mut names = HeaderMap::try_with_capacity(fields.len() + SPARE).unwrap_or_default();
        for name in fields.iter().map(|(name, _)| name) {
            names.append(name, HeaderValue::from_static(""));
        }
        Names(names)
    }

    fn with(&self, lines: &mut Lines) -> HeaderMap {
        let mut fields = self.0.clone();
        for (value, line) in fields.values_mut().zip(lines) {
            // They were values when they were written.
            if let Ok(line) = HeaderValue::from_maybe_shared(line) {
                *value = line;
            }
        }
        fields
    }

    fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl Hash for Shape {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for names in [&self.shown, &self.hidden] {
            names.0.len().hash(state);
            names.iter().for_each(|name| name.hash(state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(fields: &[(u8, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(format!("x-{name}")).unwrap();
            headers.append(name, HeaderValue::try_from(value).unwrap());
        }
        headers
    }

    proptest! {
        #[test]
        fn fields_come_back_as_they_were(
            shown in proptest::collection::vec((0u8..6, "[ -~\t]{0,9}"), 0..12),
            hidden in proptest::collection::vec((0u8..6, "[ -~]{0,9}"), 0..3),
        ) {
            let (shown, hidden) = (map(&shown), map(&hidden));
            let shape = Shapes::default().of(&shown, &hidden);
            let mut text = Vec::new();
            write_lines(&mut text, &shown, &hidden);
            prop_assert_eq!(text.len(), lines_length(&shown, &hidden));
            let (back, hidden_back) = shape.fields(text.into());
            prop_assert!(back.iter().eq(shown.iter()));
            prop_assert!(hidden_back.iter().eq(hidden.iter()));
        }
    }

    #[test]
    fn equal_names_are_kept_once_and_only_so_many() {
        let shapes = Shapes::default();
        let none = HeaderMap::new();
        let of = |names: &[(u8, String)]| shapes.of(&map(names), &none);
        let value = |text: &str| text.to_owned();
        let one = of(&[(1, value("a")), (2, value("b"))]);
        assert!(Arc::ptr_eq(&one, &of(&[(1, value("c")), (2, value("d"))])));
        assert!(!Arc::ptr_eq(&one, &of(&[(2, value("a")), (1, value("b"))])));
        assert!(!Arc::ptr_eq(&one, &shapes.of(&none, &map(&[(1, value("a")), (2, value("b"))]))));
        for n in 0..2 * MOST {
            let name = HeaderName::try_from(format!("x-many-{n}")).unwrap();
            shapes.of(&HeaderMap::from_iter([(name, HeaderValue::from_static("v"))]), &none);
        }
        assert!(shapes.0.lock().len() <= MOST);
        assert!(Arc::ptr_eq(&one, &of(&[(1, value("e")), (2, value("f"))])), "still in use");
    }
}
