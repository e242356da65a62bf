//! `CDN-Loop`, RFC 8586: a request that comes back to the network it came from is found out.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::list;

/// The request field.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// How often `id` already stands in the field. RFC 8586 section 2 wants the field kept whatever else
/// is done to a request, so a loop shows here even where every other trace was removed.
pub fn count(headers: &HeaderMap, id: &str) -> usize {
    headers
        .get_all(CDN_LOOP)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
        .filter(|member| {
            let name = member.split(|b| *b == b';').next().unwrap_or_default();
            list::trim(name).eq_ignore_ascii_case(id.as_bytes())
        })
        .count()
}

/// Adds `id`.
pub fn append(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.append(CDN_LOOP, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_are_counted_whatever_the_form() {
        let mut headers = HeaderMap::new();
        assert_eq!(count(&headers, "brink"), 0);
        append(&mut headers, "brink");
        headers.append(CDN_LOOP, HeaderValue::from_static("other; a=\"brink, x\", BRINK;n=1"));
        assert_eq!(count(&headers, "brink"), 2);
    }
}
