//! Comma-separated lists, RFC 9110 section 5.6.1: what most fields are made of.

/// Splits `value` at the commas that stand outside quoted strings; members come without the
/// whitespace around them, empty members are skipped. A backslash inside quotes hides the next byte.
pub fn members(value: &[u8]) -> Members<'_> {
    Members { rest: Some(value), escapes: true }
}

/// As [`members`], for entity tags, in which a backslash means itself (RFC 9110 section 8.8.3).
pub fn entity_tags(value: &[u8]) -> Members<'_> {
    Members { rest: Some(value), escapes: false }
}

/// The members of a list; see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: Option<&'a [u8]>,
    escapes: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let end = self.end_of_member(rest);
            self.rest = rest.get(end + 1..);
            let member = trim(rest.get(..end).unwrap_or(rest));
            if !member.is_empty() {
                return Some(member);
            }
        }
    }
}

impl Members<'_> {
    fn end_of_member(&self, text: &[u8]) -> usize {
        let mut quoted = false;
        let mut hidden = false;
        for (at, byte) in text.iter().enumerate() {
            match byte {
                _ if hidden => hidden = false,
                b'\\' if quoted && self.escapes => hidden = true,
                b'"' => quoted = !quoted,
                b',' if !quoted => return at,
                _ => {}
            }
        }
        text.len()
    }
}

/// `text` without spaces and tabs at its ends (optional whitespace, RFC 9110 section 5.6.3).
pub fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|b| !blank(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !blank(*b)).map_or(start, |last| last + 1);
    text.get(start..end).unwrap_or_default()
}

/// Whether `byte` is optional whitespace.
pub fn blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Digits and nothing else as a number, capped at `u64::MAX`; `None` for anything else.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        sum = sum.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    }
    Some(sum)
}

/// Whether `text` is a token (RFC 9110 section 5.6.2).
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|b| {
            matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
                || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        })
}

/// The quality of a list member such as `gzip;q=0.5` in thousandths, and its name. A malformed
/// quality counts as 1000: the client named the thing, so it is taken to want it.
pub fn quality(member: &[u8]) -> (&[u8], u16) {
    let mut parts = member.split(|b| *b == b';');
    let name = trim(parts.next().unwrap_or_default());
    let quality = parts
        .map(trim)
        .find_map(|part| match part {
            [b'q' | b'Q', rest @ ..] => trim(rest).strip_prefix(b"=").map(trim),
            _ => None,
        })
        .map_or(1000, thousandths);
    (name, quality)
}

fn thousandths(text: &[u8]) -> u16 {
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(dot) => (text.get(..dot).unwrap_or_default(), text.get(dot + 1..).unwrap_or_default()),
        None => (text, &b""[..]),
    };
    let valid = fraction.len() <= 3 && fraction.iter().all(u8::is_ascii_digit);
    match (whole, valid) {
        (b"0", true) => (0..3).fold(0, |sum, at| {
            sum * 10 + fraction.get(at).map_or(0, |digit| u16::from(digit - b'0'))
        }),
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> Vec<&str> {
        members(text.as_bytes()).map(|m| std::str::from_utf8(m).unwrap()).collect()
    }

    #[test]
    fn commas_in_quotes_do_not_split() {
        assert_eq!(split("a, b ,,\tc"), ["a", "b", "c"]);
        assert_eq!(split(r#"x="a, \" b", y"#), [r#"x="a, \" b""#, "y"]);
        assert_eq!(split(r#""open, a"#), [r#""open, a"#]);
        assert!(split(" , ,").is_empty());
        let tags: Vec<_> = entity_tags(br#""a\", "b""#).collect();
        assert_eq!(tags, [br#""a\""#.as_slice(), br#""b""#]);
    }

    #[test]
    fn qualities_are_thousandths() {
        for (text, name, value) in [
            ("gzip", "gzip", 1000),
            ("br;q=0.5", "br", 500),
            ("x ; Q=0.125", "x", 125),
            ("x;q=0", "x", 0),
            ("x;a=b;q=0.0", "x", 0),
            ("x;q=banana", "x", 1000),
            ("x;q=1.000", "x", 1000),
        ] {
            assert_eq!(quality(text.as_bytes()), (name.as_bytes(), value), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_split_without_losing_text(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            for member in members(&text).chain(entity_tags(&text)) {
                prop_assert!(!member.is_empty());
                quality(member);
                number(member);
            }
        }
    }
}
