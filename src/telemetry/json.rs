//! Writes one JSON object on one line, out of bytes that nobody has vetted.
//!
//! The output is printable ASCII only: every control character, every other character and every
//! byte that is not UTF-8 is escaped. So no field can end a line, colour a terminal, turn the
//! direction of writing or break the record, and `jq` shows the characters again.

use std::io::Write;
use std::time::Duration;

/// An object that is being written at the end of a buffer.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Opens an object whose texts are cut after `limit` bytes.
    pub(super) fn open(out: &'a mut Vec<u8>, limit: usize) -> Self {
        out.push(b'{');
        Object { out, limit, empty: true }
    }

    /// Adds a text.
    pub(super) fn text(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        quote(self.out, value, self.limit);
    }

    /// Adds a text if there is one.
    pub(super) fn text_if_any(&mut self, name: &str, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a number.
    pub(super) fn number(&mut self, name: &str, value: u64) {
        self.literal(name, format_args!("{value}"));
    }

    /// Adds a length of time in milliseconds with three decimals.
    pub(super) fn millis(&mut self, name: &str, value: Duration) {
        let micros = value.as_micros();
        self.literal(name, format_args!("{}.{:03}", micros / 1000, micros % 1000));
    }

    /// Adds a value that is JSON as it stands: a number, `true` or `false`.
    pub(super) fn literal(&mut self, name: &str, value: std::fmt::Arguments<'_>) {
        self.name(name);
        // Writing to a vector cannot fail.
        let _ = self.out.write_fmt(value);
    }

    /// Closes the object and the line.
    pub(super) fn close(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        quote(self.out, name.as_bytes(), usize::MAX);
        self.out.push(b':');
    }
}

/// Appends `value` as a JSON string, cut after `limit` bytes. A byte that is not part of UTF-8
/// becomes the text `\xNN`.
fn quote(out: &mut Vec<u8>, value: &[u8], limit: usize) {
    let (value, cut) = match value.get(..limit) {
        Some(head) if head.len() < value.len() => (head, true),
        _ => (value, false),
    };
    out.push(b'"');
    // Nearly every field is plain, and copying it whole costs a tenth of looking at each character.
    if value.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(value);
    } else {
        quote_with_care(out, value);
    }
    if cut {
        out.extend_from_slice(b"...");
    }
    out.push(b'"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn quote_with_care(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(out, character);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\\\x{byte:02x}");
        }
    }
}

fn escape(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        ' '..='~' => out.push(character as u8),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(value: &[u8], limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out, limit);
        object.text("field", value);
        object.close();
        out
    }

    proptest! {
        #[test]
        fn any_bytes_make_one_printable_line(value: Vec<u8>, limit in 0usize..80) {
            let line = object(&value, limit);
            let (end, rest) = line.split_last().unwrap();
            prop_assert_eq!(*end, b'\n');
            prop_assert!(rest.iter().all(|byte| (b' '..=b'~').contains(byte)));
            let read: serde_json::Value = serde_json::from_slice(rest).unwrap();
            prop_assert_eq!(read.as_object().unwrap().len(), 1);
        }

        #[test]
        fn any_text_reads_back_as_it_was(value: String) {
            let read: serde_json::Value =
                serde_json::from_slice(&object(value.as_bytes(), usize::MAX)).unwrap();
            prop_assert_eq!(read["field"].as_str().unwrap(), value);
        }
    }

    #[test]
    fn what_is_no_text_is_shown_and_what_is_long_is_cut() {
        assert_eq!(object(b"a\xff\x1b[31m", 99), b"{\"field\":\"a\\\\xff\\u001b[31m\"}\n");
        assert_eq!(object("ab\u{9b}".as_bytes(), 2), b"{\"field\":\"ab...\"}\n");
        assert_eq!(object("\u{1f600}".as_bytes(), 9), b"{\"field\":\"\\ud83d\\ude00\"}\n");
    }
}
