//! Bodies that prove themselves: every byte follows from site, path, version and length.
//!
//! A body starts with its label in plain text and goes on with a stream that is seeded by the
//! label, so that any range can be judged alone, and a wrong one shows whose it is.

use std::ops::Range;

use sha2::{Digest, Sha256};

/// What a body claims to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    label: String,
    seed: u64,
    length: u64,
}

impl Proof {
    pub fn new(site: &str, path: &str, version: u32, length: u64) -> Proof {
        let digest = Sha256::digest(format!("{site}|{path}|{version}|{length}"));
        let seed = u64::from_le_bytes(digest[..8].try_into().unwrap());
        let label = format!("{site}|{path}|v{version}|{length}|{seed:016x}\n");
        Proof { label, seed, length }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// A strong validator that no other proof has.
    pub fn etag(&self) -> String {
        format!("\"{:016x}\"", self.seed)
    }

    /// The bytes of one range.
    pub fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        assert!(range.end <= self.length, "{range:?} is beyond {}", self.length);
        let words = range.start / 8..range.end.div_ceil(8);
        let first = words.start * 8;
        let mut bytes: Vec<u8> =
            words.flat_map(|word| mix(self.seed.wrapping_add(word)).to_le_bytes()).collect();
        for (at, letter) in self.label.bytes().enumerate().skip(first as usize) {
            match bytes.get_mut(at - first as usize) {
                Some(byte) => *byte = letter,
                None => break,
            }
        }
        bytes.truncate((range.end - first) as usize);
        bytes.drain(..(range.start - first) as usize);
        bytes
    }

    /// The whole body.
    pub fn whole(&self) -> Vec<u8> {
        self.bytes(0..self.length)
    }

    /// Whether `bytes` are exactly those from `start` on.
    pub fn matches(&self, start: u64, bytes: &[u8]) -> bool {
        let end = start.saturating_add(bytes.len() as u64);
        end <= self.length && self.bytes(start..end) == bytes
    }

    /// Fails the test unless `bytes` are exactly those from `start` on.
    #[track_caller]
    pub fn check(&self, start: u64, bytes: &[u8]) {
        if self.matches(start, bytes) {
            return;
        }
        let end = (start + bytes.len() as u64).min(self.length);
        let good = self.bytes(start.min(end)..end);
        let at = good.iter().zip(bytes).take_while(|(left, right)| left == right).count();
        let around = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        panic!(
            "not {:?}: {} bytes from {start}, the first wrong one at {}; begins {around:?}",
            self.label.trim_end(),
            bytes.len(),
            start + at as u64,
        );
    }

    /// Fails the test unless `bytes` are the whole body.
    #[track_caller]
    pub fn check_whole(&self, bytes: &[u8]) {
        assert_eq!(bytes.len() as u64, self.length, "length of {:?}", self.label.trim_end());
        self.check(0, bytes);
    }
}

/// splitmix64: a good word for each index, without those before it.
fn mix(index: u64) -> u64 {
    let mut word = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
