//! Text: cut, replaced, changed in case, compared with shapes.

use std::borrow::Cow;

/// The text in lower case; borrowed if it is so already.
pub(crate) fn lower(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_uppercase) { text.to_ascii_lowercase().into() } else { text }
}

/// The text in upper case; borrowed if it is so already.
pub(crate) fn upper(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_lowercase) { text.to_ascii_uppercase().into() } else { text }
}

/// The bytes `from..=to`, counted from 1; below 0 from the end. What lies outside is cut off.
pub(crate) fn sub(text: Cow<'_, [u8]>, from: f64, to: f64) -> Cow<'_, [u8]> {
    let place = |number: f64| {
        let number = number.trunc().clamp(-1e15, 1e15) as i64;
        if number < 0 { number + text.len() as i64 + 1 } else { number }
    };
    let start = place(from).max(1) - 1;
    let end = place(to).min(text.len() as i64);
    cut(text, start, end)
}

/// The bytes `from..to`, counted from 0; below 0 from the end. What lies outside is cut off.
pub(crate) fn substring(text: Cow<'_, [u8]>, from: f64, to: f64) -> Cow<'_, [u8]> {
    let place = |number: f64| {
        let number = number.trunc().clamp(-1e15, 1e15) as i64;
        if number < 0 { number + text.len() as i64 } else { number }
    };
    let (start, end) = (place(from).max(0), place(to).min(text.len() as i64));
    cut(text, start, end)
}

fn cut(text: Cow<'_, [u8]>, start: i64, end: i64) -> Cow<'_, [u8]> {
    if start >= end {
        return Cow::Borrowed(b"");
    }
    let range = start as usize..end as usize;
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(range).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(range).unwrap_or_default().to_vec()),
    }
}

/// The first `most` places of `find` replaced; nothing if the result would be longer than `room`.
pub(crate) fn replace<'a>(
    text: Cow<'a, [u8]>,
    find: &[u8],
    by: &[u8],
    most: usize,
    room: usize,
) -> Option<Cow<'a, [u8]>> {
    if find.is_empty() || most == 0 {
        return Some(text);
    }
    let mut places = memchr::memmem::find_iter(&text, find).take(most).peekable();
    if places.peek().is_none() {
        drop(places);
        return Some(text);
    }
    let (mut made, mut last) = (Vec::with_capacity(text.len().min(room)), 0);
    for place in places {
        made.extend_from_slice(text.get(last..place)?);
        made.extend_from_slice(by);
        last = place + find.len();
        if made.len() > room {
            return None;
        }
    }
    made.extend_from_slice(text.get(last..)?);
    (made.len() <= room).then_some(Cow::Owned(made))
}

/// Where to look byte by byte: a searcher of `memmem` takes longer to make than a short text to read.
const SHORT: usize = 256;

/// Whether `part` stands in the text.
pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, others)) = part.split_first() else { return true };
    if text.len() > SHORT {
        return memchr::memmem::find(text, part).is_some();
    }
    let mut places = memchr::memchr_iter(*first, text);
    places.any(|at| text.get(at + 1..).is_some_and(|rest| rest.starts_with(others)))
}

/// Whether `text` fits `shape`, in which `*` is any text and `\*` a star. The time is that of both
/// lengths together: each part between stars is found where it stands first.
pub(crate) fn wildcard(text: &[u8], shape: &[u8], case: bool) -> bool {
    let fold = |text| if case { Cow::Borrowed(text) } else { lower(Cow::Borrowed(text)) };
    let (text, shape) = (fold(text), fold(shape));
    let parts = parts(&shape);
    let [first, middle @ .., last] = parts.as_slice() else {
        return parts.first().is_some_and(|only| **only == *text);
    };
    let Some(mut rest) = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last))
    else {
        return false;
    };
    middle.iter().all(|part| {
        let found = memchr::memmem::find(rest, part);
        let behind = found.and_then(|at| rest.get(at + part.len()..));
        rest = behind.unwrap_or_default();
        behind.is_some()
    })
}

/// What stands between the stars of a shape: one part more than there are stars.
fn parts(shape: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if !shape.contains(&b'\\') {
        return shape.split(|byte| *byte == b'*').map(Cow::Borrowed).collect();
    }
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let mut bytes = shape.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' => parts.push(Cow::Owned(std::mem::take(&mut part))),
            b'\\' => part.push(bytes.next_if(|next| matches!(next, b'*' | b'\\')).unwrap_or(byte)),
            _ => part.push(byte),
        }
    }
    parts.push(Cow::Owned(part));
    parts
}

