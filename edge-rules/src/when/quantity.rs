//! Quantities with units: `10m` is a time, `800KiB` a size. A bare number says neither.

/// Seconds of each unit of time.
const TIMES: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];

/// Bytes of each unit of size.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Seconds: `30s`, `10m`, `1h30m`.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text.trim(), 0u64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (amount, tail) = one(rest, TIMES)?;
        total = total.checked_add(amount)?;
        rest = tail.trim_start();
    }
    Some(total)
}

/// Bytes: `800KiB`, `20MB`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (amount, rest) = one(text.trim(), SIZES)?;
    rest.is_empty().then_some(amount)
}

fn one<'a>(text: &'a str, units: &[(&str, u64)]) -> Option<(u64, &'a str)> {
    let (number, rest) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at_checked(end)?;
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    Some((number.parse::<u64>().ok()?.checked_mul(*factor)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_need_their_units() {
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("1h 30m"), Some(5400));
        assert_eq!(bytes("800KiB"), Some(819_200));
        assert_eq!(bytes("20 MB"), Some(20_000_000));
        for text in ["", "10", "m", "10x", "1.5h", "-1s", "99999999999999999999w", "é"] {
            assert_eq!((seconds(text), bytes(text)), (None, None), "{text}");
        }
    }
}
