//! The host names of a site as written in its document: exact, or `*.` and a name.
//!
//! A wildcard covers one to four labels (`*.d.com` covers `a.d.com` and `a.b.c.e.d.com`), and the
//! most specific pattern wins; the lookup itself is in `table`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// How many labels a `*` may stand for.
pub const WILDCARD_LABELS: usize = 4;

/// The longest name in DNS, in bytes (RFC 1035, section 2.3.4).
pub const MAX_HOST: usize = 253;

/// Reads one entry of `hosts`: an exact name, a wildcard, an IPv4 address or a bracketed IPv6 one.
/// Returns the form in which the table keeps it: lower case; `*.d.com` as `.d.com`.
///
/// # Errors
/// What is wrong with it, and what to write instead where that is known.
pub fn parse(text: &str) -> Result<Box<str>, (String, Option<String>)> {
    let lower = text.to_ascii_lowercase();
    let wrong = |message: &str| Err((format!("`{text}` is no host name: {message}"), None));
    let instead = |message: &str, better: &str| {
        Err((format!("`{text}` is no host name: {message}"), Some(format!("write `{better}`"))))
    };
    if lower.is_empty() {
        return wrong("it is empty");
    }
    if !lower.is_ascii() {
        return Err((
            format!("`{text}` is not ASCII"),
            Some("write the name as DNS has it, in Punycode: labels that begin with `xn--`".into()),
        ));
    }
    if let Some((_, rest)) = lower.split_once("://") {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return instead("it is a URL", host);
    }
    if let Some(inner) = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(format!("[{address}]").into()),
            Err(_) => wrong("what the brackets hold is no IPv6 address"),
        };
    }
    if lower.parse::<Ipv6Addr>().is_ok() {
        return instead("an IPv6 address stands in brackets", &format!("[{lower}]"));
    }
    if let Some((host, _port)) = lower.rsplit_once(':') {
        return instead("hosts have no port, a site answers on every listener", host);
    }
    if let Some(host) = lower.strip_suffix('.') {
        return instead("the final dot is left out", host);
    }
    let (name, wildcard) = match lower.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (lower.as_str(), false),
    };
    if name.contains('*') {
        return wrong("`*` stands only at the front, as in `*.example.com`");
    }
    if lower.len() > MAX_HOST {
        return wrong("names end at 253 bytes");
    }
    if !wildcard && name.parse::<Ipv4Addr>().is_ok() {
        return Ok(name.into());
    }
    if let Some(trouble) = name.split('.').find_map(label_trouble) {
        return wrong(trouble);
    }
    Ok(if wildcard { format!(".{name}").into() } else { name.into() })
}

/// The table's form as an operator writes it: `.d.com` is `*.d.com`.
pub fn display(pattern: &str) -> String {
    if pattern.starts_with('.') { format!("*{pattern}") } else { pattern.to_owned() }
}

/// Labels are letters, digits and hyphens (RFC 1123, section 2.1), and underscores, which live sites use.
fn label_trouble(label: &str) -> Option<&'static str> {
    if label.is_empty() {
        Some("a label is empty")
    } else if label.len() > 63 {
        Some("labels end at 63 bytes")
    } else if label.starts_with('-') || label.ends_with('-') {
        Some("a label neither begins nor ends with `-`")
    } else if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        Some("labels hold letters, digits, `-` and `_` only")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_kept_in_lower_case() {
        for (written, kept) in [
            ("www.Example.com", "www.example.com"),
            ("*.Example.com", ".example.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::0001]", "[::1]"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_acme.example.com", "_acme.example.com"),
        ] {
            assert_eq!(parse(written).as_deref(), Ok(kept), "{written}");
        }
        assert_eq!(display(".d.com"), "*.d.com");
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back_as_itself(text in "[a-zA-Z0-9.*:_é\\[\\]/-]{0,20}|(\\*\\.)?[aB0]{1,3}(\\.[aB-]{1,3}){0,5}") {
            if let Ok(kept) = parse(&text) {
                prop_assert_eq!(parse(&display(&kept)), Ok(kept));
            }
        }
    }

    #[test]
    fn what_is_no_host_is_refused_with_a_way_out() {
        for (written, better) in [
            ("https://a.com/x", Some("write `a.com`")),
            ("a.com:8080", Some("write `a.com`")),
            ("a.com.", Some("write `a.com`")),
            ("::1", Some("write `[::1]`")),
            ("", None),
            ("*", None),
            ("a.*.com", None),
            ("a..com", None),
            ("-a.com", None),
            ("a b.com", None),
        ] {
            let (message, suggestion) = parse(written).unwrap_err();
            assert!(message.contains(written), "{message}");
            assert_eq!(suggestion.as_deref(), better, "{written}");
        }
        assert!(parse("bücher.example").unwrap_err().1.unwrap().contains("xn--"));
        assert!(parse(&format!("{}.com", "a".repeat(64))).is_err());
        assert!(parse(&["a"; 130].join(".")).is_err());
    }
}
