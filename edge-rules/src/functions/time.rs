//! Civil time and Unix time. Years are those of the Gregorian calendar, without leap seconds.

use super::numbers::whole;
use crate::trace::Reason;

/// Years that are reckoned with: as many as a date header can say.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

/// The Unix time of a civil time that is `zone` seconds east of UTC.
pub(crate) fn unix_time(parts: [f64; 6], zone: i32) -> Result<f64, Reason> {
    let mut whole_parts = [0i64; 6];
    for (part, number) in whole_parts.iter_mut().zip(parts) {
        *part = whole(number)?;
    }
    let [year, month, day, hour, minute, second] = whole_parts;
    let fits = YEARS.contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !fits {
        return Err(Reason::OutOfRange);
    }
    let days = days_before(year, month) + day - 1;
    Ok((days * 86_400 + hour * 3600 + minute * 60 + second - i64::from(zone)) as f64)
}

/// A Unix time to the minute: `201802230955`, or its parts with `separator` between.
pub(crate) fn format_time(time: f64, separator: &str, zone: i32) -> Result<String, Reason> {
    let seconds = whole(time.floor())? + i64::from(zone);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    if !YEARS.contains(&year) {
        return Err(Reason::OutOfRange);
    }
    let (hour, minute) = (rest / 3600, rest / 60 % 60);
    let s = separator;
    Ok(format!("{year:04}{s}{month:02}{s}{day:02}{s}{hour:02}{s}{minute:02}"))
}

/// Days from 1970-01-01 to the first of a month. Years begin in March, so that a leap day ends one.
fn days_before(year: i64, month: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, within) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + within * 365 + within / 4 - within / 100 + (153 * month + 2) / 5 - 719_468
}

/// The date of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, within) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (within - within / 1460 + within / 36_524 - within / 146_096) / 365;
    let day_of_year = within - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EAST: i32 = 8 * 3600;

    #[test]
    fn civil_time_becomes_unix_time_and_back() {
        let time = unix_time([2018.0, 2.0, 23.0, 9.0, 55.0, 0.0], EAST).unwrap();
        assert_eq!(time, 1_519_350_900.0);
        assert_eq!(format_time(time, "", EAST).as_deref(), Ok("201802230955"));
        assert_eq!(format_time(time, "-", EAST).as_deref(), Ok("2018-02-23-09-55"));
        assert_eq!(unix_time([1970.0, 1.0, 1.0, 0.0, 0.0, 0.0], 0), Ok(0.0));
        for day in (-700_000..2_900_000).step_by(97) {
            let (year, month, date) = civil(day);
            assert_eq!(days_before(year, month) + date - 1, day);
        }
    }

    #[test]
    fn times_that_are_none_are_refused() {
        for parts in [
            [0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
            [2018.0, 13.0, 1.0, 0.0, 0.0, 0.0],
            [2018.0, 1.0, 1.5, 0.0, 0.0, 0.0],
            [2018.0, 1.0, 1.0, 24.0, 0.0, 0.0],
            [f64::NAN, 1.0, 1.0, 0.0, 0.0, 0.0],
        ] {
            assert_eq!(unix_time(parts, 0), Err(Reason::OutOfRange), "{parts:?}");
        }
        for time in [1e15, -1e15, f64::INFINITY] {
            assert_eq!(format_time(time, "", 0), Err(Reason::OutOfRange));
        }
    }
}
