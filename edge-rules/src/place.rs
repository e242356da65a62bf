//! Where a text lies in the document that holds it, so that errors point at the document.

use crate::error::Span;

/// The place of a decoded text: a text that stands by itself begins at 0.
#[derive(Debug, Default)]
pub(crate) struct Place {
    start: usize,
    /// For a string with escapes, where each decoded byte stands in the document.
    map: Vec<u32>,
}

impl Place {
    /// The place of a text that stands as it is from byte `start`.
    pub(crate) fn at_byte(start: usize) -> Place {
        Place { start, map: Vec::new() }
    }

    /// The place of a string of a TOML document: `raw` are its bytes with the quotes, from `start`.
    pub(crate) fn of_string(raw: &str, start: usize) -> Place {
        let (quote, literal) = match raw.as_bytes() {
            [b'"', b'"', b'"', ..] => (3, false),
            [b'\'', b'\'', b'\'', ..] => (3, true),
            [b'\'', ..] => (1, true),
            [b'"', ..] => (1, false),
            // A bare key.
            _ => (0, true),
        };
        // A line break right behind three quotes does not count.
        let body = raw.get(quote..).unwrap_or_default();
        let skipped = match body.as_bytes() {
            [b'\r', b'\n', ..] if quote == 3 => 2,
            [b'\n', ..] if quote == 3 => 1,
            _ => 0,
        };
        let start = start + quote + skipped;
        let body = body.get(skipped..body.len().saturating_sub(quote)).unwrap_or_default();
        if literal || !body.contains('\\') {
            return Place { start, map: Vec::new() };
        }
        Place { start, map: map(body, start) }
    }

    /// The place in the document of a byte of the text.
    pub(crate) fn at(&self, offset: usize) -> usize {
        match (self.map.get(offset), self.map.last()) {
            (Some(at), _) => *at as usize,
            (None, Some(last)) => *last as usize + 1,
            (None, None) => self.start + offset,
        }
    }

    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.at(start), self.at(end))
    }
}

/// Where each byte that the escapes of `body` make comes from.
fn map(body: &str, start: usize) -> Vec<u32> {
    let mut map = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.chars().next() {
        let at = (start + body.len() - rest.len()) as u32;
        let (taken, made) =
            if first == '\\' { escape(rest) } else { (first.len_utf8(), first.len_utf8()) };
        for byte in 0..made {
            // Plain letters lie side by side, an escape is one place.
            map.push(if first == '\\' { at } else { at + byte as u32 });
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    map
}

/// How many bytes an escape takes, and how many it makes.
fn escape(text: &str) -> (usize, usize) {
    let digits = |count: usize| {
        let code = text.get(2..2 + count).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        (2 + count, code.and_then(char::from_u32).map_or(1, char::len_utf8))
    };
    match text.as_bytes().get(1) {
        Some(b'x') => digits(2),
        Some(b'u') => digits(4),
        Some(b'U') => digits(8),
        // A line break behind a backslash swallows all white space.
        Some(byte) if byte.is_ascii_whitespace() => {
            let rest = text.get(1..).unwrap_or_default();
            (1 + rest.len() - rest.trim_start().len(), 0)
        }
        _ => (2, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_document() {
        let at = |raw: &str, offset| Place::of_string(raw, 10).at(offset);
        assert_eq!(at("'a\\b'", 2), 13);
        assert_eq!(at("\"ab\"", 1), 12);
        assert_eq!(at("'''\nab'''", 1), 15);
        assert_eq!(at("\"a\\\"b\"", 1), 12);
        assert_eq!(at("\"a\\\"b\"", 2), 14);
        assert_eq!(at("\"\\u00e9b\"", 2), 17);
        assert_eq!(at("\"\"\"a\\\n  b\"\"\"", 1), 18);
        assert_eq!(at("\"a\\\\\"", 9), 13);
        assert_eq!(at("bare", 1), 11);
    }
}
