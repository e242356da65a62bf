//! Numbers: how they are read, written and reckoned.

use crate::trace::Reason;

/// The number that a text writes: digits, a sign, a fraction, an exponent; spaces around it.
pub(crate) fn read(text: &[u8]) -> Result<f64, Reason> {
    let text = text.trim_ascii();
    // Longer numerals than any double needs are no numbers of ours.
    if text.len() > 64
        || !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
    {
        return Err(Reason::NotANumber);
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|number| number.is_finite()).ok_or(Reason::NotANumber)
}

/// A number as text: whole numbers in full, others with at most 14 digits that count.
pub(crate) fn write(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{}", number as i64);
    }
    let rounded: f64 = format!("{number:.13e}").parse().unwrap_or(number);
    format!("{rounded}")
}

/// `number` if it is finite.
pub(crate) fn finite(number: f64) -> Result<f64, Reason> {
    if number.is_finite() { Ok(number) } else { Err(Reason::OutOfRange) }
}

/// A quotient.
pub(crate) fn divide(a: f64, b: f64) -> Result<f64, Reason> {
    if b == 0.0 { Err(Reason::DivideByZero) } else { finite(a / b) }
}

/// What a division leaves; it has the sign of the divisor.
pub(crate) fn modulo(a: f64, b: f64) -> Result<f64, Reason> {
    if b == 0.0 { Err(Reason::DivideByZero) } else { finite(a - (a / b).floor() * b) }
}

/// The largest number up to which every whole one is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number.
pub(crate) fn whole(number: f64) -> Result<i64, Reason> {
    let fits = number.fract() == 0.0 && number.abs() <= EXACT;
    if fits { Ok(number as i64) } else { Err(Reason::OutOfRange) }
}

/// The numeral `text` of base `from` in base `to`; letters in lower case.
pub(crate) fn convert(text: &[u8], from: f64, to: f64) -> Result<String, Reason> {
    let base = |number: f64| match whole(number)? {
        base @ 2..=36 => Ok(base as u32),
        _ => Err(Reason::OutOfRange),
    };
    let (from, to) = (base(from)?, base(to)?);
    let text = std::str::from_utf8(text.trim_ascii()).map_err(|_| Reason::NotANumber)?;
    let number = i64::from_str_radix(text, from).map_err(|_| Reason::NotANumber)?;
    let mut rest = number.unsigned_abs();
    let mut digits = Vec::with_capacity(64);
    loop {
        digits.push(char::from_digit((rest % u64::from(to)) as u32, to).unwrap_or('0'));
        rest /= u64::from(to);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        digits.push('-');
    }
    Ok(digits.into_iter().rev().collect())
}

/// A whole number from `low` to `high`, both included, out of 64 random bits.
pub(crate) fn random(low: f64, high: f64, bits: u64) -> Result<f64, Reason> {
    let (low, high) = (whole(low)?, whole(high)?);
    let span = high.checked_sub(low).filter(|span| *span >= 0).ok_or(Reason::OutOfRange)?;
    let step = (u128::from(bits) * (span as u128 + 1)) >> 64;
    Ok((low + step as i64) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_or_refused() {
        for (text, number) in [("0", 0.0), (" 12 ", 12.0), ("-1.5", -1.5), ("1e3", 1000.0)] {
            assert_eq!(read(text.as_bytes()), Ok(number));
        }
        let long = "1".repeat(65);
        for text in ["", "abc", "inf", "NaN", "1x", "0x10", "1e999", "\u{ff11}", &long] {
            assert_eq!(read(text.as_bytes()), Err(Reason::NotANumber), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        for (number, text) in [
            (3.0, "3"),
            (-0.0, "0"),
            (3.5, "3.5"),
            (1481106349.0, "1481106349"),
            (1.0 / 3.0, "0.33333333333333"),
            (0.1 + 0.2, "0.3"),
        ] {
            assert_eq!(write(number), text);
        }
    }

    #[test]
    fn division_by_zero_and_overflow_are_failures() {
        assert_eq!(divide(7.0, 2.0), Ok(3.5));
        assert_eq!(divide(1.0, 0.0), Err(Reason::DivideByZero));
        assert_eq!(modulo(7.0, 3.0), Ok(1.0));
        assert_eq!(modulo(-7.0, 3.0), Ok(2.0));
        assert_eq!(modulo(7.0, 0.0), Err(Reason::DivideByZero));
        assert_eq!(finite(1e308 * 10.0), Err(Reason::OutOfRange));
    }

    #[test]
    fn numerals_change_their_base() {
        assert_eq!(convert(b"ff", 16.0, 10.0).as_deref(), Ok("255"));
        assert_eq!(convert(b"-255", 10.0, 16.0).as_deref(), Ok("-ff"));
        assert_eq!(convert(b"0", 10.0, 2.0).as_deref(), Ok("0"));
        assert_eq!(convert(b"12", 2.0, 10.0), Err(Reason::NotANumber));
        assert_eq!(convert(b"", 10.0, 10.0), Err(Reason::NotANumber));
        assert_eq!(convert(b"1", 1.0, 10.0), Err(Reason::OutOfRange));
        assert_eq!(convert(b"1", 10.0, 2.5), Err(Reason::OutOfRange));
    }

    #[test]
    fn random_numbers_reach_both_bounds_and_no_further() {
        assert_eq!(random(1.0, 6.0, 0), Ok(1.0));
        assert_eq!(random(1.0, 6.0, u64::MAX), Ok(6.0));
        assert_eq!(random(2.0, 1.0, 0), Err(Reason::OutOfRange));
        assert_eq!(random(0.5, 1.0, 0), Err(Reason::OutOfRange));
        assert_eq!(random(-9e15, 9e15, u64::MAX), Ok(9e15));
    }
}
