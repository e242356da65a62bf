//! Settings with units: `"10m"` is a [`Span`], `"4GiB"` is a [`Size`].
//!
//! A bare number is refused: an operator who reads `timeout = 5` cannot know whether it means
//! seconds.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in a settings file: digits and one of `ms s m h d w`, or several such in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes in a settings file: digits and one of `B KiB MiB GiB TiB KB MB GB TB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SPANS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Span(Duration::from_secs(seconds))
    }

    /// A span of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Span(Duration::from_millis(millis))
    }
}

impl Size {
    /// A size of `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Size(n << 10)
    }

    /// A size of `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Size(n << 20)
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "`{text}` is not a time; write a number and a unit, as in \"500ms\", \"10s\", \"5m\", \"2h\", \"7d\""
            )
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(help());
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let (number, unit, tail) = split(rest).ok_or_else(help)?;
            let (_, factor) = SPANS.iter().find(|(name, _)| *name == unit).ok_or_else(help)?;
            total = number
                .checked_mul(*factor)
                .and_then(|ms| total.checked_add(ms))
                .ok_or_else(help)?;
            rest = tail.trim_start();
        }
        Ok(Span(Duration::from_millis(total)))
    }
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "`{text}` is not a size; write a number and a unit, as in \"512B\", \"64KiB\", \"4GiB\""
            )
        };
        let (number, unit, tail) = split(text.trim()).ok_or_else(help)?;
        let factor = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(help)?.1;
        if !tail.is_empty() {
            return Err(help());
        }
        number.checked_mul(factor).map(Size).ok_or_else(help)
    }
}

/// Splits `10m30s` into `10`, `m` and `30s`.
fn split(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at(end);
    Some((number.parse().ok()?, unit, tail))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis() as u64;
        let (unit, factor) = SPANS
            .iter()
            .rev()
            .find(|(_, factor)| ms.is_multiple_of(*factor) && ms > 0)
            .unwrap_or(&("s", 1));
        write!(f, "{}{unit}", ms / factor)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZES.get(..5).unwrap_or_default();
        let (unit, factor) = binary
            .iter()
            .rev()
            .find(|(_, factor)| self.0.is_multiple_of(*factor) && self.0 > 0)
            .unwrap_or(&("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

macro_rules! text_with_unit {
    ($type:ty, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        write!(f, "a text with a unit, as in \"{}\"", $example)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

text_with_unit!(Span, "10s");
text_with_unit!(Size, "64KiB");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written_back() {
        for text in ["500ms", "10s", "5m", "2h", "7d", "64KiB", "4GiB"] {
            let again = match text.parse::<Span>() {
                Ok(span) => span.to_string(),
                Err(_) => text.parse::<Size>().unwrap().to_string(),
            };
            // The largest unit that divides evenly is the one written.
            assert_eq!(again, if text == "7d" { "1w" } else { text });
        }
        assert_eq!("1h30m".parse::<Span>(), Ok(Span::seconds(5400)));
    }

    #[test]
    fn what_has_no_clear_meaning_is_refused() {
        for text in
            ["", "10", "s", "10x", "-1s", "1.5s", "99999999999999999999d", "18446744073709551615w"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["", "10", "10 XB", "1GiB1MiB", "99999999TiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