/// A letter or digit out of random bits.
pub(crate) fn random_letter(bits: u64) -> u8 {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    LETTERS.get((bits % 62) as usize).copied().unwrap_or(b'0')
}

/// The value of an argument in `name=value&…`, as it stands there; without `=` it is empty.
pub(crate) fn argument<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b'&').find_map(|pair| {
        let rest = pair.strip_prefix(name)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
    })
}

/// The value of a cookie in one `Cookie` header.
pub(crate) fn cookie<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    text.split(|byte| *byte == b';')
        .find_map(|pair| pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cow<'_, [u8]> {
        Cow::Borrowed(text.as_bytes())
    }

    #[test]
    fn parts_are_cut_and_clamped() {
        for (from, to, part) in [
            (1.0, 3.0, "abc"),
            (9.0, 99.0, ""),
            (4.0, 99.0, "de"),
            (0.0, 2.0, "ab"),
            (-2.0, -1.0, "de"),
            (3.0, 2.0, ""),
            (f64::MAX, f64::MAX, ""),
            (f64::MIN, f64::MAX, "abcde"),
        ] {
            assert_eq!(sub(text("abcde"), from, to), part.as_bytes(), "{from} {to}");
            assert_eq!(sub(Cow::Owned(b"abcde".to_vec()), from, to), part.as_bytes());
        }
        for (from, to, part) in
            [(0.0, 2.0, "ab"), (-2.0, 99.0, "de"), (1.0, -1.0, "bcd"), (4.0, 2.0, "")]
        {
            assert_eq!(substring(text("abcde"), from, to), part.as_bytes(), "{from} {to}");
        }
    }

    #[test]
    fn replacing_is_plain_counted_and_bounded() {
        let replaced = |find: &str, by: &str, most| {
            replace(text("a.b.c"), find.as_bytes(), by.as_bytes(), most, 8).map(Cow::into_owned)
        };
        assert_eq!(replaced(".", "", usize::MAX), Some(b"abc".to_vec()));
        assert_eq!(replaced(".", "-", 1), Some(b"a-b.c".to_vec()));
        assert_eq!(replaced("", "x", usize::MAX), Some(b"a.b.c".to_vec()));
        assert_eq!(replaced("x", "y", usize::MAX), Some(b"a.b.c".to_vec()));
        assert_eq!(replaced(".", "1234", usize::MAX), None);
    }

    #[test]
    fn parts_are_found_in_short_and_long_texts() {
        for length in [0, 300] {
            let text = [b"xaab".as_slice(), &vec![b'.'; length], b"ac"].concat();
            for (part, found) in [("", true), ("aab", true), ("ac", true), ("x", true)] {
                assert_eq!(contains(&text, part.as_bytes()), found, "{part} {length}");
            }
            assert!(!contains(&text, b"aac") && !contains(&text, b"acx") && !contains(b"", b"a"));
        }
    }

    #[test]
    fn shapes_fit_or_not() {
        for (shape, fits) in [
            ("*", true),
            ("/img/*", true),
            ("*.PNG", true),
            ("/*/a*.png", true),
            ("/img/abc.png", true),
            ("/img", false),
            ("*.jpg", false),
            ("", false),
            ("/img/abc.png?", false),
            ("/img/\\*", false),
        ] {
            assert_eq!(wildcard(b"/img/abc.png", shape.as_bytes(), false), fits, "{shape}");
        }
        assert!(!wildcard(b"abc", b"A*", true) && wildcard(b"a*c", b"a\\*c", true));
        assert!(wildcard(b"", b"**", true) && wildcard(b"", b"", true));
        assert!(wildcard(b"a\\*b", b"a\\\\\\**", true) && wildcard(b"a\\x", b"a\\x", true));
        assert!(!wildcard(b"aba", b"ab*ba", true) && wildcard(b"abba", b"ab*ba", true));
        assert!(wildcard(b"xaxbx", b"*a*b*", true) && !wildcard(b"xbxax", b"*a*b*", true));
    }

    #[test]
    fn arguments_and_cookies_are_found_whole() {
        assert_eq!(argument(b"ab=1&a=2&a=3", b"a"), Some(b"2".as_slice()));
        assert_eq!(argument(b"x&a", b"a"), Some(b"".as_slice()));
        assert_eq!(argument(b"ab=1", b"a"), None);
        assert_eq!(cookie(b"xid=1; id=2", b"id"), Some(b"2".as_slice()));
        assert_eq!(cookie(b"xid=1", b"id"), None);
    }
}
