//! Which share of a site's requests is logged; errors are never among those left out.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ascii;
use super::out::Out;
use crate::count::Counter;

/// Lines that were left out because their site wants only a share of them.
pub static LEFT_OUT: Counter = Counter::new();

/// A share of all, in millionths: 0 is none, 1,000,000 is all, the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

const WHOLE: u32 = 1_000_000;
const WANTED: &str = "a share from 0 to 1, as in 0.1";

impl Share {
    /// Whether it is all.
    #[inline]
    pub(super) fn is_whole(self) -> bool {
        self.0 >= WHOLE
    }

    /// Whether one of many, chosen at random, is among the share.
    pub(super) fn draws(self) -> bool {
        fastrand::u32(..WHOLE) < self.0
    }

    /// Appends it as a decimal fraction: `0.1`.
    pub(super) fn write(self, out: &mut impl Out) {
        if self.is_whole() {
            return out.put_array(b"1");
        }
        out.put_array(b"0");
        let (mut left, mut unit) = (self.0, WHOLE / 10);
        if left > 0 {
            out.put_array(b".");
        }
        while left > 0 && unit > 0 {
            ascii::decimal(out, (left / unit).into());
            (left, unit) = (left % unit, unit / 10);
        }
    }

    fn of(share: f64) -> Option<Share> {
        let millionths = (share * f64::from(WHOLE)).round();
        // A share that would be rounded to nothing was not meant to be nothing.
        let is_good = (0.0..=1.0).contains(&share) && (millionths > 0.0 || share == 0.0);
        is_good.then_some(Share(millionths as u32))
    }
}

impl Default for Share {
    fn default() -> Self {
        Share(WHOLE)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(WHOLE))
    }
}

struct Reading;

impl Visitor<'_> for Reading {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WANTED)
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Share, E> {
        Share::of(share).ok_or_else(|| E::invalid_value(Unexpected::Float(share), &self))
    }

    fn visit_i64<E: Error>(self, share: i64) -> Result<Share, E> {
        let whole = match share {
            0 => Some(Share(0)),
            1 => Some(Share(WHOLE)),
            _ => None,
        };
        whole.ok_or_else(|| E::invalid_value(Unexpected::Signed(share), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(share: Share) -> String {
        let mut out = Vec::new();
        share.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn read(text: &str) -> Result<Share, toml::de::Error> {
        #[derive(Deserialize)]
        struct Table {
            share: Share,
        }
        toml::from_str::<Table>(&format!("share = {text}")).map(|table| table.share)
    }

    proptest! {
        #[test]
        fn a_share_is_told_as_it_was_given(millionths in 0..=WHOLE) {
            let share = Share(millionths);
            let told: f64 = written(share).parse().unwrap();
            prop_assert_eq!(Share::of(told), Some(share));
            prop_assert_eq!(read(&format!("{told:?}")).unwrap(), share);
        }

        #[test]
        fn no_other_number_is_a_share(number: f64) {
            if let Some(share) = Share::of(number) {
                prop_assert!((0.0..=1.0).contains(&number) && share.0 <= WHOLE);
            }
        }
    }

    #[test]
    fn shares_are_read_from_either_kind_of_number() {
        for (text, told) in
            [("1", "1"), ("0", "0"), ("0.1", "0.1"), ("0.000001", "0.000001"), ("1.0", "1")]
        {
            assert_eq!(written(read(text).unwrap()), told);
        }
        for text in ["2", "-1", "1.5", "-0.1", "nan", "inf", "1e-9", "\"0.1\""] {
            assert!(read(text).unwrap_err().message().contains(WANTED), "{text}");
        }
    }

    #[test]
    fn all_and_none_are_drawn_as_they_say() {
        assert!((0..1000).all(|_| Share(WHOLE).draws() && !Share(0).draws()));
        let drawn = (0..10_000).filter(|_| Share(WHOLE / 10).draws()).count();
        assert!((500..2000).contains(&drawn), "{drawn}");
    }
}
