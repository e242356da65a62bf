//! Which part of a large object to ask the origin for.
//!
//! An object is cut into slices of one size, so that all who want some of it ask for the same ranges
//! and share what comes.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// When a site's objects are fetched by slices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SliceMode {
    /// Where a client asks for a range, and where an object is known to be large.
    #[default]
    Auto,
    /// Whenever something is missing.
    Always,
    /// Never: ranges are asked for as clients ask for them.
    Never,
}

/// What slices are like; the same for all sites of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    /// Bytes of each.
    pub size: u64,
    /// An object above this is large.
    pub over: u64,
}

/// What is known of an object of which nothing usable, or not enough, is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing.
    Nothing {
        /// Where the range begins that the client wants, unless it wants all.
        range: Option<u64>,
    },
    /// A part of it is stored.
    Part {
        /// Its length.
        total: u64,
        /// The first byte that is missing of what the client wants.
        first: u64,
    },
}

impl Slices {
    /// The slice with the byte at `position`, of an object of that length if it is known.
    pub fn at(&self, position: u64, total: Option<u64>) -> Range<u64> {
        let start = position / self.size * self.size;
        start..(start + self.size).min(total.unwrap_or(u64::MAX))
    }

    /// The slice to ask for first; `None` if the client's own question is to be passed on.
    pub fn first(&self, mode: SliceMode, known: Known) -> Option<Range<u64>> {
        match (mode, known) {
            (SliceMode::Never, _) | (SliceMode::Auto, Known::Nothing { range: None }) => None,
            (_, Known::Nothing { range }) => Some(self.at(range.unwrap_or(0), None)),
            (SliceMode::Auto, Known::Part { total, .. }) if total <= self.over => None,
            (_, Known::Part { total, first }) => Some(self.at(first, Some(total))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLICES: Slices = Slices { size: 1 << 20, over: 16 << 20 };

    #[test]
    fn the_mode_and_what_is_known_decide() {
        let first = |mode, known| SLICES.first(mode, known).map(|slice| (slice.start, slice.end));
        let (whole, ranged) =
            (Known::Nothing { range: None }, Known::Nothing { range: Some(3 << 20) });
        let part = |total| Known::Part { total, first: (2 << 20) + 5 };
        assert_eq!(first(SliceMode::Auto, whole), None);
        assert_eq!(first(SliceMode::Auto, ranged), Some((3 << 20, 4 << 20)));
        assert_eq!(first(SliceMode::Always, whole), Some((0, 1 << 20)));
        assert_eq!(first(SliceMode::Auto, part(16 << 20)), None);
        assert_eq!(first(SliceMode::Auto, part(17 << 20)), Some((2 << 20, 3 << 20)));
        assert_eq!(first(SliceMode::Always, part((2 << 20) + 9)), Some((2 << 20, (2 << 20) + 9)));
        for known in [whole, ranged, part(1 << 30)] {
            assert_eq!(first(SliceMode::Never, known), None);
        }
    }

    proptest! {
        #[test]
        fn slices_are_aligned_and_cover_everything_once(total in 1u64..50_000_000) {
            let mut position = 0;
            while position < total {
                let slice = SLICES.at(position, Some(total));
                prop_assert_eq!(slice.start, position);
                prop_assert_eq!(slice.start % SLICES.size, 0);
                prop_assert!(slice.end > position && slice.end - slice.start <= SLICES.size);
                prop_assert_eq!(SLICES.at(slice.end - 1, Some(total)), slice.clone());
                position = slice.end;
            }
            prop_assert_eq!(position, total);
        }
    }
}
