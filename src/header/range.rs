//! `Range`, RFC 9110 section 14.2: which bytes the client wants, before the length is known.

use super::list;

/// One member of a byte range set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spec {
    /// `a-b`, both included, `a <= b`.
    Between(u64, u64),
    /// `a-`: from here to the end.
    From(u64),
    /// `-n`: the last n bytes.
    Last(u64),
}

impl Spec {
    /// The bytes meant of a representation of `length`, end excluded; `None` when there are none.
    pub fn resolve(self, length: u64) -> Option<std::ops::Range<u64>> {
        let range = match self {
            Spec::Between(first, last) => first..last.saturating_add(1).min(length),
            Spec::From(first) => first..length,
            Spec::Last(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Reads a `Range` value: `None` when it is not in bytes, malformed, or lists more than `most`
/// ranges; such a field is to be ignored (section 14.2).
pub fn parse(value: &[u8], most: usize) -> Option<Vec<Spec>> {
    let equals = value.iter().position(|b| *b == b'=')?;
    if !list::trim(value.get(..equals)?).eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for member in list::members(value.get(equals + 1..)?) {
        if specs.len() == most {
            return None;
        }
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(member: &[u8]) -> Option<Spec> {
    let dash = member.iter().position(|b| *b == b'-')?;
    let first = list::trim(member.get(..dash)?);
    let last = list::trim(member.get(dash + 1..)?);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => list::number(last).map(Spec::Last),
        (false, true) => list::number(first).map(Spec::From),
        (false, false) => {
            let (first, last) = (list::number(first)?, list::number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Writes a single range as a `Range` value; a range that runs to `u64::MAX` is left open.
pub fn format(range: &std::ops::Range<u64>) -> String {
    match range.end {
        u64::MAX => format!("bytes={}-", range.start),
        end => format!("bytes={}-{}", range.start, end.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_are_read_or_refused() {
        use Spec::{Between, From, Last};
        for (text, expected) in [
            ("bytes=0-1", Some(vec![Between(0, 1)])),
            ("Bytes=1-, -5", Some(vec![From(1), Last(5)])),
            ("bytes= 0-0 ,, 2-3", Some(vec![Between(0, 0), Between(2, 3)])),
            ("bytes=99999999999999999999999-", Some(vec![From(u64::MAX)])),
            ("bytes=-0", Some(vec![Last(0)])),
            ("bytes=2-1", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=1-2x", None),
            ("bytes=0-1, 5-4", None),
            ("lines=0-1", None),
            ("0-1", None),
            ("bytes=0-0,1-1,2-2,3-3", None),
        ] {
            assert_eq!(parse(text.as_bytes(), 3), expected, "{text}");
        }
    }

    #[test]
    fn lengths_decide() {
        for (spec, length, expected) in [
            (Spec::Between(0, 1), 10, Some(0..2)),
            (Spec::Between(8, 100), 10, Some(8..10)),
            (Spec::Between(0, u64::MAX), 10, Some(0..10)),
            (Spec::Between(10, 11), 10, None),
            (Spec::From(3), 10, Some(3..10)),
            (Spec::From(10), 10, None),
            (Spec::Last(3), 10, Some(7..10)),
            (Spec::Last(30), 10, Some(0..10)),
            (Spec::Last(0), 10, None),
            (Spec::Last(1), 0, None),
        ] {
            assert_eq!(spec.resolve(length), expected, "{spec:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(start in 0u64..1 << 60, length in 1u64..1 << 60) {
            let range = start..start + length;
            let specs = parse(format(&range).as_bytes(), 1).unwrap();
            prop_assert_eq!(specs[0].resolve(u64::MAX), Some(range));
        }

        #[test]
        fn no_bytes_upset_the_parser(text in proptest::collection::vec(any::<u8>(), 0..60), length: u64) {
            for spec in parse(&text, 20).unwrap_or_default() {
                if let Some(range) = spec.resolve(length) {
                    prop_assert!(range.start < range.end && range.end <= length);
                }
            }
        }
    }
}
