//! Numbers, times and addresses as text, appended by hand: a line of the access log has a dozen of
//! them, and the standard library's formatting machinery costs several times as much for each.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::out::Out;
use crate::clock::Timestamp;

/// Whether `text` is printable ASCII without quotes and backslashes, as nearly every field is, so
/// that it can be copied whole.
pub(super) fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        Some(last) => {
            // The last word overlaps the one before, unless the length is a multiple of eight.
            let (words, _) = text.as_chunks();
            words.iter().chain([last]).fold(0, |any, word| any | special(*word)) == 0
        }
        None => text.iter().all(|byte| special([*byte; 8]) == 0),
    }
}

/// Not zero if one of eight bytes is anything else. They are looked at all at once, as one number:
/// subtracting 1 from each borrows into the top bit of those that are zero, and so on.
#[inline]
fn special(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let word = u64::from_le_bytes(word);
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let control = below(word, b' ') | word.wrapping_add(ONES) | word;
    (control | equal(b'"') | equal(b'\\')) & (ONES << 7)
}

/// Appends `number` in decimal.
#[inline]
pub(super) fn decimal(out: &mut impl Out, number: u64) {
    match number {
        0..10 => out.put_array(&[digit(number)]),
        10..100 => out.put_array(&two(number)),
        100..1000 => out.put_array(&three(number)),
        _ => long_decimal(out, number),
    }
}

fn long_decimal(out: &mut impl Out, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = digit(number % 10);
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.put(digits.get(start..).unwrap_or_default());
}

/// Appends a length of time in milliseconds with three decimals.
#[inline]
pub(super) fn millis(out: &mut impl Out, time: Duration) {
    let micros = time.subsec_micros();
    decimal(out, time.as_secs().saturating_mul(1000).saturating_add(u64::from(micros / 1000)));
    let [hundreds, tens, ones] = three(u64::from(micros));
    out.put_array(&[b'.', hundreds, tens, ones]);
}

/// Appends a length of time in seconds with three decimals.
#[inline]
pub(super) fn seconds(out: &mut impl Out, time: Duration) {
    decimal(out, time.as_secs());
    let [hundreds, tens, ones] = three(u64::from(time.subsec_millis()));
    out.put_array(&[b'.', hundreds, tens, ones]);
}

/// The last two decimal digits.
#[inline]
fn two(number: u64) -> [u8; 2] {
    [digit(number / 10 % 10), digit(number % 10)]
}

/// The last three decimal digits.
#[inline]
pub(super) fn three(number: u64) -> [u8; 3] {
    [digit(number / 100 % 10), digit(number / 10 % 10), digit(number % 10)]
}

/// The digit of a number below 16.
#[inline]
fn digit(number: u64) -> u8 {
    *b"0123456789abcdef".get((number & 15) as usize).unwrap_or(&b'0')
}

/// The two hexadecimal digits of `byte`.
#[inline]
pub(super) fn hex(byte: u8) -> [u8; 2] {
    [digit((byte >> 4).into()), digit(byte.into())]
}

/// Appends the sixteen hexadecimal digits of `number`.
#[inline]
pub(super) fn hex64(out: &mut impl Out, number: u64) {
    for byte in number.to_be_bytes() {
        out.put_array(&hex(byte));
    }
}

/// Appends an address, of IPv6 in the form of RFC 5952.
pub(super) fn address(out: &mut impl Out, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            let [first, rest @ ..] = v4.octets();
            decimal(out, first.into());
            for octet in rest {
                out.put_array(b".");
                decimal(out, octet.into());
            }
        }
        IpAddr::V6(v6) => ipv6(out, v6),
    }
}

fn ipv6(out: &mut impl Out, address: Ipv6Addr) {
    let groups = address.segments();
    let zeros = zeros(groups);
    for (place, group) in groups.into_iter().enumerate() {
        if zeros.contains(&place) {
            if place == zeros.start {
                out.put_array(b"::");
            }
            continue;
        }
        if place > 0 && place != zeros.end {
            out.put_array(b":");
        }
        for shift in [12, 8, 4, 0] {
            if shift == 0 || group >> shift > 0 {
                out.put_array(&[digit((group >> shift).into())]);
            }
        }
    }
}

