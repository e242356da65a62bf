//! The first page of a segment, which says which of its lives it is in.
//!
//! ```text
//!  0 magic 8 | 8 version 4 | 12 number 4 | 16 store 8 | 24 generation 8 | 32 class 1 | 33 zero 3
//! 36 CRC32C of the above 4
//! ```
//!
//! It is written when the segment is begun, and overwritten with zeros when it was reclaimed, so that
//! what was thrown away does not come back with a restart.

use super::geometry::PAGE;
use super::numbers::{is_sealed, put, seal, u32_at, u64_at};
use super::policy::Class;

const MAGIC: &[u8; 8] = b"brinkseg";
const VERSION: u32 = 1;
const SUM: usize = 36;

/// One life of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    /// Which segment it is.
    pub number: u32,
    /// Never used for another, and larger than those before.
    pub generation: u64,
    pub class: Class,
}

impl Life {
    /// The page as it is written.
    pub(super) fn encode(&self, store: u64) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        put(&mut page, 0, MAGIC);
        put(&mut page, 8, &VERSION.to_le_bytes());
        put(&mut page, 12, &self.number.to_le_bytes());
        put(&mut page, 16, &store.to_le_bytes());
        put(&mut page, 24, &self.generation.to_le_bytes());
        put(&mut page, 32, &[class_byte(self.class)]);
        seal(&mut page, SUM);
        page
    }

    /// What `page` says of segment `number`, if it is good and speaks of that.
    pub(super) fn decode(page: &[u8], store: u64, number: u32) -> Option<Life> {
        let named = page.starts_with(MAGIC)
            && u32_at(page, 8) == VERSION
            && u32_at(page, 12) == number
            && u64_at(page, 16) == store;
        if !named || !is_sealed(page, SUM) {
            return None;
        }
        let class = class_of(*page.get(32)?)?;
        Some(Life { number, generation: u64_at(page, 24), class })
    }
}

pub(super) fn class_byte(class: Class) -> u8 {
    match class {
        Class::New => 0,
        Class::Proved => 1,
    }
}

pub(super) fn class_of(byte: u8) -> Option<Class> {
    match byte {
        0 => Some(Class::New),
        1 => Some(Class::Proved),
        _ => None,
    }
}
