//! All constant text of a program in one buffer, each text once.

use std::collections::HashMap;

/// A text of a program: bytes of its buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Str {
    start: u32,
    len: u32,
}

impl Str {
    /// The text in its buffer.
    pub(crate) fn of(self, buffer: &str) -> &str {
        buffer.get(self.start as usize..(self.start + self.len) as usize).unwrap_or_default()
    }
}

/// Collects texts.
#[derive(Default)]
pub(crate) struct Texts {
    buffer: String,
    known: HashMap<Box<str>, Str, foldhash::fast::RandomState>,
}

impl Texts {
    /// The place of `text`, which is added if it is new. A set's text is bounded, so offsets fit.
    pub(crate) fn add(&mut self, text: &str) -> Str {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let place = Str { start: self.buffer.len() as u32, len: text.len() as u32 };
        self.buffer.push_str(text);
        self.known.insert(text.into(), place);
        place
    }

    /// The text at a place.
    pub(crate) fn get(&self, place: Str) -> &str {
        place.of(&self.buffer)
    }

    /// The buffer, when all is collected.
    pub(crate) fn finish(self) -> Box<str> {
        self.buffer.into_boxed_str()
    }
}
