//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875): names by which an origin's own responses
//! belong together, and those whose responses a change made old.

use http::{HeaderMap, HeaderName};
use sfv::{BareItem, ListEntry, Parser};

/// The groups of a response.
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// The groups that an unsafe request changed.
pub const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// How many groups count; at least 32 must (section 2).
pub const MOST: usize = 128;

/// The groups that a field names, in its order; none if it is malformed, as structured fields want it.
/// Case counts.
pub fn groups(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines: Vec<&str> =
        headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.is_empty() {
        return Vec::new();
    }
    let text = lines.join(",");
    let Ok(list) = Parser::new(&text).parse::<sfv::List>() else { return Vec::new() };
    let name = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::String(name) => Some(name.as_str().to_owned()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    };
    // A member of another type makes the whole field one that is not understood.
    let names: Option<Vec<String>> = list.iter().map(name).collect();
    let mut names = names.unwrap_or_default();
    names.truncate(MOST);
    names
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn strings_in_a_list_are_groups() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CACHE_GROUPS, HeaderValue::from_str(line).unwrap());
            }
            groups(&headers, &CACHE_GROUPS)
        };
        assert_eq!(read(&[r#""scripts", "a b";x=1"#, r#""c""#]), ["scripts", "a b", "c"]);
        assert_eq!(read(&[]), [""; 0]);
        for wrong in ["scripts", r#""a", 1"#, r#""a"#, r#"("a")"#, "\"a\",,"] {
            assert_eq!(read(&[wrong]), [""; 0], "{wrong}");
        }
        let many = (0..200).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        assert_eq!(read(&[&many]).len(), MOST);
    }
}
