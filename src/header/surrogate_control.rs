//! `Surrogate-Control` and `Surrogate-Capability`, W3C Edge Architecture Specification 1.0.
//!
//! Older than structured fields and written by hand everywhere, so names are read in any case.
//! `max-age=60+30` adds a time to serve stale; a directive with a target (`;brink`) is for that
//! surrogate alone, and a target counts only when it is us.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::cache_control::{Delta, Directives};
use super::list;

/// The response field.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// The request field in which a surrogate says what it can do: `brink="Surrogate/1.0"`.
pub const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// Reads what `Surrogate-Control` says to the surrogate named `device`: `None` when it is absent or
/// every directive is malformed or meant for others.
pub fn parse(headers: &HeaderMap, device: &str) -> Option<Directives> {
    let mut found = None;
    for line in headers.get_all(SURROGATE_CONTROL) {
        for member in list::members(line.as_bytes()) {
            let mut parts = member.split(|b| *b == b';').map(list::trim);
            let directive = parts.next().unwrap_or_default();
            let mut targets = parts.peekable();
            let meant = targets.peek().is_none()
                || targets.any(|target| target.eq_ignore_ascii_case(device.as_bytes()));
            if meant && well_formed(directive) {
                take(found.get_or_insert_with(Directives::default), directive);
            }
        }
    }
    found
}

/// The value of [`SURROGATE_CAPABILITY`] that tells an origin that the surrogate `device` is there, so
/// that it can aim directives at it. None if the device's name is no token.
pub fn capability(device: &str) -> Option<HeaderValue> {
    let token = list::is_token(device.as_bytes());
    token.then(|| HeaderValue::from_str(&format!("{device}=\"Surrogate/1.0\"")).ok()).flatten()
}

/// A name, or a name and a value without whitespace between them.
fn well_formed(directive: &[u8]) -> bool {
    let mut parts = directive.splitn(2, |b| *b == b'=');
    list::is_token(parts.next().unwrap_or_default())
        && parts.next().is_none_or(|value| value.first().is_some_and(|b| !list::blank(*b)))
}

fn take(found: &mut Directives, directive: &[u8]) {
    let mut parts = directive.splitn(2, |b| *b == b'=');
    let name = parts.next().unwrap_or_default();
    let value = parts.next().unwrap_or_default();
    if name.eq_ignore_ascii_case(b"max-age") {
        let mut times = value.splitn(2, |b| *b == b'+').map(Delta::from_text);
        found.max_age.get_or_insert(times.next().unwrap_or(Delta::Invalid));
        if let Some(stale @ Delta::Seconds(_)) = times.next() {
            found.stale_while_revalidate.get_or_insert(stale);
            found.stale_if_error.get_or_insert(stale);
        }
    } else if name.eq_ignore_ascii_case(b"no-store")
        || name.eq_ignore_ascii_case(b"no-store-remote")
    {
        // A node of a delivery network is what the note calls a remote surrogate.
        found.no_store = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(line: &'static str) -> Option<Directives> {
        let headers = HeaderMap::from_iter([(SURROGATE_CONTROL, HeaderValue::from_static(line))]);
        parse(&headers, "brink")
    }

    #[test]
    fn targets_and_forms() {
        let age = |seconds| Some(Some(Delta::Seconds(seconds)));
        for (line, expected) in [
            ("max-age=3600", age(3600)),
            ("MaX-aGe=3600", age(3600)),
            ("foobar, max-age=3600", age(3600)),
            ("max-age=3600;brink", age(3600)),
            ("max-age=99999999999", age(1 << 31)),
            ("max-age=60+30", age(60)),
            ("max-age=3600;not-for-you", None),
            ("max-age =100", None),
            ("max-age= 100", None),
            ("max-age=x", Some(Some(Delta::Invalid))),
            ("foo", Some(None)),
        ] {
            assert_eq!(read(line).map(|found| found.max_age), expected, "{line}");
        }
        assert_eq!(capability("brink").unwrap(), "brink=\"Surrogate/1.0\"");
        assert_eq!(capability("no token"), None);
        assert!(read("no-store").unwrap().no_store);
        let both = read("max-age=60+30").unwrap();
        assert_eq!(both.stale_if_error, Some(Delta::Seconds(30)));
    }
}
