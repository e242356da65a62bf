//! Names of records, and which disk a name lives on.

use sha2::{Digest, Sha256};

/// Name of a record: 128 bits, from which follows where it lies.
///
/// A URL's name is a SHA-256 of its cache key, cut: nobody can make two keys with one name, so no
/// secret is needed and a store can be moved to another node. A chunk's name *is* its object and its
/// number, so two chunks never share one. The lowest bit tells the two apart. Where a name falls
/// in the index also depends on a secret of the store (see `slots`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Name(u128);

/// Chunks of an object that follow each other on one disk, so that a read-ahead meets one disk.
const GROUP: u32 = 16;

impl Name {
    /// Of a URL's metadata record, by the bytes of its cache key.
    pub fn of_key(key: &[u8]) -> Name {
        let digest = Sha256::digest(key);
        let (mut low, mut high) = ([0; 8], [0; 8]);
        low.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        high.iter_mut().zip(digest.iter().skip(8)).for_each(|(to, from)| *to = *from);
        let value =
            u128::from(u64::from_le_bytes(high)) << 64 | u128::from(u64::from_le_bytes(low));
        Name(value & !1)
    }

    /// Of the `index`th mebibyte of an object's body. An object's id must never be used again, not
    /// even after a restart: let it be random.
    pub fn of_chunk(object_id: u64, index: u32) -> Name {
        Name(u128::from(object_id) << 64 | u128::from(index) << 1 | 1)
    }

    /// The name as it is written to disk.
    pub(super) fn bits(self) -> u128 {
        self.0
    }

    /// A name read from disk.
    pub(super) fn from_bits(bits: u128) -> Name {
        Name(bits)
    }

    /// A number by which the name's disk is chosen: the same for 16 chunks in a row.
    pub(super) fn group(self) -> u64 {
        let high = (self.0 >> 64) as u64;
        if self.0 & 1 == 0 {
            return mix(high);
        }
        mix(high ^ mix(u64::from((self.0 as u64 >> 1) as u32 / GROUP)))
    }

    /// Spreads the name over all 64-bit numbers, differently for each `secret`.
    pub(super) fn spread(self, secret: u64) -> u64 {
        mix(mix(self.0 as u64 ^ secret) ^ (self.0 >> 64) as u64)
    }
}

/// Makes every bit of a number depend on every other (the finaliser of SplitMix64).
pub(super) fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_chunks_never_share_a_name() {
        assert_ne!(Name::of_key(b"a"), Name::of_key(b"b"));
        assert_eq!(Name::of_key(b"a"), Name::of_key(b"a"));
        assert_eq!(Name::of_key(b"a").bits() & 1, 0);
        assert_eq!(Name::of_chunk(7, 3).bits() & 1, 1);
        assert_ne!(Name::of_chunk(7, 3), Name::of_chunk(7, 4));
    }

    #[test]
    fn sixteen_chunks_in_a_row_lie_on_one_disk() {
        let group = |index| Name::of_chunk(9, index).group();
        assert!((0..16).all(|index| group(index) == group(0)));
        assert_ne!(group(15), group(16));
    }
}
