//! Writes one JSON object on one line, out of bytes that nobody has vetted.
//!
//! The output is printable ASCII only: every control character, every other character and every
//! byte that is not UTF-8 is escaped. So no field can end a line, colour a terminal, turn the
//! direction of writing or break the record, and `jq` shows the characters again.

use std::fmt::Display;
use std::time::Duration;

use super::ascii::{self, Second};
use super::out::Out;
use crate::clock::Timestamp;

/// An object that is being written at the end of a buffer. Where a name is known beforehand, it is
/// given as it stands in the text, with all that separates it from the member before and from its
/// value: `,"status":` or, before a text, `,"path":"`.
pub(super) struct Object<'a, O> {
    out: &'a mut O,
    limit: usize,
}

impl<'a, O: Out> Object<'a, O> {
    /// Opens an object whose texts are cut after `limit` bytes. Its first member is `ts`, a time in
    /// the form of RFC 3339; `second` is its beginning.
    #[inline]
    pub(super) fn open(out: &'a mut O, limit: usize, second: &Second, time: Timestamp) -> Self {
        out.put_array(b"{\"ts\":\"");
        out.put_array(second);
        let [hundreds, tens, ones] = ascii::three(time.0);
        out.put_array(&[hundreds, tens, ones, b'Z', b'"']);
        Object { out, limit }
    }

    /// Adds a text that nobody has vetted.
    #[inline]
    pub(super) fn text<const N: usize>(&mut self, name: &[u8; N], value: &[u8]) {
        self.plain(name, |out, limit| escaped(out, value, limit));
    }

    /// Adds such a text if there is one.
    #[inline]
    pub(super) fn text_if_any<const N: usize>(&mut self, name: &[u8; N], value: Option<&[u8]>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a word of ours, which needs no escape.
    #[inline]
    pub(super) fn word<const N: usize>(&mut self, name: &[u8; N], word: &str) {
        self.plain(name, |out, _| out.put(word.as_bytes()));
    }

    /// Adds a text that `write` appends, escaped if need be.
    #[inline]
    pub(super) fn plain<const N: usize>(
        &mut self,
        name: &[u8; N],
        write: impl FnOnce(&mut O, usize),
    ) {
        self.out.put_array(name);
        write(self.out, self.limit);
        self.out.put_array(b"\"");
    }

    /// Adds a number that `write` appends.
    pub(super) fn bare<const N: usize>(&mut self, name: &[u8; N], write: impl FnOnce(&mut O)) {
        self.out.put_array(name);
        write(self.out);
    }

    /// Adds a number.
    #[inline]
    pub(super) fn number<const N: usize>(&mut self, name: &[u8; N], value: u64) {
        self.out.put_array(name);
        ascii::decimal(self.out, value);
    }

    /// Adds a length of time in milliseconds with three decimals.
    #[inline]
    pub(super) fn millis<const N: usize>(&mut self, name: &[u8; N], value: Duration) {
        self.out.put_array(name);
        ascii::millis(self.out, value);
    }

    /// Adds a text under a name that is known only as the program runs.
    pub(super) fn text_named(&mut self, name: &str, value: &[u8]) {
        self.named(name);
        self.text(b"\"", value);
    }

    /// Adds a number, `true` or `false` under such a name.
    pub(super) fn literal_named(&mut self, name: &str, value: impl Display) {
        self.named(name);
        self.out.put(value.to_string().as_bytes());
    }

    fn named(&mut self, name: &str) {
        self.text(b",\"", name.as_bytes());
        self.out.put_array(b":");
    }

    /// Closes the object and the line.
    #[inline]
    pub(super) fn close(self) {
        self.out.put_array(b"}\n");
    }
}

/// Appends what stands between the quotes of a JSON string: `value`, cut after `limit` bytes. A
/// byte that is not part of UTF-8 becomes the text `\xNN`.
fn escaped(out: &mut impl Out, value: &[u8], limit: usize) {
    let head = value.get(..limit).unwrap_or(value);
    if ascii::is_plain(head) {
        out.put(head);
    } else {
        escaped_with_care(out, head);
    }
    if head.len() < value.len() {
        out.put_array(b"...");
    }
}

#[cold]
fn escaped_with_care(out: &mut impl Out, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape(out, character);
        }
        for byte in chunk.invalid() {
            out.put_array(b"\\\\x");
            out.put_array(&ascii::hex(*byte));
        }
    }
}

fn escape(out: &mut impl Out, character: char) {
    match character {
        '"' => out.put_array(b"\\\""),
        '\\' => out.put_array(b"\\\\"),
        '\n' => out.put_array(b"\\n"),
        '\r' => out.put_array(b"\\r"),
        '\t' => out.put_array(b"\\t"),
        ' '..='~' => out.put_array(&[character as u8]),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.put_array(b"\\u");
                let [high, low] = unit.to_be_bytes();
                out.put_array(&ascii::hex(high));
                out.put_array(&ascii::hex(low));
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
        let second = b"2026-01-31T12:00:00.";
        let mut object = Object::open(&mut out, limit, second, Timestamp(1_769_860_800_123));
        object.text(b",\"field\":\"", value);
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
            prop_assert_eq!(read.as_object().unwrap().len(), 2);
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
        for (value, limit, field) in [
            (&b"a\xff\x1b[31m"[..], 99, "a\\\\xff\\u001b[31m"),
            ("ab\u{9b}".as_bytes(), 2, "ab..."),
            ("\u{1f600}".as_bytes(), 9, "\\ud83d\\ude00"),
        ] {
            let line = format!("{{\"ts\":\"2026-01-31T12:00:00.123Z\",\"field\":\"{field}\"}}\n");
            assert_eq!(String::from_utf8(object(value, limit)).unwrap(), line);
        }
    }
}
