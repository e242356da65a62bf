//! The tags by which an origin groups its responses, to be purged together: `Surrogate-Key` and
//! `Cache-Tag`, in the forms that two networks made known, what plug-ins for Varnish write (`xkey`,
//! `X-Magento-Tags` and their like), and the groups of RFC 9875, which are each host's own.

use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::key::KeyRef;
use crate::header::cache_groups::{CACHE_GROUPS, groups};

/// Tags separated by spaces.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Tags separated by commas.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// How many tags of a response count; the rest name nothing.
pub const MOST: usize = 128;

/// All fields that name tags; none of them is sent to clients. In the last five, of plug-ins that were
/// written for Varnish, spaces and commas separate.
pub const FIELDS: [HeaderName; 7] = [
    SURROGATE_KEY,
    CACHE_TAG,
    HeaderName::from_static("xkey"),
    HeaderName::from_static("x-cache-tags"),
    HeaderName::from_static("x-magento-tags"),
    HeaderName::from_static("cache-tags"),
    HeaderName::from_static("purge-cache-tags"),
];

/// The tags of a response, by the fields that only we read; at most [`MOST`].
pub fn of(hidden: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let separates = |name: &HeaderName| -> fn(&u8) -> bool {
        match name {
            name if *name == SURROGATE_KEY => |byte| *byte == b' ',
            name if *name == CACHE_TAG => |byte| *byte == b',',
            _ => |byte| matches!(byte, b' ' | b',' | b'\t'),
        }
    };
    let values = FIELDS.into_iter().flat_map(move |name| {
        let separates = separates(&name);
        hidden.get_all(name).into_iter().map(move |value| (value.as_bytes(), separates))
    });
    values
        .flat_map(|(value, separates)| value.split(separates))
        .map(<[u8]>::trim_ascii)
        .filter(|tag| !tag.is_empty())
        .take(MOST)
}

/// The numbers of a response's tags and groups, by its fields and those that only we read.
pub fn numbers(key: KeyRef<'_>, headers: &HeaderMap, hidden: &HeaderMap) -> Vec<u64> {
    let mut numbers: Vec<u64> = of(hidden).map(hash).collect();
    if headers.contains_key(CACHE_GROUPS) {
        let host = key.asked().map_or("", |asked| asked.host);
        let groups = groups(headers, &CACHE_GROUPS);
        numbers.extend(groups.iter().map(|group| group_hash(host, group)));
    }
    numbers
}

/// A number for a host's group, the same in every process and that of no tag.
pub fn group_hash(host: &str, group: &str) -> u64 {
    let mut digest = Sha256::new();
    // A tag has no control characters.
    for part in ["\0group\0", host, "\0", group] {
        digest.update(part);
    }
    first_word(digest.finalize().as_slice())
}

/// Gives a response more tags, one field line each; those that no field can hold are left out.
pub fn add(headers: &mut HeaderMap, tags: &[Box<str>]) {
    for tag in tags {
        if let Ok(value) = HeaderValue::from_str(tag) {
            headers.append(SURROGATE_KEY, value);
        }
    }
}

/// A number for a tag, the same in every process; case counts.
pub fn hash(tag: &[u8]) -> u64 {
    first_word(Sha256::digest(tag).as_slice())
}

/// The first eight bytes of a digest.
pub(super) fn first_word(digest: &[u8]) -> u64 {
    digest.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::super::test_support::ask;
    use super::super::{Policy, key};
    use super::*;

    #[test]
    fn groups_are_a_hosts_own_and_no_tags() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_GROUPS, HeaderValue::from_static("\"a\", \"b\""));
        let mut hidden = HeaderMap::new();
        hidden.insert(SURROGATE_KEY, HeaderValue::from_static("a"));
        let none = HeaderMap::new();
        let key = key(&Policy::default(), 1, &ask(&none));
        let numbers = numbers((&key).into(), &headers, &hidden);
        assert_eq!(numbers, [hash(b"a"), group_hash("h", "a"), group_hash("h", "b")]);
        assert_ne!(group_hash("h", "a"), group_hash("g", "a"));
    }

    #[test]
    fn both_fields_count_each_in_its_own_form() {
        let mut hidden = HeaderMap::new();
        hidden.append(SURROGATE_KEY, HeaderValue::from_static("news  shop,1 "));
        hidden.append(SURROGATE_KEY, HeaderValue::from_static("more"));
        hidden.append(CACHE_TAG, HeaderValue::from_static("a b, c,,"));
        let tags: Vec<_> = of(&hidden).collect();
        assert_eq!(tags, [&b"news"[..], b"shop,1", b"more", b"a b", b"c"]);
        let other =
            HeaderMap::from_iter([(FIELDS[4].clone(), HeaderValue::from_static("cat_1,b c"))]);
        assert_eq!(of(&other).collect::<Vec<_>>(), [&b"cat_1"[..], b"b", b"c"]);
        assert_ne!(hash(b"a"), hash(b"A"));
        let many = (0..200).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        hidden.insert(SURROGATE_KEY, HeaderValue::try_from(many).unwrap());
        assert_eq!(of(&hidden).count(), MOST);
    }
}
