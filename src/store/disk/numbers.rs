//! Numbers in a buffer, little end first. Whoever reads beyond the end gets zeros, which no check
//! of a magic number or checksum takes for good.

/// The `N` bytes at `at`.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut found = [0; N];
    if let Some(part) = bytes.get(at..at + N) {
        found.copy_from_slice(part);
    }
    found
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array(bytes, at))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array(bytes, at))
}

pub(super) fn u128_at(bytes: &[u8], at: usize) -> u128 {
    u128::from_le_bytes(array(bytes, at))
}

/// Writes `part` at `at`, if it fits.
pub(super) fn put(bytes: &mut [u8], at: usize, part: &[u8]) {
    if let Some(room) = bytes.get_mut(at..at + part.len()) {
        room.copy_from_slice(part);
    }
}

/// The CRC32C of the bytes before `at`, written at `at`.
pub(super) fn seal(bytes: &mut [u8], at: usize) {
    let sum = crc32c::crc32c(bytes.get(..at).unwrap_or_default());
    put(bytes, at, &sum.to_le_bytes());
}

/// Whether the number at `at` is the CRC32C of the bytes before.
pub(super) fn is_sealed(bytes: &[u8], at: usize) -> bool {
    bytes.len() >= at + 4
        && bytes.get(..at).is_some_and(|part| crc32c::crc32c(part) == u32_at(bytes, at))
}
