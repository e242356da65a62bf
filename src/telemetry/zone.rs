//! The zone in which the access log tells times: a fixed offset from UTC.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;

/// An offset from UTC in whole minutes, at most 15 hours; east is positive. As text `+08:00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    minutes: i16,
}

/// Further than any zone on Earth.
const MOST: i16 = 15 * 60;

impl Zone {
    /// What a clock of the zone shows, as if it were in UTC. What lies before 1970 is 1970.
    pub(super) fn shown(self, time: Timestamp) -> Timestamp {
        Timestamp(time.0.saturating_add_signed(i64::from(self.minutes) * 60_000))
    }

    /// ` +0800`, as the NCSA formats have it behind a time.
    pub(super) fn text(self) -> [u8; 6] {
        let sign = if self.minutes < 0 { b'-' } else { b'+' };
        let minutes = self.minutes.unsigned_abs();
        let digit = |number: u16| b'0' + (number % 10) as u8;
        let (hours, minutes) = (minutes / 60, minutes % 60);
        [b' ', sign, digit(hours / 10), digit(hours), digit(minutes / 10), digit(minutes)]
    }
}

impl FromStr for Zone {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.eq_ignore_ascii_case("utc") {
            return Ok(Zone::default());
        }
        let (sign, rest) = match text.as_bytes() {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return Err(()),
        };
        let number = |tens: u8, ones: u8| match (tens, ones) {
            (b'0'..=b'9', b'0'..=b'9') => Ok(i16::from((tens - b'0') * 10 + (ones - b'0'))),
            _ => Err(()),
        };
        let (hours, minutes) = match *rest {
            [h1, h0, b':', m1, m0] | [h1, h0, m1, m0] => (number(h1, h0)?, number(m1, m0)?),
            _ => return Err(()),
        };
        let whole = hours * 60 + minutes;
        if minutes < 60 && whole <= MOST { Ok(Zone { minutes: sign * whole }) } else { Err(()) }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) =
            (if self.minutes < 0 { '-' } else { '+' }, self.minutes.unsigned_abs());
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wanted = &"an offset from UTC, as in \"+08:00\" or \"utc\"";
        text.parse().map_err(|()| D::Error::invalid_value(Unexpected::Str(&text), wanted))
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_offset_reads_back_as_it_was_shown(minutes in -MOST..=MOST) {
            let zone = Zone { minutes };
            prop_assert_eq!(zone.to_string().parse(), Ok(zone));
            let short = String::from_utf8(zone.text().to_vec()).unwrap();
            prop_assert_eq!(short.trim_start().parse(), Ok(zone));
            let shown = zone.shown(Timestamp(1 << 40)).0;
            prop_assert_eq!(shown.abs_diff(1 << 40), u64::from(minutes.unsigned_abs()) * 60_000);
            prop_assert_eq!(shown > 1 << 40, minutes > 0);
        }

        #[test]
        fn any_text_is_an_offset_or_refused(text in "[-+]?[0-9:é]{0,6}") {
            if let Ok(zone) = text.parse::<Zone>() {
                prop_assert!(zone.minutes.abs() <= MOST);
            }
        }
    }

    #[test]
    fn what_is_no_offset_is_refused() {
        for text in ["", "+8", "08:00", "+08:60", "+15:01", "+0x:00", "local", "+08;00"] {
            assert_eq!(text.parse::<Zone>(), Err(()), "{text}");
        }
        assert_eq!("UTC".parse(), Ok(Zone::default()));
        assert_eq!(Zone { minutes: -30 }.shown(Timestamp(5)), Timestamp(0));
    }
}
