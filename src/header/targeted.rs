//! Targeted cache control, RFC 9213: `CDN-Cache-Control` and brink's own `Brink-Cache-Control`.
//!
//! These are structured fields (dictionaries, RFC 9651), and unlike `Cache-Control` they are either
//! right or ignored as a whole.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, ListEntry};

use super::cache_control::{Delta, Directives, MAX_SECONDS, Reach};
use super::dictionary;

/// brink's own field; it goes before every other and is never shown to clients.
pub const OWN: HeaderName = HeaderName::from_static("brink-cache-control");

/// The field that every CDN on the way reads; it is passed on.
pub const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");

/// Reads the targeted field `name`: `None` when it is absent, empty, no dictionary, or when a
/// directive has a value of a type that it cannot have. RFC 9213 section 2.2 then goes on as if the
/// field were not there. Parameters and unknown directives are ignored.
pub fn parse(headers: &HeaderMap, name: &HeaderName) -> Option<Directives> {
    let members = dictionary::parse(headers, name)?;
    if members.is_empty() {
        return None;
    }
    let mut found = Directives::default();
    for (key, entry) in &members {
        take(&mut found, key.as_str(), entry)?;
    }
    Some(found)
}

/// Takes one directive; `None` when its value has the wrong type (RFC 9213 section 2.1).
fn take(found: &mut Directives, key: &str, entry: &ListEntry) -> Option<()> {
    match key {
        "max-age" => found.max_age = Some(seconds(entry)?),
        "s-maxage" => found.s_maxage = Some(seconds(entry)?),
        "stale-while-revalidate" => found.stale_while_revalidate = Some(seconds(entry)?),
        "stale-if-error" => found.stale_if_error = Some(seconds(entry)?),
        "no-store" => found.no_store = flag(entry)?,
        "public" => found.public = flag(entry)?,
        "must-revalidate" => found.must_revalidate = flag(entry)?,
        "proxy-revalidate" => found.proxy_revalidate = flag(entry)?,
        "must-understand" => found.must_understand = flag(entry)?,
        "immutable" => found.immutable = flag(entry)?,
        "no-transform" => found.no_transform = flag(entry)?,
        "no-cache" => found.no_cache = reach(entry)?,
        "private" => found.private = reach(entry)?,
        _ => {}
    }
    Some(())
}

fn bare(entry: &ListEntry) -> Option<&BareItem> {
    match entry {
        ListEntry::Item(item) => Some(&item.bare_item),
        ListEntry::InnerList(_) => None,
    }
}

fn seconds(entry: &ListEntry) -> Option<Delta> {
    let number = i64::from(bare(entry)?.as_integer()?);
    Some(u64::try_from(number).map_or(Delta::Invalid, |n| Delta::Seconds(n.min(MAX_SECONDS))))
}

/// A directive without a value; `no-store=?0` contradicts itself and is of no legal type.
fn flag(entry: &ListEntry) -> Option<bool> {
    bare(entry)?.as_boolean().filter(|set| *set)
}

fn reach(entry: &ListEntry) -> Option<Reach> {
    match bare(entry)? {
        BareItem::Boolean(true) => Some(Reach::Whole),
        BareItem::String(names) => {
            let mut reach = Reach::Nothing;
            reach.widen(names.as_str().as_bytes());
            Some(reach)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Option<Directives> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CDN, HeaderValue::from_str(line).unwrap());
        }
        parse(&headers, &CDN)
    }

    fn max_age(line: &str) -> Option<Option<Delta>> {
        read(&[line]).map(|found| found.max_age)
    }

    #[test]
    fn right_or_ignored_as_a_whole() {
        use Delta::{Invalid, Seconds};
        for (line, expected) in [
            ("max-age=3600", Some(Some(Seconds(3600)))),
            ("max-age=3600;anything=1;else", Some(Some(Seconds(3600)))),
            ("foobar, max-age=3600, x=(1 2)", Some(Some(Seconds(3600)))),
            ("max-age=99999999999", Some(Some(Seconds(MAX_SECONDS)))),
            ("max-age=1, max-age=2", Some(Some(Seconds(2)))),
            ("max-age=-1", Some(Some(Invalid))),
            ("foo", Some(None)),
            ("", None),
            ("max-age=10000, &&&&&", None),
            ("max-age=\"10000\"", None),
            ("max-age=1.0", None),
            ("max-age", None),
            ("max-age=(1)", None),
            ("max-age=1, no-store=?0", None),
            ("max-age=1, no-store=1", None),
            ("max-age=1, private=token", None),
            ("MaX-aGe=3600", None),
            ("max-age =100", None),
            ("max-age= 100", None),
        ] {
            assert_eq!(max_age(line), expected, "{line}");
        }
    }

    #[test]
    fn lines_are_joined_and_field_names_read() {
        let found = read(&["max-age=60", "no-cache=\"set-cookie, x\", must-revalidate"]).unwrap();
        assert_eq!(found.max_age, Some(Delta::Seconds(60)));
        assert_eq!(found.no_cache.fields().len(), 2);
        assert!(found.must_revalidate && read(&["private"]).unwrap().private.is_whole());
    }

    proptest! {
        #[test]
        fn no_value_upsets_the_parser(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&text) {
                parse(&HeaderMap::from_iter([(CDN, value)]), &CDN);
            }
        }
    }
}