/// Where the first of the longest rows of groups that are zero is, if there is one of two or more.
fn zeros(groups: [u16; 8]) -> std::ops::Range<usize> {
    let (mut longest, mut row) = (0..1, 0..0);
    for (place, group) in groups.into_iter().enumerate() {
        row = if group == 0 { row.start..place + 1 } else { place + 1..place + 1 };
        if row.len() > longest.len() {
            longest = row.clone();
        }
    }
    if longest.len() > 1 { longest } else { 8..8 }
}

/// A moment up to its second, twenty bytes in either form.
pub(super) type Second = [u8; 20];

/// `2026-01-31T12:00:00.`, the beginning of RFC 3339, in UTC.
pub(super) fn internet_second(time: Timestamp) -> Second {
    let (year, month, day) = time.date();
    let (hour, minute, second) = time.time_of_day();
    let [[y0, y1], [y2, y3], [mo0, mo1], [d0, d1], [h0, h1], [mi0, mi1], [s0, s1]] =
        [year / 100, year, month, day, hour, minute, second].map(two);
    [y0, y1, y2, y3, b'-', mo0, mo1, b'-', d0, d1, b'T', h0, h1, b':', mi0, mi1, b':', s0, s1, b'.']
}

/// `31/Jan/2026:12:00:00`, as the NCSA formats begin it, in UTC.
pub(super) fn common_second(time: Timestamp) -> Second {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (year, month, day) = time.date();
    let (hour, minute, second) = time.time_of_day();
    let [[d0, d1], [y0, y1], [y2, y3], [h0, h1], [mi0, mi1], [s0, s1]] =
        [day, year / 100, year, hour, minute, second].map(two);
    let [m0, m1, m2] = **MONTHS.get(month as usize - 1).unwrap_or(&b"Jan");
    [d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b':', h0, h1, b':', mi0, mi1, b':', s0, s1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_are_those_of_the_standard_library(number: u64, micros: u64) {
            prop_assert_eq!(written(|out| decimal(out, number)), number.to_string());
            prop_assert_eq!(written(|out| hex64(out, number)), format!("{number:016x}"));
            let expected = format!("{}.{:03}", micros / 1000, micros % 1000);
            prop_assert_eq!(written(|out| millis(out, Duration::from_micros(micros))), expected);
            let millis = micros / 1000;
            let expected = format!("{}.{:03}", millis / 1000, millis % 1000);
            prop_assert_eq!(written(|out| seconds(out, Duration::from_millis(millis))), expected);
        }

        #[test]
        fn addresses_are_those_of_the_standard_library(
            v4: [u8; 4],
            groups in prop::array::uniform8(prop_oneof![Just(0), Just(0x10), any::<u16>()]),
        ) {
            for whose in [IpAddr::from(v4), IpAddr::from(groups)].map(|it| it.to_canonical()) {
                prop_assert_eq!(written(|out| address(out, whose)), whose.to_string());
            }
        }

        #[test]
        fn plain_is_what_needs_no_escape(text in "[ -~]{0,80}", place: usize, byte: u8) {
            let mut text = text.into_bytes();
            let plain = |text: &[u8]| text.iter().all(|b| matches!(b, b' '..=b'~') && !b"\"\\".contains(b));
            prop_assert_eq!(is_plain(&text), plain(&text));
            let length = text.len().max(1);
            if let Some(slot) = text.get_mut(place % length) {
                *slot = byte;
            }
            prop_assert_eq!(is_plain(&text), plain(&text));
        }

        #[test]
        fn dates_agree_with_those_of_http(millis in 0u64..253_402_300_800_000) {
            let time = Timestamp(millis);
            let http = httpdate::fmt_http_date(time.system_time());
            let common = String::from_utf8(common_second(time).to_vec()).unwrap();
            prop_assert_eq!(&http[5..16], common[..11].replace('/', " "));
            prop_assert_eq!(&http[17..25], &common[12..20]);
            let whole = String::from_utf8(internet_second(time).to_vec()).unwrap();
            prop_assert_eq!(&whole[..4], &http[12..16]);
            prop_assert_eq!(&whole[8..10], &http[5..7]);
            prop_assert_eq!(&whole[11..19], &http[17..25]);
        }
    }

    #[test]
    fn odd_addresses_and_long_times() {
        for text in ["::", "::1", "1::", "1:0:0:2::", "1:2:3:4:5:6:7:0", "0:1::", "2001:db8::a"] {
            let whose: IpAddr = text.parse().unwrap();
            assert_eq!(written(|out| address(out, whose)), whose.to_string());
        }
        assert_eq!(written(|out| millis(out, Duration::MAX)), "18446744073709551615.999");
    }
}
