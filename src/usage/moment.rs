//! Moments as people write them: RFC 3339, a date alone, or seconds since 1970.

use super::DAY;
use crate::clock::Timestamp;

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// Seconds since 1970 of `2026-01-31T12:00:00Z`, `2026-01-31T12:00+08:00`, `2026-01-31` (midnight UTC)
/// or plain digits. Seconds and their fractions may be left out.
pub fn parse(text: &str) -> Option<u64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|seconds| *seconds <= LAST);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let days = days(date)?;
    let (seconds, offset) = match rest {
        "" => (0, 0),
        _ => of_day(rest.strip_prefix(['T', 't', ' '])?)?,
    };
    let moment = days.checked_mul(DAY as i64)?.checked_add(seconds)?.checked_sub(offset)?;
    u64::try_from(moment).ok().filter(|moment| *moment <= LAST)
}

/// The moment in UTC, as in `2026-01-31T12:00:00Z`.
pub fn print(moment: u64) -> String {
    let moment = Timestamp::from_seconds(moment);
    let ((year, month, day), (hour, minute, second)) = (moment.date(), moment.time_of_day());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Two digits below `most`.
fn two(text: &str, most: i64) -> Option<i64> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    (number < most).then_some(number)
}

/// Seconds of the day, and by how much its clock is ahead of UTC.
fn of_day(text: &str) -> Option<(i64, i64)> {
    let (clock, zone) = match text.find(['Z', 'z', '+', '-']) {
        Some(place) => text.split_at(place),
        None => return None,
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (two(parts.next()?, 24)?, two(parts.next()?, 60)?);
    let second = match parts.next() {
        None => 0,
        Some(part) => {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            two(whole, 60)?
        }
    };
    if parts.next().is_some() {
        return None;
    }
    let ahead = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let ahead = two(hours, 24)? * 3600 + two(minutes, 60)? * 60;
            if zone.starts_with('-') { -ahead } else { ahead }
        }
    };
    Some((hour * 3600 + minute * 60 + second, ahead))
}

/// Days since 1970 of `2026-01-31`.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let year: i64 = two(year.get(..2)?, 100)? * 100 + two(year.get(2..)?, 100)?;
    let (month, day) = (two(month, 13)?, two(day, 32)?);
    if parts.next().is_some() || month == 0 || day == 0 {
        return None;
    }
    let days = days_of(year, month, day);
    // The calendar says whether there is such a day.
    let start = Timestamp::from_seconds(u64::try_from(days).ok()?.checked_mul(DAY)?);
    let there = start.date() == (year as u64, month as u64, day as u64);
    there.then_some(days)
}

/// Days since 1970: [`Timestamp::date`] the other way.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_read_in_every_form() {
        let noon = 1_769_860_800;
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31t12:00:00.25z",
            "2026-01-31 12:00Z",
            "2026-01-31T20:00:00+08:00",
            "2026-01-31T04:00-08:00",
            "1769860800",
        ] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        assert_eq!(parse("2026-01-31"), Some(noon - 12 * 3600));
        assert_eq!(parse("2024-02-29T00:00:00Z").map(print).unwrap(), "2024-02-29T00:00:00Z");
        for text in [
            "",
            "soon",
            "2026-01-31T12:00:00",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-1",
            "2026-01-31T24:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00:00Z",
            "2026-01-31T12:00:00+8",
            "1969-12-31",
            "99999999999999",
            "+026-01-31",
            "2026-01-3é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_as_the_same(moment in 0u64..=LAST) {
            prop_assert_eq!(parse(&print(moment)), Some(moment));
            prop_assert_eq!(parse(&moment.to_string()), Some(moment));
            let http = httpdate::fmt_http_date(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(moment),
            );
            prop_assert_eq!(&print(moment)[11..19], &http[17..25]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,30}") {
            let _ = parse(&text);
        }
    }
}
